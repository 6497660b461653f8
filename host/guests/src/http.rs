//! The HTTP inspector of one session.
//!
//! As for streams, what it answers is converted without copying texts, and everything in it that points somewhere is
//! checked here: lists that belong together, spans and cells inside the bytes it was given, columns that exist,
//! numbers of operations. What does not hold is a breach of the contract, and the instance is not asked again.

use crate::contract::v0_1::inspect::exports::weir::plugin::http_inspect as guest;
use crate::convert::{give_session, take_operation, take_status};
use crate::fault;
use crate::instance::Fenced;
use crate::limits::{MAX_SENTENCE_CHARS, MAX_WORD_CHARS};
use crate::load::{Exports, Loaded};
use crate::pipeline::InspectorLimits;
use crate::state::Visit;
use crate::text::clean;
use crate::trial::{StartFault, configured};
use weir_model::{Column, Fault, FaultSource, JudgedBy};
use weir_session::http::traffic::{
    AnswerHead, AnswerOutcome, Header, HttpInspector, OwnAnswer, RequestHead, RequestOutcome, Show, Spans,
    Values,
};
use weir_session::traffic::{Request, ResultInfo, TOP_BIT};

/// Operations of one call: a batch of JSON-RPC, the refs of a push.
const MAX_OPERATIONS: usize = 4096;
/// Headers of an answer of its own, and those it changes of a request.
const MAX_HEADERS: usize = 64;

/// [`HttpInspector`] made of a guest.
pub struct GuestHttpInspector {
    guest: Fenced,
    calls: guest::Guest,
    judged_by: JudgedBy,
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
            Ok(calls) => {
                calls.call_open(&mut guest.store, &given, limits, masking).await.map(|said| (calls, said))
            }
            Err(error) => Err(error),
        };
        let (calls, said) = guest.finish("open", started, opened)?;
        said.map_err(|no| fault::said_no(&guest.bounds, "open", no.code, no.message))
            .map_err(StartFault::in_open)?;
        Ok(Self { guest, calls, judged_by: loaded.judged_by("inspect") })
    }

    fn said_no(&self, call: &str, no: guest::Fault) -> Fault {
        fault::said_no(&self.guest.bounds, call, no.code, no.message)
    }

    fn lied(&mut self, call: &str, what: &str) -> Fault {
        self.guest.condemn();
        fault::lie(&self.guest.bounds, call, what)
    }
}

impl HttpInspector for GuestHttpInspector {
    fn judged_by(&self) -> JudgedBy {
        self.judged_by.clone()
    }

    fn is_usable(&self) -> bool {
        self.guest.is_usable()
    }

    async fn request(&mut self, exchange: u32, head: &RequestHead) -> Result<RequestOutcome, Fault> {
        let given = guest::RequestHead {
            method: head.method.clone(),
            authority: head.authority.clone(),
            path: head.path.clone(),
            query: head.query.clone(),
            headers: give_headers(&head.headers),
            has_body: head.has_body,
            length: head.length,
        };
        let started = self.guest.begin_call()?;
        let said = self.calls.call_request(&mut self.guest.store, exchange, &given).await;
        match self.guest.finish("request", started, said)? {
            Ok(outcome) => request_outcome(outcome, 0, true).map_err(|what| self.lied("request", what)),
            Err(no) => Err(self.said_no("request", no)),
        }
    }

    async fn request_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<RequestOutcome, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_request_body(&mut self.guest.store, exchange, data, end).await;
        match self.guest.finish("request-body", started, said)? {
            Ok(outcome) => {
                request_outcome(outcome, data.len(), false).map_err(|what| self.lied("request-body", what))
            }
            Err(no) => Err(self.said_no("request-body", no)),
        }
    }

    async fn answer(&mut self, exchange: u32, head: &AnswerHead) -> Result<AnswerOutcome, Fault> {
        let given = guest::AnswerHead {
            status: head.status,
            headers: give_headers(&head.headers),
            has_body: head.has_body,
            length: head.length,
        };
        let started = self.guest.begin_call()?;
        let said = self.calls.call_answer(&mut self.guest.store, exchange, &given).await;
        match self.guest.finish("answer", started, said)? {
            Ok(outcome) => answer_outcome(outcome, Given::Headers(head.headers.len()))
                .map_err(|what| self.lied("answer", what)),
            Err(no) => Err(self.said_no("answer", no)),
        }
    }

    async fn answer_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<AnswerOutcome, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_answer_body(&mut self.guest.store, exchange, data, end).await;
        match self.guest.finish("answer-body", started, said)? {
            Ok(outcome) => answer_outcome(outcome, Given::Bytes(data.len()))
                .map_err(|what| self.lied("answer-body", what)),
            Err(no) => Err(self.said_no("answer-body", no)),
        }
    }

    async fn message(&mut self, exchange: u32, text: bool, data: &[u8]) -> Result<RequestOutcome, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_message(&mut self.guest.store, exchange, text, data).await;
        match self.guest.finish("message", started, said)? {
            Ok(outcome) => {
                request_outcome(outcome, data.len(), false).map_err(|what| self.lied("message", what))
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
            Ok(outcome) => answer_outcome(outcome, Given::Bytes(data.len()))
                .map_err(|what| self.lied("answer-message", what)),
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
            Ok(said) => spans(said, usize::MAX).map_err(|what| self.lied("encode", what)),
            Err(no) => Err(self.said_no("encode", no)),
        }
    }

    async fn refuse(&mut self, exchange: u32, refused: &[u32], why: &Fault) -> Result<OwnAnswer, Fault> {
        let why = shown(why);
        let started = self.guest.begin_call()?;
        let said = self.calls.call_refuse(&mut self.guest.store, exchange, refused, &why).await;
        let said = self.guest.finish("refuse", started, said)?;
        own_answer(said).map_err(|what| self.lied("refuse", what))
    }

    async fn refuse_asked(&mut self, exchange: u32, refused: &[u32], why: &Fault) -> Result<Vec<u8>, Fault> {
        let why = shown(why);
        let started = self.guest.begin_call()?;
        let said = self.calls.call_refuse_asked(&mut self.guest.store, exchange, refused, &why).await;
        self.guest.finish("refuse-asked", started, said)
    }

    async fn waiting(&mut self, exchange: u32, message: &str) -> Result<Option<OwnAnswer>, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_waiting(&mut self.guest.store, exchange, message).await;
        let said = self.guest.finish("waiting", started, said)?;
        said.map(own_answer).transpose().map_err(|what| self.lied("waiting", what))
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

