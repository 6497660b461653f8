//! What a session needs of the rest of the house, each as narrow as it can be.
//!
//! Implementations live at the edge (`weir-guests` for the plugins, `weir` for the trail, approvals and
//! catalog). Tests script them. An error from any of them means: nothing is forwarded.

use crate::traffic::{Batch, ClientOutcome, Event, Masked, ServerOutcome, Substitute, WireColumn};
use smallvec::SmallVec;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use weir_model::{
    Abandoned, Applied, Column, Decision, Digest, EndReason, Fault, Finding, JudgedBy, Operation,
    SessionInfo, Tags, Verdict,
};

pub use weir_model::RefusedBy;

/// The inspector of one session: see `wit/inspect.wit` for what each call means.
pub trait Inspector: Send {
    fn judged_by(&self) -> JudgedBy;
    fn client(&mut self, data: &[u8], eof: bool)
    -> impl Future<Output = Result<ClientOutcome, Fault>> + Send;
    fn server(
        &mut self,
        data: &[u8],
        eof: bool,
        kept_from: u32,
    ) -> impl Future<Output = Result<ServerOutcome, Fault>> + Send;
    fn want(&mut self, columns: &[u16], keep: u32) -> impl Future<Output = Result<(), Fault>> + Send;
    fn edit(
        &mut self,
        data: &[u8],
        event: &Event,
        masked: &Masked,
    ) -> impl Future<Output = Result<Vec<u8>, Fault>> + Send;
    fn refuse(&mut self, id: u32, why: &Fault) -> impl Future<Output = Result<Substitute, Fault>> + Send;
    fn rewrite(
        &mut self,
        id: u32,
        text: &str,
    ) -> impl Future<Output = Result<(Substitute, Operation), Fault>> + Send;
    fn notice(&mut self, message: &str) -> impl Future<Output = Result<Vec<u8>, Fault>> + Send;
    fn closing(&mut self, why: &Fault) -> impl Future<Output = Result<Vec<u8>, Fault>> + Send;
}

/// One policy's answer to one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyAnswer {
    pub by: JudgedBy,
    /// An error is a refusal, unless `open_on_failure`.
    pub answer: Result<PolicyDecision, Fault>,
    /// The configuration names this policy `failure_mode = "open"`.
    pub open_on_failure: bool,
    /// What a shadow of it came to, where that is something else. For the record only.
    pub beside: Option<Beside>,
}

/// A shadow's answer that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    pub by: JudgedBy,
    /// Code and reason, such as they are.
    pub what: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDecision {
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
    pub tags: Tags,
}

/// What the policies of a pipeline answer, in its order: mostly there is one.
pub type Answers = SmallVec<[PolicyAnswer; 1]>;

/// How often an operation has been before the policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    First,
    /// A policy has rewritten it.
    Again,
}

/// The policies of one session's pipeline.
pub trait Policies: Send {
    /// Asks every policy, in the order of the pipeline. A replaced plugin takes effect with the first round of
    /// an operation; what is asked again about it is asked of the same generation.
    fn decide(&mut self, operation: &Operation, round: Round) -> impl Future<Output = Answers> + Send;
}

/// What the maskers want of one shape, together. One that serves again is given for every answer, so a copy costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaskPlan {
    /// Indices of the columns any masker wants, ascending.
    pub wanted: Arc<[u16]>,
    pub by: Arc<[JudgedBy]>,
    /// Any operation gets the same plan for these columns: the values of several may go through it together.
    pub reusable: bool,
    /// Columns that a shadow would look at, and that nobody wants. For the record only.
    pub beside: Vec<Applied>,
}

/// The maskers of one session's pipeline.
pub trait Maskers: Send {
    /// Whether the pipeline has a masker at all; fixed for the session.
    fn active(&self) -> bool;
    /// `slot` is a small number the session chooses and reuses; a plan holds until the next one for its slot.
    fn plan(
        &mut self,
        slot: u32,
        columns: &[Column],
        operation: &Operation,
    ) -> impl Future<Output = Result<MaskPlan, Fault>> + Send;
    /// As long as this is the same number, every plan that serves again would be the same if it was asked for anew:
    /// whoever goes on with one without asking compares before. It may grow for no reason, as it does whenever it is
    /// asked while something is tried beside a masker.
    fn era(&mut self) -> u64;
    /// Nobody needs the slot's plan any more.
    fn forget(&mut self, slot: u32);
    /// Runs the batch through every masker that wanted something of the slot's shape. `batch.columns` index
    /// the columns given to `plan`.
    fn mask(&mut self, slot: u32, batch: &Batch) -> impl Future<Output = Result<Masked, Fault>> + Send;
}

