//! What the host counts. How it is written down for Prometheus is `admin_api::render`.
//!
//! Plain atomics, one set per resource. To add one: a field, the line that counts, a line in `admin_api::render`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use weir_model::{EndReason, RefusedBy, ResourceName, Status};
use weir_session::exchange::Ended;
use weir_session::ports::Entry;

#[derive(Default)]
pub(crate) struct Metrics {
    resources: RwLock<BTreeMap<ResourceName, Arc<OfResource>>>,
}

/// The counters of one resource.
#[derive(Default)]
pub(crate) struct OfResource {
    pub(crate) sessions_opened: AtomicU64,
    pub(crate) sessions_ended: AtomicU64,
    pub(crate) sessions_failed: AtomicU64,
    pub(crate) logins_failed: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    pub(crate) bytes_from_client: AtomicU64,
    pub(crate) bytes_to_client: AtomicU64,
    pub(crate) allowed: AtomicU64,
    pub(crate) refused: [AtomicU64; RefusedBy::ALL.len()],
    pub(crate) outcomes: [AtomicU64; Status::ALL.len()],
    pub(crate) rows: AtomicU64,
    pub(crate) cells_masked: AtomicU64,
}

/// All sessions of a resource share a counter: for nothing it is not touched.
fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

fn count<Word: PartialEq>(counts: &mut [u64], words: &[Word], word: &Word) {
    let at = words.iter().position(|known| known == word);
    at.and_then(|at| counts.get_mut(at)).into_iter().for_each(|count| *count += 1);
}

/// What entries of the trail add to the counters, once they are recorded.
#[derive(Default)]
pub(crate) struct Tally {
    allowed: u64,
    refused: [u64; RefusedBy::ALL.len()],
    outcomes: [u64; Status::ALL.len()],
    rows: u64,
    cells_masked: u64,
}

impl OfResource {
    pub(crate) fn tally(&self, entries: &[Entry]) -> Tally {
        let mut tally = Tally::default();
        for entry in entries {
            match entry {
                Entry::Intent(_) => tally.allowed += 1,
                Entry::Refused { by, .. } => count(&mut tally.refused, &RefusedBy::ALL, by),
                Entry::Outcome(outcome) if outcome.again => {}
                Entry::Outcome(outcome) => {
                    count(&mut tally.outcomes, &Status::ALL, &outcome.status);
                    tally.rows += outcome.rows;
                    let done = outcome.masked.iter().filter(|applied| applied.beside.is_none());
                    tally.cells_masked += done.map(|applied| applied.cells).sum::<u64>();
                }
            }
        }
        tally
    }

    pub(crate) fn count(&self, tally: &Tally) {
        add(&self.allowed, tally.allowed);
        let refused = self.refused.iter().zip(tally.refused);
        for (counter, count) in refused.chain(self.outcomes.iter().zip(tally.outcomes)) {
            add(counter, count);
        }
        add(&self.rows, tally.rows);
        add(&self.cells_masked, tally.cells_masked);
    }
}

impl Metrics {
    pub(crate) fn of(&self, resource: &ResourceName) -> Arc<OfResource> {
        if let Some(known) = self.resources.read().unwrap_or_else(PoisonError::into_inner).get(resource) {
            return Arc::clone(known);
        }
        let mut all = self.resources.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(resource.clone()).or_default())
    }

    pub(crate) fn all(&self) -> Vec<(ResourceName, Arc<OfResource>)> {
        let all = self.resources.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(name, counters)| (name.clone(), Arc::clone(counters))).collect()
    }

    pub(crate) fn session_opened(&self, resource: &ResourceName) {
        add(&self.of(resource).sessions_opened, 1);
    }

    pub(crate) fn login_failed(&self, resource: &ResourceName) {
        add(&self.of(resource).logins_failed, 1);
    }

    pub(crate) fn connection_refused(&self, resource: &ResourceName) {
        add(&self.of(resource).connections_refused, 1);
    }

    pub(crate) fn session_ended(&self, resource: &ResourceName, ended: &Ended) {
        let counters = self.of(resource);
        add(&counters.sessions_ended, 1);
        add(&counters.sessions_failed, u64::from(matches!(ended.reason, EndReason::Failed(_))));
        add(&counters.bytes_from_client, ended.bytes_from_client);
        add(&counters.bytes_to_client, ended.bytes_to_client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use weir_session::ports::Outcome;

    fn outcome(status: Status, again: bool) -> Entry {
        Entry::Outcome(Outcome {
            id: 1,
            status,
            rows: 3,
            tag: String::new(),
            code: String::new(),
            message: String::new(),
            bytes_to_client: 0,
            masked: vec![],
            masked_by: vec![],
            took: Duration::ZERO,
            again,
        })
    }

    #[test]
    fn what_is_recorded_is_counted_once() {
        let counters = OfResource::default();
        let tally = counters.tally(&[outcome(Status::Error, false), outcome(Status::Ok, true)]);
        assert_eq!(counters.rows.load(Ordering::Relaxed), 0, "not before it is recorded");
        counters.count(&tally);
        let outcomes: Vec<u64> =
            counters.outcomes.iter().map(|counter| counter.load(Ordering::Relaxed)).collect();
        assert_eq!((outcomes, counters.rows.load(Ordering::Relaxed)), (vec![0, 1, 0, 0, 0], 3));
    }
}
