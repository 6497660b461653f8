//! The inspector of one session: bytes in, events out, on the hot path.
//!
//! An inspector keeps the version it started with for as long as the session lives: what it remembers of the
//! protocol cannot move to another. Its death is the session's.
//!
//! What it answers is converted without copying texts or bytes, and every index in it is checked: an event that
//! names an operation, an insert, a shape or a result that is not there, and a cell outside the bytes it was
//! given, are contract breaches, and the instance is not asked again. Lengths are checked against the real
//! buffers by the session.

use crate::contract::v0_1::inspect::exports::weir::plugin::stream_inspect as guest;
use crate::convert::{give_session, take_operation, take_result};
use crate::fault;
use crate::instance::Fenced;
use crate::limits::{MAX_SENTENCE_CHARS, MAX_WORD_CHARS};
use crate::load::{Exports, Loaded};
use crate::pipeline::InspectorLimits;
use crate::state::Visit;
use crate::text::clean;
use crate::trial::{StartFault, configured, took_session};
use std::sync::Arc;
use weir_model::{Fault, FaultSource, JudgedBy, Operation};
use weir_session::ports::Inspector;
use weir_session::traffic::{
    ClientOutcome, Event, Masked, NULL_LENGTH, Request, ResultInfo, ServerOutcome, Substitute, TOP_BIT,
    WireColumn, kind,
};

/// [`Inspector`] made of a guest.
pub struct GuestInspector {
    guest: Fenced,
    calls: guest::Guest,
    judged_by: JudgedBy,
}

/// An instance for one session, up to the point where `open` comes.
pub(crate) struct Prepared {
    guest: Fenced,
    instance: wasmtime::component::Instance,
}

impl GuestInspector {
    pub(crate) async fn prepare(loaded: &Loaded, info: &Visit) -> Result<Prepared, Fault> {
        let (guest, instance) = configured(loaded, info).await?;
        Ok(Prepared { guest, instance })
    }

    /// `loaded` and `info` are what it was prepared for.
    pub(crate) async fn open(
        prepared: Prepared,
        loaded: &Loaded,
        info: &Visit,
        parameters: &[(String, String)],
        limits: InspectorLimits,
        masking: bool,
    ) -> Result<Self, StartFault> {
        let Exports::StreamInspector(indices) = &loaded.compiled.code.exports else {
            return Err(fault::wrong_world(&loaded.name, loaded.world.as_word(), "stream-inspector").into());
        };
        let Prepared { mut guest, instance } = prepared;
        let started = guest.begin_rest()?;
        let limits =
            guest::Limits { max_operation: limits.max_operation_bytes, max_answer: limits.max_answer_bytes };
        let given = give_session(info);
        let opened = match indices.load(&mut guest.store, &instance) {
            Ok(calls) => calls
                .call_open(&mut guest.store, &given, parameters, limits, masking)
                .await
                .map(|said| (calls, said.map_err(|no| (no.code, no.message)))),
            Err(error) => Err(error),
        };
        let calls = took_session(&mut guest, started, opened)?;
        Ok(Self { guest, calls, judged_by: loaded.judged_apart("inspect") })
    }

    /// Opens one and drops it: the trial of a new version.
    pub(crate) async fn try_open(
        loaded: &Loaded,
        info: &Visit,
        parameters: &[(String, String)],
        limits: InspectorLimits,
    ) -> Result<(), StartFault> {
        let prepared = Self::prepare(loaded, info).await?;
        Self::open(prepared, loaded, info, parameters, limits, true).await.map(drop)
    }

    fn said_no(&self, call: &str, no: guest::Fault) -> Fault {
        fault::said_no(&self.guest.bounds, call, no.code, no.message)
    }
}

impl Inspector for GuestInspector {
    fn judged_by(&self) -> JudgedBy {
        self.judged_by.clone()
    }

