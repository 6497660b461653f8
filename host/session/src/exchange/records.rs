//! What is kept of each operation: before it runs, while it runs, and when it is over.

use super::Exchange;
use super::client_side::Staged;
use super::held::never_decided;
use crate::masking;
use crate::ports::{Entry, Intent, Ports, RefusedBy, Trail};
use crate::traffic::{Request, ResultInfo, Status};
use std::sync::Arc;
use std::time::Duration;
use weir_model::{Decision, EndReason, Fault, FaultSource, Operation};

/// Suspended operations a session may keep open; a client that leaves more behind loses those it has not used
/// for longest.
const MAX_OPEN: usize = 4096;
/// How long an ended session tries to record what it still has; then the next start closes it as unknown.
const CLOSING_TIME: Duration = Duration::from_secs(2);
/// Between two tries: as long as the trail may need to find its store again.
const CLOSING_PAUSE: Duration = Duration::from_millis(100);

impl<P: Ports> Exchange<P> {
    /// The record of an operation, masked; the fault says why it must not run.
    pub(super) async fn intent(
        &mut self,
        request: &Request,
        operation: &Arc<Operation>,
        decision: Decision,
    ) -> (Intent, Option<Fault>) {
        self.recording.intent(&mut self.maskers, request, operation, decision).await
    }

    /// What the upstream said about a failure, masked for the trail.
    async fn message_as_recorded(&mut self, result: &ResultInfo) -> String {
        let operation = self.running.get(&result.operation).map(|running| &*running.operation);
        masking::message_as_recorded(&mut self.maskers, &self.info.id, result, operation).await
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
        match self.trail.queued(&entries).await {
            Ok(receipt) => self.ledger.on_its_way(entries, receipt),
            Err(_) => self.ledger.put_back(entries),
        }
    }

    /// Resolves when the entries are on disk, behind whatever was not recorded before. The list is empty then.
    pub(super) async fn record(&mut self, entries: &mut Vec<Entry>) -> Result<(), Fault> {
        self.ledger.settle();
        let before = self.ledger.waiting().len();
        entries.splice(..0, self.ledger.waiting().iter().cloned());
        let recorded = self.trail.durable(entries).await;
        match &recorded {
            Ok(()) => drop(self.ledger.take()),
            // What waited before waits on.
            Err(fault) => self.ledger.missed(entries.drain(..).skip(before), fault),
        }
        entries.clear();
        recorded
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
            let result = ResultInfo::bare(id, Status::Unknown);
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
        while !all.is_empty() && self.trail.durable(&all).await.is_err() {
            tokio::time::sleep(CLOSING_PAUSE).await;
        }
        // Who came and said nothing has been here all the same.
        while self.trail.opened().await.is_err() {
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
