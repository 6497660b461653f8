//! The two hashes that make the trail tamper-evident. Everything here can be recomputed with any SHA-256.
//!
//! **Commitment.** A record's payload (what may have to be erased one day) is not in its body; the body holds
//!
//! ```text
//! commit = base64url-without-padding( SHA-256( "weir-audit-payload/v1\0" ‖ salt ‖ payload ) )
//! ```
//!
//! with 32 random bytes of salt, so that a short payload cannot be guessed from its commitment. Deleting payload
//! and salt leaves body and chain as they were.
//!
//! **Chain.**
//!
//! ```text
//! hash_0 = 32 zero bytes
//! hash_n = SHA-256( "weir-audit/v1\0" ‖ hash_{n-1} ‖ n as u64 big-endian ‖ body_n )
//! ```
//!
//! Everything before the body has a fixed length, so the input can be cut in one way only. The body repeats the
//! number, the time and every search column, hence a change to any of them shows. A later Merkle log can take
//! the bodies as its leaves (RFC 6962: leaf hash = SHA-256(0x00 ‖ body)) without touching stored records.
//!
//! What the chain alone does not show: records cut off at the end, and a rewrite of everything from some record
//! on by someone who can write the store. Both need an [`Anchor`] kept where that someone cannot write.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// One link of the chain.
pub type Hash = [u8; 32];

/// `hash_0`.
pub const GENESIS: Hash = [0; 32];

const CHAIN_DOMAIN: &[u8] = b"weir-audit/v1\0";
const PAYLOAD_DOMAIN: &[u8] = b"weir-audit-payload/v1\0";

/// The last record of a trail: its number (0 for an empty trail) and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub seq: u64,
    pub hash: Hash,
}

impl Head {
    /// The head of a trail without records.
    pub const EMPTY: Self = Self { seq: 0, hash: GENESIS };
}

/// What somebody outside remembers of the trail: that record `seq` existed and had this hash.
pub type Anchor = Head;

/// The hash of record `seq` with this body, behind a record with hash `previous`.
pub fn link(previous: &Hash, seq: u64, body: &str) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(CHAIN_DOMAIN);
    hasher.update(previous);
    hasher.update(seq.to_be_bytes());
    hasher.update(body.as_bytes());
    hasher.finalize().into()
}

/// The commitment to a payload, as it stands in a body.
pub fn commitment(salt: &[u8; 32], payload: &str) -> String {
    URL_SAFE_NO_PAD.encode(commit(salt, payload))
}

/// The same before it is spelled.
pub(crate) fn commit(salt: &[u8; 32], payload: &str) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(PAYLOAD_DOMAIN);
    hasher.update(salt);
    hasher.update(payload.as_bytes());
    hasher.finalize().into()
}

/// Bytes as lower-case hexadecimal digits: how hashes and salts are exported.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values from Python's hashlib, following the module's documentation.
    #[test]
    fn links_have_literal_values() {
        let first = link(&GENESIS, 1, r#"{"seq":1}"#);
        assert_eq!(hex(&first), "c76b8534d98c2cc17fe6025b0a03660188149aadaa2cdfc92891189d5e03315a");
        assert_eq!(
            hex(&link(&first, 2, r#"{"seq":2}"#)),
            "ec8ce133579fc713d29f370b81f602f1d1a9256fd0a0abe1de207028036435ba"
        );
    }

    #[test]
    fn commitments_have_literal_values() {
        assert_eq!(
            commitment(&[7; 32], r#"{"text":"select 1"}"#),
            "DlOZw_cswxwjUCTQ6q4bU0mDEnuUTsOXiRAlHcnCRIo"
        );
    }
}
