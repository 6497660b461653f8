//! What is kept of each operation: before it runs, while it runs, and when it is over.

use super::Exchange;
use super::client_side::Staged;
use super::held::never_decided;
use super::shown::{Shown, WITHHELD, labelled};
use crate::ports::{Entry, Intent, MaskPlan, Maskers, Outcome, Ports, RefusedBy, Trail};
use crate::traffic::{Batch, Masked, Request, ResultInfo, Status, TOP_BIT};
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_model::{Action, Applied, Column, Decision, EndReason, Fault, FaultSource, JudgedBy, Operation};

/// Suspended operations a session may keep open; a client that leaves more behind loses those it has not used
/// for longest.
const MAX_OPEN: usize = 4096;
/// The maskers' slot for texts that go into the trail; messages and results have others.
const TEXT_SLOT: u32 = 0;
/// How long an ended session tries to record what it still has; then the next start closes it as unknown.
const CLOSING_TIME: Duration = Duration::from_secs(2);
/// Between two tries: as long as the trail may need to find its store again.
const CLOSING_PAUSE: Duration = Duration::from_millis(100);

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
            again: false,
        }
    }
}

impl<P: Ports> Exchange<P> {
    /// The record of an operation, with everything sensitive in it masked. If the maskers fail, the record
    /// withholds every text, and the operation must not run: the fault says why.
    pub(super) async fn intent(
        &mut self,
        request: &Request,
        operation: &Operation,
        decision: Decision,
    ) -> (Intent, Option<Fault>) {
        let is_rewritten = operation.text != request.operation.text;
        let original = is_rewritten.then(|| request.operation.text.clone());
        let mut shown = Shown { operation: operation.clone(), original, decision };
        let (masked, fault) = match self.mask_shown(&mut shown, operation).await {
            Ok(masked) => (masked, None),
            Err(fault) => {
                shown.withhold();
                (Vec::new(), Some(fault))
            }
        };
        let (id, continues, approval) = (request.id, request.continues, None);
        let Shown { operation, original, decision } = shown;
        let (operation, decision) = (Arc::new(operation), Arc::new(decision));
        (Intent { id, continues, operation, original, decision, approval, masked }, fault)
    }

    /// Runs what will be stored and shown through the maskers. `operation` is what it is all about, unmasked.
    async fn mask_shown(&mut self, shown: &mut Shown, operation: &Operation) -> Result<Vec<Applied>, Fault> {
        if !self.maskers.active() {
            return Ok(Vec::new());
        }
        let (columns, texts) = shown.texts();
        let mut applied = self.mask_texts(&columns, texts, operation).await?;
        // A statement of its own: what it is about decides what of it is hidden.
        for statement in shown.statements() {
            let alone = Operation {
                kind: operation.kind.clone(),
                action: operation.action,
                text: statement.clone(),
                ..no_operation()
            };
            let column = labelled("statement", "statement");
            applied.extend(self.mask_texts(&[column], vec![statement], &alone).await?);
        }
        Ok(applied)
    }

    /// Masks one text for each column, in its place.
    async fn mask_texts(
        &mut self,
        columns: &[Column],
        mut texts: Vec<&mut String>,
        operation: &Operation,
    ) -> Result<Vec<Applied>, Fault> {
        let mut batch = Batch::default();
        for (index, text) in texts.iter().enumerate() {
            push(&mut batch, text, index)?;
        }
        let plan = self.maskers.plan(TEXT_SLOT, columns, operation).await?;
        if plan.wanted.is_empty() {
            return Ok(Vec::new());
        }
        let masked = self.maskers.mask(TEXT_SLOT, batch).await?;
        check_lists(&masked)?;
        let mut start = 0;
        for (cell, end) in masked.cells.iter().zip(&masked.ends) {
            let text = masked.texts.get(start..*end as usize).ok_or_else(out_of_bounds)?;
            start = *end as usize;
            let place = texts.get_mut((cell & !TOP_BIT) as usize).ok_or_else(out_of_bounds)?;
            **place = String::from_utf8_lossy(text).into_owned();
        }
        Ok(masked.applied)
    }

