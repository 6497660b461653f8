//! What a commit says of itself: its id, and its parents.

use super::Id;
use sha2::{Digest, Sha256};

/// How a repository names its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The id of a commit. Nothing for one that was made to have the id of another (the known attacks on SHA-1 leave
    /// traces; git refuses such objects as well).
    pub(super) fn of(self, commit: &[u8]) -> Option<Id> {
        let head = format!("commit {}\0", commit.len());
        match self {
            Self::Sha1 => {
                use sha1_checked::Digest;
                let mut hash = sha1_checked::Sha1::new();
                hash.update(head.as_bytes());
                hash.update(commit);
                let found = hash.try_finalize();
                (!found.has_collision()).then(|| Id::of(found.hash()))
            }
            Self::Sha256 => {
                let mut hash = Sha256::new();
                hash.update(head.as_bytes());
                hash.update(commit);
                Some(Id::of(&hash.finalize()))
            }
        }
    }
}

/// The parents of a commit as git reads them: lines behind the first, which names the tree, and before the author.
/// Nothing when it is otherwise: git may find parents where none are seen here.
pub(super) fn parents(commit: &[u8], hash: Hash) -> Option<Vec<Id>> {
    let (_, mut rest) = line(commit, b"tree ", hash)?;
    let mut parents = Vec::new();
    while rest.starts_with(b"parent ") {
        let (id, behind) = line(rest, b"parent ", hash)?;
        parents.push(id);
        rest = behind;
    }
    rest.starts_with(b"author ").then_some(parents)
}

/// `word ID`
fn line<'a>(bytes: &'a [u8], word: &[u8], hash: Hash) -> Option<(Id, &'a [u8])> {
    let (id, rest) = bytes.strip_prefix(word)?.split_at_checked(hash.bytes() * 2)?;
    Some((Id::read(id)?, rest.strip_prefix(b"\n")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: &str = "49744de5ddacb1293d38a9960f0811efe2ba64b3";
    const TWO: &str = "8470b78bb62544634406b16344ba839443da64b2";

    fn found(text: &str) -> Option<Vec<Id>> {
        parents(text.as_bytes(), Hash::Sha1)
    }

    #[test]
    fn parents_stand_between_tree_and_author() {
        let id = |text: &str| Id::read(text.as_bytes()).unwrap();
        assert_eq!(found(&format!("tree {ONE}\nauthor A")), Some(vec![]));
        assert_eq!(
            found(&format!("tree {ONE}\nparent {TWO}\nauthor A\nparent {ONE}\n")),
            Some(vec![id(TWO)])
        );
        let upper = ONE.to_uppercase();
        let merge = format!("tree {ONE}\nparent {TWO}\nparent {upper}\nauthor A\n");
        assert_eq!(found(&merge), Some(vec![id(TWO), id(ONE)]));
    }

    #[test]
    fn what_git_might_read_otherwise_teaches_nothing() {
        for text in [
            String::new(),
            format!("parent {TWO}\ntree {ONE}\nauthor A"),
            format!("tree {ONE}\n"),
            format!("tree {ONE}\nparent {TWO}\n"),
            format!("tree {ONE}\nparent {TWO} \nauthor A"),
            format!("tree {ONE}\nparent  {TWO}\nauthor A"),
            format!("tree {ONE}\nparent {}\nauthor A", &TWO[1..]),
            format!("tree {ONE}\n\nauthor A"),
            format!("tree {ONE}\nencoding x\nparent {TWO}\nauthor A"),
            format!("tree {}\nauthor A", &ONE[1..]),
        ] {
            assert_eq!(found(&text), None, "{text:?}");
        }
    }

    #[test]
    fn ids_are_gits() {
        // `git hash-object -t commit --literally --stdin` of these bytes, with and without --object-format=sha256.
        let id = |text: &str| Id::read(text.as_bytes());
        assert_eq!(Hash::Sha1.of(b"x"), id("eaa562e454681104aee02c9809ea2ca6ec4aa5cd"));
        assert_eq!(
            Hash::Sha256.of(b"x"),
            id("8a2adfb91065d9e72cb3ba9651046ab438975b8757d620acb840465717b39299")
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fall(text in "(tree |parent |author |[0-9a-f]{40}|\n|x){0,9}") {
            _ = found(&text);
            _ = parents(text.as_bytes(), Hash::Sha256);
        }
    }
}