fn give_headers(headers: &[Header]) -> Vec<guest::Header> {
    let each = headers.iter();
    each.map(|header| guest::Header { name: header.name.clone(), value: header.text().into_owned() })
        .collect()
}

/// Names and values that can stand in a head; nothing else may come from a guest.
fn take_headers(said: Vec<guest::Header>) -> Result<Vec<Header>, &'static str> {
    if said.len() > MAX_HEADERS {
        return Err("too many headers");
    }
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte))
    };
    let is_value = |value: &str| value.bytes().all(|byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f));
    if said.iter().any(|header| !is_name(&header.name) || !is_value(&header.value)) {
        return Err("a header that is none");
    }
    Ok(said.into_iter().map(|header| Header { name: header.name, value: header.value.into() }).collect())
}

fn own_answer(said: guest::OwnAnswer) -> Result<OwnAnswer, &'static str> {
    if !(200..600).contains(&said.status) {
        return Err("an answer of impossible status");
    }
    Ok(OwnAnswer { status: said.status, headers: take_headers(said.headers)?, body: said.body })
}

fn show(said: u8) -> Result<Show, &'static str> {
    match said {
        0 => Ok(Show::Unseen),
        1 => Ok(Show::Whole),
        2 => Ok(Show::Growing),
        _ => Err("a body shown in an unknown way"),
    }
}

fn operations(said: Vec<guest::Found>) -> Result<Vec<Request>, &'static str> {
    if said.len() > MAX_OPERATIONS {
        return Err("too many operations");
    }
    if said.iter().any(|found| found.id == 0) {
        return Err("an operation numbered 0");
    }
    let requests = said.into_iter().map(|found| Request {
        id: found.id,
        continues: found.continues,
        operation: take_operation(found.operation),
    });
    Ok(requests.collect())
}

/// A refusal the inspector itself pronounces; the client may read it.
fn refusal(source: FaultSource, said: guest::Fault) -> Fault {
    Fault::new(source, clean(said.code, MAX_WORD_CHARS), clean(said.message, MAX_SENTENCE_CHARS))
}

/// `may_switch`: messages may follow.
fn request_outcome(
    said: guest::RequestOutcome,
    given: usize,
    may_switch: bool,
) -> Result<RequestOutcome, &'static str> {
    if said.release as usize > given {
        return Err("more bytes released than given");
    }
    let show = match said.show {
        3 if may_switch => Show::Messages,
        said => show(said)?,
    };
    Ok(RequestOutcome {
        show,
        operations: operations(said.operations)?,
        refusal: said.refusal.map(|no| refusal(FaultSource::Client, no)),
        release: said.release,
        need: said.need,
        headers: take_headers(said.headers)?,
    })
}

/// What an answer's call was given: what cells and spans may point at.
#[derive(Clone, Copy)]
enum Given {
    Headers(usize),
    Bytes(usize),
}

fn answer_outcome(said: guest::AnswerOutcome, given: Given) -> Result<AnswerOutcome, &'static str> {
    let release = said.release as usize;
    let reach = match given {
        Given::Headers(_) => 0,
        Given::Bytes(bytes) => bytes,
    };
    if release > reach {
        return Err("more bytes released than given");
    }
    let results: Result<Vec<_>, _> = said.results.into_iter().map(result_info).collect();
    Ok(AnswerOutcome {
        show: show(said.show)?,
        values: values(said.values, given, release)?,
        changes: spans(said.changes, release)?,
        release: said.release,
        need: said.need,
        results: results?,
        operations: operations(said.operations)?,
        refusal: said.refusal.map(|no| refusal(FaultSource::Upstream, no)),
    })
}

