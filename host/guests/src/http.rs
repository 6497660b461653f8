//! The HTTP inspector of one session.
//!
//! As for streams, what it answers is converted without copying texts, and everything in it that points somewhere is
//! checked (`said.rs`): lists that belong together, spans and cells inside the bytes it was given, columns that exist,
//! numbers of operations. What does not hold is a breach of the contract, and the instance is not asked again.

mod said;

use crate::contract::v0_1::inspect::exports::weir::plugin::http_inspect as guest;
use crate::convert::give_session;
use crate::fault;
use crate::instance::Fenced;
use crate::load::{Exports, Loaded};
use crate::pipeline::InspectorLimits;
use crate::state::Visit;
use crate::trial::{StartFault, configured, took_session};
use said::{Given, Known, MAX_OPERATIONS, answer_outcome, own_answer, own_request, request_outcome, spans};
use weir_model::{Fault, JudgedBy};
use weir_session::http::traffic::{
    AnswerHead, AnswerOutcome, Header, HttpInspector, OwnAnswer, OwnRequest, RequestHead, RequestOutcome,
    Spans,
};

/// [`HttpInspector`] made of a guest.
pub struct GuestHttpInspector {
    guest: Fenced,
    calls: guest::Guest,
    judged_by: JudgedBy,
    /// Of the calls before, to be filled again.
    request: guest::RequestHead,
    answer: guest::AnswerHead,
    columns: Known,
}

impl GuestHttpInspector {
    pub(crate) async fn open(
        loaded: &Loaded,
        info: &Visit,
        limits: InspectorLimits,
        masking: bool,
    ) -> Result<Self, StartFault> {
        let Exports::HttpInspector(indices) = &loaded.compiled.code.exports else {
            return Err(fault::wrong_world(&loaded.name, loaded.world.as_word(), "http-inspector").into());
        };
        let (mut guest, instance) = configured(loaded, info).await?;
        let started = guest.begin_rest()?;
        let limits =
            guest::Limits { max_operation: limits.max_operation_bytes, max_answer: limits.max_answer_bytes };
        let given = give_session(info);
        let opened = match indices.load(&mut guest.store, &instance) {
            Ok(calls) => calls
                .call_open(&mut guest.store, &given, limits, masking)
                .await
                .map(|said| (calls, said.map_err(|no| (no.code, no.message)))),
            Err(error) => Err(error),
        };
        let calls = took_session(&mut guest, started, opened)?;
        let headers = || guest::Headers { texts: String::new(), ends: Vec::new() };
        let request = guest::RequestHead {
            method: String::new(),
            authority: String::new(),
            path: String::new(),
            query: None,
            headers: headers(),
            has_body: false,
            length: None,
        };
        let answer = guest::AnswerHead { status: 0, headers: headers(), has_body: false, length: None };
        let (judged_by, columns) = (loaded.judged_by("inspect"), Known::default());
        Ok(Self { guest, calls, judged_by, request, answer, columns })
    }

    fn said_no(&self, call: &str, no: guest::Fault) -> Fault {
        fault::said_no(&self.guest.bounds, call, no.code, no.message)
    }
}

impl HttpInspector for GuestHttpInspector {
    fn judged_by(&self) -> JudgedBy {
        self.judged_by.clone()
    }

    fn is_usable(&self) -> bool {
        self.guest.is_usable()
    }

    async fn request(
        &mut self,
        ended: &[u32],
        exchange: u32,
        head: &RequestHead,
        body: Option<&[u8]>,
    ) -> Result<RequestOutcome, Fault> {
        let given = &mut self.request;
        given.method.clear();
        given.method.push_str(&head.method);
        given.authority.clone_from(&head.authority);
        given.path.clone_from(&head.path);
        given.query.clone_from(&head.query);
        give_headers(&head.headers, &mut given.headers);
        (given.has_body, given.length) = (head.has_body, head.length);
        let started = self.guest.begin_call()?;
        let store = &mut self.guest.store;
        let said = self.calls.call_request(store, ended, exchange, &self.request, body).await;
        match self.guest.finish("request", started, said)? {
            Ok(outcome) => request_outcome(outcome, Given::head(body, 0), true)
                .map_err(|what| self.guest.lied("request", what)),
            Err(no) => Err(self.said_no("request", no)),
        }
    }

