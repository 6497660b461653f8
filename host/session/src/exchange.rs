//! The exchange: both directions of one session, from the first byte after the login to the last.
//!
//! One task, one loop. Each turn first disposes of what is buffered, then waits for whichever comes first:
//! bytes of either side, room to write, a reviewer, a cancel, the end. The two directions never wait for each
//! other, so a pipelining client cannot dead-lock; each stops reading when what it feeds is full.
//!
//! Invariants:
//! - client bytes reach the upstream only through [`Exchange::release`], after every operation among them was
//!   allowed and is on disk;
//! - while an operation is held, nothing behind it is looked at;
//! - bytes of our own are put only between messages.

mod client_side;
mod held;
mod kept;
mod records;
mod server_side;
mod transport;

use crate::buffer::{Inlet, Outlet};
use crate::decide::Default as DefaultVerdict;
use crate::ledger::Ledger;
use crate::masking::Recording;
use crate::ports::{Ask, Entry, Inspector, Leave, PendingApproval, Ports, Review, Trail};
use crate::running::Running;
use crate::traffic::ClientOutcome;
pub(crate) use client_side::nonsense;
use client_side::{Ready, Staged};
use held::HeldOperation;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::Instant;
use transport::{receive, send, send_at_once};
use weir_model::{EndReason, Fault, FaultSource, SessionInfo};

/// Numbers that bound one session; from the configuration.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest operation that is buffered and judged, in bytes.
    pub max_operation_bytes: usize,
    /// Largest upstream message that is buffered because values in it are wanted, in bytes.
    pub max_answer_bytes: usize,
    /// How much may wait to be written to either side before the other side is no longer read, in bytes.
    pub buffer_bytes: usize,
    /// Silence on both sides after which the session ends.
    pub idle_timeout: Duration,
    /// How long an operation may wait for a person.
    pub approval_timeout: Duration,
}

/// Builds the last bytes for a client when the inspector cannot.
pub type Farewell = fn(&Fault) -> Vec<u8>;

/// A byte stream: TCP or TLS.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// How long a client may take to read why its session ends.
const FAREWELL_TIME: Duration = Duration::from_secs(2);

/// Everything an exchange starts with.
pub struct Start<P: Ports> {
    pub info: SessionInfo,
    pub inspector: P::Inspector,
    pub policies: P::Policies,
    pub maskers: P::Maskers,
    pub catalog: P::Catalog,
    pub trail: P::Trail,
    pub approvals: P::Approvals,
    pub leave: P::Leave,
    pub limits: Limits,
    pub default: DefaultVerdict,
    pub farewell: Farewell,
    /// Bytes that came behind the login, of either side.
    pub client_ahead: Vec<u8>,
    pub upstream_ahead: Vec<u8>,
}

/// How the exchange ended. The caller records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub reason: EndReason,
    /// Those that were forwarded.
    pub operations: u64,
    pub bytes_from_client: u64,
    pub bytes_to_client: u64,
}

/// One session's exchange, while it runs.
pub struct Exchange<P: Ports> {
    info: SessionInfo,
    inspector: P::Inspector,
    policies: P::Policies,
    maskers: P::Maskers,
    recording: Recording,
    catalog: P::Catalog,
    trail: P::Trail,
    leave: P::Leave,
    /// what others asked for while plugins were asked, for its turn in the loop
    wanted: VecDeque<Ask>,
    approvals: P::Approvals,
    limits: Limits,
    default: DefaultVerdict,
    farewell: Farewell,

    from_client: Inlet,
    to_upstream: Outlet,
    from_upstream: Inlet,
    to_client: Outlet,
    /// our own bytes for the client that wait for the end of a message
    owed: Vec<u8>,

    /// the inspector's last answer about the client, as far as it is not carried out
    plan: VecDeque<crate::traffic::Event>,
    outcome: ClientOutcome,
    /// how many of the client's buffered bytes the inspector has seen and no event has covered
    seen: usize,
    staged: Vec<Staged>,
    /// empty between two releases, for their memory
    entries: Vec<Entry>,
    ready: Vec<Ready>,
    held: Option<HeldOperation<<P::Approvals as crate::ports::Approvals>::Pending>>,
    /// what the client sent next means something only after the upstream has answered
    waiting: bool,

