//! While values are masked: every row comes after a `shape`, and its cells are shown.
//!
//! What cannot be shown does not pass: rows without a description end the session, a COPY whose columns are
//! not known is swallowed and an error takes its place.

use super::{Flow, Message};
use crate::copy::{Row, Split, Value};
use crate::inspector::{Inspector, denied, violation};
use crate::mask::{Rows, people};
use crate::messages::row_description::{self, Shape};
use crate::messages::{data_row, error};
use crate::outcome::ServerSide;
use crate::queue::{Answer, Entry, State};
use crate::wire::{self, Framing, HEADER_BYTES};
use std::rc::Rc;

/// What may be told to the maskers of one query, in bytes: a second of work or two. A query of 100 kB may have ten
/// thousand results with different columns, one of 8 MB a hundred.
const MAX_TOLD_BYTES: usize = 1 << 30;

impl Inspector {
    /// RowDescription or NoData, or `None` when it is to be treated as if nothing was masked.
    pub(super) fn masked_description(&mut self, out: &mut ServerSide, message: Message<'_>) -> Option<Flow> {
        let front = self.queue.front()?;
        if front.state != State::Open {
            return None;
        }
        let (answer, operation, hidden) = (front.answer, front.operation, front.hidden);
        let portal = front.portal.clone();
        let shape = match message.header.kind {
            b'T' => match self.described_shape(message.body) {
                Some(shape) => Some(shape),
                None => return Some(Flow::Fatal(violation("the upstream sent a malformed RowDescription"))),
            },
            _ => None,
        };
        match answer {
            Answer::DescribeStatement if hidden => {
                self.server.copy_shape = shape;
                None
            }
            Answer::DescribePortal => {
                let portal = portal?;
                portal.shape.borrow_mut().clone_from(&shape);
                let shape = shape?;
                let len = message.header.total_bytes;
                if hidden {
                    out.drop(len);
                }
                self.complete(out, super::ends::status::OK);
                let shown = if hidden { 0 } else { len };
                if self.is_known(out, shown, operation, &shape, None) {
                    return Some(Flow::Next);
                }
                Some(self.announce(out, shown, operation, &shape))
            }
            Answer::Query => {
                let shape = shape?;
                Some(self.next_result(out, message.header.total_bytes, operation, &shape))
            }
            _ => None,
        }
    }

    fn described_shape(&self, body: &[u8]) -> Option<Rc<Shape>> {
        let known = self.server.known.described(body);
        known.or_else(|| row_description::decode(body).map(Rc::new))
    }

    /// One of the results of a query, which may have as many as fit into its text. Each announcement hands that text
    /// to every masker, so it is not made again for the same columns, and not without end for others.
    fn next_result(&mut self, out: &mut ServerSide, len: usize, operation: u32, shape: &Rc<Shape>) -> Flow {
        let is_first = self.server.shape_for != operation;
        let (defines_nothing, told_bytes) =
            self.queue.front().map_or((false, 0), |front| (front.defines_nothing, front.told_bytes));
        let rows = &self.server.rows;
        if !is_first && defines_nothing && rows.style.is_none() && rows.shape == *shape {
            out.pass(len);
            return Flow::Next;
        }
        if is_first {
            self.server.told_bytes = 0;
        }
        if self.is_known(out, len, operation, shape, None) {
            return Flow::Next;
        }
        self.server.told_bytes = self.server.told_bytes.saturating_add(told_bytes);
        if !is_first && self.server.told_bytes > MAX_TOLD_BYTES {
            return Flow::Fatal(denied(
                "cannot be masked: one query has too many results with different columns; send its statements apart",
            ));
        }
        self.announce(out, len, operation, shape)
    }

    /// Ends the answer with a `shape` event.
    pub(crate) fn announce(
        &mut self,
        out: &mut ServerSide,
        len: usize,
        operation: u32,
        shape: &Rc<Shape>,
    ) -> Flow {
        self.server.rows = Rows { shape: Rc::clone(shape), style: None, wanted: Rc::from([]) };
        self.server.shape_for = operation;
        out.shape(len, operation, shape.wire_columns());
        Flow::Stop
    }

