//! `D` (Describe) and `C` (Close) have the same body: what, and its name.

use crate::wire::{self, Reader};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    Statement(&'a [u8]),
    Portal(&'a [u8]),
}

pub fn decode(body: &[u8]) -> Option<Target<'_>> {
    let mut reader = Reader::new(body);
    let what = reader.byte()?;
    let name = reader.cstr()?;
    if !reader.at_end() {
        return None;
    }
    match what {
        b'S' => Some(Target::Statement(name)),
        b'P' => Some(Target::Portal(name)),
        _ => None,
    }
}

/// `kind` is `D` or `C`.
pub fn encode(out: &mut Vec<u8>, kind: u8, target: Target<'_>) {
    wire::message(out, kind, |out| {
        let (what, name) = match target {
            Target::Statement(name) => (b'S', name),
            Target::Portal(name) => (b'P', name),
        };
        out.push(what);
        wire::put_cstr(out, name);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_or_portal() {
        assert_eq!(decode(b"Ss1\0"), Some(Target::Statement(b"s1")));
        assert_eq!(decode(b"P\0"), Some(Target::Portal(b"")));
        assert_eq!(decode(b"X\0"), None);
        assert_eq!(decode(b"Sx"), None);
        let mut out = Vec::new();
        encode(&mut out, b'D', Target::Portal(b"p"));
        assert_eq!(out, b"D\0\0\0\x07Pp\0");
    }
}
