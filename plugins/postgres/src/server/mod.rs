//! The server's direction: match each message with what was asked, count, and see values only while masking.

pub mod ends;
pub mod fails;
pub mod masked;
pub mod status;

use crate::client::show;
use crate::inspector::{Inspector, violation};
use crate::mask::Rows;
use crate::mask::kept_back::KeptBack;
use crate::mask::known::Known;
use crate::messages::row_description::Shape;
use crate::outcome::ServerSide;
use crate::queue::{Answer, State};
use crate::wire::{self, Framing, Header};
use std::rc::Rc;
use weir_sdk::inspector::{Fault, ServerOutcome};

/// The longest RowDescription: 1,664 columns with names of 63 bytes.
const MAX_DESCRIPTION_BYTES: usize = 1 << 18;

#[derive(Debug, Default)]
pub struct ServerState {
    /// An extended message failed: the server ignores everything up to the next Sync.
    pub skipping: bool,
    /// Operation whose failure was told already.
    pub failed_operation: u32,
    pub progress: Progress,
    pub in_transaction: bool,
    pub transaction_failed: bool,
    /// CopyOutResponse came, CopyDone not yet.
    pub copies_out: bool,
    /// Rows of the current result, while values are masked.
    pub rows: Rows,
    /// Operation that `rows` was announced for.
    pub shape_for: u32,
    /// What was told of it for all its results, in bytes (`Entry::told_bytes`).
    pub told_bytes: usize,
    /// `rows` as it was for the events of the last outcome, one after the other.
    pub edited: Vec<Rows>,
    /// Shapes that need no word of the host's any more.
    pub known: Known,
    /// Rows that the host has seen the readable cells of, but not the bytes.
    pub kept_back: Option<KeptBack>,
    /// Columns of the COPY to come.
    pub copy_shape: Option<Rc<Shape>>,
    /// Why the COPY to come could not be described.
    pub copy_error: Option<Vec<u8>>,
    /// The first row of a COPY is its columns' names.
    pub header_expected: bool,
    /// The rest of this query's answer is not sent on.
    pub swallows: bool,
    /// Scratch space.
    pub places: Vec<Option<(usize, usize)>>,
}

/// What the front entry's answer has shown so far.
#[derive(Debug, Default)]
pub struct Progress {
    pub rows: u64,
    /// `rows` when the last statement had ended.
    pub rows_before: u64,
    pub tags: String,
    /// code and message
    pub error: Option<(String, String)>,
}

/// What one message means for the scan.
pub(crate) enum Flow {
    Next,
    /// The answer ends here: the host must act before it goes on.
    Stop,
    Fatal(Fault),
    /// This many bytes, from the message at hand on, are dealt with.
    Over(usize),
    /// This many bytes, from the message at hand on, must be there first.
    Need(usize),
}

/// One message at hand; `body` is empty when the message is not needed whole and may not be there yet.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    pub header: Header,
    pub body: &'a [u8],
    /// This message and everything behind it.
    pub rest: &'a [u8],
    /// Where it starts in the bytes of this call.
    pub at: usize,
}

impl Inspector {
    pub fn read_server(&mut self, data: &[u8], _eof: bool) -> ServerOutcome {
        let mut out = ServerSide::default();
        if let Some(why) = self.dead.clone() {
            out.fatal(why);
            return out.outcome;
        }
        self.server.edited.clear();
        self.server.edited.push(self.server.rows.clone());
        let mut at = 0;
        while at < data.len() {
            let header = match wire::header(data.get(at..).unwrap_or_default()) {
                Framing::Partial => {
                    out.outcome.need = 5;
                    break;
                }
                Framing::Invalid(kind) => {
                    self.end(
                        &mut out,
                        violation(format!(
                            "the upstream sent a message of type {} with a length that cannot be",
                            show(kind)
                        )),
                    );
                    break;
                }
                Framing::Header(header) => header,
            };
            let body = wire::body(data, at, header);
            let whole = self.needs_whole(header);
            if whole && header.total_bytes > self.max_whole(header) {
                if let Flow::Fatal(why) = self.too_long() {
                    self.end(&mut out, why);
                }
                break;
            }
            if body.is_none() && whole {
                out.outcome.need = u32::try_from(header.total_bytes).unwrap_or(u32::MAX);
                break;
            }
            let whole = body.is_some();
            let rest = data.get(at..).unwrap_or_default();
            let message = Message { header, body: body.unwrap_or_default(), rest, at };
            match self.server_message(&mut out, message, whole) {
                Flow::Next => at = at.saturating_add(header.total_bytes),
                Flow::Over(bytes) => at = at.saturating_add(bytes),
                Flow::Stop => break,
                Flow::Need(bytes) => {
                    out.outcome.need = u32::try_from(bytes).unwrap_or(u32::MAX);
                    break;
                }
                Flow::Fatal(why) => {
                    self.end(&mut out, why);
                    break;
                }
            }
        }
        out.outcome
    }

