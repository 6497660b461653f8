//! Which version of the protocol is spoken, and how to say so.
//!
//! **Job.** We speak 3.0 and 3.2. A client that asks for another minor of 3, or for protocol options (`_pq_.…`), none of which we
//! know, is told before authentication what it gets instead, and the login goes on; newest clients ask for 3.9999
//! and for an option that does not exist, just to see that.
//!
//! **What it does not do.** Another major is another protocol, and refused by the startup packet's reader.
//!
//! **Invariants.** The version we answer is never above the one asked for. Asked 3.1 (reserved, never released) we answer
//! 3.0; asked anything above 3.2 we answer 3.2. Source: PostgreSQL documentation, "NegotiateProtocolVersion".

use std::fmt;

use super::frame::{Body, put_text, typed};

/// A version of the protocol both sides agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// 3.0, since PostgreSQL 7.4. Cancel keys have 4 bytes.
    V3_0,
    /// 3.2, since PostgreSQL 18. Cancel keys have up to 256 bytes.
    V3_2,
}

impl ProtocolVersion {
    /// The version as one number of the wire: major in the upper half, minor in the lower.
    pub fn code(self) -> u32 {
        match self {
            Self::V3_0 => 0x0003_0000,
            Self::V3_2 => 0x0003_0002,
        }
    }

    /// What we speak with a client that asked for this minor of version 3.
    pub(crate) fn at_most_minor(minor: u16) -> Self {
        if minor >= 2 { Self::V3_2 } else { Self::V3_0 }
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_0 => "3.0",
            Self::V3_2 => "3.2",
        })
    }
}

/// NegotiateProtocolVersion (`v`): the version we go on with, and the protocol options we do not know.
pub fn negotiate_protocol_version(version: ProtocolVersion, unknown_options: &[String]) -> Vec<u8> {
    let mut body = version.code().to_be_bytes().to_vec();
    // At most one option per six bytes of a 10,000 byte packet: it fits.
    let count = u32::try_from(unknown_options.len()).unwrap_or(u32::MAX);
    body.extend_from_slice(&count.to_be_bytes());
    for option in unknown_options {
        put_text(&mut body, option);
    }
    typed(b'v', &body)
}

/// Reads an upstream's NegotiateProtocolVersion. We only ever ask for 3.0 without options, so the one thing it can
/// say in good faith is "3.0, nothing unknown"; some servers send the minor alone. `false` for anything else.
pub(crate) fn upstream_stays_at_3_0(body: &[u8]) -> bool {
    let mut body = Body::new(body);
    let version = body.word();
    let unknown_options = body.word();
    matches!(version, Some(0 | 0x0003_0000)) && unknown_options == Some(0) && body.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_names_version_and_options() {
        assert_eq!(
            negotiate_protocol_version(ProtocolVersion::V3_2, &["_pq_.x".to_owned()]),
            b"v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0"
        );
        assert_eq!(negotiate_protocol_version(ProtocolVersion::V3_0, &[]), b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0");
    }

    #[test]
    fn never_above_what_was_asked() {
        let check = |minor, expect| assert_eq!(ProtocolVersion::at_most_minor(minor), expect);
        check(0, ProtocolVersion::V3_0);
        check(1, ProtocolVersion::V3_0);
        check(2, ProtocolVersion::V3_2);
        check(3, ProtocolVersion::V3_2);
        check(9999, ProtocolVersion::V3_2);
        check(u16::MAX, ProtocolVersion::V3_2);
    }

    #[test]
    fn an_upstream_may_only_say_what_we_asked() {
        assert!(upstream_stays_at_3_0(b"\0\x03\0\0\0\0\0\0"));
        assert!(upstream_stays_at_3_0(b"\0\0\0\0\0\0\0\0"));
        assert!(!upstream_stays_at_3_0(b"\0\x03\0\x02\0\0\0\0"));
        assert!(!upstream_stays_at_3_0(b"\0\x03\0\0\0\0\0\x01_pq_.x\0"));
        assert!(!upstream_stays_at_3_0(b"\0\x03"));
    }
}