    pub(super) fn masked_row(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        let Some(front) = self.queue.front() else { return super::out_of_order(message) };
        let operation = front.operation;
        if self.server.shape_for != operation {
            // More rows of a portal that was described when it first ran.
            let known = front.portal.as_ref().and_then(|portal| portal.shape.borrow().clone());
            return match known {
                // The row is looked at again, since now it may be needed whole.
                Some(shape) if self.is_known(out, 0, operation, &shape, None) => Flow::Over(0),
                Some(shape) => self.announce(out, 0, operation, &shape),
                None => Flow::Fatal(denied("cannot be masked: the upstream sent rows without a description")),
            };
        }
        let len = message.header.total_bytes;
        if let Some(kept) = self.server.kept_back.take() {
            self.server.progress.rows += 1;
            return self.go_on(out, kept);
        }
        if self.server.rows.wanted.is_empty() {
            self.server.progress.rows += 1;
            out.pass(len);
            return Flow::Next;
        }
        let rows = &self.server.rows;
        let columns = &rows.shape.columns;
        if data_row::decode(message.body, columns.len(), &mut self.server.places).is_none() {
            return Flow::Fatal(violation("the upstream sent a row that does not fit its description"));
        }
        let before = out.mark();
        let mut readable = true;
        for index in rows.wanted.iter().map(|index| usize::from(*index)) {
            let (Some(column), Some(place)) = (columns.get(index), self.server.places.get(index)) else {
                return Flow::Fatal(violation("the upstream sent a row that does not fit its description"));
            };
            match place.and_then(|(start, len)| message.body.get(start..start + len).zip(Some(start))) {
                Some((bytes, start)) => {
                    readable &=
                        out.cell(column.type_oid, column.format, bytes, message.at + HEADER_BYTES + start);
                }
                None => out.null_cell(),
            }
        }
        if !readable {
            out.back_to(before);
            for index in rows.wanted.iter().map(|index| usize::from(*index)) {
                let place = self.server.places.get(index).copied().flatten();
                let bytes = place.and_then(|(start, len)| message.body.get(start..start + len));
                match columns.get(index).zip(bytes) {
                    Some((column, bytes)) => {
                        out.copied_cell(column.type_oid, column.format, bytes);
                    }
                    None => out.null_cell(),
                }
            }
            let (rows, bytes) = (rows.clone(), message.rest.get(..len).unwrap_or_default());
            return self.keep_back(out, bytes, 1, rows);
        }
        self.server.progress.rows += 1;
        out.rows(len, 1, self.server.edited.len() - 1);
        Flow::Next
    }

    /// CopyOutResponse.
    pub(super) fn masked_copy_starts(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        let len = message.header.total_bytes;
        let shape = self.server.copy_shape.take();
        let Some(front) = self.queue.front() else { return super::out_of_order(message) };
        let operation = front.operation;
        let is_query = front.answer == Answer::Query;
        if let Some((shape, copy_out)) = shape.zip(front.copy_out.as_ref())
            && matches_response(message.body, &shape, copy_out.style.form == crate::copy::Form::Binary)
        {
            let style = Rc::new(copy_out.style.clone());
            self.server.header_expected = style.header;
            if self.is_known(out, len, operation, &shape, Some(Rc::clone(&style))) {
                return Flow::Next;
            }
            let flow = self.announce(out, len, operation, &shape);
            self.server.rows.style = Some(style);
            return flow;
        }
        if !is_query {
            return Flow::Fatal(denied("cannot be masked: a COPY whose columns are not known"));
        }
        let why = denied("cannot be masked: the columns of this COPY are not known");
        self.server.swallows = true;
        self.server.progress.error = Some((why.code.clone(), why.message.clone()));
        out.insert(error::refusal(&why));
        out.drop(len);
        Flow::Next
    }

