//! `[audit]`: how much may wait to be written to the trail.
//!
//! Nothing is forwarded before its record is durable, so a slow disk makes sessions wait. These numbers say how
//! many may wait, how much, and for how long, before an operation is refused instead.

use std::time::Duration;

use super::Knob;

/// `[audit]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Records that may wait to be written; the next one is refused.
    pub queue_records: usize,
    /// Bytes of records that may wait to be written.
    pub queue_bytes: u64,
    /// An operation whose record is not durable after this long is refused.
    pub patience: Duration,
}

/// A group commit takes about a millisecond for 64 records, so this is some 150 ms of work.
pub const QUEUE_RECORDS: Knob<usize> = Knob { default: 10_000, least: 1, most: 10_000_000 };

/// Records hold the operations' text, which may be long: bounds memory where the number of records does not.
pub const QUEUE_BYTES: Knob<u64> = Knob { default: 64 << 20, least: 64 << 10, most: 16 << 30 };

/// A disk that needs longer is broken; clients should hear so before their own time limits (often 30 s).
pub const PATIENCE: Knob<Duration> = Knob {
    default: Duration::from_secs(10),
    least: Duration::from_millis(10),
    most: Duration::from_secs(600),
};

impl Default for Audit {
    fn default() -> Self {
        Self {
            queue_records: QUEUE_RECORDS.default,
            queue_bytes: QUEUE_BYTES.default,
            patience: PATIENCE.default,
        }
    }
}
