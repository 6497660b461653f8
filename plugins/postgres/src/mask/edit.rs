//! Edited texts back in their protocol's form.

use super::cells::is_readable;
use super::{MAKES_NULL, Rows, people};
use crate::copy::{Split, Value};
use crate::inspector::Inspector;
use crate::messages::bind::Format;
use crate::messages::data_row;
use crate::messages::row_description::Column;
use crate::types::fit;
use crate::wire::{self, Framing, HEADER_BYTES, Header};
use std::rc::Rc;
use weir_sdk::inspector::{Fault, kind};

/// Edits of one event, looked up by cell.
pub struct Edits<'a> {
    /// With `MAKES_NULL` for those that become NULL; ascending without it.
    pub cells: &'a [u32],
    pub texts: &'a [u8],
    pub ends: &'a [u32],
    /// Characters the client's encoding may not have are not written.
    pub ascii_only: bool,
    /// Some of the values cannot be read; they become NULL.
    pub hides: bool,
}

impl Edits<'_> {
    /// Outer `None`: not edited. Inner: NULL.
    fn of(&self, cell: usize) -> Option<Option<String>> {
        let cell = u32::try_from(cell).ok()?;
        let at = self.cells.binary_search_by_key(&cell, |edited| edited & !MAKES_NULL).ok()?;
        if self.cells.get(at)? & MAKES_NULL != 0 {
            return Some(None);
        }
        let end = |index: usize| self.ends.get(index).and_then(|end| usize::try_from(*end).ok());
        let start = if at == 0 { Some(0) } else { end(at - 1) };
        let bytes = start.zip(end(at)).and_then(|(start, end)| self.texts.get(start..end));
        // An edit that cannot be read must not leave the value as it was.
        let Some(bytes) = bytes else { return Some(None) };
        let text = String::from_utf8_lossy(bytes);
        let text = if self.ascii_only {
            text.replace(|letter: char| !letter.is_ascii(), "?")
        } else {
            text.into_owned()
        };
        Some(Some(text))
    }

    /// The new value of a cell in the form of its column; nothing when it is what it was.
    fn value(&self, cell: usize, column: &Column, format: Format, old: &[u8]) -> Option<Option<Vec<u8>>> {
        let text = self.of(cell)?;
        if format == Format::Text && text.as_ref().is_some_and(|text| text.as_bytes() == old) {
            return None;
        }
        Some(text.and_then(|text| {
            let mut value = Vec::new();
            fit::put(column, format, &text, &mut value).map(|()| value)
        }))
    }

    pub fn message(&self, data: &[u8]) -> Option<Vec<u8>> {
        let (header, body) = first(data, 0)?;
        people::rebuild(header.kind, body, |index| {
            self.of(index).map(|text| text.unwrap_or_default().into_bytes())
        })
    }

    pub fn data_rows(&self, rows: &Rows, data: &[u8]) -> Option<Vec<u8>> {
        let columns = &rows.shape.columns;
        let asked = Asked::of(rows);
        let mut out = Vec::with_capacity(data.len() + self.texts.len());
        let mut places = Vec::with_capacity(columns.len());
        // Edits ascend, so those of a row follow those of the row before.
        let (mut at, mut cell, mut edit) = (0, 0, 0);
        while at < data.len() {
            let (header, body) = first(data, at)?;
            let next_cell = cell + rows.wanted.len();
            let first_edit = edit;
            while self.cells.get(edit).is_some_and(|edited| ((edited & !MAKES_NULL) as usize) < next_cell) {
                edit += 1;
            }
            if first_edit == edit && !self.hides {
                out.extend_from_slice(data.get(at..at + header.total_bytes)?);
            } else {
                data_row::decode(body, columns.len(), &mut places)?;
                let edits = first_edit..edit;
                wire::message(&mut out, b'D', |out| {
                    out.extend_from_slice(&u16::try_from(places.len()).unwrap_or(u16::MAX).to_be_bytes());
                    for (index, place) in places.iter().enumerate() {
                        let old = place.and_then(|(start, len)| body.get(start..start + len));
                        // NULL stays NULL.
                        match old.zip(asked.order(index)) {
                            Some((old, order)) => {
                                self.put(out, cell + order, edits.clone(), &asked, columns, index, old)
                            }
                            None => wire::put_value(out, old),
                        }
                    }
                });
            }
            (at, cell) = (at + header.total_bytes, next_cell);
        }
        Some(out)
    }

    /// Writes the value of one asked cell: as it was, as it is edited, or NULL.
    #[allow(clippy::too_many_arguments, reason = "a cell has that many sides")]
    fn put(
        &self,
        out: &mut Vec<u8>,
        cell: usize,
        edits: std::ops::Range<usize>,
        asked: &Asked,
        columns: &[Column],
        index: usize,
        old: &[u8],
    ) {
        let at = edits
            .into_iter()
            .find(|at| self.cells.get(*at).is_some_and(|edited| (edited & !MAKES_NULL) as usize == cell));
        let Some(at) = at else {
            let hidden = columns.get(index).is_none_or(|column| self.is_hidden(column, column.format, old));
            return wire::put_value(out, Some(old).filter(|_| !hidden));
        };
        if asked.is_plain(index)
            && let Some(text) = self.text(at)
            && text.is_ascii()
            && !text.contains(&0)
        {
            return wire::put_value(out, Some(text));
        }
        let new = columns.get(index).map(|column| self.value(cell, column, column.format, old));
        match new {
            Some(Some(new)) => wire::put_value(out, new.as_deref()),
            Some(None) => wire::put_value(out, Some(old)),
            None => wire::put_value(out, None),
        }
    }

    fn is_hidden(&self, column: &Column, format: Format, old: &[u8]) -> bool {
        self.hides && !is_readable(column.type_oid, format, old)
    }

    /// The bytes of an edit that is not NULL.
    fn text(&self, at: usize) -> Option<&[u8]> {
        if self.cells.get(at)? & MAKES_NULL != 0 {
            return None;
        }
        let end = |index: usize| self.ends.get(index).and_then(|end| usize::try_from(*end).ok());
        let start = if at == 0 { Some(0) } else { end(at - 1) };
        start.zip(end(at)).and_then(|(start, end)| self.texts.get(start..end))
    }

    pub fn copy_rows(&self, rows: &Rows, data: &[u8]) -> Option<Vec<u8>> {
        let style = rows.style.as_ref()?;
        let mut out = Vec::with_capacity(data.len() + self.texts.len());
        let (mut at, mut cell) = (0, 0);
        while at < data.len() {
            let (payload, found, end) = copy_group(rows, data, at)?;
            let first_cell = cell;
            cell += found.len() * rows.wanted.len();
            let new = style.rebuild(&payload, &found, |row, index| {
                let order = rows.wanted.iter().position(|wanted| usize::from(*wanted) == index)?;
                let field = found.get(row)?.fields.get(index)?;
                let old = match &field.value {
                    Value::Null => return None,
                    Value::Plain(range) => payload.get(range.clone())?,
                    Value::Unescaped(bytes) => bytes,
                };
                let column = rows.shape.columns.get(index)?;
                let format = style.format();
                if self.is_hidden(column, format, old) {
                    return Some(None);
                }
                self.value(first_cell + row * rows.wanted.len() + order, column, format, old)
            });
            wire::message(&mut out, b'd', |out| out.extend_from_slice(&new));
            at = end;
        }
        Some(out)
    }
}

