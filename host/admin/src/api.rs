//! What the server asks of the host.
//!
//! The host answers with facts, this room decides who may read them: lists come whole, and are filtered here.

use crate::views::{ApprovalView, PluginView, SessionView, StatusView, Vote};
use std::future::Future;
use std::net::IpAddr;
use weir_model::Principal;

/// The host, as seen from the admin API.
///
/// Reading calls may be dropped half-way. [`authenticate`](Self::authenticate), [`login_failed`](Self::login_failed),
/// [`kill_session`](Self::kill_session) and [`review`](Self::review) never are.
pub trait AdminApi: Send + Sync + 'static {
    /// Whether the gateway can do its work: whether the trail takes records. The reason is told to anybody.
    fn health(&self) -> impl Future<Output = Result<(), Unhealthy>> + Send;

    /// Whose name and password these are. Takes the same time for an unknown name as for a wrong password; called
    /// for few callers at a time and at a bounded rate per name.
    fn authenticate(&self, name: &str, password: &str) -> impl Future<Output = Option<Principal>> + Send;

    /// Somebody showed a wrong password, or a wrong token (then `name` is `operator`). For the trail. Not called for
    /// attempts above the rate, which are refused unread.
    fn login_failed(&self, name: &str, address: IpAddr) -> impl Future<Output = ()> + Send;

    /// The counters in the text format of Prometheus: see [`Exposition`](crate::Exposition).
    fn metrics(&self) -> impl Future<Output = String> + Send;

    fn status(&self) -> impl Future<Output = StatusView> + Send;

    /// The live sessions, oldest first.
    fn sessions(&self) -> impl Future<Output = Vec<SessionView>> + Send;

    /// Ends a session because the operator at `from` asks for it. Resolves when that is recorded; the session itself
    /// may end a moment later.
    fn kill_session(&self, id: &str, from: IpAddr) -> impl Future<Output = Result<(), KillRefused>> + Send;

    fn plugins(&self) -> impl Future<Output = Vec<PluginView>> + Send;

    /// All requests that wait, oldest first.
    fn approvals(&self) -> impl Future<Output = Vec<ApprovalView>> + Send;

    /// One request that waits. Its digest never changes under the same id.
    fn approval(&self, id: &str) -> impl Future<Output = Option<ApprovalView>> + Send;

    /// A reviewer speaks. Resolves when the review is recorded, and only then has it taken effect. The host checks
    /// once more whether this person may.
    fn review(&self, review: Review) -> impl Future<Output = Result<(), ReviewRefused>> + Send;
}

/// The gateway refuses everything, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unhealthy(pub String);

/// One vote, by somebody who has proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    pub id: String,
    pub reviewer: Principal,
    pub vote: Vote,
    pub comment: String,
}

/// Why a review has no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewRefused {
    #[error("no such request waits: it was reviewed, has expired, or its client is gone")]
    NotWaiting,
    #[error("nobody reviews their own request, nor their agents'")]
    OwnRequest,
    #[error(
        "a review needs a person, and {who} is of kind `{kind}`: somebody of kind `human` must review it"
    )]
    NotPerson { who: String, kind: &'static str },
    #[error("{who} is not among the reviewers of this request: {reviewers}")]
    NotReviewer { who: String, reviewers: String },
    #[error("{who} is no longer among the reviewers of {resource}: {reviewers}")]
    NoLongerReviewer { who: String, resource: String, reviewers: String },
    #[error("the review could not be recorded, so it has no effect: {0}")]
    NotRecorded(String),
}

/// Why a session was not ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KillRefused {
    #[error("no session has this id (any more): `weir sessions list` shows them")]
    NoSuchSession,
    #[error("it could not be recorded, so the session goes on: {0}")]
    NotRecorded(String),
}