    running: BTreeMap<u32, Running>,
    /// suspended operations that may be continued, the one used last at the end
    open: VecDeque<u32>,
    /// what the trail does not have yet; nothing new runs before it is recorded
    ledger: Ledger<<P::Trail as Trail>::Receipt>,
    /// answers in a row that announced columns without covering a byte
    idle_shapes: u32,
    shape: Option<server_side::Shape>,
    /// shapes the inspector need not stop at
    kept: kept::Kept,
    /// how messages are masked
    told: Option<server_side::Told>,
    idle: bool,
    operations: u64,
}

/// Why the loop stops.
enum Stop {
    Ended(EndReason),
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<P: Ports> Exchange<P> {
    /// Runs the session to its end. Every path out of it leaves through the last line.
    pub async fn run<C: Stream, U: Stream>(start: Start<P>, client: C, upstream: U) -> Ended {
        let mut this = Self {
            leave: start.leave,
            wanted: VecDeque::new(),
            info: start.info,
            inspector: start.inspector,
            policies: start.policies,
            maskers: start.maskers,
            recording: Recording::default(),
            catalog: start.catalog,
            trail: start.trail,
            approvals: start.approvals,
            limits: start.limits,
            default: start.default,
            farewell: start.farewell,
            from_client: Inlet::default(),
            to_upstream: Outlet::default(),
            from_upstream: Inlet::default(),
            to_client: Outlet::default(),
            owed: Vec::new(),
            plan: VecDeque::new(),
            outcome: ClientOutcome::default(),
            seen: 0,
            staged: Vec::new(),
            entries: Vec::new(),
            ready: Vec::new(),
            held: None,
            waiting: false,
            running: BTreeMap::new(),
            open: VecDeque::new(),
            ledger: Ledger::new(),
            idle_shapes: 0,
            shape: None,
            kept: kept::Kept::new(),
            told: None,
            idle: true,
            operations: 0,
        };
        this.preload(&start.client_ahead, &start.upstream_ahead);
        let (mut client_in, mut client_out) = tokio::io::split(client);
        let (mut upstream_in, mut upstream_out) = tokio::io::split(upstream);
        let stop =
            this.turn_until_stop(&mut client_in, &mut client_out, &mut upstream_in, &mut upstream_out).await;
        let reason = this.say_goodbye(stop, &mut client_out, &mut upstream_out).await;
        this.close_what_is_open(&reason).await;
        Ended {
            reason,
            operations: this.operations,
            bytes_from_client: this.from_client.total,
            bytes_to_client: this.to_client.total,
        }
    }

    fn preload(&mut self, client: &[u8], upstream: &[u8]) {
        for (inlet, bytes) in [(&mut self.from_client, client), (&mut self.from_upstream, upstream)] {
            if !bytes.is_empty() {
                inlet.room().extend_from_slice(bytes);
                inlet.arrived(bytes.len(), None);
            }
        }
    }

    async fn turn_until_stop<C: Stream, U: Stream>(
        &mut self,
        client_in: &mut ReadHalf<C>,
        client_out: &mut WriteHalf<C>,
        upstream_in: &mut ReadHalf<U>,
        upstream_out: &mut WriteHalf<U>,
    ) -> Stop {
        let idle_timeout = self.limits.idle_timeout;
        let silence = tokio::time::sleep(idle_timeout);
        tokio::pin!(silence);
        let mut last_word = Instant::now();
        let mut draining = false;
        loop {
            if let Err(stop) = self.dispose().await {
                return stop;
            }
            match self.refuse_if_overrun().await {
                Ok(false) => {}
                Ok(true) => continue,
                Err(stop) => return stop,
            }
            // Most writes find room at once: they need no turn of their own.
            if send_at_once(upstream_out, &mut self.to_upstream).await.is_err() {
                self.to_upstream.close();
                silence.as_mut().reset(Instant::now() + FAREWELL_TIME);
            }
            if send_at_once(client_out, &mut self.to_client).await.is_err() {
                return Stop::Ended(EndReason::ClientClosed);
            }
            // What went made room for more of what is buffered.
            if self.may_look_at_upstream() || self.may_look_at_client() {
                continue;
            }
            let is_held = self.held.is_some();
            if draining && (is_held || self.quiet()) {
                return Stop::Ended(EndReason::Drained);
            }
            if self.from_upstream.ended && self.to_client.is_done() && self.upstream_is_done() {
                return Stop::Ended(EndReason::UpstreamClosed);
            }
            // Whoever hung up will not see an approval: what is held for them is never executed.
            if self.from_client.ended && (is_held || self.to_upstream.is_done() && self.client_is_done()) {
                return Stop::Ended(EndReason::ClientClosed);
            }
            let (read_client, read_upstream) = (self.may_read_client(), self.may_read_upstream());
            // In no fixed order: a bulk transfer must not keep the other direction, or an operator, waiting.
            tokio::select! {
                read = receive(upstream_in, &mut self.from_upstream), if read_upstream => {
                    match read {
                        Ok(count) => self.from_upstream.arrived(count, Some(&mut self.to_client)),
                        Err(_) => self.from_upstream.arrived(0, None),
                    }
                    self.pay_what_is_owed();
                    last_word = Instant::now();
                }
                sent = send(client_out, self.to_client.bytes()), if !self.to_client.is_done() => match sent {
                    Ok(sent) => self.to_client.sent(sent),
                    Err(_) => return Stop::Ended(EndReason::ClientClosed),
                },
                sent = send(upstream_out, self.to_upstream.bytes()), if !self.to_upstream.is_done() => match sent {
                    Ok(sent) => self.to_upstream.sent(sent),
                    Err(_) => {
                        // It may have said why: that is still read, for a while.
                        self.to_upstream.close();
                        silence.as_mut().reset(Instant::now() + FAREWELL_TIME);
                    }
                },
                read = receive(client_in, &mut self.from_client), if read_client => {
                    self.from_client.arrived(read.unwrap_or(0), None);
                    last_word = Instant::now();
                }
                review = next_review(&mut self.held), if is_held => {
                    if let Err(stop) = self.reviewed(review).await {
                        return stop;
                    }
                    last_word = Instant::now();
                }
                ask = next_ask(&mut self.leave, &mut self.wanted) => match ask {
                    Ask::Cancel => if let Err(stop) = self.cancel_held().await {
                        return stop;
                    },
                    Ask::End(EndReason::Drained) => draining = true,
                    Ask::End(reason) => return Stop::Ended(reason),
                },
                () = &mut silence => {
                    let deadline = last_word + idle_timeout;
                    if self.to_upstream.closed {
                        return Stop::Ended(EndReason::UpstreamClosed);
                    }
                    if is_held || !self.running.is_empty() {
                        silence.as_mut().reset(Instant::now() + idle_timeout);
                    } else if Instant::now() >= deadline {
                        return Stop::Ended(EndReason::Idle);
                    } else {
                        silence.as_mut().reset(deadline);
                    }
                }
            }
        }
    }

    /// Disposes of everything that can be disposed of without waiting for either side.
    async fn dispose(&mut self) -> Result<(), Stop> {
        loop {
            let mut progress = false;
            if self.may_look_at_upstream() {
                self.look_at_upstream().await?;
                progress = true;
            }
            if self.may_look_at_client() {
                self.look_at_client().await?;
                progress = true;
            }
            if !progress {
                self.from_client.relax();
                self.from_upstream.relax();
                return Ok(());
            }
        }
    }

    fn may_look_at_client(&self) -> bool {
        self.held.is_none()
            && !self.waiting
            && self.from_client.fresh
            && (self.from_client.len() >= self.from_client.need || self.from_client.ended)
            && self.to_upstream.len() < self.limits.buffer_bytes
            && !self.to_upstream.closed
            && self.to_client.len().saturating_add(self.owed.len()) < self.most_for_client()
    }

    fn may_look_at_upstream(&self) -> bool {
        self.from_upstream.fresh
            && !self.from_upstream.within_message()
            && (self.from_upstream.len() >= self.from_upstream.need || self.from_upstream.ended)
            && self.to_client.len() < self.limits.buffer_bytes
    }

    fn may_read_client(&self) -> bool {
        if self.held.is_some() {
            // Only a read tells that the client is gone.
            return !self.from_client.ended && self.from_client.len() < self.most_while_held();
        }
        let wanted = self.limits.buffer_bytes.max(self.from_client.need);
        !self.from_client.ended
            && self.from_client.len() < wanted
            && self.to_upstream.len() < self.limits.buffer_bytes
            && !self.to_upstream.closed
    }

    fn may_read_upstream(&self) -> bool {
        let wanted = self.limits.buffer_bytes.max(self.from_upstream.need);
        !self.from_upstream.ended
            && self.from_upstream.len() < wanted
            && self.to_client.len() < self.limits.buffer_bytes
    }

    /// Our own bytes (refusals, notices) have no reader to slow down but the client itself. The upstream's
    /// alone never reach this, so the directions stay independent.
    fn most_for_client(&self) -> usize {
        self.limits.buffer_bytes.saturating_mul(4).saturating_add(self.limits.max_answer_bytes)
    }

    /// Whether nobody has ended the session while its plugins were asked, which may take them long. What else was wanted
    /// meanwhile has its turn in the loop.
    fn is_still_wanted(&mut self) -> Result<(), Stop> {
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(ask) = std::pin::pin!(self.leave.asked()).poll(&mut context) {
            match ask {
                Ask::End(reason) if reason != EndReason::Drained => return Err(Stop::Ended(reason)),
                known if self.wanted.contains(&known) => {}
                new => self.wanted.push_back(new),
            }
        }
        Ok(())
    }

    /// Nothing runs, nothing waits: a good moment to part.
    fn quiet(&self) -> bool {
        self.idle
            && !self.from_upstream.within_message()
            && self.running.is_empty()
            && self.held.is_none()
            && self.to_client.is_empty()
            && self.to_upstream.is_empty()
    }

    fn client_is_done(&self) -> bool {
        self.held.is_none() && !self.from_client.fresh
    }

    /// The upstream may have hung up in the middle of a message: its end will never come.
    fn upstream_is_done(&self) -> bool {
        !self.from_upstream.fresh || self.from_upstream.within_message()
    }

    /// Puts bytes of our own before the client, now or at the end of the message that is being passed on.
    fn tell_client(&mut self, bytes: &[u8]) {
        self.owed.extend_from_slice(bytes);
        self.pay_what_is_owed();
    }

    fn pay_what_is_owed(&mut self) {
        if !self.owed.is_empty() && !self.from_upstream.within_message() {
            self.to_client.push(&std::mem::take(&mut self.owed));
        }
    }

    /// Tells the client why, if it can still be told anything, and lets go of both sides.
    async fn say_goodbye<C: Stream, U: Stream>(
        &mut self,
        stop: Stop,
        client_out: &mut WriteHalf<C>,
        upstream_out: &mut WriteHalf<U>,
    ) -> EndReason {
        let reason = match stop {
            Stop::Ended(reason) => reason,
            Stop::Fault(fault) => EndReason::Failed(fault),
        };
        if let Some(fault) = parting_words(&reason)
            && !self.from_upstream.within_message()
        {
            let bytes = match fault.source {
                // A plugin that failed is not asked again.
                FaultSource::Plugin => (self.farewell)(&fault),
                _ => match self.inspector.closing(&fault).await {
                    Ok(bytes) if !bytes.is_empty() => bytes,
                    _ => (self.farewell)(&fault),
                },
            };
            self.to_client.push(&bytes);
        }
        // What the client was answered so far still goes to it; nothing more goes to the upstream.
        let _ = tokio::time::timeout(FAREWELL_TIME, async {
            let _ = client_out.write_all(self.to_client.bytes()).await;
            let _ = client_out.shutdown().await;
        })
        .await;
        let _ = tokio::time::timeout(FAREWELL_TIME, upstream_out.shutdown()).await;
        reason
    }
}

/// What the client is told about the end, if anything.
fn parting_words(reason: &EndReason) -> Option<Fault> {
    let host = |code: &str, message: &str| Some(Fault::new(FaultSource::Host, code, message));
    match reason {
        EndReason::Failed(fault) => Some(fault.clone()),
        EndReason::Idle => host("57P05", "the session was idle for too long"),
        EndReason::Drained | EndReason::CutShort => host("57P01", "the gateway is shutting down"),
        EndReason::Revoked => host("57P01", EndReason::REVOKED),
        EndReason::ClientClosed | EndReason::UpstreamClosed => None,
    }
}

/// What was noted while something else was done, then what comes.
async fn next_ask<L: Leave>(leave: &mut L, noted: &mut VecDeque<Ask>) -> Ask {
    match noted.pop_front() {
        Some(ask) => ask,
        None => leave.asked().await,
    }
}

async fn next_review<Pending: PendingApproval>(held: &mut Option<HeldOperation<Pending>>) -> Review {
    match held {
        Some(held) => held.pending.review().await,
        None => std::future::pending().await,
    }
}
