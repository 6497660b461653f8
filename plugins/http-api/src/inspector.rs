//! The exchanges of a session, each with what it is in the middle of.

use crate::answer::{self, Body, Place};
use crate::fault;
use crate::media::Look;
use crate::message::{Socket, asks_for_socket};
use crate::request;
use crate::settings::{Rules, Settings};
use std::collections::BTreeMap;
use weir_sdk::http::{
    AnswerHead, AnswerOutcome, Fault, Found, Header, HttpInspector, Limits, Operation, OwnAnswer,
    RequestHead, RequestOutcome, SessionInfo, Spans, show,
};

pub struct HttpApi {
    rules: Rules,
    masking: bool,
    last_id: u32,
    exchanges: BTreeMap<u32, Exchange>,
}

#[derive(Default)]
struct Exchange {
    /// what the values of the answer belong to
    relation: String,
    /// the operation whose body is to come, and how that is looked at
    waits: Option<(Operation, Look)>,
    answer: Option<Body>,
    /// of a WebSocket
    socket: Option<Socket>,
    /// of the last call
    places: Vec<Place>,
}

impl HttpApi {
    pub fn new(rules: Rules, masking: bool) -> Self {
        Self { rules, masking, last_id: 0, exchanges: BTreeMap::new() }
    }

    fn found(&mut self, operation: Operation) -> Vec<Found> {
        self.last_id = self.last_id.wrapping_add(1).max(1);
        vec![Found { id: self.last_id, continues: 0, operation }]
    }

    fn exchange(&mut self, number: u32) -> Result<&mut Exchange, Fault> {
        self.exchanges.get_mut(&number).ok_or_else(|| Fault::new("order", "an exchange that has not begun"))
    }

    /// A part of a text cannot be masked, so none is asked for.
    fn headers(&self, head: &RequestHead) -> Vec<Header> {
        let taken_out = ["range", "if-range"].into_iter();
        let taken_out =
            taken_out.filter(|name| self.masking && head.headers.iter().any(|header| header.name == *name));
        taken_out.map(|name| Header { name: name.to_owned(), value: String::new() }).collect()
    }
}

/// A refusal of the answer rather than of the plugin: the client reads why.
fn refused(fault: Fault) -> AnswerOutcome {
    AnswerOutcome { refusal: Some(fault), ..AnswerOutcome::default() }
}

