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
    /// The longest answer to one operation; `None`: any length.
    pub max_answer_bytes: Option<u64>,
    /// What a session may hold of each direction while a message is incomplete or undecided. Never below
    /// `max_operation_bytes`.
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

/// `"unlimited"` unless set, because dumps are long; the default here is only what a message proposes.
pub const MAX_ANSWER_BYTES: Knob<u64> = Knob { default: 1 << 30, least: 1 << 10, most: 1 << 50 };

/// Twice the longest operation, so that the next one may already arrive while one is decided.
pub const BUFFER_BYTES: Knob<u64> = Knob { default: 16 << 20, least: 16 << 10, most: 4 << 30 };

/// Several tools with a pool of 20 each fit.
pub const MAX_SESSIONS_PER_USER: Knob<usize> = Knob { default: 100, least: 1, most: 1_000_000 };

impl Default for Limits {
    fn default() -> Self {
        Self {
            login_timeout: LOGIN_TIMEOUT.default,
            idle_timeout: IDLE_TIMEOUT.default,
            approval_timeout: APPROVAL_TIMEOUT.default,
            max_operation_bytes: MAX_OPERATION_BYTES.default,
            max_answer_bytes: None,
            buffer_bytes: BUFFER_BYTES.default,
            max_sessions_per_user: MAX_SESSIONS_PER_USER.default,
        }
    }
}
