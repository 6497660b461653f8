//! What a request brings to prove who sends it. It is taken out of the head, so nobody behind sees it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use weir_session::http::traffic::Header;
use zeroize::{Zeroize, Zeroizing};

/// Bytes that are overwritten when they are no longer needed, and never shown.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// For the comparison, and nothing else.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

#[derive(Debug)]
pub enum Credentials {
    Bearer(Secret),
    Basic {
        user: String,
        secret: Secret,
    },
    /// Another scheme, not well-formed, or more than one: proves nothing.
    Other,
}

/// Headers that carry credentials for us. What is behind us gets its own.
pub(crate) const CARRIERS: [&str; 2] = ["authorization", "proxy-authorization"];

/// Takes all credentials out of the headers. Only `authorization` is understood; `proxy-authorization` is just removed.
pub(crate) fn take(headers: &mut Vec<Header>) -> Option<Credentials> {
    let mut found = None;
    for header in headers.iter().filter(|header| header.name == "authorization") {
        found = Some(if found.is_none() { parse(&header.value) } else { Credentials::Other });
    }
    headers.retain(|header| !CARRIERS.contains(&header.name.as_str()));
    found
}

fn parse(value: &[u8]) -> Credentials {
    let Some(space) = value.iter().position(|byte| *byte == b' ') else { return Credentials::Other };
    let (scheme, rest) = value.split_at(space);
    let rest = rest.trim_ascii();
    if rest.is_empty() {
        return Credentials::Other;
    }
    if scheme.eq_ignore_ascii_case(b"bearer") {
        // A token has no spaces and is visible ASCII (RFC 6750, section 2.1).
        let well_formed = rest.iter().all(u8::is_ascii_graphic);
        return if well_formed {
            Credentials::Bearer(Secret::new(rest.to_vec()))
        } else {
            Credentials::Other
        };
    }
    if scheme.eq_ignore_ascii_case(b"basic") {
        return basic(rest).unwrap_or(Credentials::Other);
    }
    Credentials::Other
}

fn basic(encoded: &[u8]) -> Option<Credentials> {
    let mut pair = STANDARD.decode(encoded).ok()?;
    let parts = pair.iter().position(|byte| *byte == b':').and_then(|colon| {
        let user = std::str::from_utf8(pair.get(..colon)?).ok()?.to_owned();
        Some(Credentials::Basic { user, secret: Secret::new(pair.get(colon + 1..)?.to_vec()) })
    });
    pair.zeroize();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(lines: &[(&str, &str)]) -> (Option<Credentials>, usize) {
        let mut headers: Vec<Header> =
            lines.iter().map(|(name, value)| Header::new(name, value.as_bytes().to_vec())).collect();
        let found = take(&mut headers);
        (found, headers.len())
    }

    #[test]
    fn a_bearer_token_leaves_the_head() {
        let (found, left) = taken(&[("authorization", "bearer abc.def"), ("accept", "*/*")]);
        assert!(matches!(found, Some(Credentials::Bearer(secret)) if secret.expose() == b"abc.def"));
        assert_eq!(left, 1);
    }

    #[test]
    fn basic_is_split_at_the_first_colon() {
        let (found, _) = taken(&[("Authorization", "Basic YW5uYTpzOmVjcmV0")]);
        let Some(Credentials::Basic { user, secret }) = found else { panic!("{found:?}") };
        assert_eq!((user.as_str(), secret.expose()), ("anna", b"s:ecret".as_slice()));
    }

    #[test]
    fn what_is_not_understood_or_twice_proves_nothing() {
        for value in ["Digest a=b", "Bearer", "Bearer ", "Basic !!", "Basic YW5uYQ==", "Bearer a b", ""] {
            assert!(matches!(taken(&[("authorization", value)]).0, Some(Credentials::Other)), "{value}");
        }
        let twice = taken(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]);
        assert!(matches!(twice.0, Some(Credentials::Other)));
        assert_eq!(twice.1, 0);
    }

    #[test]
    fn a_proxy_s_credentials_are_only_removed() {
        let (found, left) = taken(&[("proxy-authorization", "Basic YW5uYTpzOmVjcmV0")]);
        assert!(found.is_none() && left == 0);
    }

    #[test]
    fn secrets_are_never_shown() {
        let (found, _) = taken(&[("authorization", "Basic YW5uYTpzOmVjcmV0")]);
        let shown = format!("{found:?}");
        assert!(!shown.contains("cret\""), "{shown}");
        assert!(shown.contains("Secret"), "{shown}");
    }
}
