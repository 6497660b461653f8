//! Operations that wait for a person: requests, reviews, and what became of them.
//!
//! Lives in memory: a request exists as long as the session that waits for it, so an operation whose client
//! is gone is never executed later. What remains is the trail: a request is recorded before reviewers can see
//! it, a review before it takes effect.
//!
//! Invariants: each request gets exactly one ending; only a person reviews, who was a reviewer when it was
//! asked and is one now, and nobody their own request, nor their agents'; an approval carries the digest of
//! what was asked, is good once, and not after its expiry by the clock.

mod pending;
mod request;

pub use pending::{Approvals, ReviewError, Ticket};
pub use request::{Ending, Journal, JournalDown, Requested, Vote};
