//! What the upstream answered: mask what must be masked, count, record outcomes, forward the rest untouched.

use super::client_side::nonsense;
use super::{Exchange, Stop};
use crate::masking::{check_lists, no_operation};
use crate::ports::{Catalog, Inspector, MaskPlan, Maskers, Named, Ports};
use crate::traffic::{Batch, Event, NULL_LENGTH, ResultInfo, ServerOutcome, Status, TOP_BIT, kind};
use weir_model::{Applied, Column, Fault};

/// Slots of the maskers: 0 is for texts that go into the trail, these for messages and for results that are not kept.
/// Those behind them are `kept`'s.
const MESSAGE_SLOT: u32 = 1;
const RESULT_SLOT: u32 = 2;
/// Shapes in a row that may be announced without a byte between them; honest ones have rows behind them.
const MAX_IDLE_SHAPES: u32 = 1024;

/// The result shape whose rows are coming.
pub(super) struct Shape {
    operation: u32,
    /// where the maskers hold its plan
    slot: u32,
    plan: MaskPlan,
}

/// The plan in the slot of the messages: it serves for all of one kind that an operation causes.
pub(super) struct Told {
    operation: u32,
    label: &'static str,
    plan: MaskPlan,
}

/// How far one answer of the inspector is carried out.
struct Progress {
    /// bytes of the inspector's view that are disposed of
    at: usize,
    /// cells of its list that are used
    cells: usize,
}

impl<P: Ports> Exchange<P> {
    /// Shows the inspector what the upstream sent and carries out what it finds.
    pub(super) async fn look_at_upstream(&mut self) -> Result<(), Stop> {
        self.from_upstream.fresh = false;
        let kept_from = self.withdraw_what_is_over();
        let (bytes, eof) = (self.from_upstream.bytes(), self.from_upstream.ended);
        let mut outcome = self.inspector.server(bytes, eof, kept_from).await?;
        if std::mem::take(&mut self.waiting) {
            self.from_client.fresh = true;
        }
        let limit = self.limits.max_answer_bytes.saturating_add(self.limits.buffer_bytes);
        self.from_upstream.need = (outcome.need as usize).min(limit);
        let mut progress = Progress { at: 0, cells: 0 };
        let events = std::mem::take(&mut outcome.events);
        let before = self.from_upstream.len();
        for (index, event) in events.iter().enumerate() {
            let last = index + 1 == events.len();
            self.answer(event, &mut outcome, &mut progress, last).await?;
            progress.at += event.len as usize;
        }
        self.pay_what_is_owed();
        let stands_still = self.from_upstream.fresh && self.from_upstream.len() == before;
        self.idle_shapes = if stands_still { self.idle_shapes + 1 } else { 0 };
        if self.idle_shapes > MAX_IDLE_SHAPES {
            return Err(nonsense("it announces columns without end").into());
        }
        self.make_room_for_answer()
    }

    /// As on the client's side: what is left waits for more, and there must be room for that.
    fn make_room_for_answer(&mut self) -> Result<(), Stop> {
        let inlet = &mut self.from_upstream;
        if inlet.fresh || inlet.ended || inlet.len() < inlet.need.max(self.limits.buffer_bytes) {
            return Ok(());
        }
        if inlet.len() >= self.limits.max_answer_bytes.saturating_add(self.limits.buffer_bytes) {
            return Err(nonsense("it leaves a full buffer of the upstream's bytes untouched").into());
        }
        inlet.need = inlet.len() + 1;
        Ok(())
    }

    async fn answer(
        &mut self,
        event: &Event,
        outcome: &mut ServerOutcome,
        progress: &mut Progress,
        last: bool,
    ) -> Result<(), Stop> {
        let len = event.len as usize;
        match event.kind {
            kind::PASS | kind::DROP => {
                if len > self.from_upstream.len() && !last {
                    return Err(nonsense("an event reaches beyond the bytes and is not the last").into());
                }
                if event.kind == kind::DROP {
                    self.from_upstream.discard(u64::from(event.len));
                } else {
                    self.count_bytes(len);
                    self.from_upstream.forward(u64::from(event.len), &mut self.to_client);
                }
            }
            kind::INSERT => {
                let bytes = outcome.inserts.get(event.reference as usize);
                let bytes = bytes.ok_or_else(|| nonsense("an event names an insert that is not there"))?;
                self.to_client.push(bytes);
            }
            kind::FATAL => {
                let fault = outcome.refusals.get(event.count as usize);
                let fault = fault.ok_or_else(|| nonsense("an event names a refusal that is not there"))?;
                return Err(Stop::Fault(fault.clone()));
            }
            kind::SHAPE => {
                if !last {
                    return Err(nonsense("a shape is not the last event").into());
                }
                self.pass_on(len)?;
                self.shape(event, outcome).await?;
                // The bytes behind it were not looked at yet.
                self.from_upstream.fresh |= self.from_upstream.len() > 0 || self.from_upstream.ended;
                self.from_upstream.need = 0;
            }
            kind::KNOWN => self.known(event)?,
            kind::ROWS => self.rows(event, outcome, progress).await?,
            kind::MESSAGE => self.message(event, outcome, progress).await?,
            kind::DONE => {
                let result = outcome.results.get_mut(event.reference as usize);
                let result = result.ok_or_else(|| nonsense("an event names a result that is not there"))?;
                // An operation is done once: what is left in the place means nothing.
                let result = std::mem::replace(result, ResultInfo::bare(0, Status::Unknown));
                self.done(result).await;
            }
            kind::IDLE => self.idle = event.bits & 1 == 0,
            unknown => return Err(nonsense(format!("server event of kind {unknown}")).into()),
        }
        Ok(())
    }

