//! A recorded conversation before a stream inspector, without a session: bytes come in pieces of any size, events are
//! carried out as far as they concern the buffers, everything is allowed and nothing is masked.

use serde_json::{Value, json};
use weir_guests::{GuestInspector, InspectorLimits};
use weir_model::Operation;
use weir_session::ports::Inspector as _;
use weir_session::traffic::{Event, kind};

use super::cases::Side;

/// What an inspector is opened with here: the defaults of a resource.
pub(super) const LIMITS: InspectorLimits =
    InspectorLimits { max_operation_bytes: 8 << 20, max_answer_bytes: 16 << 20 };

/// A generator of numbers for cutting bytes: the same seed gives the same cuts (SplitMix64).
pub(super) struct Cuts(u64);

impl Cuts {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 1 to `most`.
    pub(super) fn next(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let most = u64::try_from(most.max(1)).unwrap_or(u64::MAX);
        usize::try_from((mixed ^ (mixed >> 31)) % most).unwrap_or(0) + 1
    }
}

/// How the bytes of one side's turn are cut.
pub(super) enum Split<'c> {
    Whole,
    Bytewise,
    Random(&'c mut Cuts),
}

impl Split<'_> {
    fn next(&mut self, left: usize) -> usize {
        match self {
            Self::Whole => left,
            Self::Bytewise => 1,
            // Small pieces are where mistakes are.
            Self::Random(cuts) => match cuts.next(2) {
                1 => cuts.next(left.min(8)),
                _ => cuts.next(left),
            },
        }
    }
}

/// One direction: what is not disposed of, and what is to be skipped or awaited.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    skip: usize,
    need: usize,
}

impl Buffer {
    fn take(&mut self, piece: &[u8]) {
        let skipped = self.skip.min(piece.len());
        self.skip -= skipped;
        self.bytes.extend_from_slice(piece.get(skipped..).unwrap_or_default());
    }

    /// Disposes of what the events cover. Whether that was anything.
    fn consume(&mut self, events: &[Event]) -> bool {
        let covered: usize = events.iter().map(|event| event.len as usize).sum();
        let here = covered.min(self.bytes.len());
        self.bytes.drain(..here);
        self.skip += covered - here;
        covered > 0
    }

    fn is_ready(&self) -> bool {
        !self.bytes.is_empty() && self.bytes.len() >= self.need
    }
}

pub(super) struct Conversation {
    inspector: GuestInspector,
    client: Buffer,
    server: Buffer,
    waits: bool,
    /// The inspector or the server has ended it.
    over: bool,
    seen: Vec<Value>,
}

impl Conversation {
    pub(super) fn new(inspector: GuestInspector) -> Self {
        let (client, server) = (Buffer::default(), Buffer::default());
        Self { inspector, client, server, waits: false, over: false, seen: Vec::new() }
    }

    /// One side says something, in pieces.
    ///
    /// # Errors
    /// When the inspector stops or breaks the contract: what it did.
    pub(super) async fn say(
        &mut self,
        side: Side,
        mut bytes: &[u8],
        split: &mut Split<'_>,
    ) -> Result<(), String> {
        while !bytes.is_empty() && !self.over {
            let (piece, rest) = bytes.split_at(split.next(bytes.len()).min(bytes.len()));
            bytes = rest;
            match side {
                Side::Client => self.client.take(piece),
                Side::Server => {
                    self.server.take(piece);
                    self.server_side().await?;
                }
            }
            self.client_side().await?;
        }
        Ok(())
    }

    /// What was seen: operations as the inspector gave them, `refused` and `fatal` with the code.
    ///
    /// # Errors
    /// When bytes are left that no event covered.
    pub(super) fn end(self) -> Result<Vec<Value>, String> {
        match (self.over, self.client.bytes.len() + self.server.bytes.len()) {
            (true, _) | (_, 0) => Ok(self.seen),
            (false, left) => Err(format!("{left} bytes are left that it has not dealt with")),
        }
    }

