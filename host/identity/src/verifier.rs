//! What is kept of a password: enough to check it, not enough to use it.
//!
//! Two forms. A **SCRAM verifier**, PostgreSQL's own form, works with every client: the password itself never comes
//! near us. An **Argon2id hash** costs a thief far more per guess, but the client has to send the password (through
//! TLS), so it is for those who choose it. New ones are SCRAM verifiers.

use std::fmt;

use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params};
use weir_wire::postgres::{InvalidVerifier, POSTGRES_ITERATIONS, Password, ScramVerifier};
use zeroize::Zeroizing;

/// Bytes of salt in new verifiers: as many as PostgreSQL takes.
const SALT_BYTES: usize = 16;

/// A kept password.
#[derive(Clone)]
pub enum Verifier {
    Scram(ScramVerifier),
    /// Argon2id, version 19, with salt and hash.
    Argon2(Argon2Hash),
}

/// An Argon2id hash that is known to be complete and computable.
#[derive(Clone)]
pub struct Argon2Hash(PasswordHash);

/// Why a text is not a verifier. Says which part, never what it holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    #[error("a password verifier begins with `SCRAM-SHA-256$` or `$argon2id$`")]
    Form,
    #[error("not a SCRAM verifier: {0}")]
    Scram(InvalidVerifier),
    #[error("not an Argon2id hash: {0}")]
    Argon2(&'static str),
}

/// Why no verifier could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewPasswordError {
    #[error("the password is empty")]
    Empty,
    /// No client could send it.
    #[error("the password contains a NUL character")]
    Nul,
    #[error("the system gives no random bytes")]
    Randomness,
}

impl Verifier {
    /// # Errors
    /// When the text is neither of the two forms.
    pub fn parse(text: &str) -> Result<Self, VerifierError> {
        if text.starts_with("SCRAM-SHA-256$") {
            return ScramVerifier::parse(text).map(Self::Scram).map_err(VerifierError::Scram);
        }
        if text.starts_with("$argon2id$") {
            return Argon2Hash::parse(text).map(Self::Argon2);
        }
        Err(VerifierError::Form)
    }
}

impl Argon2Hash {
    fn parse(text: &str) -> Result<Self, VerifierError> {
        let hash = PasswordHash::new(text).map_err(|_| VerifierError::Argon2("it is malformed"))?;
        if hash.version != Some(19) {
            return Err(VerifierError::Argon2("its version is not 19"));
        }
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(VerifierError::Argon2("it has no salt or no hash"));
        }
        Params::try_from(&hash).map_err(|_| VerifierError::Argon2("its parameters are out of bounds"))?;
        Ok(Self(hash))
    }

    /// Takes what its parameters say: usually some 20 ms and 19 MiB.
    pub(crate) fn matches(&self, password: &Password) -> bool {
        Argon2::default().verify_password(password.expose(), &self.0).is_ok()
    }

    /// How much work it is, to compare two.
    pub(crate) fn cost(&self) -> u64 {
        Params::try_from(&self.0).map_or(0, |params| u64::from(params.m_cost()) * u64::from(params.t_cost()))
    }
}

/// A verifier for a new password, as it is written into the users file: SCRAM-SHA-256, 4096 iterations, a random salt
/// of 16 bytes.
///
/// Takes some 2 ms of CPU.
///
/// # Errors
/// When the password is empty or contains NUL, or there is no randomness.
pub fn new_verifier(password: &Password) -> Result<Zeroizing<String>, NewPasswordError> {
    if password.expose().is_empty() {
        return Err(NewPasswordError::Empty);
    }
    if password.expose().contains(&0) {
        return Err(NewPasswordError::Nul);
    }
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| NewPasswordError::Randomness)?;
    // Salt and iterations are constants within the bounds; were they not, there would be no verifier either.
    let verifier = ScramVerifier::derive(password, &salt, POSTGRES_ITERATIONS)
        .map_err(|_| NewPasswordError::Randomness)?;
    Ok(verifier.to_text())
}

impl fmt::Debug for Verifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Scram(_) => "Verifier(SCRAM-SHA-256)",
            Self::Argon2(_) => "Verifier(Argon2id)",
        })
    }
}

impl fmt::Debug for Argon2Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Argon2Hash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGON2: &str =
        "$argon2id$v=19$m=64,t=1,p=1$c29tZSBzYWx0IGhlcmU$ZmFrZSBoYXNoIGZha2UgaGFzaCBmYWtlIGhhc2gh";

    #[test]
    fn a_new_verifier_is_read_back_and_fits_its_password_only() {
        let text = new_verifier(&Password::new("hunter2")).unwrap();
        assert!(text.starts_with("SCRAM-SHA-256$4096:"), "{}", *text);
        let Ok(Verifier::Scram(verifier)) = Verifier::parse(&text) else { panic!("{}", *text) };
        assert_eq!(verifier.salt().len(), 16);
        assert!(verifier.matches(&Password::new("hunter2")) && !verifier.matches(&Password::new("hunter3")));
        assert_ne!(text, new_verifier(&Password::new("hunter2")).unwrap(), "the salt is not random");
        assert_eq!(new_verifier(&Password::new("")), Err(NewPasswordError::Empty));
        assert_eq!(new_verifier(&Password::new("a\0b")), Err(NewPasswordError::Nul));
    }

    #[test]
    fn nothing_else_is_a_verifier() {
        assert!(matches!(Verifier::parse(ARGON2), Ok(Verifier::Argon2(_))));
        for bad in [
            "",
            "hunter2",
            "md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "SCRAM-SHA-256$4096:AAAA",
            "$argon2i$v=19$m=64,t=1,p=1$c29tZSBzYWx0IGhlcmU$ZmFrZSBoYXNoIGZha2UgaGFzaCBmYWtlIGhhc2gh",
            &ARGON2.replace("v=19", "v=16"),
            &ARGON2.replace("m=64", "m=1"),
            "$argon2id$v=19$m=64,t=1,p=1$c29tZSBzYWx0IGhlcmU",
            "$argon2id$v=19$m=64,t=1,p=1",
        ] {
            assert!(Verifier::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn it_is_not_printed() {
        assert_eq!(format!("{:?}", Verifier::parse(ARGON2).unwrap()), "Verifier(Argon2id)");
    }
}
