//! One visit, how it can go wrong, and how it ends.

use crate::{Attribute, Principal, ResourceName, SessionId};

/// The attribute of a session that says how its principal was proven: `scram-sha-256`, `password`, `token` and its
/// ID, or `certificate` and its fingerprint.
pub const LOGIN_METHOD: &str = "login-method";

/// The attribute of a session that came with a token: the token's ID. The session ends with the token.
pub const TOKEN_ID: &str = "token-id";

/// What is known of a session from its first moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    pub id: SessionId,
    pub resource: ResourceName,
    pub protocol: String,
    pub who: Principal,
    pub client_address: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub started_ms: u64,
    pub attributes: Vec<Attribute>,
    pub claimed: Vec<Attribute>,
}

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultSource {
    Client,
    Upstream,
    Plugin,
    Host,
    Policy,
}

/// Why something did not happen: one text for the client, one for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub source: FaultSource,
    /// Short and stable; a SQLSTATE where the protocol has such a thing.
    pub code: String,
    /// What the client may read.
    pub message: String,
    /// What the log keeps besides; empty when there is nothing to add.
    pub detail: String,
}

impl Fault {
    pub fn new(source: FaultSource, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { source, code: code.into(), message: message.into(), detail: String::new() }
    }

    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// How a session ended; each is recorded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The client said goodbye or hung up.
    ClientClosed,
    /// The upstream hung up.
    UpstreamClosed,
    /// Nothing was said for the resource's idle time limit.
    Idle,
    /// The host is shutting down, at a quiet moment of the session.
    Drained,
    /// The host is shutting down and waited no longer for a quiet moment.
    CutShort,
    /// An operator killed it, or its principal or resource is gone.
    Revoked,
    /// Something failed; the client was told.
    Failed(Fault),
}

impl EndReason {
    /// What a client reads whose session is revoked. Which of the two it was is for the trail.
    pub const REVOKED: &str = "the session is no longer permitted, or an operator ended it";

    /// The word the trail and the metrics use.
    pub fn as_word(&self) -> &'static str {
        match self {
            Self::ClientClosed => "client-closed",
            Self::UpstreamClosed => "upstream-closed",
            Self::Idle => "idle",
            Self::Drained => "drained",
            Self::CutShort => "cut-short",
            Self::Revoked => "revoked",
            Self::Failed(_) => "failed",
        }
    }
}