    async fn client(&mut self, data: &[u8], eof: bool) -> Result<ClientOutcome, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_client(&mut self.guest.store, data, eof).await;
        match self.guest.finish("client", started, said)? {
            Ok(outcome) => client_outcome(outcome).map_err(|what| self.guest.lied("client", what)),
            Err(no) => Err(self.said_no("client", no)),
        }
    }

    async fn server(&mut self, data: &[u8], eof: bool, kept_from: u32) -> Result<ServerOutcome, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_server(&mut self.guest.store, data, eof, kept_from).await;
        match self.guest.finish("server", started, said)? {
            Ok(outcome) => {
                server_outcome(outcome, data.len()).map_err(|what| self.guest.lied("server", what))
            }
            Err(no) => Err(self.said_no("server", no)),
        }
    }

    async fn want(&mut self, columns: &[u16], keep: u32) -> Result<(), Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_want(&mut self.guest.store, columns, keep).await;
        self.guest.finish("want", started, said)?.map_err(|no| self.said_no("want", no))
    }

    async fn edit(&mut self, data: &[u8], event: &Event, masked: &Masked) -> Result<Vec<u8>, Fault> {
        let started = self.guest.begin_call()?;
        let store = &mut self.guest.store;
        let Masked { cells, texts, ends, applied: _ } = masked;
        let said = self.calls.call_edit(store, data, event.kind, event.reference, cells, texts, ends).await;
        self.guest.finish("edit", started, said)?.map_err(|no| self.said_no("edit", no))
    }

    async fn refuse(&mut self, id: u32, why: &Fault) -> Result<Substitute, Fault> {
        let why = shown(why);
        let started = self.guest.begin_call()?;
        let said = self.calls.call_refuse(&mut self.guest.store, id, &why).await;
        let said = self.guest.finish("refuse", started, said)?.map_err(|no| self.said_no("refuse", no))?;
        Ok(substitute(said))
    }

    async fn rewrite(&mut self, id: u32, text: &str) -> Result<(Substitute, Operation), Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_rewrite(&mut self.guest.store, id, text).await;
        let (instead, operation) =
            self.guest.finish("rewrite", started, said)?.map_err(|no| self.said_no("rewrite", no))?;
        Ok((substitute(instead), take_operation(operation)))
    }

    async fn notice(&mut self, message: &str) -> Result<Vec<u8>, Fault> {
        let started = self.guest.begin_call()?;
        let said = self.calls.call_notice(&mut self.guest.store, message).await;
        self.guest.finish("notice", started, said)
    }

    async fn closing(&mut self, why: &Fault) -> Result<Vec<u8>, Fault> {
        let why = shown(why);
        let started = self.guest.begin_call()?;
        let said = self.calls.call_closing(&mut self.guest.store, &why).await;
        self.guest.finish("closing", started, said)
    }
}

/// The part of a fault the client may read: what an inspector puts into its protocol's error.
fn shown(why: &Fault) -> guest::Fault {
    guest::Fault { code: why.code.clone(), message: why.message.clone() }
}

fn substitute(said: guest::Substitute) -> Substitute {
    Substitute { upstream: said.upstream, client: said.client }
}

fn event(said: guest::Event) -> Event {
    Event { kind: said.kind, bits: said.bits, len: said.len, count: said.count, reference: said.ref_ }
}

/// A refusal the inspector itself pronounces; it is about the other side's bytes, and the client may read it.
fn refusal(source: FaultSource) -> impl Fn(guest::Fault) -> Fault {
    move |said| Fault::new(source, clean(said.code, MAX_WORD_CHARS), clean(said.message, MAX_SENTENCE_CHARS))
}

fn inside(index: u32, length: usize) -> bool {
    (index as usize) < length
}

fn client_outcome(said: guest::ClientOutcome) -> Result<ClientOutcome, &'static str> {
    let operations = said.operations.into_iter().map(|request| Request {
        id: request.id,
        continues: request.continues,
        operation: Arc::new(take_operation(request.operation)),
    });
    let outcome = ClientOutcome {
        events: said.events.into_iter().map(event).collect(),
        operations: operations.collect(),
        inserts: said.inserts,
        refusals: said.refusals.into_iter().map(refusal(FaultSource::Client)).collect(),
        need: said.need,
        wait: said.wait,
    };
    if outcome.operations.iter().any(|request| request.id == 0) {
        return Err("an operation without a number");
    }
    for event in &outcome.events {
        let sound = match event.kind {
            kind::PASS | kind::DROP => true,
            kind::INSERT => inside(event.reference, outcome.inserts.len()),
            kind::OPERATION => {
                inside(event.reference, outcome.operations.len())
                    && (event.bits & 1 == 0 || inside(event.count, outcome.inserts.len()))
            }
            kind::REFUSED => {
                inside(event.reference, outcome.operations.len())
                    && inside(event.count, outcome.refusals.len())
            }
            kind::FATAL => inside(event.count, outcome.refusals.len()),
            _ => return Err("a client event of unknown kind"),
        };
        if !sound {
            return Err("a client event that points at nothing");
        }
    }
    Ok(outcome)
}

