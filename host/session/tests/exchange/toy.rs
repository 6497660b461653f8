//! An inspector for a protocol made of lines.
//!
//! The client says:
//!
//! ```text
//! !text       passes
//! ~N          dropped, together with the N bytes behind it
//! +text       dropped; `text` goes to the upstream in its place
//! =text       operation `text`, framed anew: `instead text` goes to the upstream
//! ?text       refused by the inspector; `skip` goes to the upstream
//! &ID text    operation that goes on with operation ID
//! @text       operation; what follows is not looked at before the upstream has said something
//! %N text     operation with N bytes behind its line; too large ones are refused
//! #           the session cannot go on
//! text        operation
//! ```
//!
//! The upstream says:
//!
//! ```text
//! ok N        passes; the oldest operation has ended with N rows
//! more N      passes; it is suspended after N rows
//! fail text   a message; the oldest operation has failed
//! note text   a message
//! idle        passes; everything is answered
//! cols a,b    passes; the oldest operation's columns, announced if they are not known
//! (cols) a,b  the same, but dropped
//! row x,y     one row; `\N` is NULL, `x:6869` is `hi` in another form
//! big N       passes, together with the N bytes behind it
//! skip N      dropped, together with the N bytes behind it
//! put text    dropped; `text` goes to the client in its place
//! #           the session cannot go on
//! text        passes
//! ```

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use weir_model::{Action, Attribute, Digest, Fault, FaultSource, JudgedBy, Operation, Parameter, PluginName};
use weir_session::ports::Inspector;
use weir_session::traffic::{
    ClientOutcome, Event, Masked, NULL_LENGTH, Request, ResultInfo, ServerOutcome, Status, Substitute,
    TOP_BIT, WireColumn, kind,
};

use crate::scene::Hub;

pub(crate) struct Toy {
    pub(crate) hub: Arc<Hub>,
    pub(crate) masking: bool,
    pub(crate) max_operation: usize,
    pub(crate) last_id: u32,
    /// operations that have not ended, oldest first
    pub(crate) queue: Arc<Mutex<VecDeque<u32>>>,
    pub(crate) wanted: Vec<u16>,
    /// the columns that were announced last
    pub(crate) announced: String,
    /// what is wanted of which columns, by number
    pub(crate) kept: Vec<(u32, String, Vec<u16>)>,
    /// `wanted` for the rows of the last answer, one after the other
    pub(crate) edited: Vec<Vec<u16>>,
}

pub(crate) fn event(kind: u16, len: usize) -> Event {
    Event { kind, bits: 0, len: u32::try_from(len).unwrap(), count: 0, reference: 0 }
}

pub(crate) fn fault(source: FaultSource, code: &str) -> Fault {
    Fault::new(source, code, format!("{code}!"))
}

/// `text p1=v1 p2 :: fact -- claim`: parameters are the words with `$` in front, claims stand behind `--`.
pub(crate) fn operation(text: &str) -> Operation {
    let (command, claim) = text.split_once(" -- ").map_or((text, None), |(text, claim)| (text, Some(claim)));
    let (command, fact) =
        command.split_once(" :: ").map_or((command, None), |(text, fact)| (text, Some(fact)));
    let parameters = command.split(' ').filter_map(|word| word.strip_prefix('$')).map(|word| {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        Parameter { name: name.into(), type_name: "text".into(), value: value.map(Into::into) }
    });
    Operation {
        kind: "toy".into(),
        action: Action::Read,
        text: command.into(),
        objects: vec![],
        parameters: parameters.collect(),
        attributes: fact.map(|fact| Attribute::new("toy-runs", fact)).into_iter().collect(),
        claimed: claim.map(|claim| Attribute::new("comment", claim)).into_iter().collect(),
    }
}

/// The line at the front, its end included.
fn line(data: &[u8]) -> Option<&str> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    Some(std::str::from_utf8(&data[..=end]).unwrap())
}

fn at<T, List: Extend<T> + AsRef<[T]>>(list: &mut List, item: T) -> u32 {
    list.extend([item]);
    u32::try_from(list.as_ref().len() - 1).unwrap()
}

impl Toy {
    fn request(&mut self, text: &str, continues: u32) -> Request {
        self.last_id += 1;
        Request { id: self.last_id, continues, operation: operation(text).into() }
    }

