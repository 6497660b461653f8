//! `[limits]` and `limits = { … }` of a resource: what one session may take.

use std::time::Duration;

use super::Knob;

/// `[limits]`. Reaching one is a refusal the client can read, a count in the metrics, and never a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From accepting a connection to the end of its login.
    pub login_timeout: Duration,
    /// A session in which neither side has said anything for this long is ended.
    pub idle_timeout: Duration,
    /// A held operation that nobody has reviewed for this long is refused.
    pub approval_timeout: Duration,
    /// The longest operation that is inspected; a longer one is refused.
    pub max_operation_bytes: u64,
    /// The longest message of the upstream that is held whole because values in it are to be masked; a longer one ends
    /// the session. Answers in which nothing is masked have no limit.
    pub max_answer_bytes: u64,
    /// How much may wait to be written to one side before the other side is no longer read.
    pub buffer_bytes: u64,
    /// Sessions one user may have on one resource at once.
    pub max_sessions_per_user: usize,
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A login is a handful of round trips; people do not type during it.
pub const LOGIN_TIMEOUT: Knob<Duration> =
    Knob { default: seconds(15), least: seconds(1), most: seconds(600) };

/// Connection pools keep idle connections for minutes to hours and must not notice us; MySQL's own limit.
pub const IDLE_TIMEOUT: Knob<Duration> =
    Knob { default: seconds(8 * 3600), least: seconds(1), most: seconds(30 * 86_400) };

/// Somebody on call answers within minutes; clients rarely wait longer.
pub const APPROVAL_TIMEOUT: Knob<Duration> =
    Knob { default: seconds(15 * 60), least: seconds(1), most: seconds(7 * 86_400) };

/// Statements with inlined data reach some megabytes; what is longer is usually COPY, which is not one operation's
/// text.
pub const MAX_OPERATION_BYTES: Knob<u64> = Knob { default: 8 << 20, least: 1 << 10, most: 1 << 30 };

/// One row with some documents in it. Held only while something in it is masked.
pub const MAX_ANSWER_BYTES: Knob<u64> = Knob { default: 16 << 20, least: 1 << 10, most: 1 << 30 };

/// Some round trips' worth on a fast network; thousands of sessions with slow clients still fit into memory.
pub const BUFFER_BYTES: Knob<u64> = Knob { default: 256 << 10, least: 16 << 10, most: 64 << 20 };

/// Several tools with a pool of 20 each fit.
pub const MAX_SESSIONS_PER_USER: Knob<usize> = Knob { default: 100, least: 1, most: 1_000_000 };

impl Default for Limits {
    fn default() -> Self {
        Self {
            login_timeout: LOGIN_TIMEOUT.default,
            idle_timeout: IDLE_TIMEOUT.default,
            approval_timeout: APPROVAL_TIMEOUT.default,
            max_operation_bytes: MAX_OPERATION_BYTES.default,
            max_answer_bytes: MAX_ANSWER_BYTES.default,
            buffer_bytes: BUFFER_BYTES.default,
            max_sessions_per_user: MAX_SESSIONS_PER_USER.default,
        }
    }
}
