//! The host in miniature: one exchange after another, and what the contract lets it expect is checked.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly, and uses what it needs"
)]

use weir_plugin_http_api::HttpApi;
use weir_plugin_http_api::settings::Settings;
use weir_sdk::http::{
    AnswerHead, AnswerOutcome, Column, Fault, Headers, HttpInspector, Operation, OwnAnswer, RequestHead,
    Spans, TOP_BIT, Values, show,
};

/// Column and text; `Some(None)` makes it nothing.
pub type Mask<'a> = &'a dyn Fn(&Column, &str) -> Option<Option<String>>;

pub const KEEP: Mask<'static> = &|_, _| None;

pub struct Host {
    pub inspector: HttpApi,
    exchange: u32,
}

/// What became of a request.
#[derive(Debug)]
pub struct Asked {
    pub operation: Operation,
    pub refusal: Option<Fault>,
    pub forwarded: Vec<u8>,
    pub headers: Vec<(String, String)>,
}

/// What the client got.
#[derive(Debug, Default, PartialEq)]
pub struct Got {
    pub body: Vec<u8>,
    pub headers: Vec<(String, String)>,
    /// source of the column, its type and the text of each value of the body
    pub seen: Vec<(String, String, String)>,
    pub head_seen: Vec<(String, String)>,
    pub refusal: Option<String>,
    /// how much was released after each piece
    pub released: Vec<usize>,
}

pub fn headers(lines: &[(&str, &str)]) -> Headers {
    lines.iter().copied().collect()
}

pub fn head(method: &str, path: &str, lines: &[(&str, &str)], has_body: bool) -> RequestHead {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (path, None),
    };
    RequestHead {
        method: method.into(),
        authority: "api.example.com".into(),
        path: path.into(),
        query,
        headers: headers(lines),
        has_body,
        length: None,
    }
}

impl Host {
    pub fn new(settings: &str) -> Self {
        Self::with(settings, true)
    }

    pub fn with(settings: &str, masking: bool) -> Self {
        let settings: Settings = serde_json::from_str(settings).unwrap();
        Self { inspector: HttpApi::new(settings.rules().unwrap(), masking), exchange: 0 }
    }

    pub fn ask(&mut self, method: &str, path: &str, lines: &[(&str, &str)], body: Option<&[u8]>) -> Asked {
        self.exchange += 1;
        let head = head(method, path, lines, body.is_some());
        let mut outcome = self.inspector.request(self.exchange, &head).unwrap();
        let headers =
            outcome.headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect();
        let mut forwarded = Vec::new();
        if outcome.refusal.is_none() {
            let body = body.unwrap_or_default();
            if outcome.show == show::WHOLE {
                assert!(outcome.operations.is_empty());
                outcome = self.inspector.request_body(self.exchange, body, true).unwrap();
                forwarded.extend_from_slice(&body[..outcome.release as usize]);
                assert!(outcome.refusal.is_some() || forwarded.len() == body.len());
            } else {
                assert_eq!(outcome.show, show::UNSEEN);
                forwarded.extend_from_slice(body);
            }
        }
        assert_eq!(outcome.operations.len(), 1);
        let found = outcome.operations.remove(0);
        assert!(found.id != 0 && found.continues == 0);
        Asked { operation: found.operation, refusal: outcome.refusal, forwarded, headers }
    }

    pub fn refuse(&mut self, refused: bool, why: &Fault) -> OwnAnswer {
        self.inspector.refuse(self.exchange, if refused { &[1] } else { &[] }, why)
    }

    /// The answer to what was asked last, with its body in `pieces`.
    pub fn answer(&mut self, status: u16, lines: &[(&str, &str)], pieces: &[&[u8]], mask: Mask<'_>) -> Got {
        let has_body = pieces.iter().any(|piece| !piece.is_empty());
        let head = AnswerHead { status, headers: headers(lines), has_body, length: None };
        let mut got = Got::default();
        let outcome = self.inspector.answer(self.exchange, &head).unwrap();
        if let Some(refusal) = outcome.refusal {
            got.refusal = Some(refusal.code);
            return got;
        }
        got.headers = head.headers.iter().map(|line| (line.name.to_owned(), line.value.to_owned())).collect();
        self.head_values(&outcome.values, &head, mask, &mut got);
        self.body(outcome.show, pieces, mask, &mut got);
        got
    }