    /// What the upstream said about a failure, masked for the trail.
    async fn message_as_recorded(&mut self, result: &ResultInfo) -> String {
        let mut message = result.message.clone();
        if message.is_empty() || !self.maskers.active() {
            return message;
        }
        let operation = self.running.get(&result.operation).map(|running| running.operation.clone());
        let operation = operation.unwrap_or_else(no_operation);
        let columns = [labelled("message", "error")];
        match self.mask_texts(&columns, vec![&mut message], &operation).await {
            Ok(_) => message,
            Err(fault) => {
                tracing::warn!(session = %self.info.id, detail = fault.detail, "an error's text is withheld: {}", fault.message);
                WITHHELD.to_owned()
            }
        }
    }

    /// An operation has ended: its outcome takes its place in the queue to the disk.
    pub(super) async fn done(&mut self, result: ResultInfo) {
        if !self.running.contains_key(&result.operation) {
            // A refused operation ends too, but never ran; its refusal is its record.
            return;
        }
        let message = self.message_as_recorded(&result).await;
        let Some(running) = self.running.remove(&result.operation) else { return };
        if result.status == Status::Suspended {
            self.keep_open(running.continues);
            self.keep_open(result.operation);
        }
        self.ledger.settle();
        // The effect has happened: while the trail is down its outcome waits, and nothing new runs.
        let mut entries = self.ledger.take();
        entries.push(Entry::Outcome(running.outcome(result, message)));
        match self.trail.queued(entries.clone()).await {
            Ok(receipt) => self.ledger.on_its_way(entries, receipt),
            Err(_) => self.ledger.put_back(entries),
        }
    }

    /// Resolves when the entries are on disk, behind whatever was not recorded before.
    pub(super) async fn record(&mut self, entries: Vec<Entry>) -> Result<(), Fault> {
        self.ledger.settle();
        let mut all = self.ledger.waiting().to_vec();
        all.extend(entries.iter().cloned());
        match self.trail.durable(all).await {
            Ok(()) => {
                self.ledger.take();
                Ok(())
            }
            Err(fault) => {
                self.ledger.missed(entries, &fault);
                Err(fault)
            }
        }
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
        let mut entries = Vec::new();
        let staged = self.staged.drain(..);
        entries.extend(staged.filter_map(|item| never_forwarded(item, reason)));
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
        if tokio::time::timeout(CLOSING_TIME, self.record_the_rest(entries)).await.is_err() {
            tracing::warn!(session = %self.info.id, "outcomes of an ended session could not be recorded");
        }
    }

    /// Resolves when nothing is left to be recorded.
    async fn record_the_rest(&mut self, entries: Vec<Entry>) {
        self.ledger.settle_all().await;
        let mut all = self.ledger.take();
        all.extend(entries);
        while !all.is_empty() && self.trail.durable(all.clone()).await.is_err() {
            tokio::time::sleep(CLOSING_PAUSE).await;
        }
    }
}

/// The record of an operation that was judged when the session ended, before it was forwarded.
fn never_forwarded(staged: Staged, reason: &EndReason) -> Option<Entry> {
    match staged {
        Staged::Bytes(_) => None,
        Staged::Refused { intent, by, why, .. } => Some(Entry::Refused { intent, by, why }),
        Staged::Allowed { intent, .. } => {
            let message = format!("the session ended before it was forwarded: {}", reason.as_word());
            let why = Fault::new(FaultSource::Host, "57P01", message);
            Some(Entry::Refused { intent, by: RefusedBy::of_end(reason), why })
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

fn push(batch: &mut Batch, text: &str, column: usize) -> Result<(), Fault> {
    let column = u16::try_from(column).map_err(|_| too_many())?;
    batch.push(text.as_bytes(), column).map_err(|_| too_many())
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
