//! Answers that complete what was asked.

use super::{Flow, Message, out_of_order};
use crate::inspector::{Inspector, violation};
use crate::names::Happened;
use crate::outcome::ServerSide;
use crate::queue::{Answer, Entry, State};
use crate::wire::Reader;
use weir_sdk::inspector::ResultInfo;

/// Numbers of `result-info.status`.
pub mod status {
    pub(crate) const OK: u8 = 0;
    pub(crate) const ERROR: u8 = 1;
    pub(crate) const SKIPPED: u8 = 2;
    pub(crate) const SUSPENDED: u8 = 3;
}

/// Tags of a query with very many statements are cut.
const MAX_TAGS_BYTES: usize = 4096;

impl Inspector {
    /// ParseComplete, BindComplete, CloseComplete.
    pub(super) fn answered(&mut self, out: &mut ServerSide, message: Message<'_>, answer: Answer) -> Flow {
        if !self.front_is(answer) {
            return out_of_order(message);
        }
        self.forward(out, message);
        self.complete(out, status::OK);
        Flow::Next
    }

    /// RowDescription or NoData.
    pub(super) fn described(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        if self.masking
            && !self.server.skipping
            && let Some(flow) = self.masked_description(out, message)
        {
            return flow;
        }
        if self.front_is(Answer::DescribeStatement) || self.front_is(Answer::DescribePortal) {
            self.forward(out, message);
            self.complete(out, status::OK);
            return Flow::Next;
        }
        if message.header.kind == b'T' && self.front_is(Answer::Query) {
            self.forward(out, message);
            return Flow::Next;
        }
        out_of_order(message)
    }

    pub(super) fn parameter_types(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        if !self.front_is(Answer::DescribeStatement) {
            return out_of_order(message);
        }
        let mut reader = Reader::new(message.body);
        let types = reader.u16().and_then(|count| reader.take(usize::from(count) * 4));
        let Some(types) = types else {
            return Flow::Fatal(violation("the upstream sent a malformed ParameterDescription"));
        };
        if let Some(statement) = self.queue.front().and_then(|front| front.statement.as_ref()) {
            let (types, _) = types.as_chunks::<4>();
            *statement.types.borrow_mut() = types.iter().map(|oid| u32::from_be_bytes(*oid)).collect();
        }
        self.forward(out, message);
        Flow::Next
    }

    pub(super) fn command_complete(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        if !self.front_runs() {
            return out_of_order(message);
        }
        let Some((0, tag)) = message.body.split_last() else {
            return Flow::Fatal(violation("the upstream sent a malformed CommandComplete"));
        };
        let tag = String::from_utf8_lossy(tag);
        let progress = &mut self.server.progress;
        if let Some(rows) = rows_of(&tag, progress.rows > progress.rows_before) {
            progress.rows = progress.rows.saturating_add(rows);
        }
        progress.rows_before = progress.rows;
        if progress.tags.len() < MAX_TAGS_BYTES {
            if !progress.tags.is_empty() {
                progress.tags.push_str("; ");
            }
            progress.tags.push_str(&tag);
        }
        self.server.copies_out = false;
        self.forward(out, message);
        self.client.copy_in.is_served();
        if self.front_is(Answer::Execute) {
            self.complete(out, status::OK);
        }
        Flow::Next
    }

    pub(super) fn empty_query(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        if !self.front_runs() {
            return out_of_order(message);
        }
        self.forward(out, message);
        if self.front_is(Answer::Execute) {
            self.complete(out, status::OK);
        }
        Flow::Next
    }

    pub(super) fn suspended(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        if !self.front_is(Answer::Execute) {
            return out_of_order(message);
        }
        self.forward(out, message);
        self.complete(out, status::SUSPENDED);
        Flow::Next
    }

    pub(super) fn function_result(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        if !self.front_is(Answer::Function) {
            return out_of_order(message);
        }
        self.forward(out, message);
        Flow::Next
    }

    pub(super) fn ready(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        let (in_transaction, failed) = match message.body {
            b"I" => (false, false),
            b"T" => (true, false),
            b"E" => (true, true),
            _ => return Flow::Fatal(violation("the upstream sent a malformed ReadyForQuery")),
        };
        if self.server.skipping {
            self.skip_to_sync(out);
        }
        match self.queue.front().map(|front| front.answer) {
            Some(Answer::Query | Answer::Function | Answer::Sync) => {}
            _ => return out_of_order(message),
        }
        let hidden = self.queue.front().is_some_and(|front| front.hidden);
        self.server.swallows = false;
        self.server.copies_out = false;
        if !hidden {
            self.server.copy_shape = None;
            self.server.copy_error = None;
        }
        self.forward(out, message);
        let failed_here = self.server.progress.error.is_some();
        self.complete(out, if failed_here { status::ERROR } else { status::OK });
        self.server.in_transaction = in_transaction;
        self.server.transaction_failed = failed;
        if !in_transaction {
            self.names.portals.clear();
        }
        if !hidden && self.queue.is_idle() {
            out.idle(in_transaction, failed);
        }
        Flow::Next
    }

    /// The server never looked at what lies before the Sync.
    fn skip_to_sync(&mut self, out: &mut ServerSide) {
        self.server.skipping = false;
        while self.queue.front().is_some_and(|front| front.answer != Answer::Sync) {
            let Some(entry) = self.queue.pop() else { return };
            self.client.copy_in.is_over(entry.operation);
            let told = entry.operation == self.server.failed_operation;
            if entry.ends && entry.operation != 0 && !told && entry.state == State::Open {
                out.done(result(entry.operation, status::SKIPPED));
            }
            self.resolve(entry, Happened::No);
        }
    }

    /// The front entry has its whole answer.
    pub(super) fn complete(&mut self, out: &mut ServerSide, status: u8) {
        let Some(entry) = self.queue.pop() else { return };
        let progress = std::mem::take(&mut self.server.progress);
        self.client.copy_in.is_over(entry.operation);
        let happened = if progress.error.is_some() { Happened::Perhaps } else { Happened::Yes };
        if entry.ends && entry.operation != 0 && entry.state == State::Open {
            let (code, message) = progress.error.unwrap_or_default();
            out.done(ResultInfo {
                rows: progress.rows,
                tag: progress.tags,
                code,
                message,
                ..result(entry.operation, status)
            });
        }
        self.resolve(entry, happened);
    }

    pub(super) fn resolve(&mut self, entry: Entry, happened: Happened) {
        for change in entry.changes {
            self.names.resolve(change, happened);
        }
    }
}

/// The rows that only the tag tells of: those a COPY moved, and those a statement changed. When RETURNING has shown
/// them, they have been counted as they came.
fn rows_of(tag: &str, shown: bool) -> Option<u64> {
    let count = match tag.split_once(' ')? {
        ("COPY", count) => count,
        ("UPDATE" | "DELETE" | "MERGE", count) if !shown => count,
        // Before the count stands an object's number, which is always 0 today.
        ("INSERT", rest) if !shown => rest.split_once(' ')?.1,
        _ => return None,
    };
    count.parse().ok()
}

pub(super) fn result(operation: u32, status: u8) -> ResultInfo {
    ResultInfo { operation, status, rows: 0, tag: String::new(), code: String::new(), message: String::new() }
}
