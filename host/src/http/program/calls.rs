//! Which requests of clients a program has not answered, and to whom what it says goes. No IO.
//!
//! Requests go to the program under ids of our own, and their progress is asked for under the same number: so two
//! clients of one program never meet, and what comes back names its request.

use super::body::Outlet;
use super::message::{self, Kind, Message, New};
use std::collections::{BTreeMap, VecDeque};

/// Messages that belong to no request, kept for a client that opens its stream, or opens it again; then the oldest are
/// lost.
const BACKLOG: usize = 64;
const BACKLOG_BYTES: usize = 1 << 20;
/// JSON-RPC: Internal error.
const INTERNAL: i32 = -32603;

pub(super) struct Calls {
    /// Whether several clients may share the program (2026-07-28 has no sessions).
    shared: bool,
    last: u64,
    open: BTreeMap<u64, Call>,
    /// The stream for what belongs to no request.
    stream: Option<Outlet>,
    /// With their numbers, which are their ids in the stream.
    backlog: VecDeque<(u64, String)>,
    backlog_bytes: usize,
    last_aside: u64,
    /// The last one that went into a stream.
    told: u64,
    /// Why the program takes no more.
    over: Option<String>,
}

struct Call {
    /// As the client writes them.
    id: String,
    token: Option<String>,
    /// Whether it is open for what it is to hear, and not to be answered soon.
    listens: bool,
    outlet: Outlet,
}

/// The program has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Over(pub(super) String);

