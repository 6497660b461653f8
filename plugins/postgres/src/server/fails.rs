//! ErrorResponse: what failed, what is skipped because of it, and our own errors in the place of provoked ones.

use super::ends::{result, status};
use super::masked::fails_loudly;
use super::{Flow, Message};
use crate::inspector::{Inspector, violation};
use crate::messages::error::{self, field};
use crate::names::{Change, Happened};
use crate::outcome::ServerSide;
use crate::queue::{Answer, Entry, State};
use weir_sdk::inspector::ResultInfo;

impl Inspector {
    pub(super) fn error(&mut self, out: &mut ServerSide, message: Message<'_>, whole: bool) -> Flow {
        let fields = error::fields(message.body);
        if whole && fields.is_none() {
            return Flow::Fatal(violation("the upstream sent a malformed ErrorResponse"));
        }
        let fields = fields.unwrap_or_default();
        let text = |letter| {
            field(&fields, letter).map_or_else(String::new, |text| String::from_utf8_lossy(text).into_owned())
        };
        let severity = if field(&fields, b'V').is_some() { text(b'V') } else { text(b'S') };
        let error = (text(b'C'), text(b'M'));
        let last_words = matches!(severity.as_str(), "FATAL" | "PANIC");
        self.server.copies_out = false;
        if !whole {
            // Its bytes may reach beyond this call, so they come last.
            let flow = self.account(out, error, last_words);
            out.pass(message.header.total_bytes);
            return flow;
        }
        if let Some(flow) = self.show_error(out, message, last_words, &error.0) {
            return flow;
        }
        self.account(out, error, last_words)
    }

    /// Sends the error on, or what stands for it.
    fn show_error(
        &mut self,
        out: &mut ServerSide,
        message: Message<'_>,
        last_words: bool,
        code: &str,
    ) -> Option<Flow> {
        let len = message.header.total_bytes;
        let first_cause = self.first_cause(code);
        match self.queue.front() {
            Some(Entry { state: State::Refused(reply), .. }) if !last_words => {
                let reply = std::mem::take(reply);
                out.drop(len);
                out.insert(reply);
            }
            Some(front) if !fails_loudly(front) && !last_words => {
                self.server.copy_error = message.rest.get(..len).map(<[u8]>::to_vec);
                out.drop(len);
            }
            _ => match first_cause {
                Some(cause) => {
                    out.drop(len);
                    out.insert(cause);
                }
                None if self.masking => match self.masked_message(out, message) {
                    Flow::Next => {}
                    flow => return Some(flow),
                },
                None => out.pass(len),
            },
        }
        None
    }

    /// What the error means for what was asked.
    fn account(&mut self, out: &mut ServerSide, error: (String, String), last_words: bool) -> Flow {
        let Some(front) = self.queue.front() else { return Flow::Next };
        let (answer, segment, loud) = (front.answer, front.segment, fails_loudly(front));
        if last_words {
            self.fail_all(out, error);
            return Flow::Next;
        }
        if answer.is_simple() || answer == Answer::Sync {
            self.client.copy_in.is_served();
            self.server.progress.error.get_or_insert(error);
            return Flow::Next;
        }
        self.server.skipping = true;
        if loud {
            self.client.copy_in.is_skipped(segment);
            // No Sync has been sent since: whatever comes before it is ignored.
            self.client.doomed |= segment == self.client.segment;
        }
        if let Some(entry) = self.queue.pop() {
            self.fail(out, entry, error);
        }
        Flow::Next
    }

    /// A message of the extended protocol failed.
    fn fail(&mut self, out: &mut ServerSide, entry: Entry, error: (String, String)) {
        let progress = std::mem::take(&mut self.server.progress);
        let loud = fails_loudly(&entry);
        if loud {
            self.server.failed_operation = entry.operation;
        }
        if entry.operation != 0 && entry.state == State::Open && loud {
            out.done(ResultInfo {
                rows: progress.rows,
                code: error.0,
                message: error.1,
                ..result(entry.operation, status::ERROR)
            });
        }
        // What a failed Execute did to names by SQL may have happened.
        let happened = if entry.answer == Answer::Execute { Happened::Perhaps } else { Happened::No };
        let refused = entry.state != State::Open;
        for change in entry.changes {
            let unnamed = match &change {
                Change::Statement(name, _) if name.is_empty() => Some(true),
                Change::Portal(name, _) if name.is_empty() => Some(false),
                _ => None,
            };
            self.names.resolve(change, happened);
            // A Parse or Bind of the unnamed one drops the old one first, whatever happens then.
            match unnamed {
                Some(true) if happened == Happened::No && !refused => self.names.statements.drop_settled(b""),
                Some(false) if happened == Happened::No && !refused => self.names.portals.drop_settled(b""),
                _ => {}
            }
        }
    }

    /// The server is gone: nothing that was asked will be answered.
    fn fail_all(&mut self, out: &mut ServerSide, error: (String, String)) {
        let mut error = Some(error);
        while let Some(entry) = self.queue.pop() {
            if entry.operation == 0 || entry.state != State::Open || entry.hidden {
                continue;
            }
            match error.take() {
                Some((code, message)) => {
                    self.server.failed_operation = entry.operation;
                    out.done(ResultInfo { code, message, ..result(entry.operation, status::ERROR) });
                }
                None if entry.ends && entry.operation != self.server.failed_operation => {
                    out.done(result(entry.operation, status::SKIPPED));
                }
                None => {}
            }
        }
    }
}