fn server_outcome(said: guest::ServerOutcome, given: usize) -> Result<ServerOutcome, &'static str> {
    let results = said.results.into_iter().map(result_info).collect::<Result<_, _>>()?;
    let columns = |shape: Vec<guest::WireColumn>| shape.into_iter().map(wire_column).collect();
    let outcome = ServerOutcome {
        events: said.events.into_iter().map(event).collect(),
        inserts: said.inserts,
        refusals: said.refusals.into_iter().map(refusal(FaultSource::Upstream)).collect(),
        shapes: said.shapes.into_iter().map(columns).collect(),
        results,
        cells: said.cells,
        decoded: said.decoded,
        need: said.need,
    };
    for event in &outcome.events {
        let sound = match event.kind {
            // Which shapes are kept, the session knows.
            kind::PASS | kind::DROP | kind::ROWS | kind::MESSAGE | kind::IDLE | kind::KNOWN => true,
            kind::INSERT => inside(event.reference, outcome.inserts.len()),
            kind::FATAL => inside(event.count, outcome.refusals.len()),
            kind::SHAPE => inside(event.count, outcome.shapes.len()),
            kind::DONE => inside(event.reference, outcome.results.len()),
            _ => return Err("a server event of unknown kind"),
        };
        if !sound {
            return Err("a server event that points at nothing");
        }
    }
    let (pairs, rest) = outcome.cells.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("half a cell");
    }
    if pairs.iter().all(|[start, length]| cell_is_inside(*start, *length, given, outcome.decoded.len())) {
        Ok(outcome)
    } else {
        Err("a cell outside the bytes")
    }
}

fn cell_is_inside(start: u32, length: u32, given: usize, decoded: usize) -> bool {
    if length == NULL_LENGTH {
        return true;
    }
    let space = if start & TOP_BIT == 0 { given } else { decoded };
    let end = u64::from(start & !TOP_BIT) + u64::from(length);
    end <= space as u64
}

fn wire_column(said: guest::WireColumn) -> WireColumn {
    WireColumn {
        name: said.name,
        type_id: said.type_id,
        type_modifier: said.type_modifier,
        relation_id: said.relation_id,
        column_number: said.column_number,
        type_name: said.type_name,
    }
}

