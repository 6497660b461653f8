//! The same work for every password that is compared, whoever it is for.
//!
//! How long an answer takes must not say whether a name exists, or what kind of password it has. So every comparison
//! does one SCRAM derivation, and, if any user has an Argon2id hash, one of those as well: with the user's own verifier
//! where there is one, with a stand-in where there is none. What a stand-in says does not count.
//!
//! What remains measurable: a user whose verifier has other parameters (iterations, memory) than the others'. Keep
//! them the same, as new ones are.

use std::collections::BTreeMap;

use weir_wire::postgres::{POSTGRES_ITERATIONS, Password, ScramVerifier};

use crate::Verifier;
use crate::verifier::Argon2Hash;

/// What is compared with when the user has nothing to compare with.
#[derive(Clone, Debug)]
pub(crate) struct StandIns {
    /// `None` only if the constant below were malformed, which a test rules out.
    scram: Option<ScramVerifier>,
    /// The dearest one of the users.
    argon2: Option<Argon2Hash>,
    iterations: u32,
}

impl StandIns {
    pub(crate) fn new<'v>(verifiers: impl Iterator<Item = &'v Verifier>) -> Self {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        let mut argon2: Option<&Argon2Hash> = None;
        for verifier in verifiers {
            match verifier {
                Verifier::Scram(verifier) => *counts.entry(verifier.iterations()).or_default() += 1,
                Verifier::Argon2(hash) if argon2.is_none_or(|other| other.cost() < hash.cost()) => {
                    argon2 = Some(hash)
                }
                Verifier::Argon2(_) => {}
            }
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        let iterations = most.map_or(POSTGRES_ITERATIONS, |(iterations, _)| iterations);
        Self { scram: nobodys(iterations), argon2: argon2.cloned(), iterations }
    }

    /// The number of iterations that most users have.
    pub(crate) fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Whether the password is that of `verifier`; never when there is none.
    pub(crate) fn compare(&self, verifier: Option<&Verifier>, password: &Password) -> bool {
        let (scram, argon2) = match verifier {
            Some(Verifier::Scram(scram)) => (Some(scram), None),
            Some(Verifier::Argon2(argon2)) => (None, Some(argon2)),
            None => (None, None),
        };
        let by_scram = scram.or(self.scram.as_ref()).is_some_and(|verifier| verifier.matches(password));
        let by_argon2 = argon2.or(self.argon2.as_ref()).is_some_and(|hash| hash.matches(password));
        // `&` and `|`: both have been computed, and neither decides whether the other is looked at.
        (scram.is_some() & by_scram) | (argon2.is_some() & by_argon2)
    }
}

/// A verifier for which nobody knows a password.
fn nobodys(iterations: u32) -> Option<ScramVerifier> {
    let key = "A".repeat(43);
    ScramVerifier::parse(&format!("SCRAM-SHA-256${iterations}:AAAAAAAAAAAAAAAAAAAAAA==${key}=:{key}=")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_always_is_a_stand_in_as_costly_as_most() {
        let scram = |iterations| Verifier::Scram(nobodys(iterations).unwrap());
        assert_eq!(StandIns::new([].iter()).scram.unwrap().iterations(), 4096);
        let users = [scram(8192), scram(10_000), scram(8192)];
        assert_eq!(StandIns::new(users.iter()).scram.unwrap().iterations(), 8192);
    }

    #[test]
    fn a_stand_in_never_lets_anybody_in() {
        let hash = argon2_of("hunter2");
        let stand_ins = StandIns::new([hash.clone()].iter());
        let password = Password::new("hunter2");
        assert!(stand_ins.compare(Some(&hash), &password));
        assert!(!stand_ins.compare(None, &password), "the stand-in is that of a user, and was believed");
        let scram = Verifier::Scram(ScramVerifier::derive(&Password::new("other"), b"salt", 1).unwrap());
        assert!(!stand_ins.compare(Some(&scram), &password));
    }

    fn argon2_of(password: &str) -> Verifier {
        use argon2::password_hash::PasswordHasher as _;
        let cheap = argon2::Params::new(64, 1, 1, None).unwrap();
        let hash = argon2::Argon2::from(cheap)
            .hash_password_with_salt(password.as_bytes(), b"some salt here")
            .unwrap();
        Verifier::parse(&hash.to_string()).unwrap()
    }
}