    async fn request_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<RequestOutcome, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_request_body(&mut self.guest.store, exchange, data, end).await;
        match self.guest.finish("request-body", started, said)? {
            Ok(outcome) => request_outcome(outcome, Given::Bytes(data.len()), false)
                .map_err(|what| self.guest.lied("request-body", what)),
            Err(no) => Err(self.said_no("request-body", no)),
        }
    }

    async fn answer(
        &mut self,
        exchange: u32,
        head: &AnswerHead,
        body: Option<&[u8]>,
    ) -> Result<AnswerOutcome, Fault> {
        let given = &mut self.answer;
        give_headers(&head.headers, &mut given.headers);
        (given.status, given.has_body, given.length) = (head.status, head.has_body, head.length);
        let started = self.guest.begin_call()?;
        let said = self.calls.call_answer(&mut self.guest.store, exchange, &self.answer, body).await;
        match self.guest.finish("answer", started, said)? {
            Ok(outcome) => answer_outcome(outcome, Given::head(body, head.headers.len()), &mut self.columns)
                .map_err(|what| self.guest.lied("answer", what)),
            Err(no) => Err(self.said_no("answer", no)),
        }
    }

    async fn answer_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<AnswerOutcome, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_answer_body(&mut self.guest.store, exchange, data, end).await;
        match self.guest.finish("answer-body", started, said)? {
            Ok(outcome) => answer_outcome(outcome, Given::Bytes(data.len()), &mut self.columns)
                .map_err(|what| self.guest.lied("answer-body", what)),
            Err(no) => Err(self.said_no("answer-body", no)),
        }
    }

    async fn message(&mut self, exchange: u32, text: bool, data: &[u8]) -> Result<RequestOutcome, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_message(&mut self.guest.store, exchange, text, data).await;
        match self.guest.finish("message", started, said)? {
            Ok(outcome) => {
                let given = Given::Bytes(data.len());
                request_outcome(outcome, given, false).map_err(|what| self.guest.lied("message", what))
            }
            Err(no) => Err(self.said_no("message", no)),
        }
    }

    async fn answer_message(
        &mut self,
        exchange: u32,
        text: bool,
        data: &[u8],
    ) -> Result<AnswerOutcome, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_answer_message(&mut self.guest.store, exchange, text, data).await;
        match self.guest.finish("answer-message", started, said)? {
            Ok(outcome) => answer_outcome(outcome, Given::Bytes(data.len()), &mut self.columns)
                .map_err(|what| self.guest.lied("answer-message", what)),
            Err(no) => Err(self.said_no("answer-message", no)),
        }
    }

    async fn encode(
        &mut self,
        exchange: u32,
        cells: &[u32],
        texts: &[u8],
        ends: &[u32],
    ) -> Result<Spans, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_encode(&mut self.guest.store, exchange, cells, texts, ends).await;
        match self.guest.finish("encode", started, said)? {
            // How far they may reach, the session knows.
            Ok(said) => spans(said, usize::MAX).map_err(|what| self.guest.lied("encode", what)),
            Err(no) => Err(self.said_no("encode", no)),
        }
    }

    async fn refuse(&mut self, exchange: u32, refused: &[u32], why: &Fault) -> Result<OwnAnswer, Fault> {
        let why = shown(why);
        let started = self.guest.begin_call()?;
        let said = self.calls.call_refuse(&mut self.guest.store, exchange, refused, &why).await;
        let said = self.guest.finish("refuse", started, said)?;
        own_answer(said).map_err(|what| self.guest.lied("refuse", what))
    }

    async fn refuse_asked(&mut self, exchange: u32, refused: &[u32], why: &Fault) -> Result<Vec<u8>, Fault> {
        let why = shown(why);
        let started = self.guest.begin_call()?;
        let said = self.calls.call_refuse_asked(&mut self.guest.store, exchange, refused, &why).await;
        self.guest.finish("refuse-asked", started, said)
    }

    async fn answer_asked(
        &mut self,
        exchange: u32,
        refused: &[u32],
        why: &Fault,
    ) -> Result<Vec<OwnRequest>, Fault> {
        let why = shown(why);
        let started = self.guest.begin_call()?;
        let said = self.calls.call_answer_asked(&mut self.guest.store, exchange, refused, &why).await;
        let said = self.guest.finish("answer-asked", started, said)?;
        if said.len() > MAX_OPERATIONS {
            return Err(self.guest.lied("answer-asked", "too many requests of its own"));
        }
        let all: Result<_, _> = said.into_iter().map(own_request).collect();
        all.map_err(|what| self.guest.lied("answer-asked", what))
    }

    async fn noted(&mut self, notes: &[String]) -> Result<(), Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_noted(&mut self.guest.store, notes).await;
        self.guest.finish("noted", started, said)
    }

    async fn waiting(&mut self, exchange: u32, message: &str) -> Result<Option<OwnAnswer>, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_waiting(&mut self.guest.store, exchange, message).await;
        let said = self.guest.finish("waiting", started, said)?;
        said.map(own_answer).transpose().map_err(|what| self.guest.lied("waiting", what))
    }

    async fn end(&mut self, exchange: u32) {
        let Ok(started) = self.guest.begin_call() else { return };
        let said = self.calls.call_end(&mut self.guest.store, exchange).await;
        // If it fails here, the next exchange finds out.
        let _ = self.guest.finish("end", started, said);
    }
}

/// The part of a fault the client may read.
fn shown(why: &Fault) -> guest::Fault {
    guest::Fault { code: why.code.clone(), message: why.message.clone() }
}

fn give_headers(headers: &[Header], given: &mut guest::Headers) {
    let guest::Headers { texts, ends } = given;
    texts.clear();
    ends.clear();
    for header in headers {
        for text in [header.name.as_str(), &header.text()] {
            texts.push_str(text);
            // A head is a thousandth of that.
            ends.push(u32::try_from(texts.len()).unwrap_or(u32::MAX));
        }
    }
}
