//! The door to the trail: `record` an event, wait until it is `durable`.
//!
//! The order of promises: an event is written out in the caller's task; it waits for a place in a queue that is
//! bounded in records and in bytes; once it has a place it will be stored or its receipt will fail, whatever
//! becomes of the caller. Events of one call are stored together, one behind the other, or not at all.
//!
//! Nothing here waits without end: a full queue costs at most the patience, a broken store fails at once.

use crate::event::Event;
use crate::metrics::Metrics;
use crate::record::Draft;
use crate::told::{Hearer, Places, Teller};
use smallvec::SmallVec;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, TryAcquireError, mpsc, watch};

/// The event is not, or not known to be, in the trail: what it speaks of must not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditDown {
    /// The store does not work. It is retried; nothing is accepted until it works again.
    #[error("the audit store does not work: {0}")]
    Store(Arc<str>),
    /// No place in the queue within the patience.
    #[error("the audit queue is full")]
    Full,
    /// The writer has stopped.
    #[error("the audit writer has stopped")]
    Stopped,
    /// There are no random bytes for a salt.
    #[error("the audit record could not be made: {0}")]
    Draft(Arc<str>),
}

/// Gives events to the writer. Cheap to clone; all clones share one queue.
#[derive(Debug)]
pub struct AuditHandle {
    shared: Arc<Shared>,
    /// This clone's own.
    places: Places,
}

impl Clone for AuditHandle {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

/// A place in the queue has been had: the event will be stored unless the store fails.
///
/// Dropping it is fine for what has already happened (an outcome); an effect must wait for [`durable`](Self::durable).
#[derive(Debug)]
#[must_use = "an effect must wait until its record is durable"]
pub struct Receipt {
    done: Hearer,
}

/// What one call records: nearly always one event, which then needs no list.
pub(crate) type Drafts = SmallVec<[Draft; 1]>;

/// What one call of `record` puts into the queue.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) drafts: Drafts,
    pub(crate) bytes: usize,
    pub(crate) since: Instant,
    /// Somebody waits until it is durable.
    pub(crate) awaited: bool,
    pub(crate) done: Teller,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: mpsc::UnboundedSender<Batch>,
    /// Free places: records and bytes. The writer gives them back when it takes a batch out.
    pub(crate) free_records: Semaphore,
    pub(crate) free_bytes: Semaphore,
    pub(crate) max_records: u32,
    pub(crate) max_bytes: u32,
    pub(crate) patience: Duration,
    pub(crate) metrics: Arc<Metrics>,
    /// Why the store is down, if it is.
    pub(crate) down: Mutex<Option<AuditDown>>,
    pub(crate) missed: Mutex<Missed>,
    /// The number of the last durable record.
    pub(crate) durable: watch::Sender<u64>,
}

/// Events that could not be recorded since the last gap record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Missed {
    pub(crate) events: u64,
    pub(crate) from_us: i64,
    pub(crate) reason: String,
}

