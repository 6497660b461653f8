//! The host in miniature: carries events out as `wit/inspect.wit` says, and checks what it may check.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

use std::collections::{HashMap, VecDeque};
use weir_plugin_postgres::Inspector;
use weir_sdk::inspector::{
    Event, Fault, Limits, Operation, Request, ResultInfo, StreamInspector, WireColumn, kind,
};

pub enum Verdict {
    Allow,
    Deny(&'static str, &'static str),
    Rewrite(String),
}

type Judge = Box<dyn FnMut(&Operation) -> Verdict>;
type Want = Box<dyn FnMut(&[WireColumn]) -> Vec<u16>>;
/// Column name and text; `Some(None)` makes it NULL.
type Mask = Box<dyn FnMut(&str) -> Option<Option<String>>>;

pub struct Host {
    pub inspector: Inspector,
    from_client: Vec<u8>,
    from_server: Vec<u8>,
    drop_client: usize,
    drop_server: usize,
    pass_server: usize,
    need_client: usize,
    need_server: usize,
    waiting: bool,
    pub to_server: Vec<u8>,
    pub to_client: Vec<u8>,
    pub log: Vec<String>,
    pub operations: Vec<Request>,
    pub results: Vec<ResultInfo>,
    pub shapes: Vec<(u32, Vec<WireColumn>)>,
    pub seen: Vec<String>,
    pub dead: Option<Fault>,
    wanted: usize,
    /// shapes that were announced by their number alone
    pub known: usize,
    pub server_calls: usize,
    /// how many it keeps at once, and what was wanted of them; the last has the number before `next`
    keeps: usize,
    kept: VecDeque<(Vec<WireColumn>, usize)>,
    next: u32,
    verdicts: HashMap<u32, bool>,
    judge: Judge,
    want: Want,
    mask: Mask,
}

pub const LIMITS: Limits = Limits { max_operation: 1 << 16, max_answer: 1 << 16 };

impl Host {
    pub fn new() -> Self {
        Self::with(LIMITS, false)
    }

    pub fn masking() -> Self {
        Self::with(LIMITS, true)
    }

    pub fn with(limits: Limits, masking: bool) -> Self {
        let parameters = [
            ("client_encoding".to_owned(), "UTF8".to_owned()),
            ("standard_conforming_strings".to_owned(), "on".to_owned()),
        ];
        Self {
            inspector: Inspector::new(&parameters, limits, masking),
            from_client: vec![],
            from_server: vec![],
            drop_client: 0,
            drop_server: 0,
            pass_server: 0,
            need_client: 0,
            need_server: 0,
            waiting: false,
            to_server: vec![],
            to_client: vec![],
            log: vec![],
            operations: vec![],
            results: vec![],
            shapes: vec![],
            seen: vec![],
            dead: None,
            wanted: 0,
            known: 0,
            server_calls: 0,
            keeps: 4,
            kept: VecDeque::new(),
            next: 1,
            verdicts: HashMap::new(),
            judge: Box::new(|_| Verdict::Allow),
            want: Box::new(|columns| (0..columns.len() as u16).collect()),
            mask: Box::new(|_| None),
        }
    }

    /// So many shapes are kept at once.
    pub fn keeping(mut self, keeps: usize) -> Self {
        self.keeps = keeps;
        self
    }

    /// Nothing that was said of shapes holds any more.
    pub fn withdraw(&mut self) {
        self.kept.clear();
    }

    pub fn judge(mut self, judge: impl FnMut(&Operation) -> Verdict + 'static) -> Self {
        self.judge = Box::new(judge);
        self
    }

    pub fn want(mut self, want: impl FnMut(&[WireColumn]) -> Vec<u16> + 'static) -> Self {
        self.want = Box::new(want);
        self
    }

    pub fn mask(mut self, mask: impl FnMut(&str) -> Option<Option<String>> + 'static) -> Self {
        self.mask = Box::new(mask);
        self
    }

    /// Bytes from the client; returns what goes to the server because of them.
    pub fn client(&mut self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        self.from_client.extend_from_slice(bytes.as_ref());
        self.pump_client();
        std::mem::take(&mut self.to_server)
    }

    /// Bytes from the server; returns what goes to the client because of them.
    pub fn server(&mut self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        self.from_server.extend_from_slice(bytes.as_ref());
        self.pump_server();
        self.waiting = false;
        self.need_client = 0;
        self.pump_client();
        std::mem::take(&mut self.to_client)
    }

