//! Cancel keys and CancelRequest.
//!
//! **Job.** A session is cancelled from another connection by naming a process and a secret. Here is the type of that secret,
//! and CancelRequest in both directions.
//!
//! **What it does not do.** It maps no key to a session and sends nothing: which upstream a key means, and whether that
//! session still runs the same statement, only the host knows. There is no answer to a CancelRequest, whatever came of it.
//!
//! **Invariants.** `4 ≤ key ≤ 256` bytes; exactly 4 in protocol 3.0. Keys are compared in constant time and never printed.
//! Source: PostgreSQL documentation, "Canceling Requests in Progress" and "Message Formats".

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::frame::{Body, untyped};
use super::negotiate::ProtocolVersion;

/// Longest cancel key of protocol 3.2, in bytes.
pub const MAX_CANCEL_KEY_BYTES: usize = 256;

/// Shortest cancel key, and the only length of protocol 3.0, in bytes.
const MIN_CANCEL_KEY_BYTES: usize = 4;

/// The request code of CancelRequest, 1234.5678.
pub(crate) const CANCEL_REQUEST_CODE: u32 = 80_877_102;

/// The secret that allows to cancel a session. Equality takes constant time for keys of one length.
#[derive(Clone)]
pub struct CancelKey(Zeroizing<Vec<u8>>);

/// A cancel key of less than 4 or more than 256 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cancel key has 4 to 256 bytes, not {bytes}")]
pub struct CancelKeyLength {
    /// The length it had.
    pub bytes: usize,
}

impl CancelKey {
    /// Takes a key of 4 to 256 bytes.
    ///
    /// # Errors
    /// When it is shorter or longer.
    pub fn new(key: impl Into<Vec<u8>>) -> Result<Self, CancelKeyLength> {
        let key = Zeroizing::new(key.into());
        if (MIN_CANCEL_KEY_BYTES..=MAX_CANCEL_KEY_BYTES).contains(&key.len()) {
            Ok(Self(key))
        } else {
            Err(CancelKeyLength { bytes: key.len() })
        }
    }

    /// A key for a session of this version, from 32 random bytes: all of them in 3.2, the first four in 3.0.
    pub fn from_random(random: [u8; 32], version: ProtocolVersion) -> Self {
        let bytes = match version {
            ProtocolVersion::V3_0 => random.first_chunk::<4>().map_or(random.to_vec(), |key| key.to_vec()),
            ProtocolVersion::V3_2 => random.to_vec(),
        };
        Self(Zeroizing::new(bytes))
    }

    /// The key's bytes: for looking it up, never for printing.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for CancelKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for CancelKey {}

impl fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CancelKey({} bytes)", self.0.len())
    }
}

/// What BackendKeyData tells: which process serves the session, and the secret to cancel it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendKey {
    /// The process id of the backend, 32 bits as on the wire.
    pub process_id: u32,
    /// The secret.
    pub key: CancelKey,
}

/// A wish to cancel what a session is doing. It is alone on its connection, carries no authentication but the key, and
/// is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelRequest {
    /// Whom to cancel, and the right to.
    pub target: BackendKey,
}

impl CancelRequest {
    /// The message, 12 bytes and the key.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = CANCEL_REQUEST_CODE.to_be_bytes().to_vec();
        body.extend_from_slice(&self.target.process_id.to_be_bytes());
        body.extend_from_slice(self.target.key.expose());
        untyped(&body)
    }

    /// Reads what follows the request code: the process id, and the key up to the end. `None` if it is too short, or
    /// the key is not of 4 to 256 bytes.
    pub(crate) fn parse(after_code: &[u8]) -> Option<Self> {
        parse_backend_key(after_code).map(|target| Self { target })
    }
}

/// A process id and a key up to the end: the body of BackendKeyData too.
pub(crate) fn parse_backend_key(body: &[u8]) -> Option<BackendKey> {
    let mut body = Body::new(body);
    let process_id = body.word()?;
    let key = CancelKey::new(body.rest()).ok()?;
    Some(BackendKey { process_id, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classic_request_has_sixteen_bytes() {
        let key = CancelKey::new([1, 2, 3, 4]).unwrap();
        let request = CancelRequest { target: BackendKey { process_id: 4242, key } };
        let bytes = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 16, 146, 1, 2, 3, 4];
        assert_eq!(request.to_bytes(), bytes);
        assert_eq!(CancelRequest::parse(&bytes[8..]), Some(request));
    }

    #[test]
    fn keys_have_four_to_256_bytes() {
        let check = |key_bytes: usize, fits: bool| {
            let after_code = [vec![0, 0, 0, 1], vec![7; key_bytes]].concat();
            assert_eq!(CancelRequest::parse(&after_code).is_some(), fits, "{key_bytes}");
        };
        check(0, false);
        check(3, false);
        check(4, true);
        check(32, true);
        check(256, true);
        check(257, false);
        assert_eq!(CancelRequest::parse(&[0, 0]), None);
    }

    #[test]
    fn a_key_fits_its_version_and_stays_hidden() {
        assert_eq!(CancelKey::from_random([7; 32], ProtocolVersion::V3_0).expose(), [7; 4]);
        let long = CancelKey::from_random([7; 32], ProtocolVersion::V3_2);
        assert_eq!(long.expose(), [7; 32]);
        assert_eq!(format!("{long:?}"), "CancelKey(32 bytes)");
        assert_ne!(long, CancelKey::new([7; 4]).unwrap());
    }
}
