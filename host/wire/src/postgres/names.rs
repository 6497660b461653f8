//! What a client asks for in its startup packet, as values that cannot be malformed.
//!
//! **Job.** [`UserName`] and [`DatabaseName`] are names PostgreSQL can hold; [`StartupParameters`] are the settings that travel
//! to the upstream as they came, in order.
//!
//! **What it does not do.** It does not judge settings: `options`, `client_encoding` and the like are a matter of policy,
//! and `options` can set any of the others.
//!
//! **Invariants.** A name has 1 to 63 bytes. PostgreSQL cuts longer ones in silence, so that two different long names
//! would open one account; we refuse them. Among the parameters there is never `user`, `database`, `replication` or a
//! protocol option (`_pq_.…`), and no NUL anywhere: what is forwarded cannot smuggle an identity or a mode.

use std::fmt;

/// Longest user or database name, in bytes: PostgreSQL's `NAMEDATALEN` less its NUL.
pub const MAX_NAME_BYTES: usize = 63;

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// It has no bytes.
    #[error("is empty")]
    Empty,
    /// It has more than 63 bytes.
    #[error("has {bytes} bytes, more than 63")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// It holds a NUL, which ends texts on the wire.
    #[error("holds a NUL")]
    Nul,
}

fn check_name(name: &str) -> Result<(), InvalidName> {
    match name.len() {
        0 => Err(InvalidName::Empty),
        bytes if bytes > MAX_NAME_BYTES => Err(InvalidName::TooLong { bytes }),
        _ if name.contains('\0') => Err(InvalidName::Nul),
        _ => Ok(()),
    }
}

/// A database user (role) as claimed in a startup packet. Not an identity before it is proven.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(String);

impl UserName {
    /// Takes a name of 1 to 63 bytes without NUL.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
        let name = name.into();
        check_name(&name).map(|()| Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The database a session is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatabaseName(String);

impl DatabaseName {
    /// Takes a name of 1 to 63 bytes without NUL.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
        let name = name.into();
        check_name(&name).map(|()| Self(name))
    }

    /// PostgreSQL's default: the database that is called like the user.
    pub fn of_user(user: &UserName) -> Self {
        Self(user.0.clone())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Settings of a startup packet besides user, database, replication and protocol options, in the order they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StartupParameters(Vec<(String, String)>);

/// Why a setting cannot be among the startup parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParameter {
    /// The name is empty, or there is a NUL in name or value.
    #[error("a startup parameter needs a name, and no NUL")]
    Text,
    /// `user`, `database`, `replication` and `_pq_.…` are not settings.
    #[error("{name:?} is not a setting to forward")]
    Reserved {
        /// The name.
        name: String,
    },
}

impl StartupParameters {
    /// No settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a setting after the others. A name given twice is kept twice, and the last one counts, as in PostgreSQL.
    ///
    /// # Errors
    /// When the name is empty, either text holds a NUL, or the name is one that the protocol gives a meaning of its own.
    pub fn push(
        &mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<(), InvalidParameter> {
        let (name, value) = (name.into(), value.into());
        if name.is_empty() || name.contains('\0') || value.contains('\0') {
            return Err(InvalidParameter::Text);
        }
        if matches!(name.as_str(), "user" | "database" | "replication") || is_protocol_option(&name) {
            return Err(InvalidParameter::Reserved { name });
        }
        self.0.push((name, value));
        Ok(())
    }

    /// The value that counts for a name: the last one given. Names of settings do not tell capitals apart.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).last().map(|(_, value)| value)
    }

    /// Takes out every setting of this name, whatever its capitals.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Names under `_pq_.` are options of the protocol, not settings.
pub(crate) fn is_protocol_option(name: &str) -> bool {
    name.starts_with("_pq_.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_to_63_bytes_and_no_nul() {
        let check = |name: &str, expect: Result<(), InvalidName>| {
            assert_eq!(UserName::new(name).map(|_| ()), expect);
            assert_eq!(DatabaseName::new(name).map(|_| ()), expect);
        };
        check("alice", Ok(()));
        check("a\n\"b", Ok(()));
        check(&"é".repeat(31), Ok(()));
        check(&"é".repeat(32), Err(InvalidName::TooLong { bytes: 64 }));
        check("", Err(InvalidName::Empty));
        check("a\0b", Err(InvalidName::Nul));
    }

    #[test]
    fn parameters_keep_their_order_and_the_last_counts() {
        let mut parameters = StartupParameters::new();
        parameters.push("DateStyle", "ISO").unwrap();
        parameters.push("options", "-c a=b").unwrap();
        parameters.push("datestyle", "German").unwrap();
        assert_eq!(parameters.get("DATESTYLE"), Some("German"));
        assert_eq!(parameters.iter().next(), Some(("DateStyle", "ISO")));
        parameters.remove("dateStyle");
        assert_eq!(parameters.iter().collect::<Vec<_>>(), [("options", "-c a=b")]);
    }

    #[test]
    fn identity_and_mode_are_not_settings() {
        let mut parameters = StartupParameters::new();
        for name in ["user", "database", "replication", "_pq_.anything"] {
            let refused = InvalidParameter::Reserved { name: name.to_owned() };
            assert_eq!(parameters.push(name, "x"), Err(refused));
        }
        for (name, value) in [("", "x"), ("a\0user", "x"), ("a", "x\0user\0root")] {
            assert_eq!(parameters.push(name, value), Err(InvalidParameter::Text));
        }
        assert_eq!(parameters, StartupParameters::new());
    }
}
