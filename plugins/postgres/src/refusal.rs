//! Refusal by substitution: something that must fail goes to the server in the place of the operation, and
//! the server's error comes back as ours. Order, transaction state and ReadyForQuery are then right by
//! construction, also inside a pipeline or a failed transaction.

use crate::copy;
use crate::inspector::Inspector;
use crate::messages::{error, function_call, parse, query};
use crate::names::Happened;
use crate::queue::{Answer, State};
use weir_sdk::inspector::{Fault, Substitute};

/// Fails in the server's parser, before anything is looked up.
const REFUSED_TEXT: &[u8] = b"/* weir: refused */ !";
/// A name of our own: a failing Parse of the unnamed statement would drop the client's.
const REFUSED_NAME: &[u8] = b"weir:refused";

/// What is sent in the place of an operation that begins with this answer's message.
pub(crate) fn failing(answer: Answer) -> Vec<u8> {
    let mut out = Vec::new();
    match answer {
        Answer::Query => query::encode(&mut out, REFUSED_TEXT),
        Answer::Function => function_call::encode_failing(&mut out),
        _ => parse::encode(&mut out, REFUSED_NAME, REFUSED_TEXT, [].into_iter()),
    }
    out
}

pub(crate) fn state(why: &Fault) -> State {
    State::Refused(error::refusal(why))
}

impl Inspector {
    pub fn refuse_operation(&mut self, id: u32, why: &Fault) -> Result<Substitute, Fault> {
        let unknown =
            || Fault { code: "unknown-operation".to_owned(), message: format!("operation {id} is not open") };
        let refusal = self.queue.refuse(id, error::refusal(why)).ok_or_else(unknown)?;
        let (answer, segment) = refusal.place.ok_or_else(unknown)?;
        for change in refusal.changes {
            self.names.resolve(change, Happened::No);
        }
        if !answer.is_simple() && segment == self.client.segment {
            self.client.doomed = true;
        }
        self.client.copy_in.is_over(id);
        Ok(Substitute { upstream: failing(answer), client: Vec::new() })
    }

    /// Bytes that make the server describe the rows of a COPY before it runs, with their entries.
    pub(crate) fn describe_copy(&mut self, id: u32, copy_out: &copy::CopyOut) -> Vec<u8> {
        let segment = self.client.segment;
        for answer in [Answer::Parse, Answer::DescribeStatement, Answer::Close, Answer::Sync] {
            self.queue.push(crate::queue::Entry::hidden(answer, segment, id));
        }
        copy_out.describing_messages()
    }
}
