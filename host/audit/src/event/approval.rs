//! Operations that wait for people, and what people said.

use super::Place;
use crate::canon::Object;
use weir_model::{Abandoned, Digest};

/// An operation waits. Every one of these is followed by exactly one [`Reviewed`] that ends the waiting. If that was
/// an approval, the intent that uses it names it; there is no second.
#[derive(Clone, Debug)]
pub struct Held {
    pub place: Place,
    /// The operation's number in its session.
    pub operation: u64,
    pub approval: String,
    /// Of everything the approval is bound to: command, parameters, session, resource, expiry.
    pub digest: Digest,
    /// Who may review: `group:leads`, `user:ann`.
    pub reviewers: Vec<String>,
    pub code: String,
    pub reason: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub expires_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    Approve,
    Deny,
    Expired,
    /// Nobody waits any more.
    Abandoned(Abandoned),
}

#[derive(Clone, Debug)]
pub struct Reviewed {
    /// Where the held operation is, not where the reviewer sits.
    pub place: Place,
    pub operation: u64,
    pub approval: String,
    /// What the reviewer saw: must be the digest of the [`Held`] record.
    pub digest: Digest,
    pub review: Review,
    /// `None` when no person was involved.
    pub reviewer: Option<String>,
    pub comment: String,
}

impl Review {
    pub fn as_word(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
            Self::Expired => "expired",
            Self::Abandoned(why) => why.as_word(),
        }
    }
}

impl Held {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.word("approval", &self.approval);
        out.text("code", &self.code);
        out.digest("digest", &self.digest);
        out.number("expires_ms", self.expires_ms);
        out.texts("reviewers", &self.reviewers);
    }

    pub(super) fn payload(&self, out: &mut Object<'_>) {
        out.text("reason", &self.reason);
    }
}

impl Reviewed {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.word("approval", &self.approval);
        out.digest("digest", &self.digest);
        out.word("review", self.review.as_word());
        out.maybe_word("reviewer", self.reviewer.as_deref());
    }

    pub(super) fn payload(&self, out: &mut Object<'_>) {
        out.text("comment", &self.comment);
    }
}