    fn end(&mut self, out: &mut ServerSide, why: Fault) {
        self.dead = Some(why.clone());
        out.fatal(why);
    }

    /// Messages whose content matters are waited for; the others pass as they come, in any size.
    fn needs_whole(&self, header: Header) -> bool {
        match header.kind {
            b'D' | b'd' => self.masking && !self.server.swallows && !self.server.rows.wanted.is_empty(),
            b'N' | b'A' => self.masking,
            b'V' => false,
            b'E' => self.masking || header.total_bytes <= self.max_answer,
            _ => true,
        }
    }

    /// Descriptions and tags may be longer than a very small limit for values.
    fn max_whole(&self, header: Header) -> usize {
        match header.kind {
            b'D' | b'd' => self.max_answer,
            _ => self.max_answer.max(MAX_DESCRIPTION_BYTES),
        }
    }

    fn server_message(&mut self, out: &mut ServerSide, message: Message<'_>, whole: bool) -> Flow {
        let len = message.header.total_bytes;
        if self.server.swallows && b"TDCIHdcE".contains(&message.header.kind) {
            out.drop(len);
            return Flow::Next;
        }
        match message.header.kind {
            b'D' => self.data_row(out, message),
            b'd' => self.copy_row(out, message),
            b'T' => self.described(out, message),
            b'C' => self.command_complete(out, message),
            b'Z' => self.ready(out, message),
            b'1' => self.answered(out, message, Answer::Parse),
            b'2' => self.answered(out, message, Answer::Bind),
            b'3' => self.answered(out, message, Answer::Close),
            b'n' => self.described(out, message),
            b't' => self.parameter_types(out, message),
            b's' => self.suspended(out, message),
            b'I' => self.empty_query(out, message),
            b'E' => self.error(out, message, whole),
            b'V' => self.function_result(out, message),
            b'G' => self.copy_in_starts(out, message),
            b'H' => self.copy_out_starts(out, message),
            b'c' => self.copy_out_ends(out, message),
            b'S' => self.parameter_status(out, message),
            b'N' | b'A' if self.masking => self.masked_message(out, message),
            b'N' | b'A' | b'K' | b'v' => {
                out.pass(len);
                Flow::Next
            }
            b'W' => {
                Flow::Fatal(violation("the upstream started a replication stream, which cannot be inspected"))
            }
            kind => {
                Flow::Fatal(violation(format!("unexpected message type {} from the upstream", show(kind))))
            }
        }
    }

    fn data_row(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        if !self.front_runs() {
            return out_of_order(message);
        }
        if self.masking {
            return self.masked_row(out, message);
        }
        self.server.progress.rows += 1;
        out.pass(message.header.total_bytes);
        Flow::Next
    }

    fn copy_row(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        if !self.server.copies_out {
            return out_of_order(message);
        }
        if self.masking {
            return self.masked_copy_row(out, message);
        }
        out.pass(message.header.total_bytes);
        Flow::Next
    }

    fn copy_in_starts(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        if !self.front_runs() {
            return out_of_order(message);
        }
        match self.queue.front() {
            Some(front) if front.copy_ends > 0 => front.copy_ends -= 1,
            Some(front) => {
                let foreseen = front.answer == Answer::Query || self.client.copy_in.is_expected();
                if !foreseen {
                    self.queue.forget_sync_behind_front();
                }
                self.client.copy_in.starts();
            }
            None => {}
        }
        out.pass(message.header.total_bytes);
        Flow::Next
    }

    fn copy_out_starts(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        if !self.front_runs() || self.server.copies_out {
            return out_of_order(message);
        }
        self.server.copies_out = true;
        if self.masking {
            return self.masked_copy_starts(out, message);
        }
        out.pass(message.header.total_bytes);
        Flow::Next
    }

    fn copy_out_ends(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        if !self.server.copies_out {
            return out_of_order(message);
        }
        self.server.copies_out = false;
        out.pass(message.header.total_bytes);
        Flow::Next
    }

    /// Rows, COPY and command tags may come now.
    pub(crate) fn front_runs(&mut self) -> bool {
        !self.server.skipping
            && self.queue.front().is_some_and(|front| {
                matches!(front.answer, Answer::Query | Answer::Execute)
                    && front.state == State::Open
                    && !front.hidden
            })
    }

    pub(crate) fn front_is(&mut self, answer: Answer) -> bool {
        !self.server.skipping
            && self.queue.front().is_some_and(|front| front.answer == answer && front.state == State::Open)
    }

    /// Sends the message on, unless it answers what the client never asked.
    pub(crate) fn forward(&mut self, out: &mut ServerSide, message: Message<'_>) {
        let len = message.header.total_bytes;
        if self.queue.front().is_some_and(|front| front.hidden) { out.drop(len) } else { out.pass(len) }
    }
}

pub(crate) fn out_of_order(message: Message<'_>) -> Flow {
    Flow::Fatal(violation(format!(
        "the upstream sent a message of type {} that answers nothing asked",
        show(message.header.kind)
    )))
}
