//! `Q`: SQL text, any number of statements.

use crate::wire::{self, Reader};

pub fn decode(body: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(body);
    let text = reader.cstr()?;
    reader.at_end().then_some(text)
}

pub fn encode(out: &mut Vec<u8>, text: &[u8]) {
    wire::message(out, b'Q', |out| wire::put_cstr(out, text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_string_and_nothing_behind() {
        assert_eq!(decode(b"select 1\0"), Some(&b"select 1"[..]));
        assert_eq!(decode(b"select 1"), None);
        assert_eq!(decode(b"select 1\0;drop\0"), None);
    }
}
