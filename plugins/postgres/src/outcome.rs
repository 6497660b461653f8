//! Collects events; runs of the same kind become one.

use weir_sdk::inspector::{
    ClientOutcome, Event, Fault, Operation, Request, ResultInfo, ServerOutcome, WireColumn, kind,
};

/// `bits` of an `operation` event: `inserts[count]` is sent in the place of the operation's bytes.
pub const INSTEAD: u16 = 1;

fn event(kind: u16, bits: u16, len: usize, count: usize, reference: usize) -> Event {
    let word = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Event { kind, bits, len: word(len), count: word(count), ref_: word(reference) }
}

/// Adds `len` bytes to the last event if it is of this kind, else a new event.
fn run(events: &mut Vec<Event>, run_kind: u16, len: usize) {
    if len == 0 {
        return;
    }
    if let Some(last) = events.last_mut().filter(|last| last.kind == run_kind)
        && let Some(sum) = u32::try_from(len).ok().and_then(|len| last.len.checked_add(len))
    {
        last.len = sum;
        return;
    }
    events.push(event(run_kind, 0, len, 0, 0));
}

fn empty_client() -> ClientOutcome {
    ClientOutcome {
        events: Vec::new(),
        operations: Vec::new(),
        inserts: Vec::new(),
        refusals: Vec::new(),
        need: 0,
        wait: false,
    }
}

pub struct ClientSide {
    pub outcome: ClientOutcome,
}

impl Default for ClientSide {
    fn default() -> Self {
        Self { outcome: empty_client() }
    }
}

impl ClientSide {
    pub fn pass(&mut self, len: usize) {
        run(&mut self.outcome.events, kind::PASS, len);
    }

    pub fn drop(&mut self, len: usize) {
        run(&mut self.outcome.events, kind::DROP, len);
    }

    pub fn insert(&mut self, bytes: Vec<u8>) {
        let at = self.outcome.inserts.len();
        self.outcome.inserts.push(bytes);
        self.outcome.events.push(event(kind::INSERT, 0, 0, 0, at));
    }

    pub fn operation(&mut self, len: usize, request: Request, instead: Option<Vec<u8>>) {
        let at = self.outcome.operations.len();
        self.outcome.operations.push(request);
        let (bits, count) = match instead {
            Some(bytes) => {
                self.outcome.inserts.push(bytes);
                (INSTEAD, self.outcome.inserts.len() - 1)
            }
            None => (0, 0),
        };
        self.outcome.events.push(event(kind::OPERATION, bits, len, count, at));
    }

    pub fn refused(&mut self, id: u32, operation: Operation, why: Fault) {
        let at = self.outcome.operations.len();
        self.outcome.operations.push(Request { id, continues: 0, operation });
        self.outcome.refusals.push(why);
        self.outcome.events.push(event(kind::REFUSED, 0, 0, self.outcome.refusals.len() - 1, at));
    }

    pub fn fatal(&mut self, why: Fault) {
        self.outcome.refusals.push(why);
        self.outcome.events.push(event(kind::FATAL, 0, 0, self.outcome.refusals.len() - 1, 0));
    }
}

pub struct ServerSide {
    pub outcome: ServerOutcome,
}

impl Default for ServerSide {
    fn default() -> Self {
        Self {
            outcome: ServerOutcome {
                events: Vec::new(),
                inserts: Vec::new(),
                refusals: Vec::new(),
                shapes: Vec::new(),
                results: Vec::new(),
                cells: Vec::new(),
                decoded: Vec::new(),
                need: 0,
            },
        }
    }
}

impl ServerSide {
    pub fn pass(&mut self, len: usize) {
        run(&mut self.outcome.events, kind::PASS, len);
    }

    pub fn drop(&mut self, len: usize) {
        run(&mut self.outcome.events, kind::DROP, len);
    }

    pub fn insert(&mut self, bytes: Vec<u8>) {
        let at = self.outcome.inserts.len();
        self.outcome.inserts.push(bytes);
        self.outcome.events.push(event(kind::INSERT, 0, 0, 0, at));
    }

    pub fn fatal(&mut self, why: Fault) {
        self.outcome.refusals.push(why);
        self.outcome.events.push(event(kind::FATAL, 0, 0, self.outcome.refusals.len() - 1, 0));
    }

    pub fn shape(&mut self, len: usize, operation: u32, columns: Vec<WireColumn>) {
        self.outcome.shapes.push(columns);
        let at = self.outcome.shapes.len() - 1;
        self.outcome.events.push(event(kind::SHAPE, 0, len, at, usize::try_from(operation).unwrap_or(0)));
    }

    /// A shape that the host has kept under this number.
    pub fn known(&mut self, len: usize, number: u32, operation: u32) {
        let word = |number: u32| usize::try_from(number).unwrap_or(0);
        self.outcome.events.push(event(kind::KNOWN, 0, len, word(number), word(operation)));
    }

    /// `len` bytes with one more row (or `count` of them). `shape`: which of the answer's it belongs to, for `edit`.
    pub fn rows(&mut self, len: usize, count: usize, shape: usize) {
        if let Some(last) = self.outcome.events.last_mut().filter(|last| last.kind == kind::ROWS)
            && let Some(sum) = u32::try_from(len).ok().and_then(|len| last.len.checked_add(len))
        {
            last.len = sum;
            last.count = last.count.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            return;
        }
        self.outcome.events.push(event(kind::ROWS, 0, len, count, shape));
    }

    /// How many cells there are, to go back to.
    pub fn mark(&self) -> (usize, usize) {
        (self.outcome.cells.len(), self.outcome.decoded.len())
    }

    pub fn back_to(&mut self, (cells, decoded): (usize, usize)) {
        self.outcome.cells.truncate(cells);
        self.outcome.decoded.truncate(decoded);
    }

    /// Rows whose bytes are not there to be sent on.
    pub fn rows_apart(&mut self, count: usize) {
        self.outcome.events.push(event(kind::ROWS, 0, 0, count, 0));
    }

    pub fn message(&mut self, len: usize, cells: usize, label: usize) {
        self.outcome.events.push(event(kind::MESSAGE, 0, len, cells, label));
    }

    pub fn done(&mut self, result: ResultInfo) {
        self.outcome.results.push(result);
        let at = self.outcome.results.len() - 1;
        self.outcome.events.push(event(kind::DONE, 0, 0, 0, at));
    }

    pub fn idle(&mut self, in_transaction: bool, failed: bool) {
        let bits = u16::from(in_transaction) | u16::from(failed) << 1;
        self.outcome.events.push(event(kind::IDLE, bits, 0, 0, 0));
    }
}