    pub fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    fn pump_client(&mut self) {
        loop {
            let dropped = self.drop_client.min(self.from_client.len());
            self.from_client.drain(..dropped);
            self.drop_client -= dropped;
            if self.dead.is_some() || self.waiting || self.from_client.is_empty() {
                return;
            }
            if self.from_client.len() < self.need_client {
                return;
            }
            let data = std::mem::take(&mut self.from_client);
            let outcome = self.inspector.client(&data, false).unwrap();
            let mut at = 0;
            for event in &outcome.events {
                at = self.client_event(&data, at, event, &outcome);
            }
            let covered = at.min(data.len());
            self.drop_client = at - covered;
            self.from_client = data[covered..].to_vec();
            self.need_client = outcome.need as usize;
            self.waiting = outcome.wait;
            assert!(self.need_client == 0 || self.need_client > self.from_client.len(), "need is useless");
            if covered == 0 {
                return;
            }
        }
    }

    fn client_event(
        &mut self,
        data: &[u8],
        at: usize,
        event: &Event,
        outcome: &weir_sdk::inspector::ClientOutcome,
    ) -> usize {
        let end = at + event.len as usize;
        let reference = event.ref_ as usize;
        if event.kind != kind::DROP {
            assert!(end <= data.len(), "event beyond the buffer: {event:?}");
        }
        match event.kind {
            kind::PASS => self.to_server.extend_from_slice(&data[at..end]),
            kind::DROP => {}
            kind::INSERT => {
                assert_eq!(event.len, 0);
                self.to_server.extend_from_slice(&outcome.inserts[reference]);
            }
            kind::OPERATION => {
                let request = &outcome.operations[reference];
                let bytes = if event.bits & 1 != 0 {
                    outcome.inserts[event.count as usize].clone()
                } else {
                    data[at..end].to_vec()
                };
                self.decide(request, bytes);
            }
            kind::REFUSED => {
                assert_eq!(event.len, 0);
                let request = &outcome.operations[reference];
                let why = &outcome.refusals[event.count as usize];
                self.log.push(format!(
                    "refused {} {:?}: {} {}",
                    request.id, request.operation.text, why.code, why.message
                ));
                self.operations.push(request.clone());
            }
            kind::FATAL => {
                let why = outcome.refusals[event.count as usize].clone();
                self.log.push(format!("fatal {} {}", why.code, why.message));
                self.to_client.extend(self.inspector.closing(&why));
                self.dead = Some(why);
            }
            other => panic!("client event of kind {other}"),
        }
        end
    }

    fn decide(&mut self, request: &Request, mut bytes: Vec<u8>) {
        let operation = &request.operation;
        let mut line = format!("{} {} {:?}", operation.kind, request.id, operation.text);
        for parameter in &operation.parameters {
            line.push_str(&format!(" {}={:?}", parameter.name, parameter.value.as_deref().unwrap_or("NULL")));
        }
        if request.continues != 0 {
            line.push_str(&format!(" continues {}", request.continues));
            assert!(self.verdicts.contains_key(&request.continues));
        }
        self.log.push(line);
        self.operations.push(request.clone());
        let mut operation = request.operation.clone();
        loop {
            match (self.judge)(&operation) {
                Verdict::Allow => {
                    self.verdicts.insert(request.id, true);
                    self.to_server.extend_from_slice(&bytes);
                    return;
                }
                Verdict::Deny(code, message) => {
                    self.verdicts.insert(request.id, false);
                    let why = Fault { code: code.into(), message: message.into() };
                    let substitute = self.inspector.refuse(request.id, &why).unwrap();
                    self.to_server.extend(substitute.upstream);
                    self.to_client.extend(substitute.client);
                    self.log.push(format!("denied {}", request.id));
                    return;
                }
                Verdict::Rewrite(text) => {
                    let (substitute, again) = self.inspector.rewrite(request.id, &text).unwrap();
                    self.log.push(format!("rewritten {} {:?}", request.id, again.text));
                    bytes = substitute.upstream;
                    operation = again;
                }
            }
        }
    }

