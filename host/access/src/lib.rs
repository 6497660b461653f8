//! May this principal open this resource? No match means no.
//!
//! The only maker of a [`Permit`]: connecting to an upstream demands one, so nothing can be forwarded for
//! somebody who was not authorized. A permit is a value in memory, never stored, and good for one session.

use weir_model::{Grantee, Principal, ResourceName};

/// Proof that a principal may open a resource. Cannot be made outside of this crate, copied, or kept.
#[derive(Debug)]
pub struct Permit {
    resource: ResourceName,
    principal: Principal,
    because: Grantee,
}

impl Permit {
    pub fn resource(&self) -> &ResourceName {
        &self.resource
    }

    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The rule that let them in, for the trail.
    pub fn because(&self) -> &Grantee {
        &self.because
    }
}

/// Nobody said they may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{principal} is not allowed to open {resource}: no entry of its `allow` list matches")]
pub struct NotAllowed {
    pub principal: String,
    pub resource: ResourceName,
}

/// Who may open one resource.
#[derive(Clone, Debug)]
pub struct Rules {
    pub resource: ResourceName,
    pub allow: Vec<Grantee>,
}

impl Rules {
    /// # Errors
    /// When no entry of the allow list covers the principal.
    pub fn authorize(&self, principal: &Principal) -> Result<Permit, NotAllowed> {
        let because = self.allow.iter().find(|grantee| grantee.covers(principal));
        match because {
            Some(because) => Ok(Permit {
                resource: self.resource.clone(),
                principal: principal.clone(),
                because: because.clone(),
            }),
            None => Err(NotAllowed { principal: principal.id.clone(), resource: self.resource.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_model::PrincipalKind;

    fn ann() -> Principal {
        let groups = vec!["engineers".to_owned()];
        Principal { id: "ann".into(), kind: PrincipalKind::Human, on_behalf_of: None, groups }
    }

    fn rules(allow: &[&str]) -> Rules {
        let allow = allow.iter().map(|text| Grantee::parse(text).unwrap()).collect();
        Rules { resource: ResourceName::new("customers"), allow }
    }

    #[test]
    fn the_first_matching_rule_lets_in() {
        let permit = rules(&["group:leads", "group:engineers", "user:ann"]).authorize(&ann()).unwrap();
        assert_eq!(permit.because(), &Grantee::Group("engineers".into()));
    }

    #[test]
    fn no_match_means_no() {
        assert!(rules(&[]).authorize(&ann()).is_err());
        assert!(rules(&["group:leads", "user:bob"]).authorize(&ann()).is_err());
    }
}