    fn operation(&mut self, out: &mut ClientOutcome, text: &str, len: usize) {
        let (continues, text) = match text.strip_prefix('&').and_then(|text| text.split_once(' ')) {
            Some((id, text)) => (id.parse().unwrap(), text),
            None => (0, text),
        };
        let instead = text.strip_prefix('=');
        let request = self.request(instead.unwrap_or(text), continues);
        self.queue.lock().unwrap().push_back(request.id);
        let mut found = event(kind::OPERATION, len);
        if let Some(text) = instead {
            found.bits = 1;
            found.count = at(&mut out.inserts, format!("instead {text}\n").into_bytes());
        }
        found.reference = at(&mut out.operations, request);
        out.events.push(found);
    }

    fn insert(out: &mut ClientOutcome, text: &str) {
        let reference = at(&mut out.inserts, format!("{text}\n").into_bytes());
        out.events.push(Event { reference, ..event(kind::INSERT, 0) });
    }

    fn refused(&mut self, out: &mut ClientOutcome, text: &str, len: usize) {
        out.events.push(event(kind::DROP, len));
        let request = self.request(text, 0);
        let reference = at(&mut out.operations, request);
        let count = at(&mut out.refusals, fault(FaultSource::Client, "malformed"));
        out.events.push(Event { reference, count, ..event(kind::REFUSED, 0) });
        Self::insert(out, "skip");
    }

    fn look_at_client(&mut self, data: &[u8]) -> ClientOutcome {
        let mut out = ClientOutcome::default();
        let mut rest = data;
        while let Some(line) = line(rest) {
            let text = line.trim_end_matches('\n');
            let mut len = line.len();
            match text.as_bytes().first().copied().unwrap_or(b' ') {
                b'!' => out.events.push(event(kind::PASS, len)),
                b'~' => {
                    len += text[1..].parse::<usize>().unwrap();
                    out.events.push(event(kind::DROP, len));
                }
                b'+' => {
                    out.events.push(event(kind::DROP, len));
                    Self::insert(&mut out, &text[1..]);
                }
                b'?' => self.refused(&mut out, text, len),
                b'%' => {
                    let (count, text) = text[1..].split_once(' ').unwrap();
                    len += count.parse::<usize>().unwrap();
                    if len > self.max_operation {
                        self.refused(&mut out, text, len);
                    } else if len > rest.len() {
                        out.need = u32::try_from(len).unwrap();
                        return out;
                    } else {
                        self.operation(&mut out, text, len);
                    }
                }
                b'#' => {
                    let count = at(&mut out.refusals, fault(FaultSource::Client, "fatal"));
                    out.events.push(Event { count, ..event(kind::FATAL, 0) });
                    return out;
                }
                b'@' => {
                    self.operation(&mut out, &text[1..], len);
                    out.wait = true;
                    return out;
                }
                _ => self.operation(&mut out, text, len),
            }
            rest = rest.get(len..).unwrap_or_default();
        }
        out
    }

    fn done(&self, out: &mut ServerOutcome, status: Status, rows: u64, message: &str) {
        let operation = self.queue.lock().unwrap().pop_front().unwrap_or_default();
        let code = if message.is_empty() { "" } else { "XX000" };
        let (tag, code, message) = (format!("{rows} rows"), code.into(), message.into());
        let reference = at(&mut out.results, ResultInfo { operation, status, rows, tag, code, message });
        out.events.push(Event { reference, ..event(kind::DONE, 0) });
    }

    fn message(&self, out: &mut ServerOutcome, start: usize, text: &str, reference: u32) {
        if !self.masking {
            return out.events.push(event(kind::PASS, text.len() + 1));
        }
        let found = Event { count: 1, reference, ..event(kind::MESSAGE, text.len() + 1) };
        out.events.push(found);
        out.cells.extend([u32::try_from(start + 5).unwrap(), u32::try_from(text.len() - 5).unwrap()]);
    }

