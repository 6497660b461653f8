//! JSON web tokens: three parts of base64url, the first of which decodes to a JSON object with `alg`.

use crate::bytes::{at, run};

/// The end of the token that starts at `start`.
pub(super) fn starting(bytes: &[u8], start: usize) -> Option<usize> {
    if !bytes.get(start..)?.starts_with(b"ey") {
        return None;
    }
    let header = run(bytes, start, is_base64url);
    (at(bytes, header) == b'.').then_some(())?;
    let payload = run(bytes, header + 1, is_base64url);
    (at(bytes, payload) == b'.' && payload > header + 1).then_some(())?;
    // The signature is empty with `alg` none; an encrypted token has five parts.
    let mut stop = run(bytes, payload + 1, |b| is_base64url(b) || b == b'.');
    while stop > payload + 1 && bytes.get(stop - 1) == Some(&b'.') {
        stop -= 1;
    }
    let decoded = decode(bytes.get(start..header)?)?;
    let object = decoded.first() == Some(&b'{') && decoded.windows(5).any(|window| window == b"\"alg\"");
    object.then_some(stop)
}

fn is_base64url(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0u32);
    for b in text {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}
