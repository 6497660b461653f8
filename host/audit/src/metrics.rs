//! The writer's numbers: plain atomics, read by whoever publishes metrics.
//!
//! Counters only grow; gauges say so. Nothing is exact across several of them: each is read on its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the latency buckets, in microseconds; a last one takes the rest.
pub const LATENCY_BOUNDS_US: [u64; 12] =
    [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 204_800, 819_200];

#[derive(Debug, Default)]
pub struct Metrics {
    /// Records that are durable.
    pub records: AtomicU64,
    /// Groups committed.
    pub groups: AtomicU64,
    /// Groups the store failed to commit.
    pub failures: AtomicU64,
    /// Events refused: the store was down, or no place in the queue within the patience.
    pub refused_events: AtomicU64,
    /// Gauge: how long the last commit took, in microseconds.
    pub last_commit_us: AtomicU64,
    /// Gauge: whether the store is down.
    pub down: AtomicBool,
    /// From entering the queue to being durable; one count per call of `record`.
    pub latency: Histogram,
}

/// How often something took how long, in [`LATENCY_BOUNDS_US`].
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    /// One count per bucket, not cumulated; the last is for everything above the last bound.
    pub fn counts(&self) -> [u64; LATENCY_BOUNDS_US.len() + 1] {
        let mut counts = [0; LATENCY_BOUNDS_US.len() + 1];
        for (count, bucket) in counts.iter_mut().zip(&self.buckets) {
            *count = bucket.load(Ordering::Relaxed);
        }
        counts
    }

    /// The sum of everything observed, in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_their_bucket() {
        let histogram = Histogram::default();
        for micros in [0, 100, 101, 819_200, 819_201] {
            histogram.observe(Duration::from_micros(micros));
        }
        assert_eq!(histogram.counts(), [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(histogram.sum_us(), 1_638_602);
    }
}
