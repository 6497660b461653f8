//! The head of a request: what an inspector may change of it, what an approval binds, and how its path is read.

use super::traffic::{Header, RequestHead};

/// Headers an inspector may not change: they are the host's.
pub(super) const HOSTS_OWN: [&str; 9] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "host",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// The inspector's headers take the place of the client's; an empty one takes it out.
pub(super) fn change(headers: &mut Vec<Header>, changes: &[Header]) {
    headers.retain(|header| changes.iter().all(|change| change.name != header.name));
    headers.extend(changes.iter().filter(|change| !change.value.is_empty()).cloned());
}

/// Everything of a head that an approval binds.
pub(super) fn bound(head: &RequestHead) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut part = |text: &[u8]| {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text);
    };
    part(head.method.as_bytes());
    part(head.authority.as_bytes());
    part(head.path.as_bytes());
    part(head.query.as_deref().unwrap_or_default().as_bytes());
    for header in &head.headers {
        part(header.name.as_bytes());
        part(&header.value);
    }
    bytes
}

/// A path as people read it, so that a masker does, too: escapes of what can be seen are undone.
pub(super) fn readable(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits =
            behind.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let escaped = digits
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
            .filter(|byte| *byte >= b' ' && *byte != 0x7f);
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