impl Calls {
    pub(super) fn new(shared: bool) -> Self {
        Self {
            shared,
            last: 0,
            open: BTreeMap::new(),
            stream: None,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            last_aside: 0,
            told: 0,
            over: None,
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.open.is_empty()
    }

    /// A request, whose answer goes to `outlet`: its number and the line for the program.
    pub(super) fn begin(&mut self, request: &Message, outlet: &Outlet) -> Result<(u64, String), Over> {
        if let Some(why) = &self.over {
            return Err(Over(why.clone()));
        }
        self.last += 1;
        let own = self.last.to_string();
        let call = Call {
            id: request.id().unwrap_or("null").to_owned(),
            token: request.token().map(str::to_owned),
            listens: request.method == "subscriptions/listen",
            outlet: outlet.clone(),
        };
        self.open.insert(self.last, call);
        Ok((self.last, request.with(&New { id: Some(&own), token: Some(&own), ..New::default() })))
    }

    /// A notification or a response: the line for the program. `None` when it cancels what is not asked any more:
    /// the client's id could be the own one of somebody else.
    pub(super) fn told(&self, message: &Message) -> Option<String> {
        let Some(cancelled) = message.cancelled() else { return Some(message.text().to_owned()) };
        let mut same = self.open.iter().filter(|(_, call)| call.id == cancelled);
        let own = same.next().map(|(own, _)| own.to_string());
        // Of two clients with the same id nobody knows which one means it; in 2026-07-28 they hang up instead.
        let own = own.filter(|_| same.next().is_none())?;
        Some(message.with(&New { cancelled: Some(&own), ..New::default() }))
    }

    /// What the program said.
    pub(super) fn heard(&mut self, message: &Message) {
        let number = |own: Option<&str>| own.and_then(|own| own.parse::<u64>().ok());
        if message.kind == Kind::Response {
            let Some(call) = number(message.id()).and_then(|own| self.open.remove(&own)) else {
                return tracing::debug!("a program answered what nobody waits for");
            };
            let text =
                message.with(&New { id: Some(&call.id), subscription: Some(&call.id), ..New::default() });
            return call.outlet.answer(text, message.is_error);
        }
        if let Some(own) = number(message.token()) {
            // Progress of what is over concerns nobody.
            let Some(call) = self.open.get(&own) else { return };
            let Some(token) = &call.token else { return };
            let text = message.with(&New { token: Some(token), ..New::default() });
            return match call.outlet.takes_events() {
                true => call.outlet.say(text),
                false => self.aside(text),
            };
        }
        if let Some(call) = number(message.subscription()).and_then(|own| self.open.get(&own)) {
            let text = message.with(&New { subscription: Some(&call.id), ..New::default() });
            return call.outlet.say(text);
        }
        let text = message.text().to_owned();
        // That a list has changed is of no request; whatever else may be, and nothing says of which.
        let aside = message.method.ends_with("/list_changed") || message.method.ends_with("/updated");
        let mut calls = self.open.values().filter(|call| call.outlet.takes_events() && !call.listens);
        match calls.next_back() {
            // Somebody else's client must not hear it.
            Some(_) if self.shared && calls.next().is_some() => {
                tracing::debug!(
                    method = message.method,
                    "a message of a program could be for several clients"
                );
            }
            Some(call) if !(aside && self.stream.is_some()) => call.outlet.say(text),
            _ => self.aside(text),
        }
    }

    fn aside(&mut self, text: String) {
        if self.shared {
            return;
        }
        self.last_aside += 1;
        if let Some(stream) = self.stream.as_ref().filter(|stream| stream.is_open()) {
            stream.say_numbered(self.last_aside, text.clone());
            self.told = self.last_aside;
        }
        self.backlog_bytes += text.len();
        self.backlog.push_back((self.last_aside, text));
        while self.backlog.len() > BACKLOG || self.backlog_bytes > BACKLOG_BYTES {
            let Some((number, lost)) = self.backlog.pop_front() else { break };
            self.backlog_bytes -= lost.len();
            if number > self.told {
                tracing::debug!("a message of a program is lost: no client listens");
            }
        }
    }

    /// A client listens to what belongs to no request. Whoever did before does no longer. `after`: the last message it
    /// has had; without, it gets what nobody was told.
    pub(super) fn listen(&mut self, outlet: Outlet, after: Option<u64>) -> Result<(), Over> {
        if let Some(why) = &self.over {
            return Err(Over(why.clone()));
        }
        let after = after.unwrap_or(self.told);
        for (number, text) in self.backlog.iter().filter(|(number, _)| *number > after) {
            outlet.say_numbered(*number, text.clone());
        }
        self.told = self.last_aside;
        self.stream = Some(outlet);
        Ok(())
    }

    /// Nobody waits for this answer any more; whether somebody did.
    pub(super) fn forget(&mut self, own: u64) -> bool {
        self.open.remove(&own).is_some()
    }

    /// The program has ended: what it has not answered is answered here.
    pub(super) fn over(&mut self, why: &str) {
        self.over.get_or_insert_with(|| why.to_owned());
        self.stream = None;
        for call in std::mem::take(&mut self.open).into_values() {
            call.outlet.answer(message::error(&call.id, INTERNAL, &format!("weir: {why}")), true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::{Heard, outlet};
    use super::*;

    const MOST: usize = 1000;

    fn message(text: &str) -> Message {
        Message::read(text).unwrap()
    }

    fn call(id: &str) -> Message {
        message(&format!(
            r#"{{"id":{id},"method":"tools/call","params":{{"_meta":{{"progressToken":{id}}}}}}}"#
        ))
    }

    #[test]
    fn two_clients_with_the_same_id_get_their_own_answers_and_progress() {
        let mut calls = Calls::new(true);
        let ((one, mut heard_by_one), (two, mut heard_by_two)) = (outlet(true, MOST), outlet(true, MOST));
        let (first, line) = calls.begin(&call("\"x\""), &one).unwrap();
        assert_eq!(line, r#"{"id":1,"method":"tools/call","params":{"_meta":{"progressToken":1}}}"#);
        let (second, _) = calls.begin(&call("\"x\""), &two).unwrap();
        calls.heard(&message(&format!(
            r#"{{"method":"notifications/progress","params":{{"progressToken":{second}}}}}"#
        )));
        calls.heard(&message(&format!(r#"{{"id":{second},"result":2}}"#)));
        calls.heard(&message(&format!(r#"{{"id":{first},"error":{{}}}}"#)));
        assert_eq!(heard_by_one.try_next(), Some(Heard::Answer(r#"{"id":"x","error":{}}"#.into(), true)));
        let progress = r#"{"method":"notifications/progress","params":{"progressToken":"x"}}"#;
        assert_eq!(heard_by_two.try_next(), Some(Heard::Said(progress.into())));
        assert_eq!(heard_by_two.try_next(), Some(Heard::Answer(r#"{"id":"x","result":2}"#.into(), false)));
        assert!(calls.is_quiet() && heard_by_one.try_next().is_none());
    }

    #[test]
    fn what_is_cancelled_is_the_clients_own_or_nothing() {
        let mut calls = Calls::new(true);
        let (out, _heard) = outlet(true, MOST);
        let cancel = |id: &str| {
            message(&format!(r#"{{"method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#))
        };
        calls.begin(&call("5"), &out).unwrap();
        let own = r#"{"method":"notifications/cancelled","params":{"requestId":1}}"#;
        assert_eq!(calls.told(&cancel("5")).as_deref(), Some(own));
        // 1 is ours.
        assert_eq!(calls.told(&cancel("1")), None);
        calls.begin(&call("5"), &out).unwrap();
        assert_eq!(calls.told(&cancel("5")), None);
    }

    #[test]
    fn what_belongs_to_no_request_waits_for_the_stream() {
        let mut calls = Calls::new(false);
        for number in 0..BACKLOG + 1 {
            calls.heard(&message(&format!(r#"{{"id":{number},"method":"roots/list"}}"#)));
        }
        let (stream, mut heard) = outlet(true, 100_000);
        calls.listen(stream, None).unwrap();
        assert_eq!(heard.try_next(), Some(Heard::Numbered(2, r#"{"id":1,"method":"roots/list"}"#.into())));
        // While a call runs, what the program asks is taken for its own.
        let (out, mut heard_by_call) = outlet(true, MOST);
        calls.begin(&call("1"), &out).unwrap();
        let asked = r#"{"id":"s","method":"sampling/createMessage"}"#;
        calls.heard(&message(asked));
        assert_eq!(heard_by_call.try_next(), Some(Heard::Said(asked.into())));
        calls.heard(&message(r#"{"method":"notifications/tools/list_changed"}"#));
        assert_eq!(heard_by_call.try_next(), None);
    }

    #[test]
    fn a_stream_goes_on_behind_the_last_message_its_client_has_had() {
        let mut calls = Calls::new(false);
        let said = |number: u64| format!(r#"{{"id":{number},"method":"roots/list"}}"#);
        let (stream, heard) = outlet(true, 100_000);
        calls.listen(stream, None).unwrap();
        (1..=3).for_each(|number| calls.heard(&message(&said(number))));
        // It breaks before anything was read.
        drop(heard);
        calls.heard(&message(&said(4)));
        for (after, expected) in
            [(Some(1), vec![2, 3, 4]), (None, vec![]), (Some(9), vec![]), (Some(3), vec![4])]
        {
            let (stream, mut heard) = outlet(true, 100_000);
            calls.listen(stream, after).unwrap();
            for number in expected {
                assert_eq!(heard.try_next(), Some(Heard::Numbered(number, said(number))), "after {after:?}");
            }
            assert_eq!(heard.try_next(), None, "after {after:?}");
        }
    }

    #[test]
    fn the_end_of_the_program_answers_everything() {
        let mut calls = Calls::new(false);
        let (out, mut heard) = outlet(false, MOST);
        calls.begin(&call("1"), &out).unwrap();
        calls.over("it left");
        let Some(Heard::Answer(text, true)) = heard.try_next() else { panic!("no answer") };
        assert!(text.contains(r#""id":1"#) && text.contains("it left"), "{text}");
        assert_eq!(calls.begin(&call("2"), &out).unwrap_err(), Over("it left".into()));
    }

    #[test]
    fn a_client_that_does_not_read_loses_its_answer_and_nobody_elses() {
        let mut calls = Calls::new(false);
        let (out, mut heard) = outlet(true, 50);
        calls.begin(&call("1"), &out).unwrap();
        let log = r#"{"method":"notifications/message","params":{}}"#;
        calls.heard(&message(log));
        calls.heard(&message(log));
        assert_eq!(heard.try_next(), Some(Heard::Said(log.into())));
        assert_eq!(heard.try_next(), Some(Heard::TooMuch));
    }
}
