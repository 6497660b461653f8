//! The native logins, without a socket in sight.
//!
//! **Job.** A gateway that swaps identities has to end the login of a protocol on both of its legs: toward the
//! client it plays the server and asks for proof, toward the upstream it plays the client and gives proof. This
//! crate is those two conversations as state machines: bytes in, answers out.
//!
//! **What it does not do.** It reads no socket, knows no clock, draws no random number, looks up no user and
//! spawns nothing. Nonces, salts, keys and the hash of a certificate are arguments; deadlines are the caller's.
//! It knows nothing of what is said *after* the login: messages of a live session belong to the inspectors.
//!
//! **Invariants.**
//! - A length is checked against its limit before anything of that length is waited for or allocated.
//! - Answers depend on the bytes, never on how the network cut them into reads.
//! - A machine that has failed or finished stays so; it cannot be talked back into a login.
//! - No secret reaches `Debug`, `Display` or an error.
//! - Every error says who is at fault, and keeps what the client may read apart from what the log keeps.

pub mod postgres;
