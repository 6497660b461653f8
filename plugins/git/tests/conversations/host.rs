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
    AnswerHead, Found, Header, HttpInspector, Limits, Operation, OwnAnswer, RequestHead, RequestOutcome,
    ResultInfo, show,
};

pub const LIMITS: Limits = Limits { max_operation: 1 << 20, max_answer: 1 << 20 };

/// A reason when an operation is denied.
type Judge = Box<dyn FnMut(&Operation) -> Option<Fault> + Send>;

pub struct Host {
    pub inspector: Inspector,
    judge: Judge,
    last: u32,
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
        Self { inspector: Inspector::new(LIMITS, false), judge: Box::new(judge), last: 0 }
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

    /// An answer in pieces: what of it the client gets, and what is said of the operations.
    pub fn answer(
        &mut self,
        exchange: u32,
        head: &AnswerHead,
        pieces: &[&[u8]],
    ) -> (Vec<u8>, Vec<ResultInfo>) {
        let outcome = self.inspector.answer(exchange, head).unwrap();
        let mut results = outcome.results;
        let mut shown = outcome.show;
        let mut need = outcome.need as usize;
        let (mut kept, mut out) = (vec![], vec![]);
        for (index, piece) in pieces.iter().enumerate() {
            let end = index + 1 == pieces.len();
            kept.extend_from_slice(piece);
            if shown != show::UNSEEN && (end || kept.len() >= need) {
                let outcome = self.inspector.answer_body(exchange, &kept, end).unwrap();
                assert!(outcome.refusal.is_none() && outcome.operations.is_empty());
                (shown, need) = (outcome.show, outcome.need as usize);
                out.extend(kept.drain(..outcome.release as usize));
                results.extend(outcome.results);
            }
            if shown == show::UNSEEN {
                out.append(&mut kept);
            }
        }
        self.inspector.end(exchange);
        (out, results)
    }
}

pub fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_owned(), value: value.to_owned() }
}

/// What git sends to one of its services.
pub fn post(path: &str) -> RequestHead {
    let service = path.rsplit('/').next().unwrap();
    RequestHead {
        method: "POST".to_owned(),
        authority: "git.example".to_owned(),
        path: path.to_owned(),
        query: None,
        headers: vec![
            header("user-agent", "git/2.47.3"),
            header("content-type", &format!("application/x-{service}-request")),
            header("accept", &format!("application/x-{service}-result")),
        ],
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
        headers: vec![header("user-agent", "git/2.47.3"), header("git-protocol", "version=2")],
        has_body: false,
        length: None,
    }
}

pub fn answered(status: u16, kind: &str) -> AnswerHead {
    AnswerHead { status, headers: vec![header("content-type", kind)], has_body: true, length: None }
}
