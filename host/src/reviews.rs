//! Approvals as one session sees them.

use crate::trail::ApprovalsTrail;
use std::sync::Arc;
use std::time::SystemTime;
use weir_approvals::{Approvals, Ending, Requested, Ticket, Vote};
use weir_model::{Abandoned, Fault, FaultSource, Grantee, SessionInfo};
use weir_session::ports::{self, ApprovalRequest, Approved, PendingApproval, Review};

/// Where one resource's held operations go.
pub(crate) struct SessionApprovals {
    pub(crate) approvals: Arc<Approvals<ApprovalsTrail>>,
    /// the resource's reviewers, when the policy names none
    pub(crate) reviewers: Vec<Grantee>,
}

/// A request that waits.
pub(crate) struct Pending(Ticket<ApprovalsTrail>);

impl ports::Approvals for SessionApprovals {
    type Pending = Pending;

    async fn request(&self, info: &SessionInfo, request: ApprovalRequest) -> Result<Pending, Fault> {
        let refuse = |message: &str| Fault::new(FaultSource::Host, "42501", message);
        let named: Result<Vec<_>, _> = request.reviewers.iter().map(|text| Grantee::parse(text)).collect();
        let named = named.map_err(|_| {
            refuse("a policy asks for approval by reviewers that are no `group:NAME` or `user:NAME`")
        })?;
        let reviewers_of_resource = named.is_empty();
        let reviewers = if reviewers_of_resource { self.reviewers.clone() } else { named };
        if reviewers.is_empty() {
            return Err(refuse("this operation needs approval, and nobody may approve it: set `reviewers`"));
        }
        let requested = Requested {
            id: String::new(),
            session: info.id.clone(),
            resource: info.resource.clone(),
            requester: info.who.clone(),
            client_address: info.client_address.clone(),
            operation_id: request.operation_id,
            operation: request.shown,
            digest: request.digest,
            code: request.code,
            reason: request.reason,
            reviewers,
            reviewers_of_resource,
            asked_at: SystemTime::now(),
            expires_at: request.expires_at,
        };
        match self.approvals.ask(requested).await {
            Ok(ticket) => Ok(Pending(ticket)),
            Err(down) => Err(Fault::new(
                FaultSource::Host,
                "58030",
                "the request for approval could not be recorded, so nobody was asked",
            )
            .with_detail(down.to_string())),
        }
    }
}

impl PendingApproval for Pending {
    fn id(&self) -> &str {
        &self.0.request().id
    }

    async fn review(&mut self) -> Review {
        match self.0.ended().await {
            Ending::Voted { vote: Vote::Approve, .. } => {
                let request = self.0.request();
                Review::Approve(Approved { id: request.id.clone(), digest: request.digest })
            }
            Ending::Voted { vote: Vote::Deny, by, comment } => Review::Deny { by, comment },
            Ending::Expired => Review::Expire,
            Ending::Abandoned(_) | Ending::Shutdown => Review::Shutdown,
        }
    }

    fn abandon(self, why: Abandoned) {
        self.0.abandon(why);
    }
}
