//! The one task that owns the store.
//!
//! Group commit: take what is queued (at most a group), number and chain it, store it in one transaction, then
//! wake everybody who waits. No artificial delay: while one group is on its way to the disk, the next gathers.
//!
//! ```text
//! healthy ── append fails ──► down: the group fails, the queue is emptied with failures,
//!    ▲                              everything offered meanwhile is refused at once
//!    └── head read again, a `gap` record stored ◄── retried with growing pauses
//! ```
//!
//! Invariants:
//! - A receipt resolves `Ok` only after the store said that the record is durable.
//! - The chain's head in memory is the store's head; after any failure it is read from the store again, because
//!   a failed commit may have been stored all the same.
//! - Whatever could not be recorded is counted, and told by a `gap` record as soon as one can be stored.

use crate::chain::Head;
use crate::clock::Moment;
use crate::event::{Event, Gap};
use crate::handle::{AuditDown, AuditHandle, Batch, Missed, Shared};
use crate::metrics::Metrics;
use crate::open::{Change, Open};
use crate::port::{StoreError, TrailStore};
use crate::record::{Draft, Record};
use crate::told::Teller;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// The writer's bounds. The defaults fit a gateway with some hundred operations in flight.
#[derive(Clone, Debug)]
pub struct WriterSettings {
    /// Records that may wait. With the group size below, eight commits' worth.
    pub max_queued_records: u32,
    /// Bytes that may wait, so that few huge statements cannot exhaust memory.
    pub max_queued_bytes: u32,
    /// How long `record` waits for a place before it refuses.
    pub patience: Duration,
    /// Records in one transaction. More would not be faster, but the first of them would wait longer.
    pub max_group_records: usize,
    /// How long records that nobody waits for wait for company: each commit costs the disk a flush, and a record
    /// somebody waits for that comes meanwhile would have to wait for that flush, too.
    pub linger: Duration,
    /// The first pause before a failed store is tried again; it doubles up to `max_retry`.
    pub first_retry: Duration,
    pub max_retry: Duration,
    /// How long nothing must come before the store may tidy up.
    pub idle_after: Duration,
    /// Records after which the store may tidy up even if it is never idle.
    pub max_records_between_rests: u64,
}

impl Default for WriterSettings {
    fn default() -> Self {
        Self {
            max_queued_records: 4096,
            max_queued_bytes: 64 << 20,
            patience: Duration::from_secs(2),
            max_group_records: 512,
            linger: Duration::from_millis(5),
            first_retry: Duration::from_millis(50),
            max_retry: Duration::from_secs(2),
            idle_after: Duration::from_millis(20),
            max_records_between_rests: 8192,
        }
    }
}

/// How often the writer lets others go first before it takes a group to the disk. Each commit costs a flush and two
/// hops between threads, so larger groups are cheaper; each turn takes as long as sessions are ready to run.
const MAX_TURNS: u32 = 8;

/// The running writer. Dropping it stops it as well, but nobody waits then.
#[derive(Debug)]
pub struct Writer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Starts to write behind `head`, which must be the store's.
    pub fn start<S: TrailStore>(store: S, head: Head, settings: WriterSettings) -> (AuditHandle, Self) {
        let (queue, queued) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::new(Shared {
            queue,
            free_records: Semaphore::new(settings.max_queued_records.max(1) as usize),
            free_bytes: Semaphore::new(settings.max_queued_bytes.max(1) as usize),
            max_records: settings.max_queued_records.max(1),
            max_bytes: settings.max_queued_bytes.max(1),
            patience: settings.patience,
            metrics: Arc::new(Metrics::default()),
            down: Mutex::new(None),
            missed: Mutex::new(Missed::default()),
            durable: watch::channel(head.seq).0,
        });
        let handle = AuditHandle::new(Arc::clone(&shared));
        let task = Task {
            store,
            head,
            settings,
            shared,
            queued,
            open: Open::default(),
            unrested: 0,
            left: None,
            doubtful: Vec::new(),
            came_back: None,
        };
        (handle, Self { stop, task: tokio::spawn(task.run(stopped)) })
    }

    /// Stores everything that is queued, closes the store, and refuses whatever comes later.
    pub async fn stop(self) {
        _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "audit writer ended badly");
        }
    }
}

