//! Cells: offsets into the bytes of the call where the value is text already, else into `decoded`.

use super::{DECODED, NULL};
use crate::messages::bind::Format;
use crate::outcome::ServerSide;
use crate::types::{Type, decode, of};

impl ServerSide {
    pub fn null_cell(&mut self) {
        self.outcome.cells.extend_from_slice(&[0, NULL]);
    }

    /// A value of a column; `at` is its place in the bytes of this call. `false`, and a NULL cell, when nobody
    /// can read it: then it must not pass.
    pub fn cell(&mut self, type_oid: u32, format: Format, bytes: &[u8], at: usize) -> bool {
        if format == Format::Text || decode::is_text_already(type_oid) {
            self.text_cell(bytes, at);
            return true;
        }
        if of(type_oid) == Type::Jsonb
            && let Some((1, text)) = bytes.split_first()
        {
            self.text_cell(text, at + 1);
            return true;
        }
        self.copied_cell(type_oid, format, bytes)
    }

    /// The same for a value that lies nowhere in the bytes of this call.
    pub fn copied_cell(&mut self, type_oid: u32, format: Format, bytes: &[u8]) -> bool {
        match format {
            Format::Text => self.decoded_cell(bytes),
            Format::Binary => {
                let mut text = Vec::new();
                if decode::shown(type_oid, bytes, &mut text, decode::MAX_DEPTH).is_none() {
                    self.null_cell();
                    return false;
                }
                self.decoded_cell(&text);
            }
        }
        true
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

/// Whether a value can be shown to maskers.
pub fn is_readable(type_oid: u32, format: Format, bytes: &[u8]) -> bool {
    format == Format::Text || decode::shown(type_oid, bytes, &mut Vec::new(), decode::MAX_DEPTH).is_some()
}
