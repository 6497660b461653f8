//! The host in miniature: carries an exchange out as `wit/http.wit` says, and checks what it may check.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

use weir_plugin_git::Inspector;
use weir_sdk::Fault;
use weir_sdk::http::{
    AnswerHead, Found, Headers, HttpInspector, Limits, Operation, OwnAnswer, RequestHead, RequestOutcome,
    ResultInfo, Spans, TOP_BIT, show,
};

pub const LIMITS: Limits = Limits { max_operation: 1 << 20, max_answer: 1 << 20 };

/// A reason when an operation is denied.
type Judge = Box<dyn FnMut(&Operation) -> Option<Fault> + Send>;

/// What a text becomes, if it changes.
type Mask = Box<dyn FnMut(&str) -> Option<String> + Send>;

pub struct Host {
    pub inspector: Inspector,
    judge: Judge,
    mask: Mask,
    last: u32,
}

/// How an answer goes on.
#[derive(Default)]
pub struct Answer {
    exchange: u32,
    pub results: Vec<ResultInfo>,
    pub refusal: Option<Fault>,
    shown: u8,
    need: usize,
    kept: Vec<u8>,
}

/// How a request went.
pub struct Request {
    pub exchange: u32,
    pub operations: Vec<Found>,
    /// what of the body has gone to the upstream
    pub forwarded: Vec<u8>,
    pub refused: Option<(Vec<u32>, Fault)>,
    shown: u8,
    allowed: bool,
    kept: Vec<u8>,
    need: usize,
}

impl Host {
    pub fn new() -> Self {
        Self::judging(|_| None)
    }

    pub fn judging(judge: impl FnMut(&Operation) -> Option<Fault> + Send + 'static) -> Self {
        let inspector = Inspector::new(LIMITS, false);
        Self { inspector, judge: Box::new(judge), mask: Box::new(|_| None), last: 0 }
    }

    pub fn masking(mut self, mask: impl FnMut(&str) -> Option<String> + Send + 'static) -> Self {
        self.inspector = Inspector::new(LIMITS, true);
        self.mask = Box::new(mask);
        self
    }

    pub fn begin(&mut self, head: &RequestHead) -> Request {
        self.last += 1;
        let mut request = Request {
            exchange: self.last,
            operations: vec![],
            forwarded: vec![],
            refused: None,
            shown: show::UNSEEN,
            allowed: false,
            kept: vec![],
            need: 0,
        };
        let outcome = self.inspector.request(request.exchange, head).unwrap();
        assert_eq!(outcome.release, 0);
        self.take(&mut request, outcome);
        request
    }

    /// More of the body; `end`: and no more after it.
    pub fn body(&mut self, request: &mut Request, data: &[u8], end: bool) {
        if request.refused.is_some() {
            return;
        }
        request.kept.extend_from_slice(data);
        if request.shown == show::UNSEEN {
            assert!(request.allowed);
            request.forwarded.append(&mut request.kept);
            return;
        }
        let due = if request.shown == show::WHOLE { end } else { end || request.kept.len() >= request.need };
        if due {
            let kept = request.kept.clone();
            let outcome = self.inspector.request_body(request.exchange, &kept, end).unwrap();
            self.take(request, outcome);
            assert!(!end || request.shown == show::UNSEEN, "the body has ended, and nothing was found");
        }
    }

    fn take(&mut self, request: &mut Request, outcome: RequestOutcome) {
        assert!(outcome.release as usize <= request.kept.len());
        request.shown = outcome.show;
        request.need = outcome.need as usize;
        let mut refused: Vec<u32> = vec![];
        let mut why = outcome.refusal;
        for found in outcome.operations {
            if let Some(reason) = (self.judge)(&found.operation) {
                refused.push(found.id);
                why.get_or_insert(reason);
            }
            request.operations.push(found);
        }
        if let Some(why) = why {
            request.refused = Some((refused, why));
            return;
        }
        request.allowed = !request.operations.is_empty();
        assert!(request.allowed || outcome.release == 0, "bytes without an operation");
        request.forwarded.extend(request.kept.drain(..outcome.release as usize));
        if request.allowed && request.shown == show::UNSEEN {
            request.forwarded.append(&mut request.kept);
        }
    }

    /// What the client gets for a refused request.
    pub fn refusal(&mut self, request: &Request) -> OwnAnswer {
        let (refused, why) = request.refused.clone().expect("refused");
        self.inspector.refuse(request.exchange, &refused, &why)
    }

    pub fn answer_head(&mut self, exchange: u32, head: &AnswerHead) -> Answer {
        let outcome = self.inspector.answer(exchange, head).unwrap();
        assert!(outcome.values.cells.is_empty() && outcome.release == 0);
        Answer {
            exchange,
            results: outcome.results,
            refusal: outcome.refusal,
            shown: outcome.show,
            need: outcome.need as usize,
            kept: vec![],
        }
    }

