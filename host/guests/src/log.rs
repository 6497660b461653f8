//! The simplest imports: the log, which every guest may have, and the clock, which must be granted.
//!
//! A guest writes lines; the host says whose they are, cuts them, shows control characters instead of obeying
//! them, and drops what comes too fast: from one instance, and from all of a plugin together, since whoever traps
//! gets a fresh instance. Dropped lines are counted, and told of once the guest may write again.

use crate::contract::v0_1::judge::weir::plugin::{host_clock, host_log};
use crate::instance::Bounds;
use crate::metrics::count;
use crate::state::GuestState;
use crate::text::escape;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use weir_model::SessionId;

/// Longest line, in characters.
const MAX_LINE_CHARS: usize = 1024;
/// Lines an instance may write at once, and per second in the long run.
const BURST_LINES: f64 = 200.0;
const LINES_PER_SECOND: f64 = 20.0;
/// The same for all instances of a plugin together.
const ALL_BURST_LINES: f64 = 2_000.0;
const ALL_LINES_PER_SECOND: f64 = 100.0;

pub(crate) struct GuestLog {
    bounds: Arc<Bounds>,
    session: Option<SessionId>,
    rate: Rate,
    dropped: u64,
}

/// What all instances of a plugin may write.
#[derive(Debug)]
pub(crate) struct SharedRate(Mutex<Rate>);

impl SharedRate {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Rate::full(ALL_BURST_LINES, ALL_LINES_PER_SECOND, Instant::now())))
    }

    fn take(&self, now: Instant) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(now)
    }
}

impl GuestLog {
    pub(crate) fn new(bounds: Arc<Bounds>, session: Option<SessionId>) -> Self {
        let rate = Rate::full(BURST_LINES, LINES_PER_SECOND, Instant::now());
        Self { bounds, session, rate, dropped: 0 }
    }

    fn write(&mut self, level: u8, message: &str) {
        let now = Instant::now();
        if !self.rate.take(now) || !self.bounds.log_rate.take(now) {
            self.dropped += 1;
            count(&self.bounds.metrics.log_lines_dropped);
            return;
        }
        let plugin = self.bounds.plugin.as_str();
        let digest = self.bounds.digest.short();
        let session = self.session.as_ref().map_or("", SessionId::as_str);
        if self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            tracing::warn!(target: "weir::plugin", plugin, digest, session, dropped, "plugin log lines dropped");
        }
        let line = escape(message, MAX_LINE_CHARS).replace('\n', "\\n");
        match level {
            0 => tracing::trace!(target: "weir::plugin", plugin, digest, session, "{line}"),
            1 => tracing::debug!(target: "weir::plugin", plugin, digest, session, "{line}"),
            2 => tracing::info!(target: "weir::plugin", plugin, digest, session, "{line}"),
            3 => tracing::warn!(target: "weir::plugin", plugin, digest, session, "{line}"),
            _ => tracing::error!(target: "weir::plugin", plugin, digest, session, "{line}"),
        }
    }
}

/// A bucket that holds a burst and fills steadily.
#[derive(Debug)]
struct Rate {
    burst: f64,
    per_second: f64,
    lines: f64,
    at: Instant,
}

impl Rate {
    fn full(burst: f64, per_second: f64, now: Instant) -> Self {
        Self { burst, per_second, lines: burst, at: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let waited = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.lines = (self.lines + waited * self.per_second).min(self.burst);
        let may = self.lines >= 1.0;
        if may {
            self.lines -= 1.0;
        }
        may
    }
}

/// What is written to WASI's outputs. An interpreter writes values of what it stumbles over, hence never above debug.
const PRINTED: u8 = 1;

impl GuestState {
    /// Takes what the guest prints.
    pub(crate) fn print(&mut self, bytes: &[u8]) {
        let Self { wasi, log, .. } = self;
        wasi.write(bytes, |line| log.write(PRINTED, line));
    }
}

impl host_log::Host for GuestState {
    fn log(&mut self, level: u8, message: String) {
        self.log.write(level, &message);
    }
}

impl host_clock::Host for GuestState {
    fn monotonic_ns(&mut self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn unix_ms(&mut self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_passes_and_then_twenty_a_second() {
        let start = Instant::now();
        let mut rate = Rate::full(BURST_LINES, LINES_PER_SECOND, start);
        assert_eq!((0..1000).filter(|_| rate.take(start)).count(), 200);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..1000).filter(|_| rate.take(later)).count(), 20);
    }
}
