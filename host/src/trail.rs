//! The trail as sessions and approvals see it: their facts become audit events.

use crate::metrics::OfResource;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use weir_approvals::{Ending, Journal, JournalDown, Requested, Vote};
use weir_audit::{
    Attempt, AuditDown, AuditHandle, Event, Failure, Held, Outcome, Place, Refused, Review, Reviewed,
    SessionOpened,
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
    pub(crate) opening: Mutex<Opening>,
}

/// The first record of a session. It has its place in the queue before the client may speak, and nobody waits for it
/// alone: it goes to the disk with the first intent, or soon.
pub(crate) enum Opening {
    OnDisk,
    OnItsWay {
        event: SessionOpened,
        receipt: weir_audit::Receipt,
    },
    /// Its group failed; as with outcomes, it may be there all the same, and then is there twice.
    Lost(SessionOpened),
}

impl Opening {
    /// Gives it its place in the queue.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn queued(audit: &AuditHandle, event: SessionOpened) -> Result<Self, AuditDown> {
        let receipt = audit.note(vec![Event::SessionOpened(event.clone())]).await?;
        Ok(Self::OnItsWay { event, receipt })
    }

    /// What is known of it by now.
    fn look(&mut self) -> &Self {
        if let Self::OnItsWay { event, receipt } = self
            && let Some(stored) = receipt.is_durable()
        {
            *self = if stored { Self::OnDisk } else { Self::Lost(event.clone()) };
        }
        self
    }
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
        let lost = self.lost_opening();
        let brings_opening = lost.is_some();
        self.on_disk(lost.into_iter().chain(entries.iter().map(|entry| self.event(entry)))).await?;
        if brings_opening {
            *self.opening() = Opening::OnDisk;
        }
        self.metrics.count(&tally);
        // The queue keeps the order: by now it is known.
        self.opened().await
    }

    async fn opened(&self) -> Result<(), Fault> {
        if matches!(self.opening().look(), Opening::OnItsWay { .. }) {
            // The queue keeps the order: when this has arrived, so has what stands before it.
            self.on_disk(std::iter::empty()).await?;
        }
        if let Some(lost) = self.lost_opening() {
            self.on_disk(std::iter::once(lost)).await?;
            *self.opening() = Opening::OnDisk;
        }
        match self.opening().look() {
            Opening::OnDisk => Ok(()),
            _ => Err(not_recorded(&AuditDown::Stopped)),
        }
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
    async fn on_disk(&self, events: impl Iterator<Item = Event>) -> Result<(), Fault> {
        let receipt = self.audit.record(events).await.map_err(|down| not_recorded(&down))?;
        receipt.durable().await.map_err(|down| not_recorded(&down))
    }

    fn opening(&self) -> MutexGuard<'_, Opening> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session's first record, if it must be brought again.
    fn lost_opening(&self) -> Option<Event> {
        match self.opening().look() {
            Opening::Lost(event) => Some(Event::SessionOpened(event.clone())),
            _ => None,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::time::Duration;
    use weir_audit::{Head, Record, StoreError, TrailStore, Writer, WriterSettings};
    use weir_model::{Principal, PrincipalKind, ResourceName, SessionId, SessionInfo};

    /// Keeps what it is given, but for the groups that are to fail.
    #[derive(Clone, Default)]
    struct Memory {
        records: Arc<Mutex<Vec<Record>>>,
        fails: Arc<Mutex<VecDeque<bool>>>,
    }

    impl Memory {
        fn kinds(&self) -> Vec<String> {
            self.records.lock().unwrap().iter().map(|record| record.kind.to_string()).collect()
        }
    }

    impl TrailStore for Memory {
        async fn append(&mut self, group: Vec<Record>) -> Result<(), StoreError> {
            if self.fails.lock().unwrap().pop_front().unwrap_or_default() {
                return Err(StoreError("disk full".into()));
            }
            self.records.lock().unwrap().extend(group);
            Ok(())
        }

        async fn head(&mut self) -> Result<Head, StoreError> {
            let records = self.records.lock().unwrap();
            Ok(records.last().map_or(Head::EMPTY, |last| Head { seq: last.seq, hash: last.hash }))
        }

        async fn rest(&mut self, _: u64) {}

        async fn close(self) {}
    }

    async fn opened(memory: &Memory) -> (SessionTrail, Writer) {
        let info = SessionInfo {
            id: SessionId::new("s1"),
            resource: ResourceName::new("db"),
            protocol: "postgres".into(),
            who: Principal {
                id: "ann".into(),
                kind: PrincipalKind::Human,
                on_behalf_of: None,
                groups: vec![],
            },
            client_address: "127.0.0.1".into(),
            started_ms: 0,
            attributes: vec![],
            claimed: vec![],
        };
        let settings = WriterSettings { first_retry: Duration::from_millis(1), ..WriterSettings::default() };
        let (audit, writer) = Writer::start(memory.clone(), Head::EMPTY, settings);
        let place = Place::of(&info);
        let opening = Opening::queued(&audit, SessionOpened::new(Arc::new(info))).await.unwrap();
        let (metrics, opening) = (Arc::default(), Mutex::new(opening));
        (SessionTrail { audit, place, metrics, numbers_from: 0, opening }, writer)
    }

    fn outcome() -> Vec<Entry> {
        let (status, took) = (weir_model::Status::Ok, Duration::ZERO);
        let (tag, code, message) = Default::default();
        let (rows, bytes_to_client, masked, masked_by) = (0, 0, vec![], vec![]);
        let outcome = ports::Outcome {
            id: 1,
            status,
            rows,
            tag,
            code,
            message,
            bytes_to_client,
            masked,
            masked_by,
            took,
            again: false,
        };
        vec![Entry::Outcome(outcome)]
    }

    #[tokio::test]
    async fn the_first_record_goes_to_the_disk_with_what_is_waited_for() {
        let memory = Memory::default();
        let (trail, writer) = opened(&memory).await;
        trail.durable(&outcome()).await.unwrap();
        assert_eq!(memory.kinds(), ["session-opened", "outcome"]);
        assert!(matches!(*trail.opening(), Opening::OnDisk));
        writer.stop().await;
    }

    #[tokio::test]
    async fn alone_it_is_there_soon() {
        let memory = Memory::default();
        let (trail, writer) = opened(&memory).await;
        trail.opened().await.unwrap();
        assert_eq!(memory.kinds(), ["session-opened"]);
        writer.stop().await;
    }

    #[tokio::test]
    async fn a_first_record_that_was_lost_is_brought_again_before_anything_else() {
        let memory = Memory::default();
        memory.fails.lock().unwrap().push_back(true);
        let (trail, writer) = opened(&memory).await;
        let fault = trail.durable(&outcome()).await.unwrap_err();
        assert_eq!(fault.code, "58030");
        while !trail.audit.is_healthy() {
            tokio::task::yield_now().await;
        }
        trail.durable(&outcome()).await.unwrap();
        assert_eq!(memory.kinds(), ["gap", "session-opened", "outcome"]);
        trail.durable(&outcome()).await.unwrap();
        assert_eq!(memory.kinds(), ["gap", "session-opened", "outcome", "outcome"], "once");
        writer.stop().await;
    }
}