    async fn client_side(&mut self) -> Result<(), String> {
        while self.client.is_ready() && !self.waits && !self.over {
            let outcome = self.inspector.client(&self.client.bytes, false).await.map_err(|no| told(&no))?;
            (self.client.need, self.waits) = (outcome.need as usize, outcome.wait);
            for event in &outcome.events {
                let request = outcome.operations.get(event.reference as usize);
                let refusal = outcome.refusals.get(event.count as usize);
                match (event.kind, request, refusal) {
                    (kind::OPERATION, Some(request), _) => {
                        self.seen.push(shown(&request.operation, request.continues, None));
                    }
                    (kind::REFUSED, Some(request), Some(why)) => {
                        self.seen.push(shown(&request.operation, request.continues, Some(&why.code)));
                    }
                    (kind::FATAL, _, Some(why)) => {
                        self.seen.push(json!({ "fatal": why.code }));
                        self.over = true;
                    }
                    _ => {}
                }
            }
            if !self.client.consume(&outcome.events) {
                // It needs more, even if it has not said how much.
                self.client.need = self.client.need.max(self.client.bytes.len() + 1);
            }
        }
        Ok(())
    }

    async fn server_side(&mut self) -> Result<(), String> {
        while self.server.is_ready() && !self.over {
            let outcome = self.inspector.server(&self.server.bytes, false).await.map_err(|no| told(&no))?;
            self.server.need = outcome.need as usize;
            self.waits = false;
            for event in &outcome.events {
                if let (kind::FATAL, Some(why)) = (event.kind, outcome.refusals.get(event.count as usize)) {
                    self.seen.push(json!({ "fatal": why.code }));
                    self.over = true;
                }
            }
            if !self.server.consume(&outcome.events) {
                self.server.need = self.server.need.max(self.server.bytes.len() + 1);
            }
        }
        Ok(())
    }
}

fn told(fault: &weir_model::Fault) -> String {
    match fault.detail.is_empty() {
        true => format!("{}: {}", fault.code, fault.message),
        false => format!("{}: {} ({})", fault.code, fault.message, fault.detail),
    }
}

/// An operation as cases write it.
pub(super) fn shown(operation: &Operation, continues: u32, refused: Option<&str>) -> Value {
    let pairs = |list: &[weir_model::Attribute]| -> Value {
        list.iter().map(|each| (each.name.clone(), Value::from(each.value.clone()))).collect()
    };
    let parameters: Vec<Value> = operation
        .parameters
        .iter()
        .map(|each| json!({ "name": each.name, "type": each.type_name, "value": each.value }))
        .collect();
    json!({
        "kind": operation.kind, "action": operation.action.as_word(), "text": operation.text,
        "objects": operation.objects, "parameters": parameters, "attributes": pairs(&operation.attributes),
        "claimed": pairs(&operation.claimed), "continues": continues != 0, "refused": refused,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(len: u32) -> Event {
        Event { kind: kind::PASS, bits: 0, len, count: 0, reference: 0 }
    }

    #[test]
    fn events_may_cover_bytes_that_are_still_to_come() {
        let mut buffer = Buffer::default();
        buffer.take(b"abcd");
        assert!(buffer.consume(&[event(1), event(5)]));
        buffer.take(b"e");
        assert!(!buffer.is_ready());
        buffer.take(b"fgh");
        assert_eq!(buffer.bytes, b"gh");
        buffer.need = 3;
        assert!(!buffer.is_ready() && !buffer.consume(&[]));
    }

    #[test]
    fn a_seed_gives_the_same_cuts() {
        let cuts = |seed| {
            let mut cuts = Cuts::new(seed);
            (0..20).map(|_| cuts.next(10)).collect::<Vec<_>>()
        };
        assert_eq!(cuts(7), cuts(7));
        assert_ne!(cuts(7), cuts(8));
        assert!(cuts(7).iter().all(|cut| (1..=10).contains(cut)));
    }
}
