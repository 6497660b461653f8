//! An operation that waits for a person.
//!
//! It waits without a thread; its bytes are out of the client's buffer and nowhere else. Approve, deny, expiry,
//! cancel, client gone, session killed and shutdown each end it once, and each is recorded by its own word.

use super::client_side::Fate;
use super::{Exchange, Stop};
use crate::judging::{digest, in_milliseconds, merged, same_reviewers};
use crate::ports::{
    ApprovalRequest, Approvals, Approved, Entry, Inspector, Intent, PendingApproval, Ports, RefusedBy, Review,
};
use crate::traffic::Request;
use bytes::Bytes;
use std::sync::Arc;
use std::time::SystemTime;
use weir_model::{Abandoned, Decision, EndReason, Fault, FaultSource, Operation, Verdict};

/// What waits, and what its review comes by.
pub(super) struct HeldOperation<Pending> {
    pub(super) pending: Pending,
    waiting: Waiting,
}

/// Everything that an approval is for.
struct Waiting {
    request: Request,
    operation: Arc<Operation>,
    decision: Decision,
    /// As it will be recorded: masked.
    intent: Intent,
    bytes: Bytes,
    expires_at: SystemTime,
}

impl<P: Ports> Exchange<P> {
    /// Asks the reviewers and tells the client that it waits.
    pub(super) async fn ask(
        &mut self,
        request: Request,
        operation: Arc<Operation>,
        decision: Decision,
        mut intent: Intent,
        bytes: Bytes,
    ) -> Result<(), Stop> {
        let expires_at = in_milliseconds(SystemTime::now() + self.limits.approval_timeout);
        let digest = digest(&self.info, &request, &operation, &bytes, expires_at);
        // Reviewers and the trail see what is masked, the client what the policy says of its own words.
        let (Verdict::Hold { reason: said, .. }, Verdict::Hold { code, reason, reviewers }) =
            (&decision.verdict, &intent.decision.verdict)
        else {
            return Ok(());
        };
        let ask = ApprovalRequest {
            operation_id: request.id,
            shown: Operation::clone(&intent.operation),
            digest,
            code: code.clone(),
            reason: reason.clone(),
            reviewers: reviewers.clone(),
            expires_at,
        };
        match self.approvals.request(&self.info, ask).await {
            Ok(pending) => {
                let notice = format!("waiting for approval {}: {said}", pending.id());
                intent.approval = Some(Approved { id: pending.id().to_owned(), digest });
                let waiting = Waiting { request, operation, decision, intent, bytes, expires_at };
                self.held = Some(HeldOperation { pending, waiting });
                let notice = self.inspector.notice(&notice).await?;
                self.tell_client(&notice);
                Ok(())
            }
            Err(fault) => self.stage_refused(intent, RefusedBy::Approval, fault).await,
        }
    }

    /// The review is in: forward exactly what was approved, or refuse. Then go on behind it.
    pub(super) async fn reviewed(&mut self, review: Review) -> Result<(), Stop> {
        let Some(HeldOperation { waiting, .. }) = self.held.take() else { return Ok(()) };
        match review {
            Review::Approve(approved) => self.approved(waiting, approved).await?,
            Review::Deny { by, comment } => {
                let mut message = format!("{by} did not approve this operation");
                if !comment.is_empty() {
                    message = format!("{message}: {comment}");
                }
                self.refuse_held(waiting, RefusedBy::Approval, "42501", &message).await?;
            }
            Review::Expire => {
                let message = "nobody approved this operation in time";
                self.refuse_held(waiting, RefusedBy::Approval, "42501", message).await?;
            }
            Review::Shutdown => {
                let message = "the gateway is shutting down";
                self.refuse_held(waiting, RefusedBy::Host, "57P01", message).await?;
            }
        }
        self.carry_out().await
    }

    /// The client cancelled what it waits for.
    pub(super) async fn cancel_held(&mut self) -> Result<(), Stop> {
        self.give_up(Abandoned::Cancelled, "57014", "canceling statement due to user request").await
    }

    /// How much of the client is read while an operation is held. Only a read tells that a client is gone, and
    /// bytes that are not read stand before its end.
    pub(super) fn most_while_held(&self) -> usize {
        self.limits.max_operation_bytes.saturating_add(self.limits.buffer_bytes)
    }

