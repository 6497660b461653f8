//! The client's direction: split the bytes into messages, the messages into operations and the rest.
//!
//! Parse, Bind and Describe that directly precede an Execute belong to it: the *unit* `P B D E` is one
//! operation, judged as a whole. So such messages wait in the buffer until something says that no Execute
//! of theirs follows. The server says nothing before a Flush, a Sync or a simple message, so waiting for one
//! blocks nobody.

pub mod copy_in;
pub mod extended;
pub mod naming;
pub mod settings;
pub mod simple;
pub mod too_large;
pub mod unit;

use crate::inspector::{Inspector, violation};
use crate::messages::describe::{self, Target};
use crate::messages::{bind, execute, parse};
use crate::names::{Change, Meaning};
use crate::outcome::ClientSide;
use crate::queue::{Answer, Entry, MAX_OPEN};
use crate::sql::MaySet;
use crate::wire::{self, Framing, HEADER_BYTES, Header};
use unit::Unit;
use weir_sdk::inspector::{ClientOutcome, Fault};

/// Messages without data must not be longer; the server's own limit (`PQ_SMALL_MESSAGE_LIMIT`).
const MAX_SMALL_BYTES: usize = 10_001;

#[derive(Debug, Default)]
pub struct ClientState {
    /// Messages between two Syncs form a segment: an error skips the rest of it.
    pub segment: u64,
    /// An extended message came since the last Sync.
    pub extended: bool,
    /// Something in this segment has failed or is bound to fail: the server ignores the rest, so it is dropped.
    pub doomed: bool,
    pub copy_in: copy_in::CopyIn,
    /// What has been sent since the last message with a ReadyForQuery: what it sets is not reported before the next.
    pub may_set: MaySet,
    /// What is left of a CopyData message that is longer than the buffer.
    pub copy_left: usize,
    pub terminated: bool,
    last_id: u32,
    /// Operations of the last outcome that have a text, for `rewrite`.
    pub undecided: Vec<Undecided>,
}

/// An operation whose text may be replaced.
#[derive(Debug)]
pub struct Undecided {
    pub id: u32,
    pub bytes: Vec<u8>,
    /// What was sent before it may change how its text is read.
    pub after: MaySet,
}

impl ClientState {
    fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1).max(1);
        self.last_id
    }
}

/// What one message means for the scan.
pub(crate) enum Step {
    Next,
    /// Not before the server has answered more.
    Wait,
    /// The rest of the buffer is spoken for.
    Stop,
    Fatal(Fault),
}

/// One pass over the buffer.
pub(crate) struct Scan<'a> {
    pub data: &'a [u8],
    pub out: ClientSide,
    /// Start of the message at hand; everything before it is covered, but for the open unit.
    pub at: usize,
    pub unit: Option<Unit<'a>>,
}

impl Inspector {
    pub fn read_client(&mut self, data: &[u8], _eof: bool) -> ClientOutcome {
        let mut scan = Scan { data, out: ClientSide::default(), at: 0, unit: None };
        self.client.undecided.clear();
        if let Some(why) = self.dead.clone() {
            scan.out.fatal(why);
            return scan.out.outcome;
        }
        self.continue_copy_data(&mut scan);
        loop {
            match self.next_message(&mut scan) {
                Step::Next => {}
                Step::Stop => break,
                Step::Wait => {
                    scan.out.outcome.wait = true;
                    break;
                }
                Step::Fatal(why) => {
                    self.dead = Some(why.clone());
                    scan.out.fatal(why);
                    break;
                }
            }
        }
        scan.out.outcome
    }

