//! COPY … TO STDOUT: rows that travel outside DataRow, as text, CSV or binary.

pub mod binary;
pub mod csv;
pub mod text;

use crate::messages::bind::Format;
use crate::messages::describe::{self, Target};
use crate::messages::parse;
use crate::wire;
use std::ops::Range;

/// How the rows of one COPY are described and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOut {
    /// A query with the same columns.
    pub describe: String,
    pub style: Style,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    pub form: Form,
    pub delimiter: u8,
    pub null: Vec<u8>,
    pub quote: u8,
    pub escape: u8,
    pub header: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Csv,
    Binary,
}

/// One row in a payload; places count from the payload's first byte.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Row {
    pub raw: Range<usize>,
    pub fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As written, with quotes and escapes.
    pub raw: Range<usize>,
    pub value: Value,
    pub quoted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    /// The bytes there are the value.
    Plain(Range<usize>),
    Unescaped(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Split {
    Rows(Vec<Row>),
    /// The last row goes on in the next message.
    Unfinished,
    Malformed,
}

/// Name of the statement that describes the rows; never the client's.
const DESCRIBE_NAME: &[u8] = b"weir:copy";

impl CopyOut {
    /// Parse, Describe, Close, Sync: no trace is left.
    pub fn describing_messages(&self) -> Vec<u8> {
        let mut out = Vec::new();
        parse::encode(&mut out, DESCRIBE_NAME, self.describe.as_bytes(), [].into_iter());
        describe::encode(&mut out, b'D', Target::Statement(DESCRIBE_NAME));
        describe::encode(&mut out, b'C', Target::Statement(DESCRIBE_NAME));
        wire::message(&mut out, b'S', |_| {});
        out
    }
}

impl Style {
    /// Form of the single values.
    pub fn format(&self) -> Format {
        if self.form == Form::Binary { Format::Binary } else { Format::Text }
    }

    /// Rows in the payload of one or more CopyData messages.
    pub fn split(&self, payload: &[u8]) -> Split {
        match self.form {
            Form::Text => text::split(self, payload),
            Form::Csv => csv::split(self, payload),
            Form::Binary => binary::split(payload),
        }
    }

    /// The payload with other values: `edit` tells for row and column what to put, or nothing to keep it.
    pub fn rebuild(
        &self,
        payload: &[u8],
        rows: &[Row],
        mut edit: impl FnMut(usize, usize) -> Option<Option<Vec<u8>>>,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(payload.len());
        let mut at = 0;
        for (row_index, row) in rows.iter().enumerate() {
            for (column, field) in row.fields.iter().enumerate() {
                let Some(new) = edit(row_index, column) else { continue };
                out.extend_from_slice(payload.get(at..field.raw.start).unwrap_or_default());
                at = field.raw.end;
                match self.form {
                    Form::Text => text::put(self, new.as_deref(), &mut out),
                    Form::Csv => csv::put(self, new.as_deref(), field.quoted, &mut out),
                    Form::Binary => wire::put_value(&mut out, new.as_deref()),
                }
            }
        }
        out.extend_from_slice(payload.get(at..).unwrap_or_default());
        out
    }
}

#[cfg(test)]
pub(crate) fn values(payload: &[u8], split: Split) -> Vec<Vec<Option<String>>> {
    let Split::Rows(rows) = split else { panic!("{split:?}") };
    let show = |field: Field| match field.value {
        Value::Null => None,
        Value::Plain(range) => Some(String::from_utf8_lossy(&payload[range]).into_owned()),
        Value::Unescaped(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
    };
    rows.into_iter().map(|row| row.fields.into_iter().map(show).collect()).collect()
}
