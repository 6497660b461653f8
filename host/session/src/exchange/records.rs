//! What is kept of each operation: before it runs, while it runs, and when it is over.

use super::Exchange;
use super::client_side::Staged;
use super::held::never_decided;
use crate::ports::{Entry, Intent, MaskPlan, Maskers, Outcome, Ports, RefusedBy, Trail};
use crate::traffic::{Batch, Masked, Request, ResultInfo, Status, TOP_BIT};
use std::time::Instant;
use weir_model::{
    Action, Applied, Attribute, Column, Decision, EndReason, Fault, FaultSource, JudgedBy, Operation,
};

/// Suspended operations a session may keep open; a client that leaves more behind loses those it has not used
/// for longest.
const MAX_OPEN: usize = 4096;
/// The maskers' slot for texts that go into the trail; messages and results have others.
const TEXT_SLOT: u32 = 0;

/// An operation that was forwarded and has not ended.
pub(super) struct Running {
    /// The earlier operation this one goes on with, or 0.
    continues: u32,
    pub(super) operation: Operation,
    since: Instant,
    pub(super) bytes_to_client: u64,
    masked: Vec<Applied>,
    masked_by: Vec<JudgedBy>,
}

impl Running {
    pub(super) fn new(continues: u32, operation: Operation) -> Self {
        let (masked, masked_by) = (Vec::new(), Vec::new());
        Self { continues, operation, since: Instant::now(), bytes_to_client: 0, masked, masked_by }
    }

    pub(super) fn count(&mut self, applied: &[Applied], by: &MaskPlan) {
        for more in applied {
            match self.masked.iter_mut().find(|known| known.rule == more.rule) {
                Some(known) => known.cells += more.cells,
                None => self.masked.push(more.clone()),
            }
        }
        for judged in &by.by {
            if !self.masked_by.contains(judged) {
                self.masked_by.push(judged.clone());
            }
        }
    }

    fn outcome(self, result: ResultInfo, message: String) -> Outcome {
        Outcome {
            id: result.operation,
            status: result.status,
            rows: result.rows,
            tag: result.tag,
            code: result.code,
            message,
            bytes_to_client: self.bytes_to_client,
            masked: self.masked,
            masked_by: self.masked_by,
            took: self.since.elapsed(),
        }
    }
}

impl<P: Ports> Exchange<P> {
    /// The record of an operation, with everything sensitive in it masked.
    pub(super) async fn intent(
        &mut self,
        request: &Request,
        operation: &Operation,
        decision: Decision,
    ) -> Result<Intent, Fault> {
        let (operation, masked) = self.as_recorded(operation).await?;
        let (id, continues) = (request.id, request.continues);
        Ok(Intent { id, continues, operation, decision, approval: None, masked })
    }

    /// The operation as it may be stored and shown: its text, parameters and claims have gone through the
    /// maskers. If they fail, the operation cannot be recorded, so it cannot run.
    async fn as_recorded(&mut self, operation: &Operation) -> Result<(Operation, Vec<Applied>), Fault> {
        let mut shown = operation.clone();
        if !self.maskers.active() {
            return Ok((shown, Vec::new()));
        }
        let mut columns = vec![labelled("statement", "statement")];
        let mut batch = Batch::default();
        push(&mut batch, &shown.text, 0)?;
        for parameter in &shown.parameters {
            let index = columns.len();
            let type_name = parameter.type_name.clone();
            columns.push(Column { type_name, ..labelled(&parameter.name, "parameter") });
            if let Some(value) = &parameter.value {
                push(&mut batch, value, index)?;
            }
        }
        for claim in &shown.claimed {
            let index = columns.len();
            columns.push(labelled(&claim.name, "parameter"));
            push(&mut batch, &claim.value, index)?;
        }
        let plan = self.maskers.plan(TEXT_SLOT, &columns, operation).await?;
        if plan.wanted.is_empty() {
            return Ok((shown, Vec::new()));
        }
        let masked = self.maskers.mask(TEXT_SLOT, batch).await?;
        check_lists(&masked)?;
        let mut texts = texts_of(&mut shown);
        let mut start = 0;
        for (cell, end) in masked.cells.iter().zip(&masked.ends) {
            let text = masked.texts.get(start..*end as usize).ok_or_else(out_of_bounds)?;
            start = *end as usize;
            let place = texts.get_mut((cell & !TOP_BIT) as usize).ok_or_else(out_of_bounds)?;
            **place = String::from_utf8_lossy(text).into_owned();
        }
        Ok((shown, masked.applied))
    }

    /// What the upstream said about a failure, masked for the trail.
    async fn message_as_recorded(&mut self, result: &ResultInfo) -> Result<String, Fault> {
        if result.message.is_empty() || !self.maskers.active() {
            return Ok(result.message.clone());
        }
        let nothing = no_operation();
        let operation = self.running.get(&result.operation).map_or(&nothing, |running| &running.operation);
        let plan = self.maskers.plan(TEXT_SLOT, &[labelled("message", "error")], operation).await?;
        if plan.wanted.is_empty() {
            return Ok(result.message.clone());
        }
        let mut batch = Batch::default();
        push(&mut batch, &result.message, 0)?;
        let masked = self.maskers.mask(TEXT_SLOT, batch).await?;
        check_lists(&masked)?;
        Ok(match masked.cells.is_empty() {
            true => result.message.clone(),
            false => String::from_utf8_lossy(&masked.texts).into_owned(),
        })
    }