    fn body(&mut self, mut shown: u8, pieces: &[&[u8]], mask: Mask<'_>, got: &mut Got) {
        let mut kept = Vec::new();
        let mut need = 0;
        for (number, piece) in pieces.iter().enumerate() {
            kept.extend_from_slice(piece);
            let end = number + 1 == pieces.len();
            match shown {
                show::UNSEEN => got.body.append(&mut kept),
                show::WHOLE if !end => {}
                _ if !end && kept.len() < need => {}
                _ => {
                    let outcome = self.inspector.answer_body(self.exchange, &kept, end).unwrap();
                    if let Some(refusal) = outcome.refusal {
                        got.refusal = Some(refusal.code);
                        return;
                    }
                    let changed = self.masked(&outcome, &kept, mask, got);
                    got.body.extend_from_slice(&changed);
                    kept.drain(..outcome.release as usize);
                    assert!(!end || kept.is_empty(), "bytes left at the end");
                    need = outcome.need as usize;
                    shown = outcome.show;
                    assert!(shown != show::UNSEEN || end);
                }
            }
            got.released.push(got.body.len());
        }
    }

    fn masked(&mut self, outcome: &AnswerOutcome, data: &[u8], mask: Mask<'_>, got: &mut Got) -> Vec<u8> {
        let released = &data[..outcome.release as usize];
        assert!(outcome.changes.starts.is_empty() && outcome.operations.is_empty());
        let Values { columns, cells, decoded } = &outcome.values;
        let (mut numbers, mut texts, mut ends) = (vec![], vec![], vec![]);
        let mut behind = 0;
        for (number, cell) in cells.chunks(3).enumerate() {
            let column = &columns.iter().nth(cell[0] as usize).unwrap();
            let (start, length) = ((cell[1] & !TOP_BIT) as usize, cell[2] as usize);
            let text = if cell[1] & TOP_BIT != 0 {
                &decoded[start..start + length]
            } else {
                assert!(start >= behind, "values are out of order");
                behind = start + length;
                &released[start..start + length]
            };
            let text = std::str::from_utf8(text).unwrap();
            got.seen.push((column.source.clone(), column.type_name.clone(), text.to_owned()));
            push(&mut numbers, &mut texts, &mut ends, number, mask(column, text));
        }
        let spans = self.inspector.encode(self.exchange, &numbers, &texts, &ends).unwrap();
        apply(released, &spans)
    }

    fn head_values(&mut self, values: &Values, head: &AnswerHead, mask: Mask<'_>, got: &mut Got) {
        let (mut numbers, mut texts, mut ends) = (vec![], vec![], vec![]);
        for (number, cell) in values.cells.chunks(3).enumerate() {
            let column = &values.columns.iter().nth(cell[0] as usize).unwrap();
            let header = head.headers.iter().nth(cell[1] as usize).unwrap();
            assert_eq!(column.name, header.name);
            assert_eq!(column.labels.len(), usize::from(header.name != "link"));
            got.head_seen.push((header.name.to_owned(), header.value.to_owned()));
            push(&mut numbers, &mut texts, &mut ends, number, mask(column, header.value));
        }
        let spans = self.inspector.encode(self.exchange, &numbers, &texts, &ends).unwrap();
        assert_eq!(spans.starts, spans.stops);
        let mut from = 0;
        for (index, end) in spans.starts.iter().zip(&spans.ends) {
            let text = std::str::from_utf8(&spans.texts[from..*end as usize]).unwrap();
            assert!(!text.contains(['\r', '\n']));
            got.headers[*index as usize].1 = text.to_owned();
            from = *end as usize;
        }
    }
}

fn push(
    numbers: &mut Vec<u32>,
    texts: &mut Vec<u8>,
    ends: &mut Vec<u32>,
    number: usize,
    masked: Option<Option<String>>,
) {
    let Some(masked) = masked else { return };
    numbers.push(number as u32 | if masked.is_none() { TOP_BIT } else { 0 });
    texts.extend_from_slice(masked.unwrap_or_default().as_bytes());
    ends.push(texts.len() as u32);
}

fn apply(bytes: &[u8], spans: &Spans) -> Vec<u8> {
    let (mut out, mut done, mut from) = (vec![], 0, 0);
    for ((start, stop), end) in spans.starts.iter().zip(&spans.stops).zip(&spans.ends) {
        let (start, stop, end) = (*start as usize, *stop as usize, *end as usize);
        assert!(done <= start && start <= stop && stop <= bytes.len(), "spans overlap or reach beyond");
        out.extend_from_slice(&bytes[done..start]);
        out.extend_from_slice(&spans.texts[from..end]);
        (done, from) = (stop, end);
    }
    assert_eq!(from, spans.texts.len());
    out.extend_from_slice(&bytes[done..]);
    out
}
