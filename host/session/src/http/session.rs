//! One session over HTTP: what its exchanges share.

use super::holds::Holds;
use super::notes::Notes;
use super::request::Exchange;
use super::room::{Room, Share};
use super::traffic::{Answer, HttpInspector, RequestHead, Source, Upstream};
use crate::decide::Default as DefaultVerdict;
use crate::exchange::Limits;
use crate::ledger::Ledger;
use crate::masking::{self, Recording};
use crate::ports::{Approvals, Entry, Intent, Maskers, Policies, Trail};
use crate::running::Running;
use crate::traffic::{Request, ResultInfo, Status};
use std::collections::BTreeMap;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::Context;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, MutexGuard, oneshot, watch};
use weir_model::{Decision, EndReason, Fault, JudgedBy, SessionInfo};

/// What a session over HTTP needs of the rest of the house.
pub trait HttpPorts: Send + Sync + 'static {
    type Inspector: HttpInspector + 'static;
    type Policies: Policies + 'static;
    type Maskers: Maskers + 'static;
    type Trail: Trail + 'static;
    type Approvals: Approvals + 'static;
}

/// Everything a session starts with.
pub struct HttpStart<P: HttpPorts> {
    pub info: SessionInfo,
    pub inspector: P::Inspector,
    pub policies: P::Policies,
    pub maskers: P::Maskers,
    pub trail: P::Trail,
    pub approvals: P::Approvals,
    pub limits: Limits,
    pub default: DefaultVerdict,
    /// what sessions of this principal on this resource have noted
    pub notes: Arc<Notes>,
    /// for messages that are inspected whole
    pub room: Room,
}

/// What a session has done; for the record of its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub operations: u64,
    pub bytes_from_client: u64,
    pub bytes_to_client: u64,
}

/// An exchange, driven by whoever waits for its answer. What is left of it then, because its body is still on its way
/// or its client has hung up, goes on in a task of its own: what it does is recorded in any case.
struct Surviving(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Surviving {
    fn drive(&mut self, context: &mut Context<'_>) {
        if self.0.as_mut().is_some_and(|exchange| exchange.as_mut().poll(context).is_ready()) {
            self.0 = None;
        }
    }
}

impl Drop for Surviving {
    fn drop(&mut self) {
        // Without a runtime everything has come to its end.
        if let (Some(rest), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(rest);
        }
    }
}

/// How long an ended exchange tries to record what it still has; then the next start closes it as unknown.
const CLOSING_TIME: Duration = Duration::from_secs(2);
const CLOSING_PAUSE: Duration = Duration::from_millis(100);

/// The plugins of a session. One call at a time.
pub(super) struct Desk<P: HttpPorts> {
    pub(super) inspector: P::Inspector,
    pub(super) policies: P::Policies,
    pub(super) maskers: P::Maskers,
    /// how many notes the inspector has seen
    noted: u64,
    recording: Recording,
}

impl<P: HttpPorts> Desk<P> {
    /// The record of an operation, as [`Recording::intent`] makes it.
    pub(super) async fn intent(&mut self, request: &Request, decision: Decision) -> (Intent, Option<Fault>) {
        self.recording.intent(&mut self.maskers, request, &request.operation, decision).await
    }

    /// Shows the inspector what other sessions have noted.
    pub(super) async fn read_notes(&mut self, notes: &Notes) -> Result<(), Fault> {
        let Some((new, seen)) = notes.since(self.noted) else { return Ok(()) };
        self.noted = seen;
        self.inspector.noted(&new).await
    }
}

/// Operations that were forwarded and have not ended, by number.
pub(super) type AllRunning = BTreeMap<u32, Running>;

/// The desk in somebody's hands.
pub(super) struct DeskGuard<'a, P: HttpPorts> {
    desk: MutexGuard<'a, Desk<P>>,
    has_failed: &'a AtomicBool,
}

impl<P: HttpPorts> Deref for DeskGuard<'_, P> {
    type Target = Desk<P>;

    fn deref(&self) -> &Desk<P> {
        &self.desk
    }
}

impl<P: HttpPorts> DerefMut for DeskGuard<'_, P> {
    fn deref_mut(&mut self) -> &mut Desk<P> {
        &mut self.desk
    }
}

impl<P: HttpPorts> Drop for DeskGuard<'_, P> {
    fn drop(&mut self) {
        if !self.desk.inspector.is_usable() {
            self.has_failed.store(true, Ordering::Release);
        }
    }
}

