//! The audit trail: what happened, recorded before it happens, and unchangeable unnoticed.
//!
//! ```text
//! Event ─► Draft (canonical JSON, in the caller's task) ─► queue ─► Writer (number, time, hash) ─► TrailStore
//!                                                                            one transaction per group
//! ```
//!
//! - [`Event`]: facts, one struct per kind.
//! - [`Record`]: what is kept: search columns, a body for ever, an erasable payload ([`record`]).
//! - [`chain`]: the hashes, documented so that anybody can verify without us.
//! - [`Writer`], [`AuditHandle`]: group commit; `record` an event, wait until it is `durable`.
//! - [`TrailStore`], [`TrailReader`]: what a store must do. The SQL is elsewhere; this crate has never heard of it.
//! - [`verify()`], [`export`], [`show_operation`], [`Filter`]: reading.
//! - [`redact()`]: secrets of recognisable form never get in.
//!
//! Promises: an acknowledged record survives the death of the process and of the machine; a trail that was edited
//! fails verification with the number of the first bad record; when nothing can be recorded, `record` says so,
//! and the caller refuses the operation.

pub mod chain;
pub mod clock;
pub mod record;

mod canon;
mod event;
mod handle;
mod metrics;
mod open;
mod port;
mod reader;
mod recover;
mod redact;
mod salt;
mod search;
mod told;
mod verify;
mod writer;

pub use chain::{Anchor, Hash, Head};
pub use event::{
    Attempt, ConfigApplied, ConfigRefused, Event, Failure, Gap, Held, HostStarted, HostStopped, KINDS,
    LoginFailed, LoginStage, Outcome, PayloadsErased, Place, PluginFacts, PluginRefused, Recovered, Refused,
    RefusedBy, Review, Reviewed, STATUSES, SessionEnded, SessionKilled, SessionOpened, Status, TokenCreated,
    TokenRevoked, VERDICTS,
};
pub use handle::{AuditDown, AuditHandle, Receipt};
pub use metrics::{Histogram, LATENCY_BOUNDS_US, Metrics};
pub use port::{StoreError, TrailStore};
pub use reader::{
    BoxFuture, OperationView, TrailReader, VerifyError, export, show_operation, show_record, verify,
};
pub use record::Record;
pub use recover::{Orphan, close_orphans};
pub use redact::{MAX_VALUE_BYTES, redact, redact_named};
pub use search::{
    DEFAULT_LIMIT, Filter, MAX_LIMIT, UNPROVEN_KIND, claimed_in_payload, digest_in_body, needle_in_payload,
};
pub use verify::{Broken, Fault, Verified, Verifier, erased_ranges, export_line};
pub use writer::{Writer, WriterSettings};
