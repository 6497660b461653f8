//! The trail as sessions and approvals see it: their facts become audit events.

use crate::metrics::OfResource;
use std::sync::Arc;
use weir_approvals::{Ending, Journal, JournalDown, Requested, Vote};
use weir_audit::{
    Attempt, AuditDown, AuditHandle, Event, Failure, Held, Outcome, Place, Refused, Review, Reviewed,
};
use weir_model::{Abandoned, Fault, FaultSource};
use weir_session::ports::{self, Entry, Intent, Trail};

/// The trail of one session.
pub(crate) struct SessionTrail {
    pub(crate) audit: AuditHandle,
    pub(crate) place: Place,
    pub(crate) metrics: Arc<OfResource>,
    /// added to the numbers of operations
    pub(crate) numbers_from: u64,
}

/// What became of outcomes that have a place in the queue.
pub(crate) struct Receipt(weir_audit::Receipt);

impl ports::Receipt for Receipt {
    fn is_durable(&mut self) -> Option<bool> {
        self.0.is_durable()
    }

    async fn durable(self) -> bool {
        self.0.durable().await.is_ok()
    }
}

impl Trail for SessionTrail {
    type Receipt = Receipt;

    async fn durable(&self, entries: &[Entry]) -> Result<(), Fault> {
        let tally = self.metrics.tally(entries);
        let events = entries.iter().map(|entry| self.event(entry));
        let receipt = self.audit.record(events).await.map_err(|down| not_recorded(&down))?;
        receipt.durable().await.map_err(|down| not_recorded(&down))?;
        self.metrics.count(&tally);
        Ok(())
    }

    async fn queued(&self, entries: &[Entry]) -> Result<Receipt, Fault> {
        let tally = self.metrics.tally(entries);
        let events = entries.iter().map(|entry| self.event(entry));
        // The place in the queue is all that is waited for: the effect has already happened.
        let receipt = self.audit.note(events).await.map_err(|down| not_recorded(&down))?;
        self.metrics.count(&tally);
        Ok(Receipt(receipt))
    }
}

impl SessionTrail {
    fn event(&self, entry: &Entry) -> Event {
        match entry {
            Entry::Intent(intent) => Event::Intent(self.attempt(intent)),
            Entry::Refused { intent, by, why } => Event::Refused(Refused {
                attempt: self.attempt(intent),
                by: *by,
                code: why.code.clone(),
                message: if why.detail.is_empty() {
                    why.message.clone()
                } else {
                    format!("{} ({})", why.message, why.detail)
                },
            }),
            Entry::Outcome(outcome) => Event::Outcome(self.outcome(outcome)),
        }
    }

    fn attempt(&self, intent: &Intent) -> Attempt {
        Attempt {
            place: self.place.clone(),
            operation: self.numbers_from + u64::from(intent.id),
            continues: (intent.continues != 0).then_some(u64::from(intent.continues)),
            what: Arc::clone(&intent.operation),
            original: intent.original.clone(),
            decision: Arc::clone(&intent.decision),
            approval: intent.approval.as_ref().map(|approved| approved.id.clone()),
            masked: intent.masked.clone(),
        }
    }

    fn outcome(&self, outcome: &ports::Outcome) -> Outcome {
        let failed = !outcome.code.is_empty() || !outcome.message.is_empty();
        Outcome {
            place: self.place.clone(),
            operation: self.numbers_from + u64::from(outcome.id),
            status: outcome.status,
            rows: Some(outcome.rows),
            tag: outcome.tag.clone(),
            error: failed.then(|| Failure { code: outcome.code.clone(), message: outcome.message.clone() }),
            bytes_to_client: outcome.bytes_to_client,
            masked: outcome.masked.clone(),
            masked_by: outcome.masked_by.clone(),
            duration: outcome.took,
        }
    }
}

/// What a client reads when its operation cannot be recorded.
pub(crate) fn not_recorded(down: &AuditDown) -> Fault {
    // 58030 io_error: the class PostgreSQL itself uses when its disk fails.
    Fault::new(FaultSource::Host, "58030", "the operation could not be recorded, so it was not run")
        .with_detail(down.to_string())
}

/// Where approvals are recorded.
pub(crate) struct ApprovalsTrail(pub(crate) AuditHandle);

impl ApprovalsTrail {
    async fn durable(&self, event: Event) -> Result<(), JournalDown> {
        let receipt = self.0.record(vec![event]).await.map_err(|down| JournalDown(down.to_string()))?;
        receipt.durable().await.map_err(|down| JournalDown(down.to_string()))
    }
}

impl Journal for ApprovalsTrail {
    async fn asked(&self, request: &Requested) -> Result<(), JournalDown> {
        let since_epoch = request.expires_at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        self.durable(Event::Held(Held {
            place: place_of(request),
            operation: u64::from(request.operation_id),
            approval: request.id.clone(),
            digest: request.digest,
            reviewers: request.reviewers.iter().map(ToString::to_string).collect(),
            code: request.code.clone(),
            reason: request.reason.clone(),
            expires_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
        }))
        .await
    }

    async fn ended(&self, request: &Requested, ending: &Ending) -> Result<(), JournalDown> {
        let (review, reviewer, comment) = match ending {
            Ending::Voted { vote: Vote::Approve, by, comment } => {
                (Review::Approve, Some(by.clone()), comment.clone())
            }
            Ending::Voted { vote: Vote::Deny, by, comment } => {
                (Review::Deny, Some(by.clone()), comment.clone())
            }
            Ending::Expired => (Review::Expired, None, String::new()),
            Ending::Abandoned(why) => (Review::Abandoned(*why), None, String::new()),
            Ending::Shutdown => (Review::Abandoned(Abandoned::HostStopped), None, String::new()),
        };
        self.durable(Event::Reviewed(Reviewed {
            place: place_of(request),
            operation: u64::from(request.operation_id),
            approval: request.id.clone(),
            digest: request.digest,
            review,
            reviewer,
            comment,
        }))
        .await
    }
}

fn place_of(request: &Requested) -> Place {
    Place::new(&request.session, &request.requester.id, &request.resource)
}
