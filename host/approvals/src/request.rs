//! What is asked, and how it can end.

use std::future::Future;
use std::time::SystemTime;
use weir_model::{Abandoned, Digest, Grantee, Operation, Principal, ResourceName, SessionId};

/// A request as reviewers see it. Texts in `operation` are masked.
#[derive(Clone, Debug)]
pub struct Requested {
    pub id: String,
    pub session: SessionId,
    pub resource: ResourceName,
    pub requester: Principal,
    pub client_address: String,
    pub operation_id: u32,
    pub operation: Operation,
    /// Over the exact bytes, the session, the principal, the resource and the expiry.
    pub digest: Digest,
    pub code: String,
    pub reason: String,
    pub reviewers: Vec<Grantee>,
    /// They are the resource's, so they must be its reviewers when they speak, too. Whether a policy still names those
    /// whom it has named is asked when the operation is judged again.
    pub reviewers_of_resource: bool,
    pub asked_at: SystemTime,
    pub expires_at: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    Approve,
    Deny,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Voted {
        vote: Vote,
        by: String,
        comment: String,
    },
    Expired,
    /// Nobody waits for it any more.
    Abandoned(Abandoned),
    /// The host is shutting down.
    Shutdown,
}

impl Ending {
    /// The word the trail uses.
    pub fn as_word(&self) -> &'static str {
        match self {
            Self::Voted { vote: Vote::Approve, .. } => "approve",
            Self::Voted { vote: Vote::Deny, .. } => "deny",
            Self::Expired => "expired",
            Self::Abandoned(why) => why.as_word(),
            Self::Shutdown => Abandoned::HostStopped.as_word(),
        }
    }
}

/// The trail cannot take it now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JournalDown(pub String);

/// Where requests and their endings are recorded; each call resolves when the record is on disk.
pub trait Journal: Send + Sync + 'static {
    fn asked(&self, request: &Requested) -> impl Future<Output = Result<(), JournalDown>> + Send;
    fn ended(
        &self,
        request: &Requested,
        ending: &Ending,
    ) -> impl Future<Output = Result<(), JournalDown>> + Send;
}