    fn row(&self, out: &mut ServerOutcome, start: usize, text: &str) {
        match out.events.last_mut().filter(|last| last.kind == kind::ROWS) {
            Some(rows) => {
                rows.count += 1;
                rows.len += u32::try_from(text.len() + 1).unwrap();
            }
            None => {
                let reference = u32::try_from(self.edited.len() - 1).unwrap();
                out.events.push(Event { count: 1, reference, ..event(kind::ROWS, text.len() + 1) });
            }
        }
        let mut at = start + 4;
        for (column, cell) in text[4..].split(',').enumerate() {
            if self.wanted.contains(&u16::try_from(column).unwrap()) {
                if cell == "\\N" {
                    out.cells.extend([u32::try_from(at).unwrap(), NULL_LENGTH]);
                } else if let Some(hex) = cell.strip_prefix("x:") {
                    let plain = from_hex(hex);
                    let place = u32::try_from(out.decoded.len()).unwrap() | TOP_BIT;
                    out.cells.extend([place, u32::try_from(plain.len()).unwrap()]);
                    out.decoded.extend(plain);
                } else {
                    out.cells.extend([u32::try_from(at).unwrap(), u32::try_from(cell.len()).unwrap()]);
                }
            }
            at += cell.len() + 1;
        }
    }

    fn look_at_server(&mut self, data: &[u8]) -> ServerOutcome {
        let mut out = ServerOutcome::default();
        let mut start = 0;
        while let Some(line) = line(data.get(start..).unwrap_or_default()) {
            let text = line.trim_end_matches('\n');
            let mut len = line.len();
            let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
            match word {
                "ok" | "more" => {
                    out.events.push(event(kind::PASS, len));
                    let status = if word == "ok" { Status::Ok } else { Status::Suspended };
                    self.done(&mut out, status, rest.parse().unwrap(), "");
                }
                "fail" => {
                    self.message(&mut out, start, text, 0);
                    self.done(&mut out, Status::Error, 0, rest);
                }
                "note" => self.message(&mut out, start, text, 1),
                "idle" => {
                    out.events.push(event(kind::PASS, len));
                    out.events.push(event(kind::IDLE, 0));
                }
                "cols" | "(cols)" if self.masking => {
                    if word == "(cols)" {
                        out.events.push(event(kind::DROP, len));
                        len = 0;
                    }
                    let reference = self.queue.lock().unwrap().front().copied().unwrap_or_default();
                    if let Some((number, _, wanted)) = self.kept.iter().find(|(_, known, _)| known == rest) {
                        out.events.push(Event { count: *number, reference, ..event(kind::KNOWN, len) });
                        self.wanted.clone_from(wanted);
                        self.edited.push(wanted.clone());
                        start += line.len();
                        continue;
                    }
                    self.announced = rest.to_owned();
                    self.wanted.clear();
                    let columns = rest.split(',').map(|name| WireColumn {
                        name: name.into(),
                        type_id: 25,
                        type_modifier: -1,
                        relation_id: 0,
                        column_number: 0,
                        type_name: "text".into(),
                    });
                    let count = at(&mut out.shapes, columns.collect());
                    out.events.push(Event { count, reference, ..event(kind::SHAPE, len) });
                    return out;
                }
                "row" => self.row(&mut out, start, text),
                "big" => {
                    len += rest.parse::<usize>().unwrap();
                    out.events.push(event(kind::PASS, len));
                }
                "skip" => {
                    len += rest.parse::<usize>().unwrap();
                    out.events.push(event(kind::DROP, len));
                }
                "put" => {
                    out.events.push(event(kind::DROP, len));
                    let reference = at(&mut out.inserts, format!("{rest}\n").into_bytes());
                    out.events.push(Event { reference, ..event(kind::INSERT, 0) });
                }
                "#" => {
                    let count = at(&mut out.refusals, fault(FaultSource::Upstream, "fatal"));
                    out.events.push(Event { count, ..event(kind::FATAL, 0) });
                    return out;
                }
                _ => out.events.push(event(kind::PASS, len)),
            }
            start += len;
        }
        out
    }
}

impl Inspector for Toy {
    fn judged_by(&self) -> JudgedBy {
        JudgedBy { plugin: PluginName::new("toy"), digest: Digest([1; 32]), answer: "inspect" }
    }

    async fn client(&mut self, data: &[u8], eof: bool) -> Result<ClientOutcome, Fault> {
        self.hub.most_of_client.fetch_max(data.len(), Ordering::Relaxed);
        self.hub.client_calls.fetch_add(1, Ordering::Relaxed);
        let lie = self.hub.lie_to_client.lock().unwrap().as_mut().map(|lie| lie(data, eof));
        match lie.flatten() {
            Some(lie) => lie,
            None => Ok(self.look_at_client(data)),
        }
    }

