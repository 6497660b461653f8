//! From a proof to an identity: who is it that knocks.
//!
//! A client names itself and proves it: with a SCRAM exchange, which the wire room runs against a verifier from here,
//! with a password or a [token](Token) in clear over TLS, which is compared here, or with a certificate that TLS has
//! checked, and whose names are looked for here. What comes out is a [`Principal`]
//! or a [`Refusal`].
//!
//! ```text
//! name ─► credential ─► (the login of the protocol) ─► principal ─► access
//!                         or: identify, with what the client sent in clear
//! ```
//!
//! What this room does not do: it reads no files ([`Account`]s are given to it), has no clock (the time is an
//! argument), opens no sessions, and does not say what a principal may do.
//!
//! Invariants:
//! - A client learns one thing from a refusal: that it was refused. Unknown, disabled, expired, without a password and
//!   with the wrong one all look the same and do the same work; the log gets the difference ([`Refusal`]).
//! - Passwords and tokens are not kept. What is kept ([`Verifier`]) does not log in anywhere and is not printed.
//! - An agent is no longer let in when its human is not.
//!
//! [`Principal`]: weir_model::Principal

mod account;
mod proof;
mod refusal;
mod token;
mod users;
mod verifier;
mod work;

pub use account::Account;
pub use proof::{Proof, Proven, identify};
pub use refusal::Refusal;
pub use token::{HASH_BYTES, NewToken, NoRandomness, Token, Tokens, new_token};
pub use users::{Credential, DuplicateName, Users};
pub use verifier::{NewPasswordError, Verifier, VerifierError, new_verifier};