    /// Columns are announced: learn their names, ask the maskers, tell the inspector which cells to point out.
    async fn shape(&mut self, event: &Event, outcome: &mut ServerOutcome) -> Result<(), Stop> {
        let wire = outcome.shapes.get_mut(event.count as usize);
        let wire = wire.ok_or_else(|| nonsense("an event names a shape that is not there"))?;
        self.end_shape();
        let place = self.kept.place(wire);
        let slot = place.map_or(RESULT_SLOT, |place| place.slot);
        let Named { columns, until } = self.catalog.columns(std::mem::take(wire)).await?;
        let nothing = no_operation();
        let operation = self.running.get(&event.reference).map_or(&nothing, |running| &running.operation);
        let plan = self.maskers.plan(slot, &columns, operation).await?;
        if !plan.beside.is_empty()
            && let Some(running) = self.running.get_mut(&event.reference)
        {
            running.note(&plan.beside);
        }
        let keep = match place.filter(|_| plan.reusable && plan.beside.is_empty()) {
            Some(place) => self.kept.keep(place, plan.clone(), until),
            None => 0,
        };
        // Nothing of a new shape is wanted until somebody says so.
        if !plan.wanted.is_empty() || keep != 0 {
            self.inspector.want(&plan.wanted, keep).await?;
        }
        self.shape = Some(Shape { operation: event.reference, slot, plan });
        Ok(())
    }

    /// The same for columns whose plan is kept: nobody is asked.
    fn known(&mut self, event: &Event) -> Result<(), Stop> {
        let kept = self.kept.find(event.count).map(|(plan, slot)| (plan.clone(), slot));
        let (plan, slot) = kept.ok_or_else(|| nonsense("it takes columns for known that are not kept"))?;
        self.pass_on(event.len as usize)?;
        self.end_shape();
        self.shape = Some(Shape { operation: event.reference, slot, plan });
        Ok(())
    }

    /// No more rows of the current shape come.
    fn end_shape(&mut self) {
        if let Some(shape) = self.shape.take().filter(|shape| !self.kept.has(shape.slot)) {
            self.maskers.forget(shape.slot);
        }
    }

    /// Nothing is kept that would be planned otherwise now: the number from which on shapes are. The rows that are
    /// coming stay with the plan they began with.
    fn withdraw_what_is_over(&mut self) -> u32 {
        let (kept_from, gone) = self.kept.withdraw(self.maskers.era());
        let current = self.shape.as_ref().map(|shape| shape.slot);
        for slot in gone.filter(|slot| Some(*slot) != current) {
            self.maskers.forget(slot);
        }
        kept_from
    }

    async fn rows(
        &mut self,
        event: &Event,
        outcome: &ServerOutcome,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        if self.shape.is_none() && self.maskers.active() {
            return Err(nonsense("rows without a shape cannot be masked").into());
        }
        let shape = self.shape.as_ref().filter(|shape| !shape.plan.wanted.is_empty());
        let Some(shape) = shape else { return Ok(self.pass_on(event.len as usize)?) };
        let wanted = &shape.plan.wanted;
        let count = (event.count as usize).checked_mul(wanted.len());
        let count = count.ok_or_else(|| nonsense("rows beyond counting"))?;
        let column_of = |cell: usize| wanted.get(cell % wanted.len()).copied().unwrap_or_default();
        let cells = gather(self.message_bytes(event)?, outcome, progress, count, column_of)?;
        let (operation, slot, plan) = (shape.operation, shape.slot, shape.plan.clone());
        let applied = self.mask_and_forward(event, slot, cells).await?;
        if let Some(running) = self.running.get_mut(&operation) {
            running.count(&applied, &plan);
        }
        Ok(())
    }

    /// A message with text for people: an error, a notice, a notification.
    async fn message(
        &mut self,
        event: &Event,
        outcome: &ServerOutcome,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        let label = match event.reference {
            0 => "error",
            1 => "notice",
            _ => "notification",
        };
        let current = self.running.first_key_value().map(|(id, _)| *id);
        let plan = self.plan_message(current, label).await?;
        let cells = gather(self.message_bytes(event)?, outcome, progress, event.count as usize, |_| 0)?;
        if plan.wanted.is_empty() {
            return Ok(self.pass_on(event.len as usize)?);
        }
        let applied = self.mask_and_forward(event, MESSAGE_SLOT, cells).await?;
        if let Some(running) = current.and_then(|id| self.running.get_mut(&id)) {
            running.count(&applied, &plan);
        }
        Ok(())
    }