    async fn server(&mut self, data: &[u8], eof: bool, kept_from: u32) -> Result<ServerOutcome, Fault> {
        if !self.hub.keeps_for_ever.load(Ordering::Relaxed) {
            self.kept.retain(|(number, ..)| *number >= kept_from);
        }
        self.edited = vec![self.wanted.clone()];
        self.hub.most_of_server.fetch_max(data.len(), Ordering::Relaxed);
        self.hub.server_calls.fetch_add(1, Ordering::Relaxed);
        let lie = self.hub.lie_to_server.lock().unwrap().as_mut().map(|lie| lie(data, eof));
        match lie.flatten() {
            Some(lie) => lie,
            None => Ok(self.look_at_server(data)),
        }
    }

    async fn want(&mut self, columns: &[u16], keep: u32) -> Result<(), Fault> {
        self.wanted = columns.to_vec();
        if keep != 0 {
            let last = self.kept.last().map_or(0, |(number, ..)| *number);
            assert!(keep > last, "numbers ascend");
            self.kept.push((keep, self.announced.clone(), columns.to_vec()));
        }
        Ok(())
    }

    async fn edit(&mut self, data: &[u8], event: &Event, masked: &Masked) -> Result<Vec<u8>, Fault> {
        let kind = event.kind;
        let nothing = Vec::new();
        let wanted = self.edited.get(event.reference as usize).unwrap_or(&nothing);
        let mut edits = Vec::new();
        let mut start = 0;
        for (cell, end) in masked.cells.iter().zip(&masked.ends) {
            let text = std::str::from_utf8(&masked.texts[start..*end as usize]).unwrap();
            start = *end as usize;
            edits.push((cell & !TOP_BIT, (cell & TOP_BIT == 0).then_some(text)));
        }
        let edit_of = |cell: u32| edits.iter().find(|(edited, _)| *edited == cell).map(|(_, text)| *text);
        let mut out = String::new();
        let mut cell = 0;
        for line in std::str::from_utf8(data).unwrap().lines() {
            let (head, body) = line.split_at(if kind == kind::ROWS { 4 } else { 5 });
            out.push_str(head);
            if kind == kind::MESSAGE {
                out.push_str(edit_of(cell).flatten().unwrap_or(body));
                cell += 1;
            } else {
                let cells = body.split(',').enumerate().map(|(column, old)| {
                    if !wanted.contains(&u16::try_from(column).unwrap()) {
                        return old.to_owned();
                    }
                    cell += 1;
                    match edit_of(cell - 1) {
                        None => old.to_owned(),
                        Some(None) => "\\N".to_owned(),
                        Some(Some(text)) if old.starts_with("x:") => format!("x:{}", to_hex(text)),
                        Some(Some(text)) => text.to_owned(),
                    }
                });
                out.push_str(&cells.collect::<Vec<_>>().join(","));
            }
            out.push('\n');
        }
        Ok(out.into_bytes())
    }

    async fn refuse(&mut self, id: u32, why: &Fault) -> Result<Substitute, Fault> {
        self.queue.lock().unwrap().retain(|known| *known != id);
        if let Some(fault) = self.hub.refuse_fails.lock().unwrap().clone() {
            return Err(fault);
        }
        Ok(Substitute {
            upstream: b"nop\n".to_vec(),
            client: format!("refused {id} {}: {}\n", why.code, why.message).into_bytes(),
        })
    }

    async fn rewrite(&mut self, _: u32, text: &str) -> Result<(Substitute, Operation), Fault> {
        if let Some(fault) = self.hub.rewrite_fails.lock().unwrap().clone() {
            return Err(fault);
        }
        let upstream = format!("{text}\n").into_bytes();
        Ok((Substitute { upstream, client: vec![] }, operation(text)))
    }

    async fn notice(&mut self, message: &str) -> Result<Vec<u8>, Fault> {
        Ok(format!("notice {message}\n").into_bytes())
    }

    async fn closing(&mut self, why: &Fault) -> Result<Vec<u8>, Fault> {
        Ok(format!("closing {}\n", why.code).into_bytes())
    }
}

fn from_hex(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

pub(crate) fn to_hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
