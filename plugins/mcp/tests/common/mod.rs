//! A host in small: it shows an inspector what a real one would, holds it to the contract, and does what it says.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use weir_plugin_mcp::Mcp;
use weir_sdk::http::*;

pub struct Host {
    pub mcp: Mcp,
    last: u32,
}

#[derive(Debug)]
pub struct Sent {
    pub exchange: u32,
    pub operations: Vec<Found>,
    pub refusal: Option<Fault>,
}

#[derive(Debug, Default)]
pub struct Received {
    pub body: String,
    /// `name|relation|source|labels = text`
    pub values: Vec<String>,
    pub results: Vec<ResultInfo>,
    pub asked: Vec<Found>,
    /// what the gateway says to the server in the client's place
    pub told: Vec<OwnRequest>,
    pub notes: Vec<String>,
    pub refusal: Option<Fault>,
}

/// What becomes of a value; none: it stays.
pub type Mask<'m> = &'m dyn Fn(&Column, &str) -> Option<Option<String>>;

pub fn unmasked(_: &Column, _: &str) -> Option<Option<String>> {
    None
}

pub fn stars(_: &Column, _: &str) -> Option<Option<String>> {
    Some(Some("*\"*".to_owned()))
}

pub const JSON: &[(&str, &str)] =
    &[("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
/// Settings that let tools be called without having been listed.
pub const ANY: &str = r#"{"unlisted": "allow"}"#;
pub const IS_JSON: &[(&str, &str)] = &[("content-type", "application/json")];
pub const IS_EVENTS: &[(&str, &str)] = &[("content-type", "text/event-stream")];

pub fn headers(headers: &[(&str, &str)]) -> Headers {
    headers.iter().copied().collect()
}

impl Host {
    pub fn new(settings: &str, groups: &[&str], masking: bool) -> Host {
        let settings = serde_json::from_str(settings).unwrap();
        let who = weir_sdk::http::SessionInfo {
            id: "s".into(),
            resource_name: "tools".into(),
            protocol: "mcp".into(),
            who: principal(groups),
            client_address: "192.0.2.1".into(),
            started_ms: 0,
            attributes: vec![],
            claimed: vec![],
        };
        let limits = Limits { max_operation: 1 << 20, max_answer: 1 << 20 };
        Host { mcp: Mcp::open(&settings, &who, limits, masking).unwrap(), last: 0 }
    }

    pub fn send(&mut self, method: &str, given: &[(&str, &str)], body: Option<&str>) -> Sent {
        self.last += 1;
        let head = RequestHead {
            method: method.into(),
            authority: "mcp.example".into(),
            path: "/mcp".into(),
            query: None,
            headers: headers(given),
            has_body: body.is_some(),
            length: None,
        };
        let mut outcome = self.mcp.request(self.last, &head).unwrap();
        let mut operations = std::mem::take(&mut outcome.operations);
        if outcome.refusal.is_none()
            && let Some(body) = body
        {
            assert_eq!(outcome.show, show::WHOLE);
            outcome = self.mcp.request_body(self.last, body.as_bytes(), true).unwrap();
            operations.extend(std::mem::take(&mut outcome.operations));
            if outcome.refusal.is_none() {
                assert_eq!(outcome.release as usize, body.len());
            }
        }
        assert!(operations.iter().all(|found| found.id != 0));
        Sent { exchange: self.last, operations, refusal: outcome.refusal }
    }

    /// These sessions of MCP are the principal's, as other sessions of the gateway know.
    pub fn given(&mut self, sessions: &[&str]) {
        self.mcp.noted(sessions.iter().map(|session| format!(r#"{{"given":"{session}"}}"#)).collect());
    }

    pub fn post(&mut self, body: &str) -> Sent {
        self.send("POST", JSON, Some(body))
    }

    /// What the client gets instead, as text.
    pub fn refuse(
        &mut self,
        sent: &Sent,
        refused: &[u32],
        code: &str,
        message: &str,
    ) -> (u16, String, String) {
        let why = Fault { code: code.into(), message: message.into() };
        let own = self.mcp.refuse(sent.exchange, refused, &why);
        let content_type = own.headers.iter().find(|header| header.name == "content-type").unwrap();
        (own.status, content_type.value.clone(), String::from_utf8(own.body).unwrap())
    }

    /// The answer comes in pieces of `piece` bytes. `allow`: what the server asks is.
    pub fn answer(
        &mut self,
        exchange: u32,
        answer: (u16, &[(&str, &str)], &str),
        piece: usize,
        mask: Mask<'_>,
        allow: bool,
    ) -> Received {
        self.answer_of(exchange, answer, !answer.2.is_empty(), piece, mask, allow)
    }

    /// The same where only its end tells whether there is a body.
    pub fn answer_chunked(
        &mut self,
        exchange: u32,
        answer: (u16, &[(&str, &str)], &str),
        piece: usize,
        mask: Mask<'_>,
        allow: bool,
    ) -> Received {
        self.answer_of(exchange, answer, true, piece, mask, allow)
    }

    fn answer_of(
        &mut self,
        exchange: u32,
        (status, given, body): (u16, &[(&str, &str)], &str),
        has_body: bool,
        piece: usize,
        mask: Mask<'_>,
        allow: bool,
    ) -> Received {
        let head = AnswerHead { status, headers: headers(given), has_body, length: None };
        let mut received = Received::default();
        let mut outcome = self.mcp.answer(exchange, &head).unwrap();
        received.refusal = outcome.refusal.take();
        received.results.extend(outcome.results.iter().map(copy));
        received.notes.append(&mut outcome.notes);
        let mut kept: Vec<u8> = Vec::new();
        let mut pieces = body.as_bytes().chunks(piece);
        while received.refusal.is_none() && outcome.show != show::UNSEEN {
            // As the host does it: the end is a call of its own.
            let piece = pieces.next();
            let end = piece.is_none();
            kept.extend_from_slice(piece.unwrap_or_default());
            if !end && (outcome.show == show::WHOLE || kept.len() < outcome.need as usize) {
                continue;
            }
            outcome = self.mcp.answer_body(exchange, &kept, end).unwrap();
            received.notes.append(&mut outcome.notes);
            if let Some(refusal) = outcome.refusal.take() {
                received.refusal = Some(refusal);
                return received;
            }
            let out = self.apply(exchange, &kept, &outcome, &mut received, mask, allow);
            received.body.push_str(&String::from_utf8(out).unwrap());
            kept.drain(..outcome.release as usize);
            if end {
                assert!(kept.is_empty(), "bytes were forgotten: {}", String::from_utf8_lossy(&kept));
                break;
            }
        }
        if outcome.show == show::UNSEEN && received.refusal.is_none() && received.body.is_empty() {
            received.body = body.to_owned();
        }
        received
    }

    fn apply(
        &mut self,
        exchange: u32,
        data: &[u8],
        outcome: &AnswerOutcome,
        received: &mut Received,
        mask: Mask<'_>,
        allow: bool,
    ) -> Vec<u8> {
        received.results.extend(outcome.results.iter().map(copy));
        if !outcome.operations.is_empty() {
            received.asked.extend(outcome.operations.iter().map(|found| Found {
                id: found.id,
                continues: found.continues,
                operation: found.operation.clone(),
            }));
            if !allow {
                let why = Fault { code: "no-asking".into(), message: "not allowed".into() };
                let refused: Vec<_> = outcome.operations.iter().map(|found| found.id).collect();
                let instead = self.mcp.refuse_asked(exchange, &refused, &why);
                received.told.extend(self.mcp.answer_asked(exchange, &refused, &why));
                return instead;
            }
        }
        let (mut cells, mut texts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (index, cell) in outcome.values.cells.chunks(3).enumerate() {
            let column = &outcome.values.columns.iter().nth(cell[0] as usize).unwrap();
            let start = (cell[1] & !TOP_BIT) as usize;
            let stop = start + cell[2] as usize;
            let text = if cell[1] & TOP_BIT == 0 {
                assert!(stop <= outcome.release as usize, "a value in bytes that are not released");
                &data[start..stop]
            } else {
                &outcome.values.decoded[start..stop]
            };
            let text = std::str::from_utf8(text).unwrap();
            received.values.push(format!(
                "{}|{}|{}|{} = {text}",
                column.name,
                column.relation,
                column.source,
                column.labels.join(",")
            ));
            if let Some(new) = mask(column, text) {
                cells.push(index as u32 | if new.is_none() { TOP_BIT } else { 0 });
                texts.extend_from_slice(new.unwrap_or_default().as_bytes());
                ends.push(texts.len() as u32);
            }
        }
        let mut all = Vec::new();
        let edits = self.mcp.encode(exchange, &cells, &texts, &ends).unwrap();
        for spans in [&outcome.changes, &edits] {
            let mut from = 0;
            let mut last = 0;
            for ((start, stop), end) in spans.starts.iter().zip(&spans.stops).zip(&spans.ends) {
                assert!(last <= *start && start <= stop, "spans must ascend");
                last = *stop;
                all.push((*start as usize, *stop as usize, spans.texts[from..*end as usize].to_vec()));
                from = *end as usize;
            }
        }
        all.sort_by_key(|(start, stop, _)| (*start, *stop));
        let (mut out, mut from) = (Vec::new(), 0);
        for (start, stop, text) in all {
            assert!(start >= from, "changes and edits overlap");
            out.extend_from_slice(&data[from..start]);
            out.extend_from_slice(&text);
            from = stop;
        }
        out.extend_from_slice(&data[from..outcome.release as usize]);
        out
    }
}

fn copy(info: &ResultInfo) -> ResultInfo {
    ResultInfo {
        operation: info.operation,
        status: info.status,
        rows: info.rows,
        tag: info.tag.clone(),
        code: info.code.clone(),
        message: info.message.clone(),
    }
}

fn principal(groups: &[&str]) -> weir_sdk::policy::Principal {
    weir_sdk::policy::Principal {
        id: "ann".into(),
        kind: "human".into(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        attributes: vec![],
    }
}

/// `kind action text`
pub fn brief(found: &Found) -> String {
    format!("{} {} {}", found.operation.kind, found.operation.action, found.operation.text)
}