/// A session over HTTP: who is there, its plugins, and what its exchanges share.
pub struct HttpSession<P: HttpPorts> {
    pub(super) info: SessionInfo,
    pub(super) limits: Limits,
    pub(super) default: DefaultVerdict,
    pub(super) approvals: P::Approvals,
    desk: Mutex<Desk<P>>,
    running: std::sync::Mutex<AllRunning>,
    /// the inspector does not answer any more
    has_failed: AtomicBool,
    /// exchanges that are over, of which the inspector has not been told
    ends: std::sync::Mutex<Vec<u32>>,
    pub(super) judged_by: JudgedBy,
    pub(super) masking: bool,
    pub(super) notes: Arc<Notes>,
    pub(super) room: Share,
    pub(super) holds: Arc<Holds>,
    trail: P::Trail,
    ledger: Mutex<Ledger<<P::Trail as Trail>::Receipt>>,
    exchanges: AtomicU32,
    ending: watch::Sender<Option<EndReason>>,
    retired: watch::Sender<bool>,
    active: AtomicUsize,
    last_word: std::sync::Mutex<Instant>,
    pub(super) operations: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
}

impl<P: HttpPorts> HttpSession<P> {
    pub fn new(start: HttpStart<P>) -> Self {
        let HttpStart { info, inspector, policies, maskers, trail, approvals, limits, default, notes, room } =
            start;
        let (judged_by, masking) = (inspector.judged_by(), maskers.active());
        let desk = Desk { inspector, policies, maskers, noted: 0, recording: Recording::default() };
        let room = room.share(limits.max_operation_bytes.max(limits.max_answer_bytes));
        Self {
            info,
            limits,
            default,
            approvals,
            desk: Mutex::new(desk),
            running: std::sync::Mutex::default(),
            has_failed: AtomicBool::new(false),
            ends: std::sync::Mutex::default(),
            judged_by,
            masking,
            notes,
            room,
            holds: Arc::default(),
            trail,
            ledger: Mutex::new(Ledger::new()),
            exchanges: AtomicU32::new(0),
            ending: watch::Sender::new(None),
            retired: watch::Sender::new(false),
            active: AtomicUsize::new(0),
            last_word: std::sync::Mutex::new(Instant::now()),
            operations: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        }
    }

    pub fn info(&self) -> &SessionInfo {
        &self.info
    }

    /// One request to its answer, whose body may still be on its way when this returns. Whoever drops the future or
    /// the body has hung up: what was forwarded is recorded all the same.
    pub async fn exchange<S: Source, U: Upstream>(
        self: &Arc<Self>,
        head: RequestHead,
        body: S,
        upstream: U,
    ) -> Answer {
        let (tell, told) = oneshot::channel();
        let number = self.exchanges.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let exchange = Exchange::new(Arc::clone(self), number, &head, body.sight());
        // Made where it stays: it is some ten kilobytes.
        let exchange = Box::write(Box::new_uninit(), exchange.run(head, body, upstream, tell));
        let mut exchange = Surviving(Some(Box::into_pin(exchange)));
        let mut told = std::pin::pin!(told);
        let told = std::future::poll_fn(|context| {
            exchange.drive(context);
            told.as_mut().poll(context)
        });
        match told.await {
            Ok(answer) => answer,
            Err(_) => super::reply::plain_answer(&super::reply::cut_short()),
        }
    }

    /// Ends the session: exchanges break off, later ones are refused.
    pub fn end(&self, reason: EndReason) {
        self.ending.send_if_modified(|ending| {
            let first = ending.is_none();
            ending.get_or_insert(reason);
            first
        });
    }

    /// Another one takes its place: what runs goes on, and then it is over.
    pub fn retire(&self) {
        self.retired.send_replace(true);
    }

    /// Resolves as soon as another session has taken its place.
    pub async fn retired(&self) {
        // The sender lives as long as the session.
        let _ = self.retired.subscribe().wait_for(|retired| *retired).await;
    }

    /// Why the session has ended, as soon as it has.
    pub async fn ended(&self) -> EndReason {
        let mut ending = self.ending.subscribe();
        let reason = ending.wait_for(Option::is_some).await.map(|reason| reason.clone());
        // The sender lives as long as the session.
        reason.ok().flatten().unwrap_or(EndReason::Drained)
    }

    /// Whether its plugins still answer. A session whose inspector has failed serves nobody any more.
    pub fn is_usable(&self) -> bool {
        self.ending.borrow().is_none() && !self.has_failed.load(Ordering::Acquire)
    }

