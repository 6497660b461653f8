//! Messages with text for people: errors, notices, notifications; and settings that take any text.

use crate::messages::error;
use crate::outcome::ServerSide;
use crate::wire::{self, HEADER_BYTES, Header, Reader};

/// `ref` of a `message` event.
pub const ERROR: usize = 0;
pub const NOTICE: usize = 1;
pub const NOTIFICATION: usize = 2;

/// Message, detail, hint, context, internal query; and schema, table, column, data type and constraint, which
/// code can fill with anything (`RAISE … USING COLUMN = …`). The other fields are places in the server.
const TEXT_FIELDS: &[u8] = b"MDHWqstcdn";

/// Emits the `message` event with its cells. `None` when the message is malformed.
pub fn show(out: &mut ServerSide, header: Header, body: &[u8], at: usize) -> Option<()> {
    let texts = texts(header.kind, body)?;
    for (start, text) in &texts {
        out.text_cell(text, at + HEADER_BYTES + start);
    }
    let label = match header.kind {
        b'E' => ERROR,
        // A setting is told as a notice: it has no label of its own.
        b'N' | b'S' => NOTICE,
        _ => NOTIFICATION,
    };
    out.message(header.total_bytes, texts.len(), label);
    Some(())
}

/// Each text with its place in the body.
fn texts(kind: u8, body: &[u8]) -> Option<Vec<(usize, &[u8])>> {
    let mut reader = Reader::new(body);
    let mut found = Vec::new();
    if kind == b'S' {
        reader.cstr()?;
        let start = body.len() - reader.rest().len();
        found.push((start, reader.cstr()?));
        return reader.at_end().then_some(found);
    }
    if kind == b'A' {
        reader.u32()?;
        reader.cstr()?;
        let start = body.len() - reader.rest().len();
        found.push((start, reader.cstr()?));
        return reader.at_end().then_some(found);
    }
    loop {
        let letter = reader.byte()?;
        if letter == 0 {
            return reader.at_end().then_some(found);
        }
        let start = body.len() - reader.rest().len();
        let text = reader.cstr()?;
        if TEXT_FIELDS.contains(&letter) {
            found.push((start, text));
        }
    }
}

/// The message with its texts replaced; `edit` tells for the n-th text what to put.
pub fn rebuild(kind: u8, body: &[u8], edit: impl Fn(usize) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len() + HEADER_BYTES);
    if kind == b'A' {
        let mut reader = Reader::new(body);
        let process = reader.u32()?;
        let channel = reader.cstr()?;
        let payload = reader.cstr()?;
        wire::message(&mut out, kind, |out| {
            out.extend_from_slice(&process.to_be_bytes());
            wire::put_cstr(out, channel);
            wire::put_cstr(out, &edit(0).unwrap_or_else(|| payload.to_vec()));
        });
        return Some(out);
    }
    if kind == b'S' {
        let mut reader = Reader::new(body);
        let name = reader.cstr()?;
        let value = reader.cstr()?;
        wire::message(&mut out, kind, |out| {
            wire::put_cstr(out, name);
            wire::put_cstr(out, &edit(0).unwrap_or_else(|| value.to_vec()));
        });
        return Some(out);
    }
    let mut count = 0;
    let mut edited = Vec::new();
    for (letter, text) in error::fields(body)? {
        let mut new = None;
        if TEXT_FIELDS.contains(&letter) {
            new = edit(count);
            count += 1;
        }
        edited.push((letter, new.unwrap_or_else(|| text.to_vec())));
    }
    let fields: Vec<(u8, &[u8])> = edited.iter().map(|(letter, text)| (*letter, text.as_slice())).collect();
    error::encode(&mut out, kind, &fields);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_for_people_are_shown() {
        let body = b"SERROR\0C23505\0Mduplicate\0DKey (email)=(a@b.c)\0ttable\0Rroutine\0\0";
        let found = texts(b'E', body).unwrap();
        assert_eq!(
            found.iter().map(|(_, text)| *text).collect::<Vec<_>>(),
            [&b"duplicate"[..], b"Key (email)=(a@b.c)", b"table"]
        );
        assert!(body[found[1].0..].starts_with(b"Key"));
        let new =
            rebuild(b'E', body, |index| (index == 1).then(|| b"Key (email)=([EMAIL])".to_vec())).unwrap();
        assert_eq!(&new[5..], b"SERROR\0C23505\0Mduplicate\0DKey (email)=([EMAIL])\0ttable\0Rroutine\0\0");
    }

    #[test]
    fn payloads_of_notifications_too() {
        let body = b"\0\0\0\x07chan\0secret\0";
        assert_eq!(texts(b'A', body).unwrap(), [(9, &b"secret"[..])]);
        let new = rebuild(b'A', body, |_| Some(b"***".to_vec())).unwrap();
        assert_eq!(new, b"A\0\0\0\x11\0\0\0\x07chan\0***\0");
    }
}
