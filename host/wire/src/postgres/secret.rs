//! Values that must not leak, and one that is often mistaken for one of them.
//!
//! **Job.** Give passwords and outgoing bytes types whose `Debug` says nothing and whose memory is wiped when they go.
//!
//! **What it does not do.** It cannot wipe what others copied: the kernel's socket buffers, the caller's read buffer.
//! The hash of a certificate is public; it is here because, like the others, it is bytes that must not be swapped
//! with other bytes.

use std::fmt;
use std::ops::Deref;

use zeroize::Zeroizing;

/// A password as bytes: what a client sent in clear (any bytes but NUL), or what opens an upstream.
///
/// Not necessarily UTF-8, since PostgreSQL does not ask for it. `Debug` hides it; memory is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Takes a password from its bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves: for verifying, never for printing.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Bytes to write to a peer, and to flush, before the next step. They may hold a password or a proof, so `Debug`
/// tells only how many they are, and memory is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing(Zeroizing<Vec<u8>>);

impl Outgoing {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl Deref for Outgoing {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Outgoing {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outgoing({} bytes)", self.0.len())
    }
}

/// The `tls-server-end-point` channel binding: the hash of a server's DER certificate under the hash of its own
/// signature algorithm, with SHA-256 in the place of MD5 and SHA-1 (RFC 5929, section 4.1).
///
/// Toward a client it is the hash of *our* certificate, toward an upstream of *its* certificate. A certificate whose
/// signature has no such hash (Ed25519) has no end-point hash: pass `None` where one is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndPointHash(Vec<u8>);

impl EndPointHash {
    /// Takes the hash: 32 bytes for SHA-256, up to 64 for SHA-512.
    pub fn new(hash: impl Into<Vec<u8>>) -> Self {
        Self(hash.into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_says_nothing_of_the_content() {
        assert_eq!(format!("{:?}", Password::new("hunter2")), "Password(…)");
        assert_eq!(format!("{:?}", Outgoing::new(b"hunter2".to_vec())), "Outgoing(7 bytes)");
    }
}
