//! A recorded conversation before a stream inspector, without a session: bytes come in pieces of any size, and events are
//! carried out as the host would. What a case refuses is refused, what it masks is masked, everything else is allowed.

use super::cases::{RefuseCase, Side};
use super::{for_operator, glob};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_guests::{GuestInspector, InspectorLimits};
use weir_model::{Fault, FaultSource, Operation};
use weir_session::ports::Inspector as _;
use weir_session::traffic::{Event, Masked, NULL_LENGTH, ServerOutcome, Substitute, TOP_BIT, kind};

/// What becomes of the values of a column: another text, or nothing.
pub(super) type Masks = BTreeMap<String, Option<String>>;

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
    pub(super) fn next(&mut self, left: usize) -> usize {
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
    /// bytes still to come of which it is known already what becomes of them
    ahead: usize,
    /// they go on
    passes: bool,
    need: usize,
    /// what went on to the other side
    out: Vec<u8>,
}

impl Buffer {
    fn take(&mut self, piece: &[u8]) {
        let (ahead, rest) = piece.split_at(self.ahead.min(piece.len()));
        self.ahead -= ahead.len();
        if self.passes {
            self.out.extend_from_slice(ahead);
        }
        self.bytes.extend_from_slice(rest);
    }

    /// The first `len` bytes, as far as they are there, leave the buffer. Of those to come the same is done.
    fn dispose(&mut self, len: u32, passes: bool) {
        let here = (len as usize).min(self.bytes.len());
        let gone: Vec<u8> = self.bytes.drain(..here).collect();
        self.ahead += len as usize - here;
        self.passes = passes;
        if passes {
            self.out.extend_from_slice(&gone);
        }
    }

    /// The first `len` bytes leave it, and something else goes on.
    fn replace(&mut self, len: u32, instead: &[u8]) {
        self.dispose(len, false);
        self.out.extend_from_slice(instead);
    }

    fn is_ready(&self) -> bool {
        !self.bytes.is_empty() && self.bytes.len() >= self.need
    }
}

/// Shapes that an inspector is told to keep at once.
const KEPT: usize = 2;

pub(super) struct Conversation<'c> {
    inspector: GuestInspector,
    refuse: Option<&'c RefuseCase>,
    masks: &'c Masks,
    /// columns of the result that is coming which are masked, with their names
    wanted: Vec<(u16, String)>,
    /// what was wanted of the shapes that it was told to keep, by number from 1 on
    kept: Vec<Vec<(u16, String)>>,
    client: Buffer,
    server: Buffer,
    waits: bool,
    /// The inspector or the server has ended it.
    over: bool,
    seen: Vec<Value>,
}

/// What came of a conversation.
pub(super) struct Heard {
    /// Operations as the inspector gave them, `refused` and `fatal` with the code.
    pub(super) operations: Vec<Value>,
    pub(super) to_server: Vec<u8>,
    pub(super) to_client: Vec<u8>,
}

