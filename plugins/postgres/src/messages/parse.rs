//! `P`: a statement's name, its text, and type OIDs for as many parameters as the client cares to declare.

use crate::wire::{self, Reader};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parse<'a> {
    pub name: &'a [u8],
    pub text: &'a [u8],
    /// OIDs as they lie in the message.
    pub type_bytes: &'a [u8],
}

impl Parse<'_> {
    pub fn types(&self) -> impl Iterator<Item = u32> + '_ {
        let (oids, _) = self.type_bytes.as_chunks::<4>();
        oids.iter().map(|oid| u32::from_be_bytes(*oid))
    }
}

pub fn decode(body: &[u8]) -> Option<Parse<'_>> {
    let mut reader = Reader::new(body);
    let name = reader.cstr()?;
    let text = reader.cstr()?;
    let count = usize::from(reader.u16()?);
    let type_bytes = reader.take(count * 4)?;
    reader.at_end().then_some(Parse { name, text, type_bytes })
}

pub fn encode(out: &mut Vec<u8>, name: &[u8], text: &[u8], types: impl ExactSizeIterator<Item = u32>) {
    wire::message(out, b'P', |out| {
        wire::put_cstr(out, name);
        wire::put_cstr(out, text);
        out.extend_from_slice(&u16::try_from(types.len()).unwrap_or(u16::MAX).to_be_bytes());
        for oid in types {
            out.extend_from_slice(&oid.to_be_bytes());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_text_types() {
        let parse = decode(b"s1\0select $1\0\0\x02\0\0\0\x17\0\0\0\0").unwrap();
        assert_eq!((parse.name, parse.text), (&b"s1"[..], &b"select $1"[..]));
        assert_eq!(parse.types().collect::<Vec<_>>(), [23, 0]);
        let mut out = Vec::new();
        encode(&mut out, b"s1", b"select $1", [23u32, 0].into_iter());
        assert_eq!(out, b"P\0\0\0\x1bs1\0select $1\0\0\x02\0\0\0\x17\0\0\0\0");
    }

    #[test]
    fn wrong_counts_are_refused() {
        assert_eq!(decode(b"s1\0select 1\0\0\x02\0\0\0\x17"), None);
        assert_eq!(decode(b"s1\0select 1\0\0\0x"), None);
        assert_eq!(decode(b"s1\0select 1"), None);
    }
}
