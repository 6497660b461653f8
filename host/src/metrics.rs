//! What the host counts, and how it is written down for Prometheus.
//!
//! Plain atomics, one set per resource. To add one: a field, the line that counts, a line in [`Metrics::render`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use weir_model::{EndReason, ResourceName};
use weir_session::exchange::Ended;
use weir_session::ports::{Entry, RefusedBy};
use weir_session::traffic::Status;

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
    pub(crate) refused: [AtomicU64; 6],
    pub(crate) outcomes: [AtomicU64; 5],
    pub(crate) rows: AtomicU64,
    pub(crate) cells_masked: AtomicU64,
}

pub(crate) const REFUSED_BY: [RefusedBy; 6] = [
    RefusedBy::Policy,
    RefusedBy::Inspector,
    RefusedBy::Plugin,
    RefusedBy::Approval,
    RefusedBy::Trail,
    RefusedBy::Client,
];
pub(crate) const STATUSES: [Status; 5] =
    [Status::Ok, Status::Error, Status::Skipped, Status::Suspended, Status::Unknown];

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl OfResource {
    /// Counts what goes into the trail.
    pub(crate) fn entry(&self, entry: &Entry) {
        match entry {
            Entry::Intent(_) => add(&self.allowed, 1),
            Entry::Refused { by, .. } => {
                let counter =
                    REFUSED_BY.iter().position(|known| known == by).and_then(|at| self.refused.get(at));
                counter.into_iter().for_each(|counter| add(counter, 1));
            }
            Entry::Outcome(outcome) => {
                let at = STATUSES.iter().position(|known| *known == outcome.status);
                at.and_then(|at| self.outcomes.get(at)).into_iter().for_each(|counter| add(counter, 1));
                add(&self.rows, outcome.rows);
                add(&self.cells_masked, outcome.masked.iter().map(|applied| applied.cells).sum());
            }
        }
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