    /// More of the answer: what of it the client gets.
    pub fn answer_piece(&mut self, answer: &mut Answer, piece: &[u8], end: bool) -> Vec<u8> {
        answer.kept.extend_from_slice(piece);
        if answer.shown == show::UNSEEN {
            return std::mem::take(&mut answer.kept);
        }
        if !end && (answer.shown == show::WHOLE || answer.kept.len() < answer.need) {
            return vec![];
        }
        let outcome = self.inspector.answer_body(answer.exchange, &answer.kept, end).unwrap();
        assert!(outcome.operations.is_empty());
        answer.results.extend(outcome.results);
        if outcome.refusal.is_some() {
            answer.refusal = outcome.refusal;
            return vec![];
        }
        let mut spans = vec![outcome.changes];
        let (mut cells, mut texts, mut ends) = (vec![], vec![], vec![]);
        for (index, cell) in outcome.values.cells.chunks(3).enumerate() {
            assert!(cell[1] & TOP_BIT != 0 && outcome.values.columns.len() > cell[0] as usize);
            let start = (cell[1] & !TOP_BIT) as usize;
            let text = &outcome.values.decoded[start..start + cell[2] as usize];
            if let Some(new) = (self.mask)(std::str::from_utf8(text).unwrap()) {
                cells.push(index as u32);
                texts.extend_from_slice(new.as_bytes());
                ends.push(texts.len() as u32);
            }
        }
        if !cells.is_empty() {
            spans.push(self.inspector.encode(answer.exchange, &cells, &texts, &ends).unwrap());
        }
        (answer.shown, answer.need) = (outcome.show, outcome.need as usize);
        let released: Vec<u8> = answer.kept.drain(..outcome.release as usize).collect();
        let mut out = changed(&released, &spans);
        if answer.shown == show::UNSEEN {
            out.append(&mut answer.kept);
        }
        out
    }

    /// An answer in pieces: what of it the client gets, and what is said of the operations.
    pub fn answer(
        &mut self,
        exchange: u32,
        head: &AnswerHead,
        pieces: &[&[u8]],
    ) -> (Vec<u8>, Vec<ResultInfo>) {
        let mut answer = self.answer_head(exchange, head);
        let mut out = vec![];
        for (index, piece) in pieces.iter().enumerate() {
            out.extend(self.answer_piece(&mut answer, piece, index + 1 == pieces.len()));
        }
        assert!(answer.refusal.is_none());
        self.inspector.end(exchange);
        (out, answer.results)
    }
}

/// Bytes with all changes made to them; none may touch another.
fn changed(bytes: &[u8], spans: &[Spans]) -> Vec<u8> {
    let mut all: Vec<(usize, usize, &[u8])> = vec![];
    for spans in spans {
        let mut from = 0;
        for ((start, stop), end) in spans.starts.iter().zip(&spans.stops).zip(&spans.ends) {
            all.push((*start as usize, *stop as usize, &spans.texts[from..*end as usize]));
            from = *end as usize;
        }
    }
    all.sort_unstable_by_key(|(start, ..)| *start);
    let (mut out, mut at) = (vec![], 0);
    for (start, stop, text) in all {
        assert!(start >= at && stop >= start);
        out.extend_from_slice(&bytes[at..start]);
        out.extend_from_slice(text);
        at = stop;
    }
    out.extend_from_slice(&bytes[at..]);
    out
}

pub fn headers(lines: &[(&str, &str)]) -> Headers {
    lines.iter().copied().collect()
}

/// What git sends to one of its services.
pub fn post(path: &str) -> RequestHead {
    let service = path.rsplit('/').next().unwrap();
    RequestHead {
        method: "POST".to_owned(),
        authority: "git.example".to_owned(),
        path: path.to_owned(),
        query: None,
        headers: headers(&[
            ("user-agent", "git/2.47.3"),
            ("content-type", &format!("application/x-{service}-request")),
            ("accept", &format!("application/x-{service}-result")),
        ]),
        has_body: true,
        length: None,
    }
}

pub fn get(path: &str, query: Option<&str>) -> RequestHead {
    RequestHead {
        method: "GET".to_owned(),
        authority: "git.example".to_owned(),
        path: path.to_owned(),
        query: query.map(str::to_owned),
        headers: headers(&[("user-agent", "git/2.47.3"), ("git-protocol", "version=2")]),
        has_body: false,
        length: None,
    }
}

pub fn answered(status: u16, kind: &str) -> AnswerHead {
    AnswerHead { status, headers: headers(&[("content-type", kind)]), has_body: true, length: None }
}
