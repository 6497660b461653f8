//! Text search, in binary.

use super::composite::quoted;
use crate::wire::Reader;

/// `'canary':1 'wren':2,5A`; weights are left out.
pub fn vector_to_text(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let lexemes = reader.u32()?;
    for index in 0..lexemes {
        if index > 0 {
            out.push(b' ');
        }
        quoted(reader.cstr()?, b'\'', out);
        for position in 0..reader.u16()? {
            out.push(if position == 0 { b':' } else { b',' });
            out.extend_from_slice((reader.u16()? & POSITION).to_string().as_bytes());
        }
    }
    reader.at_end().then_some(())
}

/// Position without weight.
const POSITION: u16 = 0x3fff;
const OPERAND: u8 = 1;
const OPERATOR: u8 = 2;
const PHRASE: u8 = 4;

/// The operands of a query, without what joins them.
pub fn query_to_text(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let start = out.len();
    for _ in 0..reader.u32()? {
        match reader.byte()? {
            OPERAND => {
                reader.take(2)?;
                if out.len() > start {
                    out.push(b' ');
                }
                quoted(reader.cstr()?, b'\'', out);
            }
            OPERATOR => {
                if reader.byte()? == PHRASE {
                    reader.take(2)?;
                }
            }
            _ => return None,
        }
    }
    reader.at_end().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lexemes_and_operands() {
        let mut out = Vec::new();
        vector_to_text(b"\0\0\0\x02a@b.c\0\0\x02\0\x01\xc0\x05it's\0\0\0", &mut out).unwrap();
        assert_eq!(out, b"'a@b.c':1,5 'it''s'");
        out.clear();
        query_to_text(b"\0\0\0\x03\x02\x02\x01\0\0a@b.c\0\x01\0\0x\0", &mut out).unwrap();
        assert_eq!(out, b"'a@b.c' 'x'");
        assert_eq!(vector_to_text(b"\xff\xff\xff\xff", &mut out), None);
        assert_eq!(query_to_text(b"\xff\xff\xff\xff", &mut out), None);
    }
}