impl AuditHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, places: Places::default() }
    }

    /// Puts events into the queue, together. Cancel-safe: a dropped call has queued all of them or none.
    ///
    /// # Errors
    /// At once while the store is down, or after the configured patience when the queue stays full. Every event
    /// refused here is counted and will be told by a `gap` record.
    pub async fn record(&self, events: impl IntoIterator<Item = Event>) -> Result<Receipt, AuditDown> {
        self.counted(self.drafts(events), true).await
    }

    /// Puts events into the queue that nobody waits for, because what they tell has happened: they go to the disk
    /// together with the next that somebody waits for, or soon.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub async fn note(&self, events: impl IntoIterator<Item = Event>) -> Result<Receipt, AuditDown> {
        self.counted(self.drafts(events), false).await
    }

    /// Writes events out; with an error, how many they were.
    fn drafts(&self, events: impl IntoIterator<Item = Event>) -> Result<Drafts, (u64, AuditDown)> {
        let mut events = events.into_iter();
        if let Some(why) = self.shared.why_down() {
            return Err((events.count() as u64, why));
        }
        let mut drafts = Drafts::new();
        while let Some(event) = events.next() {
            match Draft::new(&event) {
                Ok(draft) => drafts.push(draft),
                Err(error) => {
                    let count = drafts.len() + 1 + events.count();
                    return Err((count as u64, AuditDown::Draft(error.to_string().into())));
                }
            }
        }
        Ok(drafts)
    }

    async fn counted(
        &self,
        drafts: Result<Drafts, (u64, AuditDown)>,
        awaited: bool,
    ) -> Result<Receipt, AuditDown> {
        let (count, outcome) = match drafts {
            Ok(drafts) => (drafts.len() as u64, self.enqueue(drafts, awaited).await),
            Err((count, why)) => (count, Err(why)),
        };
        if let Err(why) = &outcome {
            self.shared.miss(count, why);
        }
        outcome
    }

    async fn enqueue(&self, drafts: Drafts, awaited: bool) -> Result<Receipt, AuditDown> {
        let shared = &*self.shared;
        let bytes = drafts.iter().map(Draft::bytes).sum();

        // A call larger than the whole queue goes when it is alone in it.
        let records_wanted = u32::try_from(drafts.len()).unwrap_or(u32::MAX).min(shared.max_records);
        let bytes_wanted = u32::try_from(bytes).unwrap_or(u32::MAX).min(shared.max_bytes);
        let since = Instant::now();
        // There are places nearly always; both or none are taken then.
        let records = shared.free_records.try_acquire_many(records_wanted);
        let free = records.and_then(|records| {
            shared.free_bytes.try_acquire_many(bytes_wanted).map(|bytes| (records, bytes))
        });
        let (records, held_bytes) = match free {
            Ok(places) => places,
            Err(TryAcquireError::Closed) => return Err(AuditDown::Stopped),
            Err(TryAcquireError::NoPermits) => {
                let places = async {
                    let records = shared.free_records.acquire_many(records_wanted).await;
                    let bytes = shared.free_bytes.acquire_many(bytes_wanted).await;
                    records.and_then(|records| bytes.map(|bytes| (records, bytes)))
                };
                tokio::time::timeout(shared.patience, places)
                    .await
                    .map_err(|_| AuditDown::Full)?
                    .map_err(|_| AuditDown::Stopped)?
            }
        };
        if let Some(why) = shared.why_down() {
            return Err(why);
        }

        let (done, receipt) = self.places.ends();
        let batch = Batch { drafts, bytes, since, awaited, done };
        records.forget();
        held_bytes.forget();
        shared.queue.send(batch).map_err(|_| AuditDown::Stopped)?;
        Ok(Receipt { done: receipt })
    }

    /// The writer's numbers.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Records in the queue; of a call that is larger than the queue, as many as it has places.
    pub fn queued_records(&self) -> u64 {
        let free = self.shared.free_records.available_permits();
        (self.shared.max_records as usize).saturating_sub(free) as u64
    }

    /// Whether events are accepted at the moment.
    pub fn is_healthy(&self) -> bool {
        self.shared.why_down().is_none()
    }

    /// The number of the last durable record, and a wake-up for each new group.
    pub fn durable_seq(&self) -> watch::Receiver<u64> {
        self.shared.durable.subscribe()
    }
}

impl Receipt {
    /// Whether the events are on disk; `None` while they are on their way there.
    pub fn is_durable(&self) -> Option<bool> {
        self.done.heard().map(|stored| stored.is_ok())
    }

    /// Waits until the events are on disk.
    ///
    /// # Errors
    /// When they are not known to be.
    pub async fn durable(self) -> Result<(), AuditDown> {
        self.done.hear().await
    }
}

impl Shared {
    pub(crate) fn why_down(&self) -> Option<AuditDown> {
        if !self.metrics.down.load(Ordering::Acquire) {
            return None;
        }
        self.down.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_down(&self, why: Option<AuditDown>) {
        let down = why.is_some();
        *self.down.lock().unwrap_or_else(PoisonError::into_inner) = why;
        self.metrics.down.store(down, Ordering::Release);
    }

    /// Counts events that are lost to the trail.
    pub(crate) fn miss(&self, events: u64, why: &AuditDown) {
        self.metrics.refused_events.fetch_add(events, Ordering::Relaxed);
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        if missed.events == 0 {
            *missed = Missed { events: 0, from_us: crate::clock::now_us(), reason: why.to_string() };
        }
        missed.events += events;
    }
}
