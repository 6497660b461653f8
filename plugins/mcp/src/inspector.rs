//! The inspector: what the host calls, and how the parts answer it.

use crate::answer::{self, Gathered};
use crate::events;
use crate::head::{self, Verb};
use crate::memory::{Answering, Ask, Asking, Exchange, Memory};
use crate::message::{self, Sender, Wrong, code};
use crate::operation;
use crate::refusal;
use crate::request;
use crate::settings::Settings;
use crate::tree;
use crate::values::{Mode, Walk};
use std::collections::BTreeMap;
use weir_sdk::http::{
    AnswerHead, AnswerOutcome, Fault, Found, HttpInspector, Limits, OwnAnswer, OwnRequest, RequestHead,
    RequestOutcome, SessionInfo, Spans, show,
};

/// One session.
#[derive(Debug)]
pub struct Mcp {
    settings: Settings,
    memory: Memory,
    exchanges: BTreeMap<u32, Exchange>,
}

fn fault(code: &str, message: impl Into<String>) -> Fault {
    Fault { code: code.to_owned(), message: message.into() }
}

fn unknown_exchange() -> Fault {
    fault("breach", "an exchange that never began")
}

fn size(length: usize) -> Result<u32, Fault> {
    u32::try_from(length).map_err(|_| fault("too-large", "more than 4 GiB in one call"))
}