/// Columns by their own names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub columns: Vec<Column>,
    /// From this moment on they may have others; `None` when nothing was looked up.
    pub until: Option<tokio::time::Instant>,
}

/// Names of the columns a result has, whatever their alias.
pub trait Catalog: Send + Sync {
    fn columns(&self, wire: Vec<WireColumn>) -> impl Future<Output = Result<Named, Fault>> + Send;
}

/// Everything the trail keeps about an operation before it runs. Texts are masked already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    pub id: u32,
    pub continues: u32,
    pub operation: Arc<Operation>,
    /// The text the client sent, when a policy has put another in its place.
    pub original: Option<String>,
    pub decision: Arc<Decision>,
    /// The approval it waited for, whatever came of that.
    pub approval: Option<Approved>,
    /// What the maskers hid in all of it.
    pub masked: Vec<Applied>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub id: u32,
    pub status: crate::traffic::Status,
    pub rows: u64,
    pub tag: String,
    pub code: String,
    /// Masked already.
    pub message: String,
    pub bytes_to_client: u64,
    pub masked: Vec<Applied>,
    pub masked_by: Vec<JudgedBy>,
    pub took: Duration,
    /// It had a place in the queue before and lost it: it is counted already.
    pub again: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Intent(Intent),
    Refused { intent: Intent, by: RefusedBy, why: Fault },
    Outcome(Outcome),
}

/// The trail, as one session sees it.
pub trait Trail: Send + Sync {
    type Receipt: Receipt;
    /// Resolves when the entries are on disk.
    fn durable(&self, entries: &[Entry]) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Resolves when the beginning of the session is on disk. Whatever is durable proves it, too.
    fn opened(&self) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Resolves when the entries have a place in the queue: they will be on disk soon, in this order, before
    /// whatever is brought later, unless the receipt says otherwise. After an error none of them has a place, and
    /// the session brings them again.
    fn queued(&self, entries: &[Entry]) -> impl Future<Output = Result<Self::Receipt, Fault>> + Send;
}

/// What became of entries that have had a place in the queue.
pub trait Receipt: Send {
    /// Whether they are on disk; `None` while they are on their way there. Never waits.
    fn is_durable(&mut self) -> Option<bool>;
    /// The same, as soon as it is known.
    fn durable(self) -> impl Future<Output = bool> + Send;
}

/// A person said yes to exactly this, or was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    pub id: String,
    pub digest: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRequest {
    pub operation_id: u32,
    /// As it will be shown: texts are masked.
    pub shown: Operation,
    /// Over the exact bytes and everything else that must not change.
    pub digest: Digest,
    pub code: String,
    pub reason: String,
    /// Empty: the resource's reviewers.
    pub reviewers: Vec<String>,
    /// From this moment on an approval is none. Part of the digest.
    pub expires_at: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Review {
    Approve(Approved),
    Deny {
        by: String,
        comment: String,
    },
    Expire,
    /// The host is shutting down.
    Shutdown,
}

/// A request that waits.
pub trait PendingApproval: Send {
    fn id(&self) -> &str;
    /// Pending until somebody has decided. Cancel safe.
    fn review(&mut self) -> impl Future<Output = Review> + Send;
    /// Nobody waits any more; that and why is recorded.
    fn abandon(self, why: Abandoned);
}

/// Asking people.
pub trait Approvals: Send + Sync {
    type Pending: PendingApproval;
    /// Resolves when the request is recorded and reviewers can see it.
    fn request(
        &self,
        info: &SessionInfo,
        request: ApprovalRequest,
    ) -> impl Future<Output = Result<Self::Pending, Fault>> + Send;
}

/// What somebody else asks of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The client cancelled what it waits for. Means something only while an operation is held; the host
    /// itself forwards cancels to the upstream.
    Cancel,
    /// `Drained` asks it to end at the next quiet moment, anything else at once.
    End(EndReason),
}

/// Other people's wishes about this session.
pub trait Leave: Send {
    /// Pending for as long as nobody wants anything. Cancel safe.
    fn asked(&mut self) -> impl Future<Output = Ask> + Send;
}

/// All ports of one session.
pub trait Ports: Send {
    type Inspector: Inspector;
    type Policies: Policies;
    type Maskers: Maskers;
    type Catalog: Catalog;
    type Trail: Trail;
    type Approvals: Approvals;
    type Leave: Leave;
}
