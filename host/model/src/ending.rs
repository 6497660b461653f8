//! How an operation ends, who refuses it, and why nobody waits for an approval any more: words that the session,
//! the trail and the metrics share.

use crate::{EndReason, FaultSource};

/// Who kept an operation from the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusedBy {
    /// A policy, or the resource's default.
    Policy,
    /// The protocol's inspector: malformed, too large, or not to be masked safely.
    Inspector,
    /// A plugin trapped, lied, was late, or said that it could not.
    Plugin,
    /// People said no, or nobody said anything in time.
    Approval,
    /// It could not be recorded.
    Trail,
    /// The client cancelled it, went, or did not wait, while it was held.
    Client,
    /// The upstream hung up before it was sent.
    Upstream,
    /// An operator ended the session.
    Operator,
    /// The gateway is shutting down.
    Host,
}

impl RefusedBy {
    pub const ALL: [Self; 9] = [
        Self::Policy,
        Self::Inspector,
        Self::Plugin,
        Self::Approval,
        Self::Trail,
        Self::Client,
        Self::Upstream,
        Self::Operator,
        Self::Host,
    ];

    /// Who is to blame for what a session's end left undone.
    pub fn of_end(reason: &EndReason) -> Self {
        match reason {
            EndReason::ClientClosed => Self::Client,
            EndReason::UpstreamClosed => Self::Upstream,
            EndReason::Revoked => Self::Operator,
            EndReason::Idle | EndReason::Drained | EndReason::CutShort => Self::Host,
            EndReason::Failed(fault) => match fault.source {
                FaultSource::Client => Self::Client,
                FaultSource::Upstream => Self::Upstream,
                FaultSource::Plugin => Self::Plugin,
                FaultSource::Host => Self::Host,
                FaultSource::Policy => Self::Policy,
            },
        }
    }

    pub fn as_word(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Inspector => "inspector",
            Self::Plugin => "plugin",
            Self::Approval => "approval",
            Self::Trail => "trail",
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Operator => "operator",
            Self::Host => "host",
        }
    }
}

/// What came of an operation that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    Ok,
    Error,
    /// Sent, but never ran because of an earlier error.
    Skipped,
    /// Executed in part: more can be fetched.
    Suspended,
    /// Nobody knows: the session ended, or the host did, before the answer came.
    Unknown,
}

impl Status {
    pub const ALL: [Self; 5] = [Self::Ok, Self::Error, Self::Skipped, Self::Suspended, Self::Unknown];

    pub fn as_word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Skipped => "skipped",
            Self::Suspended => "suspended",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a session stopped waiting for a review. The operation is never executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Abandoned {
    /// The client cancelled it.
    Cancelled,
    /// The client hung up.
    ClientGone,
    /// The client sent more behind it than is kept, so nobody could tell any more whether it is still there.
    Overrun,
    /// An operator ended the session.
    SessionKilled,
    /// The upstream hung up.
    UpstreamGone,
    /// The session ended with an error.
    SessionFailed,
    /// The gateway is shutting down.
    HostStopped,
}

impl Abandoned {
    pub fn of_end(reason: &EndReason) -> Self {
        match reason {
            EndReason::ClientClosed => Self::ClientGone,
            EndReason::UpstreamClosed => Self::UpstreamGone,
            EndReason::Revoked => Self::SessionKilled,
            EndReason::Drained | EndReason::CutShort => Self::HostStopped,
            EndReason::Idle | EndReason::Failed(_) => Self::SessionFailed,
        }
    }

    pub fn as_word(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::ClientGone => "client-gone",
            Self::Overrun => "overrun",
            Self::SessionKilled => "session-killed",
            Self::UpstreamGone => "upstream-gone",
            Self::SessionFailed => "session-failed",
            Self::HostStopped => "host-stopped",
        }
    }
}