impl HttpInspector for Mcp {
    const NAME: &'static str = "mcp";
    const DESCRIPTION: &'static str = "Model Context Protocol over streamable HTTP";
    const SETTINGS_SCHEMA: &'static str = include_str!("settings.schema.json");

    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), Fault> {
        settings.check().map_err(|message| fault("settings", message))
    }

    fn open(settings: &Settings, session: &SessionInfo, _: Limits, masking: bool) -> Result<Self, Fault> {
        Self::check(settings)?;
        Ok(Mcp {
            settings: settings.clone(),
            memory: Memory::new(settings, &session.who.groups, masking),
            exchanges: BTreeMap::new(),
        })
    }

    fn request(&mut self, exchange: u32, head: &RequestHead) -> Result<RequestOutcome, Fault> {
        let begun = self.exchanges.entry(exchange).or_default();
        let known = head::read(head, &self.settings).and_then(|head| {
            let is_given = head.session.is_empty() || self.memory.is_given(&head.session);
            if is_given { Ok(head) } else { Err(head::unknown_session()) }
        });
        let head = match known {
            Ok(head) => head,
            Err(refused) => {
                begun.trouble = Some((refused.status, Wrong::new(refused.rpc, refused.message.as_str())));
                let refusal = Some(fault(refused.code, refused.message));
                return Ok(RequestOutcome { refusal, ..RequestOutcome::default() });
            }
        };
        let (kind, text) = match head.verb {
            Verb::Post => {
                begun.head = Some(head);
                return Ok(RequestOutcome { show: show::WHOLE, ..RequestOutcome::default() });
            }
            Verb::Get => ("mcp.stream", "GET"),
            Verb::Delete => ("mcp.end", "DELETE"),
        };
        let mut operation = operation::of_head(kind, text, &head);
        operation.claimed.extend_from_slice(self.memory.said_by_client(&head.session));
        begun.head = Some(head);
        let found = Found { id: self.memory.next_operation(), continues: 0, operation };
        Ok(RequestOutcome { operations: vec![found], ..RequestOutcome::default() })
    }

    fn request_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<RequestOutcome, Fault> {
        // Out of the way, so that the others can be looked at; it is put back on every path.
        let mut begun = self.exchanges.remove(&exchange).ok_or_else(unknown_exchange)?;
        let outcome = self.body(&mut begun, data, end);
        self.exchanges.insert(exchange, begun);
        outcome
    }

    fn answer(&mut self, exchange: u32, head: &AnswerHead) -> Result<AnswerOutcome, Fault> {
        let begun = self.exchanges.get_mut(&exchange).ok_or_else(unknown_exchange)?;
        begun.has_answer = true;
        begun.cells = Default::default();
        let header = |name: &str| head.headers.iter().find(|header| header.name == name);
        if let Some(session) = header("mcp-session-id") {
            self.memory.client(session.value, std::mem::take(&mut begun.client));
            if (200..300).contains(&head.status) {
                self.memory.give(session.value);
            }
        }
        let notes = self.memory.take_notes();
        let answers = std::mem::take(&mut begun.answers).into_iter();
        let results =
            answers.filter(|(operation, _)| self.memory.answered(*operation)).map(answer::answered).collect();
        if !head.has_body || head.length == Some(0) {
            return Ok(AnswerOutcome { results, notes, ..AnswerOutcome::default() });
        }
        let content_type = header("content-type").map(|header| header.value).unwrap_or_default();
        let is_error = head.status >= 400;
        let is_stream = begun.head.as_ref().is_some_and(|head| head.verb == Verb::Get);
        let is_acknowledgement = begun.asked.is_empty() && !is_stream;
        let is_text = head::essence(content_type).to_ascii_lowercase().starts_with("text/");
        let (answering, show) = if head::is_json(content_type) {
            (Answering::Json { status: head.status }, show::WHOLE)
        } else if head::is_events(content_type) && !is_error {
            (Answering::Events(Default::default()), show::GROWING)
        } else if content_type.is_empty() || is_text && (is_error || is_acknowledgement) {
            // Whatever stands before an MCP server says no in words, and servers take what needs no answer with a word
            // or with a body of no bytes.
            let must_be_empty = begun.told > 0 || !(is_error || is_acknowledgement);
            (Answering::Text { must_be_empty }, show::WHOLE)
        } else {
            let message = "the server's answer is neither JSON nor an event stream";
            return Ok(AnswerOutcome { notes, ..refused(Wrong::new(code::INTERNAL, message)) });
        };
        begun.answering = answering;
        Ok(AnswerOutcome { show, results, notes, ..AnswerOutcome::default() })
    }

    fn answer_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<AnswerOutcome, Fault> {
        let outcome = self.answered(exchange, data, end)?;
        Ok(AnswerOutcome { notes: self.memory.take_notes(), ..outcome })
    }

    fn encode(&mut self, exchange: u32, cells: &[u32], texts: &[u8], ends: &[u32]) -> Result<Spans, Fault> {
        self.exchanges.get(&exchange).ok_or_else(unknown_exchange)?.cells.encode(cells, texts, ends)
    }

    fn refuse(&mut self, exchange: u32, refused: &[u32], why: &Fault) -> OwnAnswer {
        let begun = self.exchanges.entry(exchange).or_default();
        let answer = refusal::answer(begun, refused, why);
        begun.asked.iter_mut().for_each(|asked| asked.answered = true);
        answer
    }

    fn noted(&mut self, notes: Vec<String>) {
        self.memory.noted(&notes);
    }

    /// Errors of JSON-RPC, in the same session of MCP. What stood in the same piece of the stream is refused with it.
    fn answer_asked(&mut self, exchange: u32, _: &[u32], why: &Fault) -> Vec<OwnRequest> {
        let Some(begun) = self.exchanges.get(&exchange) else { return Vec::new() };
        let asked = self.memory.refuse_asked(&begun.asking.operations);
        let Some(head) = &begun.head else { return Vec::new() };
        let tell = |(id, method): (message::Id, String)| {
            let mut operation = operation::of_head("mcp.response", &method, head);
            let facts = [("mcp-method", method.as_str()), ("mcp-request-id", &id.json())];
            operation.attributes.extend(facts.map(|(name, value)| head::attribute(name, value)));
            let found = Found { id: self.memory.next_operation(), continues: 0, operation };
            let body = refusal::to_server(&id, why).into_bytes();
            OwnRequest { method: "POST".to_owned(), headers: head.for_message(), body, operation: found }
        };
        asked.into_iter().map(tell).collect()
    }

    fn refuse_asked(&mut self, exchange: u32, _: &[u32], why: &Fault) -> Vec<u8> {
        let Some(begun) = self.exchanges.get(&exchange) else { return Vec::new() };
        let in_events = begun.told > 0 || matches!(begun.answering, Answering::Events(_));
        refusal::asked(begun, in_events, why)
    }

    fn waiting(&mut self, exchange: u32, message: &str) -> Option<OwnAnswer> {
        refusal::waiting(self.exchanges.get_mut(&exchange)?, message)
    }

    fn end(&mut self, exchange: u32) {
        let Some(over) = self.exchanges.remove(&exchange).filter(|over| over.has_answer) else { return };
        let session = over.session().to_owned();
        for asked in over.asked.into_iter().filter(|asked| !asked.answered) {
            self.memory.leave(&session, asked);
        }
    }
}