struct Task<S> {
    store: S,
    head: Head,
    settings: WriterSettings,
    shared: Arc<Shared>,
    queued: mpsc::UnboundedReceiver<Batch>,
    open: Open,
    /// Records since the store last had a rest.
    unrested: u64,
    /// Taken out of the queue, but too large for the group that went.
    left: Option<Batch>,
    /// What a failed group would have opened and closed: it may have been stored all the same.
    doubtful: Vec<(u64, Change)>,
    /// When the store last came back, and how long it was waited for: one that fails again soon (small records
    /// still fit on a full disk) waits longer.
    came_back: Option<(Instant, Duration)>,
}

/// Batches that are stored together.
#[derive(Default)]
struct Group {
    records: Vec<Record>,
    changes: Vec<(u64, Change)>,
    waiting: Vec<(Instant, Teller)>,
    /// Records that came from callers: without our own gap record.
    events: u64,
    gap: Option<Missed>,
}

impl Group {
    fn with_room(records: usize) -> Self {
        Self {
            records: Vec::with_capacity(records),
            changes: Vec::with_capacity(records),
            waiting: Vec::with_capacity(records),
            ..Self::default()
        }
    }
}

/// Places of batches that are out of the queue. Given back once for a group: sessions look for places at any time.
#[derive(Default)]
struct Freed {
    records: usize,
    bytes: usize,
}

impl Freed {
    fn add(&mut self, batch: &Batch, shared: &Shared) {
        self.records += batch.drafts.len().min(shared.max_records as usize);
        self.bytes += batch.bytes.min(shared.max_bytes as usize);
    }

    fn give_back(self, shared: &Shared) {
        shared.free_records.add_permits(self.records);
        shared.free_bytes.add_permits(self.bytes);
    }
}

#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time; a box would be an allocation for each group"
)]
enum Next {
    Batch(Batch),
    Idle,
    Stop,
}