    pub(super) async fn desk(&self) -> DeskGuard<'_, P> {
        DeskGuard { desk: self.desk.lock().await, has_failed: &self.has_failed }
    }

    pub(super) fn running(&self) -> std::sync::MutexGuard<'_, AllRunning> {
        lock(&self.running)
    }

    /// Exchanges that are over, of which the inspector has not been told. The next request tells it, as part of its call;
    /// behind the last exchange that runs it is told at once.
    pub(super) fn take_ends(&self) -> Vec<u32> {
        std::mem::take(&mut *lock(&self.ends))
    }

    async fn tell_ends(&self, desk: &mut DeskGuard<'_, P>) {
        for exchange in self.take_ends() {
            desk.inspector.end(exchange).await;
        }
    }

    /// This exchange is over for its inspector.
    pub(super) fn has_ended(&self, exchange: u32) {
        lock(&self.ends).push(exchange);
    }

    /// How long nothing has been going on; `None` while something is.
    pub fn idle_for(&self) -> Option<Duration> {
        let quiet = self.active.load(Ordering::Acquire) == 0;
        quiet.then(|| lock(&self.last_word).elapsed())
    }

    pub fn totals(&self) -> Totals {
        Totals {
            operations: self.operations.load(Ordering::Relaxed),
            bytes_from_client: self.bytes_in.load(Ordering::Relaxed),
            bytes_to_client: self.bytes_out.load(Ordering::Relaxed),
        }
    }

    pub(super) fn begin(&self) {
        self.active.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) async fn over(&self) {
        *lock(&self.last_word) = Instant::now();
        if self.active.fetch_sub(1, Ordering::AcqRel) == 1 && !lock(&self.ends).is_empty() {
            self.tell_ends(&mut self.desk().await).await;
        }
    }

    /// Resolves when the entries are on disk, behind whatever was not recorded before.
    pub(super) async fn record(&self, entries: Vec<Entry>) -> Result<(), Fault> {
        let mut ledger = self.ledger.lock().await;
        ledger.settle();
        let recorded = if ledger.waiting().is_empty() {
            // The usual case: others need not wait for this one's place on the disk.
            drop(ledger);
            let recorded = self.trail.durable(&entries).await;
            ledger = self.ledger.lock().await;
            recorded
        } else {
            let mut all = ledger.waiting().to_vec();
            all.extend(entries.iter().cloned());
            let recorded = self.trail.durable(&all).await;
            if recorded.is_ok() {
                ledger.take();
            }
            recorded
        };
        if let Err(fault) = &recorded {
            ledger.missed(entries, fault);
        }
        recorded
    }

    /// An operation has ended: its outcome takes its place in the queue to the disk.
    pub(super) async fn done(&self, result: ResultInfo) {
        let Some(ended) = self.running().remove(&result.operation) else { return };
        let message = match result.message.is_empty() {
            true => String::new(),
            false => {
                let (mut desk, operation) = (self.desk().await, Some(&*ended.operation));
                masking::message_as_recorded(&mut desk.maskers, &self.info.id, &result, operation).await
            }
        };
        let mut ledger = self.ledger.lock().await;
        ledger.settle();
        let mut entries = ledger.take();
        entries.push(Entry::Outcome(ended.outcome(result, message)));
        match self.trail.queued(&entries).await {
            Ok(receipt) => ledger.on_its_way(entries, receipt),
            Err(_) => ledger.put_back(entries),
        }
    }

    /// These operations will get no answer any more.
    pub(super) async fn lost(&self, operations: &[u32], message: &str) {
        for operation in operations {
            let result = ResultInfo::bare(*operation, Status::Unknown);
            self.done(ResultInfo { message: message.to_owned(), ..result }).await;
        }
    }

    /// Brings what the trail does not have yet, for a while. Called when the session is over.
    pub async fn settle(&self) {
        let settled = async {
            let mut ledger = self.ledger.lock().await;
            ledger.settle_all().await;
            let all = ledger.take();
            while !all.is_empty() && self.trail.durable(&all).await.is_err() {
                tokio::time::sleep(CLOSING_PAUSE).await;
            }
        };
        if tokio::time::timeout(CLOSING_TIME, settled).await.is_err() {
            tracing::warn!(session = %self.info.id, "outcomes of an ended session could not be recorded");
        }
    }
}

pub(super) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