/// What is asked of each column of a result, found out once per batch.
struct Asked {
    /// The place among the wanted columns, and whether any text without NUL is a value of the column.
    columns: Vec<Option<(usize, bool)>>,
}

impl Asked {
    fn of(rows: &Rows) -> Self {
        let mut columns = vec![None; rows.shape.columns.len()];
        for (order, index) in rows.wanted.iter().enumerate() {
            let column = rows.shape.columns.get(usize::from(*index));
            let plain = column.is_some_and(|column| {
                column.format == Format::Text && column.modifier < 0 && fit::takes_any_text(column.type_oid)
            });
            if let Some(known) = columns.get_mut(usize::from(*index)) {
                *known = Some((order, plain));
            }
        }
        Self { columns }
    }

    fn order(&self, index: usize) -> Option<usize> {
        self.columns.get(index).copied().flatten().map(|(order, _)| order)
    }

    fn is_plain(&self, index: usize) -> bool {
        self.columns.get(index).copied().flatten().is_some_and(|(_, plain)| plain)
    }
}

impl Inspector {
    pub fn want_columns(&mut self, columns: &[u16], keep: u32) -> Result<(), Fault> {
        let known = self.server.rows.shape.columns.len();
        if columns.iter().any(|column| usize::from(*column) >= known) {
            return Err(Fault {
                code: "no-such-column".to_owned(),
                message: format!("the current result has {known} columns"),
            });
        }
        self.server.rows.wanted = Rc::from(columns);
        self.keep_shape(keep);
        Ok(())
    }

    pub fn edit_event(
        &mut self,
        data: &[u8],
        event: u16,
        reference: u32,
        cells: &[u32],
        texts: &[u8],
        ends: &[u32],
    ) -> Result<Vec<u8>, Fault> {
        let kept = self.server.kept_back.as_mut().filter(|_| data.is_empty());
        let edits = Edits { cells, texts, ends, ascii_only: !self.reading.utf8, hides: kept.is_some() };
        let rows = usize::try_from(reference).ok().and_then(|at| self.server.edited.get(at));
        let edited = match event {
            kind::MESSAGE => edits.message(data),
            kind::ROWS if let Some(kept) = kept => kept.edited(&edits),
            kind::ROWS if let Some(rows) = rows => match data.first() {
                Some(b'd') => edits.copy_rows(rows, data),
                _ => edits.data_rows(rows, data),
            },
            _ => None,
        };
        edited.ok_or_else(|| Fault {
            code: "not-editable".to_owned(),
            message: "these bytes are not those of the event".to_owned(),
        })
    }
}

/// The fewest CopyData messages from `at` on that end with a row: their payload, its rows, and where they end.
fn copy_group(rows: &Rows, data: &[u8], at: usize) -> Option<(Vec<u8>, Vec<crate::copy::Row>, usize)> {
    let mut payload = Vec::new();
    let mut end = at;
    loop {
        let (header, body) = first(data, end)?;
        payload.extend_from_slice(body);
        end += header.total_bytes;
        match rows.style.as_ref()?.split(&payload) {
            Split::Rows(found) => return Some((payload, found, end)),
            Split::Unfinished => {}
            Split::Malformed => return None,
        }
    }
}

fn first(data: &[u8], at: usize) -> Option<(Header, &[u8])> {
    let Framing::Header(header) = wire::header(data.get(at..)?) else { return None };
    Some((header, data.get(at + HEADER_BYTES..at + header.total_bytes)?))
}