impl Mcp {
    fn answered(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<AnswerOutcome, Fault> {
        let begun = self.exchanges.get_mut(&exchange).ok_or_else(unknown_exchange)?;
        begun.cells = Default::default();
        let answered = match std::mem::take(&mut begun.answering) {
            Answering::Nothing => return Err(fault("breach", "a body of an answer that has none")),
            Answering::Events(mut search) => {
                let answered = grow(&mut self.memory, begun, &mut search, data, end);
                begun.answering = Answering::Events(search);
                return answered.unwrap_or_else(|wrong| Ok(refused(wrong)));
            }
            whole if !end => {
                begun.answering = whole;
                let need = size(data.len().saturating_add(1))?;
                return Ok(AnswerOutcome { show: show::WHOLE, need, ..AnswerOutcome::default() });
            }
            Answering::Text { must_be_empty: true } if !data.is_empty() => {
                Err(Wrong::new(code::INTERNAL, "the server's answer is neither JSON nor an event stream"))
            }
            Answering::Text { .. } => text(&self.memory, data),
            Answering::Json { status } => json(&mut self.memory, begun, data, status),
        };
        match answered {
            Ok(mut gathered) => {
                let wrap = begun.told > 0 && !data.is_empty();
                let cuts = gathered.cuts.clone();
                let mut outcome = outcome(begun, &mut gathered, data)?;
                if wrap {
                    outcome.changes = as_event(data, &cuts)?;
                }
                Ok(outcome)
            }
            Err(wrong) => Ok(refused(wrong)),
        }
    }

    /// What is found in a request's body.
    fn body(&mut self, begun: &mut Exchange, data: &[u8], end: bool) -> Result<RequestOutcome, Fault> {
        if !end {
            let need = size(data.len().saturating_add(1))?;
            return Ok(RequestOutcome { show: show::WHOLE, need, ..RequestOutcome::default() });
        }
        let head = begun.head.clone().ok_or_else(unknown_exchange)?;
        let exchanges = &self.exchanges;
        let waiting = |session: &str, id: &message::Id| {
            let open = exchanges.values().filter(|other| !other.has_answer && other.session() == session);
            let asked =
                open.flat_map(|other| &other.asked).filter(|asked| !asked.answered && asked.id == *id);
            asked.map(|asked| asked.operation).collect()
        };
        match request::read(&mut self.memory, begun, &head, data, &waiting) {
            Ok(read) => Ok(RequestOutcome {
                operations: read.operations,
                refusal: read.objection,
                release: size(data.len())?,
                ..RequestOutcome::default()
            }),
            Err(wrong) => {
                let refusal = Some(fault("malformed", wrong.message.as_str()));
                begun.asked.clear();
                begun.trouble = Some((400, wrong));
                Ok(RequestOutcome { refusal, ..RequestOutcome::default() })
            }
        }
    }
}

fn refused(wrong: Wrong) -> AnswerOutcome {
    AnswerOutcome { refusal: Some(fault("answer", wrong.message)), ..AnswerOutcome::default() }
}

/// What was gathered as the host wants it; the cells stay with the exchange, for `encode`. `bytes` are released.
fn outcome(exchange: &mut Exchange, gathered: &mut Gathered, bytes: &[u8]) -> Result<AnswerOutcome, Fault> {
    let mut changes = Spans::default();
    for (start, stop) in &gathered.cuts {
        changes.push(size(*start)?, size(*stop)?, b"")?;
    }
    exchange.cells = std::mem::take(&mut gathered.cells);
    exchange.asking = match gathered.operations.is_empty() {
        true => Asking::default(),
        false => Asking {
            bytes: bytes.to_vec(),
            cuts: std::mem::take(&mut gathered.cuts),
            asks: std::mem::take(&mut gathered.asks),
            operations: gathered.operations.iter().map(|found| found.id).collect(),
        },
    };
    Ok(AnswerOutcome {
        values: exchange.cells.take_values(),
        changes,
        release: size(bytes.len())?,
        results: std::mem::take(&mut gathered.results),
        operations: std::mem::take(&mut gathered.operations),
        ..AnswerOutcome::default()
    })
}

/// The events that are there. Errors of the inner kind are for the client.
fn grow(
    memory: &mut Memory,
    exchange: &mut Exchange,
    search: &mut crate::sse::Search,
    data: &[u8],
    end: bool,
) -> Result<Result<AnswerOutcome, Fault>, Wrong> {
    let mut gathered = Gathered::default();
    let taken = events::take(memory, exchange, search, data, end, &mut gathered)?;
    let rest = data.len().saturating_sub(taken);
    Ok(outcome(exchange, &mut gathered, data.get(..taken).unwrap_or_default()).and_then(|outcome| {
        let need = if rest == 0 { 0 } else { size(rest.saturating_add(1))? };
        Ok(AnswerOutcome { show: show::GROWING, need, ..outcome })
    }))
}

/// An answer in one piece.
fn json(memory: &mut Memory, exchange: &mut Exchange, data: &[u8], status: u16) -> Result<Gathered, Wrong> {
    let mut gathered = Gathered::default();
    let root = tree::read(data).map_err(|problem| Wrong::new(code::INTERNAL, problem))?;
    let messages = match message::messages(&root, Sender::Server) {
        Ok((messages, _)) => messages,
        // Whatever stands before an MCP server says no in its own words.
        Err(_) if status >= 400 => {
            if memory.masking {
                let cells = &mut gathered.cells;
                let mut walk = Walk { cells, at: &|at| at, relation: "", label: Some("error") };
                let walked = walk.node(&root, None, "", &mut String::new(), Mode::Free);
                walked.map_err(|fault| Wrong::new(code::INTERNAL, fault.message))?;
            }
            return Ok(gathered);
        }
        Err(wrong) => return Err(wrong),
    };
    let asks = messages.iter().filter(|message| answer::asks(message)).count();
    let has_requests = messages.iter().any(|message| matches!(message.kind, message::Kind::Request { .. }));
    if has_requests || asks > 0 && messages.len() > 1 {
        return Err(Wrong::new(code::INTERNAL, "the server asks for something outside of an event stream"));
    }
    for message in &messages {
        answer::take(memory, exchange, message, &|at| at, &mut gathered)?;
    }
    if asks > 0 {
        let asked = gathered.asked.take();
        gathered.asks.push(Ask { start: 0, stop: data.len(), asked });
    }
    Ok(gathered)
}

/// An error in words: one value.
fn text(memory: &Memory, data: &[u8]) -> Result<Gathered, Wrong> {
    let mut gathered = Gathered::default();
    if std::str::from_utf8(data).is_err() {
        return Err(Wrong::new(code::INTERNAL, "the server's answer is not UTF-8"));
    }
    if memory.masking {
        let mut walk = Walk { cells: &mut gathered.cells, at: &|at| at, relation: "", label: Some("error") };
        walk.line("text", 0, data.len(), false).map_err(|fault| Wrong::new(code::INTERNAL, fault.message))?;
    }
    Ok(gathered)
}

/// JSON for a client that already has the head of an event stream: it becomes one event. Between values JSON has line
/// breaks at most, and those become spaces.
fn as_event(data: &[u8], cuts: &[(usize, usize)]) -> Result<Spans, Fault> {
    let mut spans = Spans::default();
    spans.push(0, 0, b"event: message\ndata: ")?;
    let mut cuts = cuts.iter().peekable();
    let mut from = 0;
    for (at, byte) in data.iter().enumerate() {
        if let Some((start, stop)) = cuts.next_if(|(start, _)| *start == at) {
            spans.push(size(*start)?, size(*stop)?, b"")?;
            from = *stop;
        }
        if at >= from && matches!(byte, b'\n' | b'\r') {
            spans.push(size(at)?, size(at + 1)?, b" ")?;
        }
    }
    let end = size(data.len())?;
    spans.push(end, end, b"\n\n")?;
    Ok(spans)
}
