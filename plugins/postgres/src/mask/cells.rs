//! Cells: offsets into the bytes of the call where the value is text already, else into `decoded`.

use super::{DECODED, NULL};
use crate::messages::bind::Format;
use crate::outcome::ServerSide;
use crate::types::{Type, decode, of};

impl ServerSide {
    pub fn null_cell(&mut self) {
        self.outcome.cells.extend_from_slice(&[0, NULL]);
    }

    /// A value of a column; `at` is its place in the bytes of this call.
    pub fn cell(&mut self, type_oid: u32, format: Format, bytes: &[u8], at: usize) {
        if format == Format::Text || decode::is_text_already(type_oid) {
            return self.text_cell(bytes, at);
        }
        if of(type_oid) == Type::Jsonb
            && let Some((1, text)) = bytes.split_first()
        {
            return self.text_cell(text, at + 1);
        }
        self.copied_cell(type_oid, format, bytes);
    }

    /// A value of a column that lies nowhere in the bytes of this call.
    pub fn copied_cell(&mut self, type_oid: u32, format: Format, bytes: &[u8]) {
        let mut text = Vec::new();
        if format == Format::Text || decode::to_text(type_oid, bytes, &mut text).is_none() {
            match format {
                Format::Text => text.extend_from_slice(bytes),
                Format::Binary => decode::hex(bytes, &mut text),
            }
        }
        self.decoded_cell(&text);
    }

    pub fn text_cell(&mut self, bytes: &[u8], at: usize) {
        if std::str::from_utf8(bytes).is_ok() {
            self.outcome.cells.extend_from_slice(&[word(at), word(bytes.len())]);
        } else {
            self.decoded_cell(bytes);
        }
    }

    /// Text that lies nowhere in the bytes of this call.
    pub fn decoded_cell(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let start = self.outcome.decoded.len();
        self.outcome.decoded.extend_from_slice(text.as_bytes());
        self.outcome.cells.extend_from_slice(&[word(start) | DECODED, word(text.len())]);
    }
}

fn word(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(NULL >> 1)
}
