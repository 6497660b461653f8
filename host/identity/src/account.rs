//! What is known of one local user before it knocks.

use std::time::SystemTime;

use weir_model::{CertificateName, Principal};

use crate::{Refusal, Verifier};

/// A local user, agent or service.
#[derive(Clone, Debug)]
pub struct Account {
    /// Who it is once it has proven itself; its `id` is the name it logs in with.
    pub principal: Principal,
    /// `None`: nobody gets in with this name and a password.
    pub password: Option<Verifier>,
    /// May show a token where a password is asked for, so the password is asked for in clear (through TLS, or without
    /// leaving this machine): SCRAM cannot carry a token.
    pub tokens: bool,
    /// The certificates that stand for it: each that has one of these names, and no name of somebody else.
    pub certificates: Vec<CertificateName>,
    /// Not let in, for now.
    pub disabled: bool,
    /// Not let in from this moment on.
    pub expires: Option<SystemTime>,
}

impl Account {
    /// Whether it is let in at all, whatever it proves. Its human is not looked at.
    pub(crate) fn standing(&self, now: SystemTime) -> Result<(), Refusal> {
        if self.disabled {
            return Err(Refusal::Disabled);
        }
        match self.expires {
            Some(moment) if moment <= now => Err(Refusal::Expired),
            _ => Ok(()),
        }
    }
}