    /// An operation may cause messages without end, and each plan hands its whole text to the maskers: once is enough.
    async fn plan_message(&mut self, current: Option<u32>, label: &'static str) -> Result<MaskPlan, Stop> {
        let same = |told: &&Told| current == Some(told.operation) && told.label == label;
        if let Some(told) = self.told.as_ref().filter(same) {
            return Ok(told.plan.clone());
        }
        self.told = None;
        let column = Column { name: "message".into(), labels: vec![label.into()], ..Column::default() };
        let nothing = no_operation();
        let operation =
            current.and_then(|id| self.running.get(&id)).map_or(&nothing, |running| &running.operation);
        let plan = self.maskers.plan(MESSAGE_SLOT, &[column], operation).await?;
        self.told = current.map(|operation| Told { operation, label, plan: plan.clone() });
        Ok(plan)
    }

    /// Runs the cells through the maskers and forwards the event's bytes with their edits applied.
    async fn mask_and_forward(
        &mut self,
        event: &Event,
        slot: u32,
        Cells { batch, places }: Cells,
    ) -> Result<Vec<Applied>, Stop> {
        if batch.is_empty() {
            self.pass_on(event.len as usize)?;
            return Ok(Vec::new());
        }
        let mut masked = self.maskers.mask(slot, &batch).await?;
        check_lists(&masked)?;
        if masked.cells.is_empty() {
            self.pass_on(event.len as usize)?;
            return Ok(masked.applied);
        }
        for cell in &mut masked.cells {
            let place = places.get((*cell & !TOP_BIT) as usize);
            let place = place.ok_or_else(|| nonsense("a masker edits a cell that is not there"))?;
            *cell = *place | (*cell & TOP_BIT);
        }
        let bytes = self.from_upstream.take(event.len as usize);
        let bytes = bytes.ok_or_else(|| nonsense("an event covers more bytes than there are"))?;
        let edited = self.inspector.edit(&bytes, event, &masked).await?;
        self.count_bytes(edited.len());
        self.to_client.push(&edited);
        Ok(masked.applied)
    }

    /// The bytes of an event whose cells are wanted; no cell may lie outside of them.
    fn message_bytes(&self, event: &Event) -> Result<&[u8], Fault> {
        let bytes = self.from_upstream.bytes().get(..event.len as usize);
        bytes.ok_or_else(|| nonsense("an event covers more bytes than there are"))
    }

    fn pass_on(&mut self, len: usize) -> Result<(), Fault> {
        if len > self.from_upstream.len() {
            return Err(nonsense("an event covers more bytes than there are"));
        }
        self.count_bytes(len);
        self.from_upstream.forward(len as u64, &mut self.to_client);
        Ok(())
    }

    /// Answers come in order: bytes belong to the oldest operation that has not ended.
    fn count_bytes(&mut self, len: usize) {
        if let Some(mut running) = self.running.first_entry() {
            running.get_mut().bytes_to_client += len as u64;
        }
    }
}

/// The cells of one event, without its NULLs. `places[i]` is the position of batch cell i among all of them.
struct Cells {
    batch: Batch,
    places: Vec<u32>,
}

/// Collects the next `count` cells. The event's bytes are the first in the buffer now, and start
/// `progress.at` bytes after the first one the inspector was given.
fn gather(
    bytes: &[u8],
    outcome: &ServerOutcome,
    progress: &mut Progress,
    count: usize,
    column_of: impl Fn(usize) -> u16,
) -> Result<Cells, Fault> {
    let first = progress.cells;
    progress.cells = first.checked_add(count).ok_or_else(|| nonsense("cells beyond counting"))?;
    let range = first.checked_mul(2).zip(progress.cells.checked_mul(2));
    let pairs = range.and_then(|(from, to)| outcome.cells.get(from..to));
    let pairs = pairs.ok_or_else(|| nonsense("fewer cells than rows and columns"))?;
    let mut batch = Batch::default();
    batch.ends.reserve(count);
    batch.columns.reserve(count);
    let mut places = Vec::with_capacity(count);
    for (index, pair) in pairs.chunks_exact(2).enumerate() {
        let &[start, len] = pair else { continue };
        if len == NULL_LENGTH {
            continue;
        }
        let (source, start) = match start & TOP_BIT {
            0 => (bytes, (start as usize).checked_sub(progress.at)),
            _ => (outcome.decoded.as_slice(), Some((start & !TOP_BIT) as usize)),
        };
        let cell = start.and_then(|start| source.get(start..start.checked_add(len as usize)?));
        let cell = cell.ok_or_else(|| nonsense("a cell lies outside of its message"))?;
        batch.push(cell, column_of(index)).map_err(|_| nonsense("a batch beyond counting"))?;
        places.push(u32::try_from(index).map_err(|_| nonsense("a batch beyond counting"))?);
    }
    Ok(Cells { batch, places })
}