    /// Where nothing more is read, nobody can tell whether the client is still there: its operation is refused.
    pub(super) async fn refuse_if_overrun(&mut self) -> Result<bool, Stop> {
        if self.held.is_none() || self.from_client.len() < self.most_while_held() {
            return Ok(false);
        }
        let message = "more was sent behind this operation than is kept while it waits for approval";
        self.give_up(Abandoned::Overrun, "54000", message).await?;
        Ok(true)
    }

    async fn give_up(&mut self, why: Abandoned, code: &str, message: &str) -> Result<(), Stop> {
        let Some(HeldOperation { pending, waiting }) = self.held.take() else { return Ok(()) };
        pending.abandon(why);
        self.refuse_held(waiting, RefusedBy::Client, code, message).await?;
        self.carry_out().await
    }

    /// An approval is for these bytes and until its expiry, under the policies of now: a policy that has come to
    /// deny wins.
    async fn approved(&mut self, held: Waiting, approved: Approved) -> Result<(), Stop> {
        // Computed again from what will be sent.
        let sent = digest(&self.info, &held.request, &held.operation, &held.bytes, held.expires_at);
        if approved.digest != sent {
            let message = "the approval is for something else";
            return self.refuse_held(held, RefusedBy::Approval, "42501", message).await;
        }
        // Timers stand still while a machine sleeps, its clock does not.
        if SystemTime::now() >= held.expires_at {
            let message = "the approval of this operation has expired";
            return self.refuse_held(held, RefusedBy::Approval, "42501", message).await;
        }
        let again = Request { operation: Arc::clone(&held.operation), ..held.request };
        match self.judge(&again).await {
            Fate::Refuse { by, why, decision, .. } => {
                let verdict = decision.verdict.clone();
                let (intent, _) = self.intent_of(&held, verdict, decision).await;
                self.stage_refused(intent, by, why).await
            }
            Fate::Ask { rewritten: None, decision, .. } if !same_reviewers(&decision, &held.decision) => {
                let message = "a policy asks others for approval than those who were asked";
                self.refuse_held(held, RefusedBy::Policy, "42501", message).await
            }
            Fate::Go { rewritten: None, decision, .. } | Fate::Ask { rewritten: None, decision, .. } => {
                match self.intent_of(&held, held.decision.verdict.clone(), decision).await {
                    (intent, None) => self.stage_allowed(intent, held.operation, held.bytes),
                    (intent, Some(fault)) => self.stage_unmasked(intent, fault).await?,
                }
                Ok(())
            }
            Fate::Go { .. } | Fate::Ask { .. } => {
                let message = "a policy changed this operation after it was approved";
                self.refuse_held(held, RefusedBy::Policy, "42501", message).await
            }
        }
    }

    /// The record of what was held, with who judged it then and who judges it now.
    async fn intent_of(
        &mut self,
        held: &Waiting,
        verdict: Verdict,
        latest: Decision,
    ) -> (Intent, Option<Fault>) {
        let decision = Decision { verdict, ..merged(held.decision.clone(), latest) };
        let (mut intent, fault) = self.intent(&held.request, &held.operation, decision).await;
        intent.approval.clone_from(&held.intent.approval);
        (intent, fault)
    }

    async fn refuse_held(
        &mut self,
        held: Waiting,
        by: RefusedBy,
        code: &str,
        message: &str,
    ) -> Result<(), Stop> {
        let why = Fault::new(FaultSource::Policy, code, message);
        self.stage_refused(held.intent, by, why).await
    }
}

/// The session ended while an operation was held: its record.
pub(super) fn never_decided<Pending: PendingApproval>(
    held: HeldOperation<Pending>,
    reason: &EndReason,
) -> Entry {
    held.pending.abandon(Abandoned::of_end(reason));
    let by = RefusedBy::of_end(reason);
    let source = if by == RefusedBy::Client { FaultSource::Client } else { FaultSource::Host };
    let message = format!("the session ended while it waited for approval: {}", reason.as_word());
    Entry::Refused { intent: held.waiting.intent, by, why: Fault::new(source, "57P01", message) }
}