    /// An operation has ended: its outcome takes its place in the queue to the disk.
    pub(super) async fn done(&mut self, result: ResultInfo) -> Result<(), Fault> {
        if !self.running.contains_key(&result.operation) {
            // A refused operation ends too, but never ran; its refusal is its record.
            return Ok(());
        }
        let message = self.message_as_recorded(&result).await?;
        let Some(running) = self.running.remove(&result.operation) else { return Ok(()) };
        if result.status == Status::Suspended {
            self.keep_open(running.continues);
            self.keep_open(result.operation);
        }
        // The effect has happened: while the trail is down its outcome waits, and nothing new runs.
        self.unrecorded.push(Entry::Outcome(running.outcome(result, message)));
        if self.trail.queued(self.unrecorded.clone()).await.is_ok() {
            self.unrecorded.clear();
        }
        Ok(())
    }

    /// Notes that this operation can be gone on with: fetched from again, it is the last to be forgotten.
    fn keep_open(&mut self, id: u32) {
        if id == 0 {
            return;
        }
        self.open.retain(|known| *known != id);
        self.open.push_back(id);
        if self.open.len() > MAX_OPEN {
            self.open.pop_front();
        }
    }

    /// Whatever still ran when the session ended has an unknown outcome; what waited was never decided.
    pub(super) async fn close_what_is_open(&mut self, reason: &EndReason) {
        let message = format!("the session ended before the answer: {}", reason.as_word());
        let mut entries: Vec<Entry> = std::mem::take(&mut self.unrecorded);
        entries.extend(self.staged.drain(..).filter_map(never_forwarded));
        for (id, running) in std::mem::take(&mut self.running) {
            let (rows, tag, code) = (0, String::new(), String::new());
            let result = ResultInfo {
                operation: id,
                status: Status::Unknown,
                rows,
                tag,
                code,
                message: String::new(),
            };
            entries.push(Entry::Outcome(running.outcome(result, message.clone())));
        }
        entries.extend(self.held.take().map(|held| never_decided(held, reason)));
        if !entries.is_empty() && self.trail.queued(entries).await.is_err() {
            tracing::warn!(session = %self.info.id, "outcomes of an ended session could not be recorded");
        }
    }
}

/// The record of an operation that was judged when the session failed, before it was forwarded.
fn never_forwarded(staged: Staged) -> Option<Entry> {
    match staged {
        Staged::Bytes(_) => None,
        Staged::Refused { intent, by, why, .. } => Some(Entry::Refused { intent, by, why }),
        Staged::Allowed { intent, .. } => {
            let why = Fault::new(FaultSource::Host, "57P01", "the session failed before it was forwarded");
            Some(Entry::Refused { intent, by: RefusedBy::Plugin, why })
        }
    }
}

/// Whether a masker's lists belong together. An edit without its text would be no edit.
pub(super) fn check_lists(masked: &Masked) -> Result<(), Fault> {
    let ascend = masked.cells.is_sorted_by_key(|cell| cell & !TOP_BIT) && masked.ends.is_sorted();
    let last = masked.ends.last().map_or(0, |end| *end as usize);
    if ascend && masked.cells.len() == masked.ends.len() && last == masked.texts.len() {
        return Ok(());
    }
    Err(out_of_bounds())
}

fn labelled(name: &str, label: &str) -> Column {
    Column { name: name.to_owned(), labels: vec![label.to_owned()], ..Column::default() }
}

fn push(batch: &mut Batch, text: &str, column: usize) -> Result<(), Fault> {
    let column = u16::try_from(column).map_err(|_| too_many())?;
    batch.push(text.as_bytes(), column).map_err(|_| too_many())
}

/// The texts of an operation in the order they were given to the maskers.
fn texts_of(operation: &mut Operation) -> Vec<&mut String> {
    let mut texts = vec![&mut operation.text];
    texts.extend(operation.parameters.iter_mut().filter_map(|parameter| parameter.value.as_mut()));
    texts.extend(operation.claimed.iter_mut().map(|Attribute { value, .. }| value));
    texts
}

pub(super) fn no_operation() -> Operation {
    Operation {
        kind: String::new(),
        action: Action::Unknown,
        text: String::new(),
        objects: vec![],
        parameters: vec![],
        attributes: vec![],
        claimed: vec![],
    }
}

fn too_many() -> Fault {
    Fault::new(FaultSource::Client, "54000", "the operation has too many parameters to be recorded")
}

fn out_of_bounds() -> Fault {
    Fault::new(FaultSource::Plugin, "58000", "a masker failed")
        .with_detail("an edit lies outside of its batch")
}
