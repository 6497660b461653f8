//! Which cursors of SQL may be portals of the protocol.
//!
//! A Bind makes a portal without running it, and only what runs is judged as such. SQL's FETCH and MOVE run a portal as
//! Execute does (asyncpg moves so), and say nothing of what is in it. So for every name that a Bind of this session
//! has used, whatever became of it since, it must be known what it stands for, or they are refused.

use crate::sql;
use std::collections::BTreeSet;

/// Names that are told apart. A client that uses more of them has none left for FETCH.
const MAX_NAMES: usize = 10_000;
/// The server makes no difference between names that begin alike for so long (`NAMEDATALEN - 1`).
const NAME_BYTES: usize = 63;

#[derive(Debug, Default)]
pub struct Bound {
    names: BTreeSet<Box<[u8]>>,
    are_too_many: bool,
}

impl Bound {
    pub fn note(&mut self, portal: &[u8]) {
        // SQL has no way to say the unnamed one.
        if portal.is_empty() || self.are_too_many {
            return;
        }
        self.names.insert(portal.get(..NAME_BYTES).unwrap_or(portal).into());
        if self.names.len() > MAX_NAMES {
            self.names.clear();
            self.are_too_many = true;
        }
    }

    /// Whether a cursor of this name, `None` if that is not known, may be one of them.
    pub fn may_be(&self, cursor: Option<&str>) -> bool {
        match cursor.filter(|name| sql::is_plain(name)) {
            Some(name) => self.are_too_many || self.names.contains(name.as_bytes()),
            None => self.are_too_many || !self.names.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_the_server_does() {
        let mut bound = Bound::default();
        bound.note(b"");
        assert!(!bound.may_be(None) && !bound.may_be(Some("q")));
        bound.note(b"q");
        assert!(bound.may_be(Some("q")) && bound.may_be(None) && !bound.may_be(Some("r")));
        let long = "n".repeat(70);
        assert!(bound.may_be(Some(&long)) && bound.may_be(Some("é")));
    }

    #[test]
    fn too_many_names_are_all_of_them() {
        let mut bound = Bound::default();
        for number in 0..=MAX_NAMES {
            bound.note(format!("p{number}").as_bytes());
        }
        assert!(bound.may_be(Some("another")));
        assert!(bound.names.is_empty());
    }
}