    fn pump_server(&mut self) {
        loop {
            let passed = self.pass_server.min(self.from_server.len());
            self.to_client.extend(self.from_server.drain(..passed));
            self.pass_server -= passed;
            let dropped = self.drop_server.min(self.from_server.len());
            self.from_server.drain(..dropped);
            self.drop_server -= dropped;
            if self.dead.is_some() || self.from_server.is_empty() || self.from_server.len() < self.need_server
            {
                return;
            }
            let data = std::mem::take(&mut self.from_server);
            self.server_calls += 1;
            let kept_from = self.next - self.kept.len() as u32;
            let outcome = self.inspector.server(&data, false, kept_from).unwrap();
            let mut at = 0;
            let mut cells_at = 0;
            let mut shape = None;
            let events = outcome.events.len();
            for (index, event) in outcome.events.iter().enumerate() {
                let end = at + event.len as usize;
                let reference = event.ref_ as usize;
                match event.kind {
                    kind::PASS if end > data.len() => {
                        self.to_client.extend_from_slice(&data[at..]);
                        self.pass_server = end - data.len();
                        assert_eq!(index + 1, events, "nothing follows what exceeds the buffer");
                    }
                    kind::PASS => self.to_client.extend_from_slice(&data[at..end]),
                    kind::DROP => self.drop_server = end.saturating_sub(data.len()),
                    kind::INSERT => self.to_client.extend_from_slice(&outcome.inserts[reference]),
                    kind::FATAL => {
                        let why = outcome.refusals[event.count as usize].clone();
                        self.log.push(format!("fatal {} {}", why.code, why.message));
                        let closing = self.inspector.closing(&why);
                        self.to_client.extend(closing);
                        self.dead = Some(why);
                    }
                    kind::SHAPE => {
                        assert_eq!(index + 1, events, "a shape is the last event");
                        self.to_client.extend_from_slice(&data[at..end]);
                        let columns = outcome.shapes[event.count as usize].clone();
                        self.announced(event.ref_, columns.clone());
                        shape = Some(columns);
                    }
                    kind::KNOWN => {
                        self.to_client.extend_from_slice(&data[at..end]);
                        let index = event.count.checked_sub(kept_from).expect("a number that holds");
                        let (columns, wanted) = self.kept[index as usize].clone();
                        self.known += 1;
                        self.wanted = wanted;
                        self.announced(event.ref_, columns);
                    }
                    kind::ROWS | kind::MESSAGE => {
                        let count = if event.kind == kind::ROWS {
                            self.cells_per_row() * event.count as usize
                        } else {
                            event.count as usize
                        };
                        let words = &outcome.cells[cells_at * 2..(cells_at + count) * 2];
                        cells_at += count;
                        let masked = self.mask_cells(&data, at..end, event, words, &outcome.decoded);
                        self.to_client.extend(masked);
                    }
                    kind::DONE => {
                        let result = outcome.results[reference].clone();
                        let mut line = format!(
                            "done {} {} rows {} {:?}",
                            result.operation, result.status, result.rows, result.tag
                        );
                        if !result.code.is_empty() {
                            line.push_str(&format!(" {}", result.code));
                        }
                        self.log.push(line);
                        self.results.push(result);
                    }
                    kind::IDLE => self.log.push(format!("idle {}", event.bits)),
                    other => panic!("server event of kind {other}"),
                }
                at = end;
            }
            assert_eq!(cells_at * 2, outcome.cells.len(), "every cell belongs to an event");
            let covered = at.min(data.len());
            self.from_server = data[covered..].to_vec();
            self.need_server = outcome.need as usize;
            if let Some(columns) = shape {
                let wanted = (self.want)(&columns);
                self.wanted = wanted.len();
                let keep = self.keep(columns);
                if !wanted.is_empty() || keep != 0 {
                    self.inspector.want(&wanted, keep).unwrap();
                }
                self.need_server = 0;
            } else if covered == 0 && outcome.events.is_empty() {
                assert!(self.need_server > self.from_server.len(), "stuck: {:?}", self.from_server);
                return;
            }
        }
    }

    /// The number that a shape is kept under, or 0.
    fn keep(&mut self, columns: Vec<WireColumn>) -> u32 {
        if self.keeps == 0 {
            return 0;
        }
        if self.kept.len() == self.keeps {
            self.kept.pop_front();
        }
        self.kept.push_back((columns, self.wanted));
        self.next += 1;
        self.next - 1
    }

    fn announced(&mut self, operation: u32, columns: Vec<WireColumn>) {
        let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        self.log.push(format!("shape {operation} {}", names.join(",")));
        self.shapes.push((operation, columns));
    }

    fn cells_per_row(&self) -> usize {
        self.wanted
    }

    fn mask_cells(
        &mut self,
        data: &[u8],
        range: std::ops::Range<usize>,
        event: &Event,
        words: &[u32],
        decoded: &[u8],
    ) -> Vec<u8> {
        const DECODED: u32 = 1 << 31;
        let (mut cells, mut texts, mut ends) = (vec![], vec![], vec![]);
        for (index, word) in words.chunks(2).enumerate() {
            let &[start, length] = word else { unreachable!() };
            if length == u32::MAX {
                self.seen.push("NULL".into());
                continue;
            }
            let (source, start) = if start & DECODED != 0 {
                (decoded, (start & !DECODED) as usize)
            } else {
                assert!(range.contains(&(start as usize)) || length == 0);
                (data, start as usize)
            };
            let text = std::str::from_utf8(&source[start..start + length as usize]).expect("cells are UTF-8");
            self.seen.push(text.to_owned());
            match (self.mask)(text) {
                None => {}
                Some(None) => {
                    cells.push(index as u32 | DECODED);
                    ends.push(texts.len() as u32);
                }
                Some(Some(new)) => {
                    cells.push(index as u32);
                    texts.extend(new.bytes());
                    ends.push(texts.len() as u32);
                }
            }
        }
        let bytes = &data[range];
        if cells.is_empty() {
            return bytes.to_vec();
        }
        self.inspector.edit(bytes, event.kind, event.ref_, &cells, &texts, &ends).unwrap()
    }
}