/// Ascending, not overlapping, inside the first `within` bytes; ends that fit the texts.
fn spans(said: guest::Spans, within: usize) -> Result<Spans, &'static str> {
    let count = said.starts.len();
    if [said.stops.len(), said.ends.len()] != [count; 2] {
        return Err("spans whose lists do not belong together");
    }
    let mut last = 0;
    for (start, stop) in said.starts.iter().zip(&said.stops) {
        if *start < last || stop < start || *stop as usize > within {
            return Err("spans that overlap, do not ascend, or lie outside the bytes");
        }
        last = *stop;
    }
    let fits = said.ends.is_sorted() && said.ends.last().map_or(0, |end| *end as usize) == said.texts.len();
    if !fits {
        return Err("spans whose texts do not fit");
    }
    Ok(Spans { starts: said.starts, stops: said.stops, texts: said.texts, ends: said.ends })
}

fn values(said: guest::Values, given: Given, release: usize) -> Result<Values, &'static str> {
    let (triples, rest) = said.cells.as_chunks::<3>();
    if !rest.is_empty() {
        return Err("part of a cell");
    }
    let columns = said.columns.len();
    for [column, start, length] in triples {
        let space = match given {
            _ if start & TOP_BIT != 0 => said.decoded.len(),
            Given::Headers(count) if (*start as usize) < count => continue,
            Given::Headers(_) => return Err("a cell in a header that is not there"),
            Given::Bytes(_) => release,
        };
        let end = u64::from(start & !TOP_BIT) + u64::from(*length);
        if *column as usize >= columns || end > space as u64 {
            return Err("a cell outside the bytes or without column");
        }
    }
    if triples.iter().any(|[column, ..]| *column as usize >= columns) {
        return Err("a cell without column");
    }
    let column = |said: crate::contract::v0_1::inspect::weir::plugin::types::Column| Column {
        name: said.name,
        relation: said.relation,
        source: said.source,
        type_name: said.type_name,
        labels: said.labels,
    };
    let columns = said.columns.into_iter().map(column).collect();
    Ok(Values { columns, cells: said.cells, decoded: said.decoded })
}

fn result_info(said: guest::ResultInfo) -> Result<ResultInfo, &'static str> {
    Ok(ResultInfo {
        operation: said.operation,
        status: take_status(said.status)?,
        rows: said.rows,
        tag: clean(said.tag, MAX_WORD_CHARS),
        code: clean(said.code, MAX_WORD_CHARS),
        message: said.message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(starts: &[u32], stops: &[u32], texts: &[u8], ends: &[u32]) -> guest::Spans {
        guest::Spans { starts: starts.into(), stops: stops.into(), texts: texts.into(), ends: ends.into() }
    }

    #[test]
    fn spans_ascend_inside_the_bytes() {
        assert!(spans(said(&[0, 2], &[2, 4], b"ab", &[1, 2]), 4).is_ok());
        for wrong in [
            said(&[0, 1], &[2, 4], b"ab", &[1, 2]),
            said(&[3], &[2], b"", &[0]),
            said(&[0], &[5], b"", &[0]),
            said(&[0], &[1], b"ab", &[1]),
            said(&[0, 1], &[1, 2], b"ab", &[2, 1]),
            said(&[0], &[1, 2], b"", &[0]),
        ] {
            assert!(spans(wrong, 4).is_err());
        }
    }

    #[test]
    fn headers_of_a_guest_cannot_end_a_line() {
        let header = |name: &str, value: &str| vec![guest::Header { name: name.into(), value: value.into() }];
        assert!(take_headers(header("x-reason", "no, ann")).is_ok());
        for (name, value) in
            [("x", "a\r\nset-cookie: b"), ("x", "\0"), ("", "a"), ("X", "a"), ("a b", "c"), ("a:", "c")]
        {
            assert!(take_headers(header(name, value)).is_err(), "{name} {value}");
        }
    }

    #[test]
    fn cells_lie_in_what_was_given() {
        let column = crate::contract::v0_1::inspect::weir::plugin::types::Column {
            name: "email".into(),
            relation: String::new(),
            source: String::new(),
            type_name: String::new(),
            labels: vec![],
        };
        let with = |cells: &[u32]| guest::Values {
            columns: vec![column.clone()],
            cells: cells.into(),
            decoded: b"abc".into(),
        };
        assert!(values(with(&[0, 0, 4, 0, TOP_BIT, 3]), Given::Bytes(9), 4).is_ok());
        assert!(values(with(&[0, 1, 0]), Given::Headers(2), 0).is_ok());
        for (cells, given) in [
            (&[0, 0, 5][..], Given::Bytes(9)),
            (&[1, 0, 1], Given::Bytes(9)),
            (&[0, TOP_BIT | 1, 3], Given::Bytes(9)),
            (&[0, 2, 0], Given::Headers(2)),
            (&[1, 1, 0], Given::Headers(2)),
            (&[0, 0], Given::Bytes(9)),
        ] {
            assert!(values(with(cells), given, 4).is_err(), "{cells:?}");
        }
    }
}