fn result_info(said: guest::ResultInfo) -> Result<ResultInfo, &'static str> {
    take_result(said.operation, said.status, said.rows, (said.tag, said.code), said.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cells_lie_in_the_bytes_or_in_the_decoded_ones() {
        assert!(cell_is_inside(4, 6, 10, 0));
        assert!(!cell_is_inside(4, 7, 10, 0));
        assert!(!cell_is_inside(TOP_BIT | 1, 3, 10, 3));
        assert!(cell_is_inside(TOP_BIT, 3, 0, 3));
        assert!(cell_is_inside(u32::MAX, NULL_LENGTH, 0, 0));
        assert!(!cell_is_inside(TOP_BIT - 1, NULL_LENGTH - 1, 10, 10));
    }

    fn operation() -> crate::contract::v0_1::inspect::weir::plugin::types::Operation {
        crate::contract::v0_1::inspect::weir::plugin::types::Operation {
            kind: String::new(),
            action: "read".into(),
            text: String::new(),
            objects: vec![],
            parameters: vec![],
            attributes: vec![],
            claimed: vec![],
        }
    }

    /// Small numbers are where the borders are; large ones are where sums overflow.
    fn number() -> impl Strategy<Value = u32> {
        prop_oneof![6 => 0..5_u32, 1 => any::<u32>(), 1 => Just(u32::MAX), 1 => Just(TOP_BIT), 1 => TOP_BIT..TOP_BIT + 5]
    }

    fn events() -> impl Strategy<Value = Vec<guest::Event>> {
        let event = (0..14_u16, 0..4_u16, number(), number(), number());
        let event =
            event.prop_map(|(kind, bits, len, count, ref_)| guest::Event { kind, bits, len, count, ref_ });
        prop::collection::vec(event, 0..6)
    }

    fn refusals(count: usize) -> Vec<guest::Fault> {
        vec![guest::Fault { code: "a\u{1b}".repeat(200), message: "b\n".repeat(5_000) }; count]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(4_000)))]

        /// Whatever numbers the events of a client's bytes hold: what comes out points at what is there.
        #[test]
        fn client_events_point_at_something_or_are_refused(
            events in events(),
            ids in prop::collection::vec(number(), 0..4),
            inserts in 0..3_usize,
            refused in 0..3_usize,
            need in number(),
        ) {
            let operations = ids.iter().map(|id| guest::Request { id: *id, continues: 0, operation: operation() });
            let said = guest::ClientOutcome {
                events: events.clone(),
                operations: operations.collect(),
                inserts: vec![vec![]; inserts],
                refusals: refusals(refused),
                need,
                wait: false,
            };
            let all_known = events.iter().all(|event| (1..=6).contains(&event.kind));
            match client_outcome(said) {
                Ok(taken) => {
                    prop_assert!(all_known && taken.operations.iter().all(|each| each.id != 0));
                    for event in &taken.events {
                        let at = |index: u32, list: usize| (index as usize) < list;
                        let points = match event.kind {
                            kind::INSERT => at(event.reference, inserts),
                            kind::OPERATION => at(event.reference, ids.len()) && (event.bits & 1 == 0 || at(event.count, inserts)),
                            kind::REFUSED => at(event.reference, ids.len()) && at(event.count, refused),
                            kind::FATAL => at(event.count, refused),
                            _ => true,
                        };
                        prop_assert!(points);
                    }
                    for fault in &taken.refusals {
                        let is_short = |text: &str, most: usize| text.chars().count() <= most;
                        prop_assert!(is_short(&fault.code, MAX_WORD_CHARS) && is_short(&fault.message, MAX_SENTENCE_CHARS));
                        prop_assert!(!fault.code.contains(char::is_control) && !fault.message.contains(char::is_control));
                    }
                }
                // A breach has its cause: nothing sound is refused.
                Err(_) => prop_assert!(!all_known || ids.contains(&0) || events.iter().any(|event| event.kind >= 3)),
            }
        }

        /// The same for the upstream's bytes, and every cell lies in them or in what was decoded.
        #[test]
        fn server_events_and_cells_point_at_something_or_are_refused(
            events in events(),
            cells in prop::collection::vec(number(), 0..8),
            given in 0..6_usize,
            decoded in 0..6_usize,
            (shapes, results, status) in (0..3_usize, 0..3_usize, 0..6_u8),
        ) {
            let result = guest::ResultInfo {
                operation: 1, status, rows: u64::MAX, tag: "t".repeat(999), code: String::new(), message: String::new(),
            };
            let said = guest::ServerOutcome {
                events: events.clone(),
                inserts: vec![],
                refusals: vec![],
                shapes: vec![vec![]; shapes],
                results: vec![result; results],
                cells: cells.clone(),
                decoded: vec![0; decoded],
                need: 0,
            };
            if let Ok(taken) = server_outcome(said, given) {
                prop_assert!(results == 0 || status < 4);
                prop_assert!(taken.results.iter().all(|each| each.tag.len() <= MAX_WORD_CHARS));
                prop_assert_eq!(cells.len() % 2, 0);
                for pair in cells.chunks(2) {
                    let (start, length) = (pair[0], pair[1]);
                    let space = if start & TOP_BIT == 0 { given } else { decoded };
                    let end = u128::from(start & !TOP_BIT) + u128::from(length);
                    prop_assert!(length == NULL_LENGTH || end <= space as u128);
                }
                for event in &taken.events {
                    let points = match event.kind {
                        kind::INSERT | kind::FATAL => false,
                        kind::SHAPE => (event.count as usize) < shapes,
                        kind::DONE => (event.reference as usize) < results,
                        kind::OPERATION | kind::REFUSED => false,
                        other => (1..=12).contains(&other),
                    };
                    prop_assert!(points);
                }
            }
        }
    }
}