    /// CopyData from the server.
    pub(super) fn masked_copy_row(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        if let Some(kept) = self.server.kept_back.take() {
            return self.go_on(out, kept);
        }
        let rows = self.server.rows.clone();
        let Some(style) = rows.style.as_ref().filter(|_| !rows.wanted.is_empty()) else {
            out.pass(message.header.total_bytes);
            return Flow::Next;
        };
        let mut end = message.header.total_bytes;
        let mut joined: Vec<u8> = Vec::new();
        let mut split = style.split(message.body);
        while split == Split::Unfinished {
            if joined.is_empty() {
                joined.extend_from_slice(message.body);
            }
            let next = match wire::header(message.rest.get(end..).unwrap_or_default()) {
                Framing::Partial => return Flow::Need(end + HEADER_BYTES),
                Framing::Header(header) if header.kind == b'd' => header,
                _ => return Flow::Fatal(denied("cannot be masked: a row of this COPY does not end")),
            };
            if end + next.total_bytes > self.max_answer {
                return self.too_long();
            }
            let Some(body) = wire::body(message.rest, end, next) else {
                return Flow::Need(end + next.total_bytes);
            };
            joined.extend_from_slice(body);
            end += next.total_bytes;
            split = style.split(&joined);
        }
        let Split::Rows(found) = split else {
            return Flow::Fatal(denied("cannot be masked: a row of this COPY is malformed"));
        };
        if self.server.header_expected {
            self.server.header_expected = false;
            if found.len() != 1 {
                return Flow::Fatal(denied("cannot be masked: the header of this COPY is not alone"));
            }
            out.pass(end);
            return Flow::Over(end);
        }
        if found.is_empty() {
            out.pass(end);
            return Flow::Over(end);
        }
        let payload = if joined.is_empty() { message.body } else { &joined };
        let at = joined.is_empty().then_some(message.at + HEADER_BYTES);
        let before = out.mark();
        let mut show = |at: Option<usize>| {
            found.iter().try_fold(true, |all, row| {
                show_copy_row(out, &rows, row, payload, at).map(|readable| all && readable)
            })
        };
        let unfit =
            || Flow::Fatal(denied("cannot be masked: a row of this COPY does not fit its description"));
        match show(at) {
            None => return unfit(),
            Some(true) => {}
            Some(false) => {
                out.back_to(before);
                let bytes = message.rest.get(..end).unwrap_or_default();
                for row in &found {
                    if show_copy_row(out, &rows, row, payload, None).is_none() {
                        return unfit();
                    }
                }
                return self.keep_back(out, bytes, found.len(), rows);
            }
        }
        out.rows(end, found.len(), self.server.edited.len() - 1);
        Flow::Over(end)
    }

    /// An error whose place in the answer is known: the first cause is shown, not what followed from it.
    pub(super) fn first_cause(&mut self, code: &str) -> Option<Vec<u8>> {
        let copies = self.queue.front().is_some_and(|front| front.copy_out.is_some());
        let saved = self.server.copy_error.take();
        saved.filter(|_| copies && code == "25P02")
    }

    pub(super) fn masked_message(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        match people::show(out, message.header, message.body, message.at) {
            Some(()) => Flow::Next,
            None => Flow::Fatal(violation("the upstream sent a malformed message")),
        }
    }

    pub(super) fn too_long(&self) -> Flow {
        Flow::Fatal(denied(format!(
            "cannot be masked: the upstream sent a message larger than the limit of {} bytes (max_answer_bytes)",
            self.max_answer
        )))
    }
}

/// A hidden message whose failure the client must see, because what it asked for will not run.
pub(super) fn fails_loudly(entry: &Entry) -> bool {
    !entry.hidden || entry.answer == Answer::DescribePortal
}

/// CopyOutResponse has the format and the number of columns that were described.
fn matches_response(body: &[u8], shape: &Shape, binary: bool) -> bool {
    let mut reader = wire::Reader::new(body);
    let format = reader.byte();
    let count = reader.u16().map(usize::from);
    format == Some(u8::from(binary)) && count == Some(shape.columns.len())
}

/// `at` is the place of the payload in the bytes of the call, if it lies there in one piece. Whether all wanted
/// values can be read; `None` when the row is not what was described.
fn show_copy_row(
    out: &mut ServerSide,
    rows: &Rows,
    row: &Row,
    payload: &[u8],
    at: Option<usize>,
) -> Option<bool> {
    let columns = &rows.shape.columns;
    let mut readable = true;
    if row.fields.len() != columns.len() {
        return None;
    }
    let format = rows.style.as_ref()?.format();
    for index in rows.wanted.iter().map(|index| usize::from(*index)) {
        let column = columns.get(index)?;
        match (&row.fields.get(index)?.value, at) {
            (Value::Null, _) => out.null_cell(),
            (Value::Plain(range), Some(at)) => {
                readable &= out.cell(column.type_oid, format, payload.get(range.clone())?, at + range.start);
            }
            (Value::Plain(range), None) => {
                readable &= out.copied_cell(column.type_oid, format, payload.get(range.clone())?);
            }
            (Value::Unescaped(bytes), _) => out.decoded_cell(bytes),
        }
    }
    Some(readable)
}
