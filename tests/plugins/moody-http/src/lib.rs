//! An HTTP inspector that shows everything and misbehaves where the path says so: `/mood/request/trap`.

use std::hint::black_box;
use weir_sdk::http::{
    AnswerHead, AnswerOutcome, Fault, Found, Header, HttpInspector, Limits, NoSettings, Operation, OwnAnswer,
    RequestHead, RequestOutcome, SessionInfo, Spans, Values, show,
};

/// Longer than any time a call is given, but not for ever.
const LATE_TURNS: u64 = 20_000_000_000;

struct Moody {
    /// of the last request: where, and how
    mood: (String, String),
    last: u32,
}

impl Moody {
    /// Does what is wrong everywhere; answers what is wrong only here.
    fn at(&self, place: &str) -> Result<&str, Fault> {
        let (at, how) = (&*self.mood.0, &*self.mood.1);
        if at != place {
            return Ok("");
        }
        match how {
            "trap" => panic!("told to"),
            "loop" => loop {
                black_box(0);
            },
            "late" => (0..LATE_TURNS).for_each(|turn| _ = black_box(turn)),
            "eat" => eat(),
            "fault" => return Err(Fault::new("moody", "told to")),
            _ => {}
        }
        Ok(how)
    }

    fn found(&mut self, path: &str) -> Found {
        self.last += 1;
        let operation = Operation {
            kind: "http.request".to_owned(),
            action: "read".to_owned(),
            text: path.to_owned(),
            objects: vec![],
            parameters: vec![],
            attributes: vec![],
            claimed: vec![],
        };
        Found { id: self.last, continues: 0, operation }
    }
}

fn eat() {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_owned(), value: value.to_owned() }
}

impl HttpInspector for Moody {
    const NAME: &'static str = "moody-http";
    type Settings = NoSettings;

    fn open(_: &NoSettings, _: &SessionInfo, _: Limits, _: bool) -> Result<Self, Fault> {
        Ok(Self { mood: Default::default(), last: 0 })
    }

    fn request(&mut self, _: u32, head: &RequestHead) -> Result<RequestOutcome, Fault> {
        let mut parts = head.path.split('/').skip(2);
        let mut next = || parts.next().unwrap_or_default().to_owned();
        self.mood = (next(), next());
        // For a policy that is moody, too.
        let text = head.headers.get("x-text").unwrap_or(&head.path);
        let found = self.found(text);
        let mut outcome = RequestOutcome { operations: vec![found], ..RequestOutcome::default() };
        match self.at("request")? {
            "nothing" => outcome.operations.clear(),
            "twice" => outcome.operations.push(outcome.operations[0].clone()),
            "zero" => outcome.operations[0].id = 0,
            "continues" => outcome.operations[0].continues = 4711,
            "host" => outcome.headers.push(header("host", "elsewhere")),
            "authorization" => outcome.headers.push(header("authorization", "Bearer mine")),
            "split" => outcome.headers.push(header("x-moody", "a\r\nX-Injected: yes")),
            "show" => outcome.show = 77,
            _ => {}
        }
        if head.has_body && self.mood.0 == "body" {
            (outcome.show, outcome.operations) = (show::WHOLE, vec![]);
        }
        Ok(outcome)
    }

    fn request_body(&mut self, _: u32, data: &[u8], _: bool) -> Result<RequestOutcome, Fault> {
        let found = self.found("body");
        let release = data.len() as u32;
        let mut outcome = RequestOutcome { operations: vec![found], release, ..RequestOutcome::default() };
        match self.at("body")? {
            "nothing" => outcome.operations.clear(),
            "much" => outcome.release += 1,
            "keep" => (outcome.release, outcome.show) = (0, show::WHOLE),
            _ => {}
        }
        Ok(outcome)
    }

    fn answer(&mut self, _: u32, _: &AnswerHead) -> Result<AnswerOutcome, Fault> {
        let mut outcome = AnswerOutcome { show: show::WHOLE, ..AnswerOutcome::default() };
        match self.at("answer")? {
            "header" => outcome.values = values(vec![0, 99, 0]),
            "show" => outcome.show = 77,
            _ => {}
        }
        Ok(outcome)
    }

    fn answer_body(&mut self, _: u32, data: &[u8], end: bool) -> Result<AnswerOutcome, Fault> {
        let length = data.len() as u32;
        let mut outcome = AnswerOutcome { release: length, ..AnswerOutcome::default() };
        outcome.values = values(vec![0, 0, length]);
        match self.at("answer-body")? {
            "much" => outcome.release += 1,
            "less" if end => outcome.release = 0,
            "cell" => outcome.values = values(vec![0, 0, length + 1]),
            "column" => outcome.values = values(vec![9, 0, length]),
            "ragged" => outcome.values.cells.truncate(2),
            "decoded" => outcome.values = values(vec![0, 1 << 31, 5]),
            _ => {}
        }
        Ok(outcome)
    }

    fn encode(&mut self, _: u32, _: &[u32], texts: &[u8], _: &[u32]) -> Result<Spans, Fault> {
        let mut spans = Spans::default();
        match self.at("encode")? {
            "nothing" => {}
            "outside" => spans.push(0, 1 << 20, texts)?,
            "backwards" => spans.push(5, 2, texts)?,
            _ => spans.push(0, 4, texts)?,
        }
        Ok(spans)
    }

    fn refuse(&mut self, _: u32, _: &[u32], why: &Fault) -> OwnAnswer {
        let mut own = OwnAnswer { status: 403, headers: vec![], body: why.message.clone().into_bytes() };
        match self.at("refuse").unwrap_or_default() {
            "status" => own.status = 100,
            "split" => own.headers.push(header("x-moody", "a\r\nX-Injected: yes")),
            _ => {}
        }
        own
    }

    fn end(&mut self, _: u32) {
        let _ = self.at("end");
    }
}

fn values(cells: Vec<u32>) -> Values {
    let mut values = Values { cells, ..Values::default() };
    values.columns.push("all", "", "all", "text", &[]);
    values
}

weir_sdk::export_http_inspector!(Moody);