    fn next_message<'a>(&mut self, scan: &mut Scan<'a>) -> Step {
        let header = match wire::header(scan.data.get(scan.at..).unwrap_or_default()) {
            Framing::Partial => return need(scan, scan.at + HEADER_BYTES),
            Framing::Invalid(kind) => {
                return Step::Fatal(violation(format!(
                    "a message of type {} has a length that cannot be",
                    show(kind)
                )));
            }
            Framing::Header(header) => header,
        };
        if self.client.terminated {
            scan.out.drop(header.total_bytes);
            return advance(scan, header);
        }
        match header.kind {
            b'Q' | b'P' | b'B' | b'F' | b'd' => {}
            b'D' | b'E' | b'C' | b'H' | b'S' | b'c' | b'f' | b'X'
                if header.total_bytes <= MAX_SMALL_BYTES => {}
            b'D' | b'E' | b'C' | b'H' | b'S' | b'c' | b'f' | b'X' => {
                return Step::Fatal(violation(format!(
                    "a message of type {} is too long",
                    show(header.kind)
                )));
            }
            other => {
                return Step::Fatal(violation(format!(
                    "unknown message type {} from the client",
                    show(other)
                )));
            }
        }
        if self.client.doomed && !matches!(header.kind, b'S' | b'X') {
            scan.out.drop(header.total_bytes);
            return advance(scan, header);
        }
        if header.kind == b'd' {
            if let step @ (Step::Wait | Step::Fatal(_)) = self.close_unit(scan) {
                return step;
            }
            if !self.client.doomed {
                return self.copy_data(scan, header);
            }
            scan.out.drop(header.total_bytes);
            return advance(scan, header);
        }
        if self.queue.open() > MAX_OPEN {
            return Step::Wait;
        }
        if scan.unit_bytes() + header.total_bytes > self.max_operation
            && let step @ (Step::Wait | Step::Fatal(_)) = self.close_unit(scan)
        {
            return step;
        }
        if self.client.doomed && !matches!(header.kind, b'S' | b'X') {
            scan.out.drop(header.total_bytes);
            return advance(scan, header);
        }
        if header.total_bytes > self.max_operation && matches!(header.kind, b'Q' | b'P' | b'B' | b'F') {
            return self.too_large(scan, header);
        }
        let data = scan.data;
        let Some(body) = wire::body(data, scan.at, header) else {
            return need(scan, scan.at + header.total_bytes);
        };
        self.message(scan, header, body)
    }

    /// A whole message.
    fn message<'a>(&mut self, scan: &mut Scan<'a>, header: Header, body: &'a [u8]) -> Step {
        if let Some(unfit) = naming::unfit(header.kind, body) {
            return self.refuse_unfit(scan, header, &unfit);
        }
        match header.kind {
            b'P' => match parse::decode(body) {
                Some(parse) => self.parse(scan, header, parse),
                None => malformed("Parse"),
            },
            b'B' => match bind::decode(body) {
                Some(bind) => self.bind(scan, header, bind),
                None => malformed("Bind"),
            },
            b'D' => match describe::decode(body) {
                Some(target) => self.describe(scan, header, target),
                None => malformed("Describe"),
            },
            b'E' => match execute::decode(body) {
                Some(execute) => self.execute(scan, header, execute),
                None => malformed("Execute"),
            },
            _ => match self.close_unit(scan) {
                Step::Next if self.client.doomed && !matches!(header.kind, b'S' | b'X') => {
                    scan.out.drop(header.total_bytes);
                    advance(scan, header)
                }
                Step::Next => self.other(scan, header, body),
                step => step,
            },
        }
    }

    /// A message that can never be part of a unit.
    fn other<'a>(&mut self, scan: &mut Scan<'a>, header: Header, body: &'a [u8]) -> Step {
        match header.kind {
            b'Q' => self.query(scan, header, body),
            b'F' => self.function_call(scan, header, body),
            b'C' => self.close(scan, header, body),
            b'S' if body.is_empty() => self.sync(scan, header),
            b'H' if body.is_empty() => pass(scan, header),
            b'X' if body.is_empty() => {
                self.client.terminated = true;
                pass(scan, header)
            }
            b'c' if body.is_empty() => self.copy_ends(scan, header),
            b'f' if body.last() == Some(&0) => self.copy_ends(scan, header),
            kind => Step::Fatal(violation(format!("a message of type {} is malformed", show(kind)))),
        }
    }

    fn close(&mut self, scan: &mut Scan<'_>, header: Header, body: &[u8]) -> Step {
        let change = match describe::decode(body) {
            Some(Target::Statement(name)) => Change::Statement(name.into(), Meaning::Nothing),
            Some(Target::Portal(name)) => Change::Portal(name.into(), Meaning::Nothing),
            None => return malformed("Close"),
        };
        self.client.extended = true;
        let segment = self.client.segment;
        self.names.stage(&change, segment);
        self.queue.push(Entry { changes: vec![change], ..Entry::new(Answer::Close, segment) });
        pass(scan, header)
    }

    fn sync(&mut self, scan: &mut Scan<'_>, header: Header) -> Step {
        match self.client.copy_in {
            // The server reads it as part of the copy and gives no answer to it, or it stops at an error
            // first and does: only its answer to the COPY tells.
            copy_in::CopyIn::Expected { .. } => return Step::Wait,
            copy_in::CopyIn::Active => {
                scan.out.drop(header.total_bytes);
                return advance(scan, header);
            }
            copy_in::CopyIn::No => {}
        }
        self.queue.push(Entry::new(Answer::Sync, self.client.segment));
        self.client.segment += 1;
        self.client.may_set = MaySet::Nothing;
        self.client.extended = false;
        self.client.doomed = false;
        pass(scan, header)
    }
}

impl Scan<'_> {
    pub(crate) fn unit_bytes(&self) -> usize {
        self.unit.as_ref().map_or(0, |unit| self.at.saturating_sub(unit.start))
    }
}

fn pass(scan: &mut Scan<'_>, header: Header) -> Step {
    scan.out.pass(header.total_bytes);
    advance(scan, header)
}

/// Goes to the next message; past the end when a drop covers bytes still to come.
fn advance(scan: &mut Scan<'_>, header: Header) -> Step {
    scan.at = scan.at.saturating_add(header.total_bytes);
    if scan.at > scan.data.len() { Step::Stop } else { Step::Next }
}

/// The message that ends at `end` is not there yet.
fn need(scan: &mut Scan<'_>, end: usize) -> Step {
    let covered = scan.unit.as_ref().map_or(scan.at, |unit| unit.start);
    let missing = end.saturating_sub(covered);
    if scan.data.len() > covered || scan.unit.is_some() {
        scan.out.outcome.need = u32::try_from(missing).unwrap_or(u32::MAX);
    }
    Step::Stop
}

fn malformed(what: &str) -> Step {
    Step::Fatal(violation(format!("the {what} message of the client is malformed")))
}

pub(crate) fn show(kind: u8) -> String {
    if kind.is_ascii_graphic() { format!("'{}'", char::from(kind)) } else { format!("0x{kind:02x}") }
}
