//! Counters per plugin, plain atomics: the host renders them in whatever form it likes.
//!
//! One value per plugin *name*, kept over replacements, so a counter never jumps back while the host runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the time histogram's buckets, in nanoseconds; the last bucket has none.
pub const TIME_BUCKETS_NS: [u64; 15] = [
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    10_000_000,
    50_000_000,
    250_000_000,
];

#[derive(Debug, Default)]
pub struct PluginMetrics {
    /// Calls into the guest, whatever came of them.
    pub calls: AtomicU64,
    /// Counts per bucket of [`TIME_BUCKETS_NS`], one more for what is longer; not cumulative.
    pub time: [AtomicU64; TIME_BUCKETS_NS.len() + 1],
    pub time_total_ns: AtomicU64,
    pub traps: AtomicU64,
    pub time_outs: AtomicU64,
    /// Memory or output beyond the limit.
    pub limit_hits: AtomicU64,
    /// Answers of kind fault: the guest said it could not.
    pub faults: AtomicU64,
    /// Answers that break the contract.
    pub lies: AtomicU64,
    /// Instances made so far, and alive now.
    pub instances: AtomicU64,
    pub resident: AtomicI64,
    /// Versions taken into service, and versions refused.
    pub loads: AtomicU64,
    pub refusals: AtomicU64,
    /// Answers of a shadow that came to something else than what it was tried beside.
    pub differences: AtomicU64,
    /// Operations a policy was not asked about, because what it had said served again.
    pub reused: AtomicU64,
    /// Batches that a masker was not called for, as no value showed one of its signs.
    pub unsigned: AtomicU64,
    /// What the plugin counts itself.
    pub own: OwnMetrics,
    /// Lines the guest wrote beyond its rate.
    pub log_lines_dropped: AtomicU64,
}

/// A number of the plugin's own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Own {
    Counter(u64),
    Gauge(f64),
}

/// So many names a plugin may have; what is beyond is dropped.
const MAX_OWN: usize = 64;

/// The numbers of one plugin, by name. A name stays what it was first: a counter or a gauge.
#[derive(Debug, Default)]
pub struct OwnMetrics(Mutex<BTreeMap<String, Own>>);

impl OwnMetrics {
    pub fn all(&self) -> BTreeMap<String, Own> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn count(&self, name: String, by: u64) {
        self.change(name, Own::Counter(0), |own| {
            if let Own::Counter(number) = own {
                *number = number.saturating_add(by);
            }
        });
    }

    pub(crate) fn set(&self, name: String, value: f64) {
        self.change(name, Own::Gauge(0.0), |own| {
            if let Own::Gauge(number) = own {
                *number = value;
            }
        });
    }

    fn change(&self, name: String, first: Own, change: impl FnOnce(&mut Own)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MAX_OWN || all.contains_key(&name) {
            change(all.entry(name).or_insert(first));
        }
    }
}

impl PluginMetrics {
    pub(crate) fn timed(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = TIME_BUCKETS_NS.partition_point(|bound| *bound < ns);
        if let Some(count) = self.time.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.time_total_ns.fetch_add(ns, Ordering::Relaxed);
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Counters of the room as a whole.
#[derive(Debug, Default)]
pub struct RoomMetrics {
    /// The generation in service.
    pub generation: AtomicU64,
    pub compiled: AtomicU64,
    pub cache_hits: AtomicU64,
    /// Cached code that was damaged or not ours, and therefore not used.
    pub cache_rejects: AtomicU64,
}