impl<S: TrailStore> Task<S> {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            match self.next(&mut stopped).await {
                Next::Batch(first) => {
                    let first = self.company(first).await;
                    let group = self.gather(first);
                    if let Err(error) = self.commit(group).await
                        && self.recover(error, &mut stopped).await.is_break()
                    {
                        break;
                    }
                }
                Next::Idle => self.rest().await,
                Next::Stop => break,
            }
            if self.unrested >= self.settings.max_records_between_rests {
                self.rest().await;
            }
        }
        self.finish().await;
    }

    async fn next(&mut self, stopped: &mut oneshot::Receiver<()>) -> Next {
        // Asked first: a queue that is never empty must not keep the writer from stopping.
        if !matches!(stopped.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
            return Next::Stop;
        }
        if let Some(batch) = self.left.take() {
            return Next::Batch(batch);
        }
        if let Ok(batch) = self.queued.try_recv() {
            return Next::Batch(batch);
        }
        let idle = async {
            if self.unrested == 0 {
                std::future::pending().await
            } else {
                tokio::time::sleep(self.settings.idle_after).await
            }
        };
        tokio::select! {
            biased;
            batch = self.queued.recv() => batch.map_or(Next::Stop, Next::Batch),
            _ = stopped => Next::Stop,
            () = idle => Next::Idle,
        }
    }

    /// Batches to begin a group with: all before the first that somebody waits for.
    async fn company(&mut self, first: Batch) -> Vec<Batch> {
        let mut records = first.drafts.len();
        let mut awaited = first.awaited;
        let mut batches = vec![first];
        let until = tokio::time::Instant::now() + self.settings.linger;
        while !awaited && records < self.settings.max_group_records {
            let next = match self.queued.try_recv() {
                Ok(next) => next,
                Err(_) => match tokio::time::timeout_at(until, self.queued.recv()).await {
                    Ok(Some(next)) => next,
                    Ok(None) | Err(_) => break,
                },
            };
            records += next.drafts.len();
            awaited = next.awaited;
            batches.push(next);
        }
        // Sessions that are ready to run may have more to bring: they first. Who is alone waits for nobody.
        for _ in 0..MAX_TURNS {
            let queued = self.queued.len();
            tokio::task::yield_now().await;
            if self.queued.len() == queued {
                break;
            }
        }
        batches
    }

    /// The first batches and whatever else is queued, up to a full group.
    fn gather(&mut self, first: Vec<Batch>) -> Group {
        let records = first.iter().map(|batch| batch.drafts.len()).sum::<usize>() + self.queued.len() + 1;
        let mut group = Group::with_room(records.min(self.settings.max_group_records));
        let mut head = self.head;
        let now = Moment::now();
        group.gap = self.take_missed();
        if let Some(missed) = &group.gap {
            seal_gap(missed, &mut head, &now, &mut group.records);
        }
        let mut freed = Freed::default();
        let mut first = first.into_iter();
        let mut next = first.next();
        while let Some(batch) = next.take() {
            freed.add(&batch, &self.shared);
            group.events += batch.drafts.len() as u64;
            for draft in batch.drafts {
                let change = Change::of(&draft);
                let record = draft.seal(&mut head, &now);
                group.changes.extend(change.map(|change| (record.seq, change)));
                group.records.push(record);
            }
            group.waiting.push((batch.since, batch.done));
            next = first.next();
            if next.is_some() {
                continue;
            }
            next = self.queued.try_recv().ok();
            let room = self.settings.max_group_records.saturating_sub(group.records.len());
            if next.as_ref().is_some_and(|batch| batch.drafts.len() > room) {
                self.left = next.take();
            }
        }
        freed.give_back(&self.shared);
        group
    }

    async fn commit(&mut self, mut group: Group) -> Result<(), StoreError> {
        let Some(last) = group.records.last() else {
            // Only calls without events.
            group.waiting.into_iter().for_each(|(_, done)| done.say(Ok(())));
            return Ok(());
        };
        let head = Head { seq: last.seq, hash: last.hash };
        let count = group.records.len() as u64;
        let started = Instant::now();
        let stored = self.store.append(std::mem::take(&mut group.records)).await;
        let metrics = &self.shared.metrics;
        metrics.last_commit_us.store(started.elapsed().as_micros() as u64, Ordering::Relaxed);
        match stored {
            Ok(()) => {
                self.head = head;
                self.unrested += count;
                for (seq, change) in group.changes {
                    self.open.apply(seq, change);
                }
                metrics.records.fetch_add(count, Ordering::Relaxed);
                metrics.groups.fetch_add(1, Ordering::Relaxed);
                self.shared.durable.send_replace(head.seq);
                for (since, done) in group.waiting {
                    metrics.latency.observe(since.elapsed());
                    done.say(Ok(()));
                }
                Ok(())
            }
            Err(error) => {
                metrics.failures.fetch_add(1, Ordering::Relaxed);
                let why = AuditDown::Store(error.to_string().into());
                self.shared.set_down(Some(why.clone()));
                self.give_back(group.gap);
                self.doubtful = group.changes;
                self.shared.miss(group.events, &why);
                for (_, done) in group.waiting {
                    done.say(Err(why.clone()));
                }
                Err(error)
            }
        }
    }

    /// Refuses everything until the store has taken a gap record. Breaks when the writer is told to stop.
    async fn recover(
        &mut self,
        error: StoreError,
        stopped: &mut oneshot::Receiver<()>,
    ) -> std::ops::ControlFlow<()> {
        tracing::error!(%error, "audit store failed; operations are refused until it works again");
        let mut pause = match self.came_back {
            Some((when, pause)) if when.elapsed() < self.settings.max_retry => self.longer(pause),
            _ => self.settings.first_retry,
        };
        loop {
            let wake = tokio::time::sleep(pause);
            tokio::pin!(wake);
            loop {
                if let Some(batch) = self.left.take() {
                    self.fail(batch);
                }
                tokio::select! {
                    batch = self.queued.recv() => match batch {
                        Some(batch) => self.fail(batch),
                        None => return std::ops::ControlFlow::Break(()),
                    },
                    _ = &mut *stopped => return std::ops::ControlFlow::Break(()),
                    () = &mut wake => break,
                }
            }
            match self.retry().await {
                Ok(()) => {
                    self.came_back = Some((Instant::now(), pause));
                    self.shared.set_down(None);
                    tracing::warn!(seq = self.head.seq, "audit store works again");
                    return std::ops::ControlFlow::Continue(());
                }
                Err(error) => {
                    tracing::debug!(%error, "audit store still fails");
                    pause = self.longer(pause);
                }
            }
        }
    }

    fn longer(&self, pause: Duration) -> Duration {
        (pause * 2).min(self.settings.max_retry)
    }

    /// Reads the head again and stores the gap record.
    async fn retry(&mut self) -> Result<(), StoreError> {
        self.head = self.store.head().await?;
        // There is no other writer: what stands at these numbers is what we wrote.
        for (seq, change) in self.doubtful.drain(..).filter(|(seq, _)| *seq <= self.head.seq) {
            self.open.apply(seq, change);
        }
        let Some(missed) = self.take_missed() else { return Ok(()) };
        let mut head = self.head;
        let mut records = Vec::with_capacity(1);
        seal_gap(&missed, &mut head, &Moment::now(), &mut records);
        let stored = self.store.append(records).await;
        match stored {
            Ok(()) => {
                self.unrested += head.seq - self.head.seq;
                self.head = head;
                self.shared.durable.send_replace(head.seq);
                self.shared.metrics.records.fetch_add(1, Ordering::Relaxed);
                self.shared.metrics.groups.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.give_back(Some(missed));
                self.shared.metrics.failures.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    fn fail(&self, batch: Batch) {
        let mut freed = Freed::default();
        freed.add(&batch, &self.shared);
        freed.give_back(&self.shared);
        let why = self.shared.why_down().unwrap_or(AuditDown::Stopped);
        self.shared.miss(batch.drafts.len() as u64, &why);
        batch.done.say(Err(why));
    }

    fn take_missed(&self) -> Option<Missed> {
        let mut missed = self.shared.missed.lock().unwrap_or_else(PoisonError::into_inner);
        (missed.events > 0).then(|| std::mem::take(&mut *missed))
    }

    /// The gap record could not be stored either: it keeps its beginning and its reason.
    fn give_back(&self, gap: Option<Missed>) {
        let Some(mut gap) = gap else { return };
        let mut missed = self.shared.missed.lock().unwrap_or_else(PoisonError::into_inner);
        gap.events += missed.events;
        *missed = gap;
    }

    async fn rest(&mut self) {
        self.unrested = 0;
        self.store.rest(self.open.open_from(self.head.seq)).await;
    }

    async fn finish(mut self) {
        self.queued.close();
        self.shared.free_records.close();
        self.shared.free_bytes.close();
        while let Some(first) = self.left.take().or_else(|| self.queued.try_recv().ok()) {
            if self.shared.why_down().is_some() {
                self.fail(first);
                continue;
            }
            let group = self.gather(vec![first]);
            if let Err(error) = self.commit(group).await {
                tracing::error!(%error, "audit store failed while stopping");
            }
        }
        self.shared.set_down(Some(AuditDown::Stopped));
        self.store.rest(self.open.open_from(self.head.seq)).await;
        self.store.close().await;
    }
}

fn seal_gap(missed: &Missed, head: &mut Head, now: &Moment, records: &mut Vec<Record>) {
    let gap = Gap {
        events: missed.events,
        from_us: missed.from_us,
        until_us: now.us,
        reason: missed.reason.clone(),
    };
    // A gap has no payload, hence no salt, hence cannot fail.
    if let Ok(draft) = Draft::new(&Event::Gap(gap)) {
        records.push(draft.seal(head, now));
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