impl<'c> Conversation<'c> {
    pub(super) fn new(inspector: GuestInspector, refuse: Option<&'c RefuseCase>, masks: &'c Masks) -> Self {
        let (client, server) = (Buffer::default(), Buffer::default());
        let (wanted, kept, seen) = (Vec::new(), Vec::new(), Vec::new());
        Self { inspector, refuse, masks, wanted, kept, client, server, waits: false, over: false, seen }
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

    /// # Errors
    /// When bytes are left that no event covered.
    pub(super) fn end(self) -> Result<Heard, String> {
        match (self.over, self.client.bytes.len() + self.server.bytes.len()) {
            (true, _) | (_, 0) => {
                Ok(Heard { operations: self.seen, to_server: self.client.out, to_client: self.server.out })
            }
            (false, left) => Err(format!("{left} bytes are left that it has not dealt with")),
        }
    }

    async fn client_side(&mut self) -> Result<(), String> {
        while self.client.is_ready() && !self.waits && !self.over {
            let outcome =
                self.inspector.client(&self.client.bytes, false).await.map_err(|no| for_operator(&no))?;
            (self.client.need, self.waits) = (outcome.need as usize, outcome.wait);
            let mut covered = 0;
            for event in &outcome.events {
                covered += u64::from(event.len);
                let request = outcome.operations.get(event.reference as usize);
                let refusal = outcome.refusals.get(event.count as usize);
                match (event.kind, request, refusal) {
                    (kind::OPERATION, Some(request), _) => {
                        let refuse = self.refuse.filter(|refuse| refuse.is_of(&request.operation));
                        let code = refuse.map(|refuse| refuse.code.as_str());
                        self.seen.push(shown(&request.operation, request.continues, code));
                        match refuse {
                            Some(refuse) => self.refuse(event.len, request.id, &refuse.fault()).await?,
                            None => self.client.dispose(event.len, true),
                        }
                    }
                    (kind::REFUSED, Some(request), Some(why)) => {
                        self.seen.push(shown(&request.operation, request.continues, Some(&why.code)));
                        self.refuse(event.len, request.id, why).await?;
                    }
                    (kind::FATAL, _, Some(why)) => {
                        self.seen.push(json!({ "fatal": why.code }));
                        self.over = true;
                    }
                    (kind::INSERT, ..) => {
                        let insert = outcome.inserts.get(event.reference as usize);
                        self.client.replace(event.len, insert.map(Vec::as_slice).unwrap_or_default());
                    }
                    (kind::DROP, ..) => self.client.dispose(event.len, false),
                    _ => self.client.dispose(event.len, true),
                }
            }
            if covered == 0 {
                // It needs more, even if it has not said how much.
                self.client.need = self.client.need.max(self.client.bytes.len() + 1);
            }
        }
        Ok(())
    }

    /// Something goes in the place of an operation, and perhaps the client hears something at once.
    async fn refuse(&mut self, len: u32, id: u32, why: &Fault) -> Result<(), String> {
        let Substitute { upstream, client } =
            self.inspector.refuse(id, why).await.map_err(|no| for_operator(&no))?;
        self.client.replace(len, &upstream);
        self.server.out.extend_from_slice(&client);
        Ok(())
    }

    async fn server_side(&mut self) -> Result<(), String> {
        while self.server.is_ready() && !self.over {
            let kept_from = u32::try_from(self.kept.len().saturating_sub(KEPT)).unwrap_or(0) + 1;
            let said = self.inspector.server(&self.server.bytes, false, kept_from).await;
            let outcome = said.map_err(|no| for_operator(&no))?;
            self.server.need = outcome.need as usize;
            self.waits = false;
            // How far the bytes that it was given, and its cells, are used up.
            let (mut covered, mut cells) = (0, 0);
            let mut has_shape = false;
            for event in &outcome.events {
                match (event.kind, outcome.refusals.get(event.count as usize)) {
                    (kind::FATAL, Some(why)) => {
                        self.seen.push(json!({ "fatal": why.code }));
                        self.over = true;
                    }
                    (kind::DROP, _) => self.server.dispose(event.len, false),
                    (kind::INSERT, _) => {
                        let insert = outcome.inserts.get(event.reference as usize);
                        self.server.replace(event.len, insert.map(Vec::as_slice).unwrap_or_default());
                    }
                    (kind::SHAPE, _) => {
                        self.server.dispose(event.len, true);
                        self.shape(event, &outcome).await?;
                        has_shape = true;
                    }
                    (kind::KNOWN, _) => {
                        let index = event.count.checked_sub(1).filter(|_| event.count >= kept_from);
                        let wanted = index.and_then(|index| self.kept.get(index as usize));
                        self.wanted = wanted.ok_or("a known shape that is not kept")?.clone();
                        self.server.dispose(event.len, true);
                    }
                    (kind::ROWS | kind::MESSAGE, _) => {
                        self.values(event, &outcome, covered, &mut cells).await?;
                    }
                    _ => self.server.dispose(event.len, true),
                }
                covered += event.len as usize;
            }
            if has_shape {
                self.server.need = 0;
            } else if covered == 0 {
                self.server.need = self.server.need.max(self.server.bytes.len() + 1);
            }
        }
        Ok(())
    }

    /// Columns are announced: those that are masked are wanted.
    async fn shape(&mut self, event: &Event, outcome: &ServerOutcome) -> Result<(), String> {
        let columns = outcome.shapes.get(event.count as usize).ok_or("a shape that is not there")?;
        let named = (0..=u16::MAX).zip(columns).filter(|(_, column)| self.masks.contains_key(&column.name));
        self.wanted = named.map(|(index, column)| (index, column.name.clone())).collect();
        let wanted: Vec<u16> = self.wanted.iter().map(|(index, _)| *index).collect();
        self.kept.push(self.wanted.clone());
        let keep = u32::try_from(self.kept.len()).unwrap_or(0);
        self.inspector.want(&wanted, keep).await.map_err(|no| for_operator(&no))
    }

    /// Rows, or a message for people: their values are masked.
    async fn values(
        &mut self,
        event: &Event,
        outcome: &ServerOutcome,
        covered: usize,
        cells: &mut usize,
    ) -> Result<(), String> {
        const MESSAGE: &str = "message";
        let columns: Vec<&str> = match event.kind {
            kind::ROWS => self.wanted.iter().map(|(_, name)| name.as_str()).collect(),
            _ => vec![MESSAGE],
        };
        let count = match event.kind {
            kind::ROWS => event.count as usize * columns.len(),
            _ => event.count as usize,
        };
        let pairs = outcome.cells.get(*cells * 2..(*cells + count) * 2).ok_or("fewer cells than values")?;
        *cells += count;
        let mut masked = Masked::default();
        for (index, pair) in (0_u32..).zip(pairs.chunks_exact(2)) {
            let column = columns.get(index as usize % columns.len().max(1)).copied().unwrap_or_default();
            let (Some(mask), true) = (self.masks.get(column), pair.get(1) != Some(&NULL_LENGTH)) else {
                continue;
            };
            let nothing = if mask.is_none() { TOP_BIT } else { 0 };
            masked.cells.push(index | nothing);
            masked.texts.extend_from_slice(mask.as_deref().unwrap_or_default().as_bytes());
            masked.ends.push(u32::try_from(masked.texts.len()).unwrap_or(u32::MAX));
        }
        if masked.cells.is_empty() {
            self.server.dispose(event.len, true);
            return Ok(());
        }
        let bytes = self.server.bytes.get(..event.len as usize);
        let bytes = bytes.ok_or_else(|| format!("values in bytes that are not there ({covered})"))?.to_vec();
        let edited = self.inspector.edit(&bytes, event, &masked).await.map_err(|no| for_operator(&no))?;
        self.server.replace(event.len, &edited);
        Ok(())
    }
}

impl RefuseCase {
    pub(super) fn is_of(&self, operation: &Operation) -> bool {
        self.text.as_ref().is_none_or(|text| glob::matches(text, &operation.text))
    }

    /// As a policy's refusal.
    pub(super) fn fault(&self) -> Fault {
        Fault::new(FaultSource::Policy, &self.code, &self.reason)
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

    #[test]
    fn events_may_cover_bytes_that_are_still_to_come() {
        let mut buffer = Buffer::default();
        buffer.take(b"abcd");
        buffer.dispose(1, false);
        buffer.dispose(5, true);
        buffer.take(b"e");
        assert!(!buffer.is_ready());
        buffer.take(b"fgh");
        assert_eq!((buffer.bytes.as_slice(), buffer.out.as_slice()), (&b"gh"[..], &b"bcdef"[..]));
        buffer.replace(1, b"!");
        assert_eq!((buffer.bytes.as_slice(), buffer.out.as_slice()), (&b"h"[..], &b"bcdef!"[..]));
        buffer.need = 2;
        assert!(!buffer.is_ready());
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
