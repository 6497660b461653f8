//! Reviewers that do what the test says.

use crate::scene::Hub;
use std::sync::Arc;
use tokio::sync::oneshot;
use weir_model::{Abandoned, Digest, Fault, SessionInfo};
use weir_session::ports::{ApprovalRequest, Approvals, Approved, PendingApproval, Review};

pub(crate) struct ToyApprovals(pub(crate) Arc<Hub>);

/// A request that waits, as the reviewers see it.
pub(crate) struct Asked {
    pub(crate) request: ApprovalRequest,
    vote: oneshot::Sender<Review>,
}

pub(crate) struct Pending {
    id: String,
    /// `None`: nobody is left to decide
    vote: Option<oneshot::Receiver<Review>>,
    hub: Arc<Hub>,
}

impl Asked {
    pub(crate) fn approve(self) {
        let digest = self.request.digest;
        self.approve_digest(digest);
    }

    pub(crate) fn approve_digest(self, digest: Digest) {
        self.vote(Review::Approve(Approved { id: "a".into(), digest }));
    }

    pub(crate) fn deny(self, comment: &str) {
        self.vote(Review::Deny { by: "lea".into(), comment: comment.into() });
    }

    pub(crate) fn vote(self, review: Review) {
        self.vote.send(review).ok().unwrap();
    }
}

impl PendingApproval for Pending {
    fn id(&self) -> &str {
        &self.id
    }

    async fn review(&mut self) -> Review {
        if let Some(vote) = &mut self.vote
            && let Ok(review) = vote.await
        {
            return review;
        }
        self.vote = None;
        std::future::pending().await
    }

    fn abandon(self, why: Abandoned) {
        self.hub.abandoned.lock().unwrap().push(why.as_word());
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        *self.hub.no_longer_waiting.lock().unwrap() += 1;
    }
}

impl Approvals for ToyApprovals {
    type Pending = Pending;

    async fn request(&self, _: &SessionInfo, request: ApprovalRequest) -> Result<Pending, Fault> {
        if let Some(fault) = self.0.approvals_fail.lock().unwrap().clone() {
            return Err(fault);
        }
        let (vote, receiver) = oneshot::channel();
        self.0.asked.send(Asked { request, vote }).ok().unwrap();
        Ok(Pending { id: "a".into(), vote: Some(receiver), hub: Arc::clone(&self.0) })
    }
}
