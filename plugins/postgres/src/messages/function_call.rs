//! `F`: call a function by OID, past all SQL.

use crate::messages::bind::Format;
use crate::wire::{self, Reader};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCall<'a> {
    pub function: u32,
    pub arguments: Vec<(Format, Option<&'a [u8]>)>,
}

pub fn decode(body: &[u8]) -> Option<FunctionCall<'_>> {
    let mut reader = Reader::new(body);
    let function = reader.u32()?;
    let format_count = usize::from(reader.u16()?);
    let (formats, _) = reader.take(format_count * 2)?.as_chunks::<2>();
    let count = usize::from(reader.u16()?);
    let mut arguments = Vec::new();
    for index in 0..count {
        let code = if formats.len() == 1 { formats.first() } else { formats.get(index) };
        let format = code.map_or(Format::Text, |code| Format::from_code(u16::from_be_bytes(*code)));
        arguments.push((format, reader.value()?));
    }
    reader.u16()?;
    reader.at_end().then_some(FunctionCall { function, arguments })
}

/// A call that fails wherever it is tried: no function has OID 0. Unlike a query it leaves the unnamed
/// statement alone, as the refused call would have done.
pub fn encode_failing(out: &mut Vec<u8>) {
    wire::message(out, b'F', |out| out.extend_from_slice(&[0; 10]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_with_formats() {
        let call = decode(b"\0\0\x03\xba\0\x01\0\x01\0\x02\0\0\0\x01\x07\xff\xff\xff\xff\0\x01").unwrap();
        assert_eq!(call.function, 954);
        assert_eq!(call.arguments, [(Format::Binary, Some(&b"\x07"[..])), (Format::Binary, None)]);
        assert_eq!(decode(b"\0\0\x03\xba\0\0\0\x01\0\x01"), None);
    }

    #[test]
    fn the_failing_call_is_well_formed() {
        let mut out = Vec::new();
        encode_failing(&mut out);
        assert_eq!(out.len(), 15);
        assert_eq!(decode(&out[5..]).unwrap().function, 0);
    }
}
