//! An operation that waits for a person.
//!
//! It waits without a thread; its bytes are out of the client's buffer and nowhere else. Approve, deny,
//! expiry, cancel, client gone and shutdown each end it once, and each is recorded.

use super::client_side::{Fate, with_approval};
use super::{Exchange, Stop};
use crate::ports::{
    ApprovalRequest, Approvals, Approved, Inspector, Intent, PendingApproval, Ports, RefusedBy, Review,
};
use crate::traffic::Request;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use weir_model::{Decision, Digest, EndReason, Fault, FaultSource, Operation, SessionInfo, Verdict};

pub(super) struct Held<Pending> {
    pub(super) pending: Pending,
    request: Request,
    operation: Operation,
    /// As it will be recorded: masked.
    pub(super) intent: Intent,
    bytes: Bytes,
    digest: Digest,
}

impl<P: Ports> Exchange<P> {
    /// Asks the reviewers and tells the client that it waits.
    pub(super) async fn ask(
        &mut self,
        request: Request,
        operation: Operation,
        intent: Intent,
        bytes: Bytes,
    ) -> Result<(), Stop> {
        let Verdict::Hold { code, reason, reviewers } = &intent.decision.verdict else { return Ok(()) };
        let digest = digest(&self.info, &request, &operation, &bytes);
        let ask = ApprovalRequest {
            operation_id: request.id,
            shown: intent.operation.clone(),
            digest,
            code: code.clone(),
            reason: reason.clone(),
            reviewers: reviewers.clone(),
        };
        match self.approvals.request(&self.info, ask).await {
            Ok(pending) => {
                let notice = format!("waiting for approval {}: {reason}", pending.id());
                self.held = Some(Held { pending, request, operation, intent, bytes, digest });
                let notice = self.inspector.notice(&notice).await?;
                self.tell_client(&notice);
                Ok(())
            }
            Err(fault) => self.stage_refused(intent, RefusedBy::Approval, fault).await,
        }
    }

    /// The review is in: forward exactly what was approved, or refuse. Then go on behind it.
    pub(super) async fn reviewed(&mut self, review: Review) -> Result<(), Stop> {
        let Some(held) = self.held.take() else { return Ok(()) };
        match review {
            Review::Approve(approved) => self.approved(held, approved).await?,
            Review::Deny { by, comment } => {
                let mut message = format!("{by} did not approve this operation");
                if !comment.is_empty() {
                    message = format!("{message}: {comment}");
                }
                self.refuse_held(held, RefusedBy::Approval, "42501", &message).await?;
            }
            Review::Expire => {
                let message = "nobody approved this operation in time";
                self.refuse_held(held, RefusedBy::Approval, "42501", message).await?;
            }
            Review::Shutdown => {
                let message = "the gateway is shutting down";
                self.refuse_held(held, RefusedBy::Approval, "57P01", message).await?;
            }
        }
        self.carry_out().await
    }

    /// The client cancelled what it waits for.
    pub(super) async fn cancel_held(&mut self) -> Result<(), Stop> {
        let Some(held) = self.held.take() else { return Ok(()) };
        self.refuse_held(held, RefusedBy::Client, "57014", "canceling statement due to user request").await?;
        self.carry_out().await
    }

    /// An approval is for these bytes, under the policies of now: a policy that has come to deny wins.
    async fn approved<Pending>(&mut self, held: Held<Pending>, approved: Approved) -> Result<(), Stop> {
        if approved.digest != held.digest {
            let message = "the approval is for something else";
            return self.refuse_held(held, RefusedBy::Approval, "42501", message).await;
        }
        let again = Request { operation: held.operation.clone(), ..held.request.clone() };
        match self.judge(&again).await? {
            Fate::Refuse { by, why, decision, .. } => {
                let intent = Intent { decision, ..with_approval(held.intent, approved) };
                self.stage_refused(intent, by, why).await
            }
            Fate::Ask { rewritten: None, decision, .. }
                if !same_reviewers(&decision, &held.intent.decision) =>
            {
                let message = "a policy asks others for approval than those who were asked";
                self.refuse_held(held, RefusedBy::Policy, "42501", message).await
            }
            Fate::Go { rewritten: None, .. } | Fate::Ask { rewritten: None, .. } => {
                self.stage_allowed(with_approval(held.intent, approved), held.operation, held.bytes);
                Ok(())
            }
            Fate::Go { .. } | Fate::Ask { .. } => {
                let message = "a policy changed this operation after it was approved";
                self.refuse_held(held, RefusedBy::Policy, "42501", message).await
            }
        }
    }

    async fn refuse_held<Pending>(
        &mut self,
        held: Held<Pending>,
        by: RefusedBy,
        code: &str,
        message: &str,
    ) -> Result<(), Stop> {
        let why = Fault::new(FaultSource::Policy, code, message);
        self.stage_refused(held.intent, by, why).await
    }
}

/// The record of an operation whose session ended while it was held.
pub(super) fn never_decided<Pending>(held: Held<Pending>, reason: &EndReason) -> crate::ports::Entry {
    let (source, by) = match reason {
        EndReason::ClientClosed => (FaultSource::Client, RefusedBy::Client),
        _ => (FaultSource::Host, RefusedBy::Approval),
    };
    let message = format!("the session ended while it waited for approval: {}", reason.as_word());
    crate::ports::Entry::Refused { intent: held.intent, by, why: Fault::new(source, "57P01", message) }
}

fn same_reviewers(one: &Decision, other: &Decision) -> bool {
    match (&one.verdict, &other.verdict) {
        (Verdict::Hold { reviewers: one, .. }, Verdict::Hold { reviewers: other, .. }) => one == other,
        _ => false,
    }
}

/// What an approval binds: who, where, and every byte. Each part is preceded by its length, so that no two
/// operations share an encoding.
fn digest(info: &SessionInfo, request: &Request, operation: &Operation, bytes: &[u8]) -> Digest {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(b"weir-approval/v1");
    part(info.id.as_str().as_bytes());
    part(info.resource.as_str().as_bytes());
    part(info.who.id.as_bytes());
    for attribute in &info.attributes {
        part(attribute.name.as_bytes());
        part(attribute.value.as_bytes());
    }
    part(&request.id.to_be_bytes());
    part(operation.kind.as_bytes());
    part(operation.text.as_bytes());
    for parameter in &operation.parameters {
        part(parameter.name.as_bytes());
        part(parameter.type_name.as_bytes());
        part(&[u8::from(parameter.value.is_some())]);
        part(parameter.value.as_deref().unwrap_or_default().as_bytes());
    }
    part(bytes);
    Digest(hash.finalize().into())
}