impl HttpInspector for HttpApi {
    const NAME: &'static str = "http-api";
    const DESCRIPTION: &'static str =
        "Reads HTTP APIs: requests by their path and body, answers by their values";
    const SETTINGS_SCHEMA: &'static str = crate::settings::SCHEMA;

    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), Fault> {
        settings.rules().map(drop).map_err(|message| Fault::new("settings", message))
    }

    fn open(settings: &Settings, _: &SessionInfo, _: Limits, masking: bool) -> Result<Self, Fault> {
        let rules = settings.rules().map_err(|message| Fault::new("settings", message))?;
        Ok(Self::new(rules, masking))
    }

    fn request(&mut self, exchange: u32, head: &RequestHead) -> Result<RequestOutcome, Fault> {
        let headers = self.headers(head);
        let mut read = match request::read(head, &self.rules) {
            Ok(read) => read,
            Err(refused) => {
                self.exchanges.insert(exchange, Exchange::default());
                let operations = self.found(refused.operation);
                return Ok(RequestOutcome {
                    operations,
                    refusal: Some(refused.fault),
                    ..RequestOutcome::default()
                });
            }
        };
        let relation = read.operation.text.clone();
        let socket = asks_for_socket(head).then(|| Socket::of(&mut read.operation, &self.rules));
        let mut outcome = RequestOutcome { headers, ..RequestOutcome::default() };
        let waits = match read.body {
            Some(look) => {
                outcome.show = show::WHOLE;
                Some((read.operation, look))
            }
            None => {
                outcome.operations = self.found(read.operation);
                None
            }
        };
        if socket.is_some() && waits.is_none() {
            outcome.show = show::MESSAGES;
        }
        self.exchanges.insert(exchange, Exchange { relation, waits, socket, ..Exchange::default() });
        Ok(outcome)
    }

    fn request_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<RequestOutcome, Fault> {
        let semicolons = self.rules.query_semicolons;
        let state = self.exchange(exchange)?;
        if !end {
            return Ok(RequestOutcome { show: show::WHOLE, ..RequestOutcome::default() });
        }
        let waits = state.waits.take();
        let (mut operation, look) =
            waits.ok_or_else(|| Fault::new("order", "a body that was not asked for"))?;
        // An announced body of no bytes is none.
        let refusal = match data.is_empty() {
            true => None,
            false => request::add_body(&mut operation, look, data, semicolons).err(),
        };
        let release = if refusal.is_some() { 0 } else { u32::try_from(data.len()).unwrap_or(u32::MAX) };
        let operations = self.found(operation);
        Ok(RequestOutcome { operations, refusal, release, ..RequestOutcome::default() })
    }

    fn answer(&mut self, exchange: u32, head: &AnswerHead) -> Result<AnswerOutcome, Fault> {
        if !self.masking {
            return Ok(AnswerOutcome::default());
        }
        let rules = &self.rules;
        let state = self.exchanges.get_mut(&exchange);
        let state = state.ok_or_else(|| Fault::new("order", "an exchange that has not begun"))?;
        match answer::read_head(head, &state.relation, rules) {
            Ok(((outcome, places), body)) => {
                (state.places, state.answer) = (places, body);
                Ok(outcome)
            }
            Err(fault) => Ok(refused(fault)),
        }
    }

    fn answer_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<AnswerOutcome, Fault> {
        let rules = &self.rules;
        let state = self.exchanges.get_mut(&exchange);
        let state = state.ok_or_else(|| Fault::new("order", "an exchange that has not begun"))?;
        let body = state.answer.as_mut();
        let body = body.ok_or_else(|| Fault::new("order", "a body that was not asked for"))?;
        match answer::read_body(body, data, end, &state.relation, rules) {
            Ok((outcome, places)) => {
                state.places = places;
                Ok(outcome)
            }
            Err(fault) => Ok(refused(fault)),
        }
    }

    fn message(&mut self, exchange: u32, text: bool, data: &[u8]) -> Result<RequestOutcome, Fault> {
        let socket = self.exchange(exchange)?.socket.as_ref();
        let socket = socket.ok_or_else(|| Fault::new("order", "a message that was not asked for"))?;
        let (operation, refusal) = socket.read(text, data);
        let release = if refusal.is_some() { 0 } else { u32::try_from(data.len()).unwrap_or(u32::MAX) };
        let operations = self.found(operation);
        Ok(RequestOutcome { operations, refusal, release, ..RequestOutcome::default() })
    }

    fn answer_message(&mut self, exchange: u32, text: bool, data: &[u8]) -> Result<AnswerOutcome, Fault> {
        let rules = &self.rules;
        let state = self.exchanges.get_mut(&exchange);
        let state = state.ok_or_else(|| Fault::new("order", "an exchange that has not begun"))?;
        let socket = state.socket.as_ref();
        let socket = socket.ok_or_else(|| Fault::new("order", "a message that was not asked for"))?;
        let found = match self.masking {
            true => socket.answer(text, data, rules),
            false => Ok(answer::all(data)),
        };
        match found {
            Ok((outcome, places)) => {
                state.places = places;
                Ok(outcome)
            }
            Err(fault) => Ok(refused(fault)),
        }
    }

    fn encode(&mut self, exchange: u32, cells: &[u32], texts: &[u8], ends: &[u32]) -> Result<Spans, Fault> {
        answer::encode(&self.exchange(exchange)?.places, cells, texts, ends)
    }

    fn refuse(&mut self, _: u32, refused: &[u32], why: &Fault) -> OwnAnswer {
        fault::answer(!refused.is_empty(), why)
    }

    fn end(&mut self, exchange: u32) {
        self.exchanges.remove(&exchange);
    }
}
