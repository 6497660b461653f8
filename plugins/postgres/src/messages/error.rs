//! `E` and `N`: fields, each a letter and a string, ended by NUL.

use crate::wire::{self, Reader};
use weir_sdk::inspector::Fault;

/// insufficient_privilege: what a refusal is called when the reason has no SQLSTATE of its own.
pub const REFUSED: &str = "42501";
/// protocol_violation
pub const PROTOCOL_VIOLATION: &str = "08P01";

/// Each field with its letter, in the order of the message. `None` when the message is not well formed.
pub fn fields(body: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut reader = Reader::new(body);
    let mut found = Vec::new();
    loop {
        match reader.byte()? {
            0 => return reader.at_end().then_some(found),
            letter => found.push((letter, reader.cstr()?)),
        }
    }
}

pub fn field<'a>(fields: &[(u8, &'a [u8])], letter: u8) -> Option<&'a [u8]> {
    fields.iter().find(|(found, _)| *found == letter).map(|(_, text)| *text)
}

pub fn encode(out: &mut Vec<u8>, kind: u8, fields: &[(u8, &[u8])]) {
    wire::message(out, kind, |out| {
        for (letter, text) in fields {
            out.push(*letter);
            wire::put_cstr(out, text);
        }
        out.push(0);
    });
}

/// The answer to a refused operation. A reason whose code is a SQLSTATE keeps it; a word becomes a hint.
pub fn refusal(why: &Fault) -> Vec<u8> {
    severe(b"ERROR", why)
}

/// Last words before the connection closes.
pub fn closing(why: &Fault) -> Vec<u8> {
    severe(b"FATAL", why)
}

pub fn notice(message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let text = format!("weir: {message}");
    encode(
        &mut out,
        b'N',
        &[(b'S', b"NOTICE"), (b'V', b"NOTICE"), (b'C', b"00000"), (b'M', text.as_bytes())],
    );
    out
}

fn severe(severity: &[u8], why: &Fault) -> Vec<u8> {
    let mut out = Vec::new();
    let is_state = is_sqlstate(&why.code);
    let code = if is_state { why.code.as_str() } else { REFUSED };
    let hint = format!("weir: {}", why.code);
    let mut fields =
        vec![(b'S', severity), (b'V', severity), (b'C', code.as_bytes()), (b'M', why.message.as_bytes())];
    if !is_state && !why.code.is_empty() {
        fields.push((b'H', hint.as_bytes()));
    }
    encode(&mut out, b'E', &fields);
    out
}

fn is_sqlstate(code: &str) -> bool {
    code.len() == 5
        && code.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        && code.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_becomes_a_hint_and_a_sqlstate_stays() {
        let word = Fault { code: "bulk-write".into(), message: "no WHERE".into() };
        let bytes = refusal(&word);
        assert_eq!(bytes, b"E\0\0\0\x36SERROR\0VERROR\0C42501\0Mno WHERE\0Hweir: bulk-write\0\0");
        let state = Fault { code: "57014".into(), message: "cancelled".into() };
        let bytes = refusal(&state);
        let found = fields(&bytes[5..]).unwrap();
        assert_eq!(field(&found, b'C'), Some(&b"57014"[..]));
        assert_eq!(field(&found, b'H'), None);
    }

    #[test]
    fn fields_must_end_properly() {
        assert_eq!(fields(b"SERROR\0\0").unwrap(), [(b'S', &b"ERROR"[..])]);
        assert_eq!(fields(b"SERROR\0"), None);
        assert_eq!(fields(b"SERROR\0\0x"), None);
        assert_eq!(fields(b""), None);
    }
}
