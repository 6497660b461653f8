//! Who the gateway has authenticated, and how rules name people.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    Human,
    Agent,
    Service,
}

impl PrincipalKind {
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "human" => Some(Self::Human),
            "agent" => Some(Self::Agent),
            "service" => Some(Self::Service),
            _ => None,
        }
    }

    pub fn as_word(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Agent => "agent",
            Self::Service => "service",
        }
    }
}

/// An authenticated user, agent or service, with its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Unique and stable; never what a client claims.
    pub id: String,
    pub kind: PrincipalKind,
    /// The human an agent acts for. Approvals count both as one person.
    pub on_behalf_of: Option<String>,
    pub groups: Vec<String>,
}

impl Principal {
    /// Whether two principals are the same person or that person's agent: they may not approve each other.
    pub fn same_person(&self, other: &Principal) -> bool {
        fn person(principal: &Principal) -> &str {
            principal.on_behalf_of.as_deref().unwrap_or(&principal.id)
        }
        person(self) == person(other)
    }
}

/// How a rule names people: `group:engineers` or `user:ann`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Grantee {
    Group(String),
    User(String),
}

/// The text is not of the form `group:NAME` or `user:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GranteeError;

impl Grantee {
    /// # Errors
    /// When the text has no `group:` or `user:` in front, or nothing behind it.
    pub fn parse(text: &str) -> Result<Self, GranteeError> {
        match text.split_once(':') {
            Some(("group", name)) if !name.is_empty() => Ok(Self::Group(name.to_owned())),
            Some(("user", name)) if !name.is_empty() => Ok(Self::User(name.to_owned())),
            _ => Err(GranteeError),
        }
    }

    pub fn covers(&self, principal: &Principal) -> bool {
        match self {
            Self::Group(name) => principal.groups.iter().any(|group| group == name),
            Self::User(name) => principal.id == *name,
        }
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => write!(out, "group:{name}"),
            Self::User(name) => write!(out, "user:{name}"),
        }
    }
}

impl fmt::Display for GranteeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("write `group:NAME` or `user:NAME`")
    }
}

impl std::error::Error for GranteeError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(id: &str, on_behalf_of: Option<&str>) -> Principal {
        Principal {
            id: id.into(),
            kind: PrincipalKind::Human,
            on_behalf_of: on_behalf_of.map(Into::into),
            groups: vec!["engineers".into()],
        }
    }

    #[test]
    fn grantees_name_groups_and_users() {
        let ann = principal("ann", None);
        assert!(Grantee::parse("group:engineers").unwrap().covers(&ann));
        assert!(Grantee::parse("user:ann").unwrap().covers(&ann));
        assert!(!Grantee::parse("user:engineers").unwrap().covers(&ann));
        for bad in ["ann", "group:", "role:x", ""] {
            assert!(Grantee::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_agent_is_the_same_person_as_its_owner() {
        let ann = principal("ann", None);
        let agent = principal("ann-cursor", Some("ann"));
        let sibling = principal("ann-codex", Some("ann"));
        assert!(ann.same_person(&agent) && agent.same_person(&ann) && agent.same_person(&sibling));
        assert!(!agent.same_person(&principal("bob", None)));
    }
}
