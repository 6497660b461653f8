//! One guest inside its fence.
//!
//! A store belongs to one session and one plugin; its memory never sees another session. A call is three
//! steps: [`Fenced::begin`] gives the time budget, the typed call runs, [`Fenced::finish`] judges how it ended.
//! In between the instance counts as busy: should the future be dropped there, the guest is stopped in the
//! middle of something, and the instance is never used again. The same holds after any trap.

use crate::contract::v0_1::judge::exports::weir::plugin::lifecycle;
use crate::fault;
use crate::granted::Granted;
use crate::limits::{MAX_DETAIL_CHARS, MAX_HANDLES, PluginLimits};
use crate::load::Code;
use crate::log::{GuestLog, SharedRate};
use crate::metrics::{PluginMetrics, count};
use crate::outside::{Nothing, Outside};
use crate::state::{Fence, GuestState, Purpose, SessionMemory, Visit, on_tick};
use crate::text::escape;
use crate::wasi::Wasi;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Instant;
use wasmtime::Store;
use wasmtime::component::Instance;
use weir_model::{Digest, Fault, FaultSource, PluginName};

/// Who an instance is an instance of, and what it may use.
pub(crate) struct Bounds {
    pub(crate) plugin: PluginName,
    pub(crate) digest: Digest,
    pub(crate) limits: PluginLimits,
    /// It was granted the clock.
    pub(crate) clock: bool,
    pub(crate) call_ticks: u32,
    pub(crate) start_ticks: u32,
    pub(crate) metrics: Arc<PluginMetrics>,
    pub(crate) outside: Arc<dyn Outside>,
    /// origins it may reach
    pub(crate) http: Vec<String>,
    /// Instances of exactly this version and settings alive now.
    pub(crate) resident: AtomicI64,
    /// Linear memory of the instance that went last, in bytes.
    pub(crate) memory_of_last: AtomicUsize,
    pub(crate) log_rate: SharedRate,
}

/// Calls in which a guest has seen nothing of a client but who it is.
pub(crate) const BEFORE_ANY_OPERATION: [&str; 4] = ["start", "describe", "configure", "open"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Idle,
    Busy,
    Dead,
}

pub(crate) struct Fenced {
    pub(crate) store: Store<GuestState>,
    pub(crate) bounds: Arc<Bounds>,
    life: Life,
}

impl Fenced {
    /// Instantiates the component. `configure` and `open` come next, out of the same time budget.
    ///
    /// # Errors
    /// When there is no room for it, or its start function misbehaves.
    pub(crate) async fn start(
        code: &Code,
        bounds: Arc<Bounds>,
        visit: Option<&Visit>,
    ) -> Result<(Self, Instance, lifecycle::Guest), Fault> {
        let alone = || SessionMemory::new(bounds.limits.memory_bytes);
        let memory = visit.map_or_else(alone, |visit| visit.memory.clone());
        let session = visit.map(|visit| visit.id.clone());
        let state = GuestState {
            fence: Fence::new(bounds.limits.memory_bytes, memory),
            log: GuestLog::new(Arc::clone(&bounds), session),
            granted: Granted::new(
                Arc::clone(&bounds),
                // Trying a file must have no effect.
                match visit {
                    Some(visit) if visit.purpose != Purpose::Trial => Arc::clone(&bounds.outside),
                    _ => Arc::new(Nothing),
                },
            ),
            wasi: Wasi::new(bounds.clock),
            began: Instant::now(),
        };
        let mut store = Store::try_new(code.pre.engine(), state).map_err(|error| {
            Fault::new(FaultSource::Host, fault::code::CAPACITY, "no room for another plugin instance")
                .with_detail(format!("{error:#}"))
        })?;
        store.limiter(|state| &mut state.fence);
        store.epoch_deadline_callback(on_tick);
        store.set_hostcall_fuel(bounds.limits.output_bytes);
        store.set_max_component_handles(MAX_HANDLES);
        count(&bounds.metrics.instances);
        bounds.metrics.resident.fetch_add(1, Ordering::Relaxed);
        bounds.resident.fetch_add(1, Ordering::Relaxed);
        let mut fenced = Self { store, bounds, life: Life::Idle };
        let ticks = fenced.bounds.start_ticks;
        let started = fenced.begin(ticks)?;
        let instance = match code.pre.instantiate_async(&mut fenced.store).await {
            Ok(instance) => code.lifecycle.load(&mut fenced.store, &instance).map(|found| (instance, found)),
            Err(error) => Err(error),
        };
        let (instance, lifecycle) = fenced.finish("start", started, instance)?;
        Ok((fenced, instance, lifecycle))
    }

    /// Hands the settings over, within what is left of the start's time.
    pub(crate) async fn configure(
        &mut self,
        lifecycle: &lifecycle::Guest,
        settings: &str,
    ) -> Result<(), Fault> {
        let started = self.begin_rest()?;
        let answer = lifecycle.call_configure(&mut self.store, settings).await;
        self.finish("configure", started, answer)?
            .map_err(|no| fault::said_no(&self.bounds, "configure", no.code, no.message))
    }

    /// A call with its own time budget.
    pub(crate) fn begin_call(&mut self) -> Result<Instant, Fault> {
        let ticks = self.bounds.call_ticks;
        self.begin(ticks)
    }

    /// A call that belongs to the start: it gets what the ones before it left.
    pub(crate) fn begin_rest(&mut self) -> Result<Instant, Fault> {
        let ticks = self.store.data().fence.ticks_left();
        self.begin(ticks)
    }

    fn begin(&mut self, ticks: u32) -> Result<Instant, Fault> {
        if self.life != Life::Idle {
            return Err(fault::gone(&self.bounds.plugin));
        }
        self.life = Life::Busy;
        let state = self.store.data_mut();
        state.fence.give(ticks);
        state.granted.begin();
        self.store.set_epoch_deadline(1);
        Ok(Instant::now())
    }

    /// Judges how a call ended. Anything but an answer means that the instance is dead.
    pub(crate) fn finish<Answer>(
        &mut self,
        call: &str,
        started: Instant,
        answer: wasmtime::Result<Answer>,
    ) -> Result<Answer, Fault> {
        self.bounds.metrics.timed(started.elapsed());
        match answer {
            Ok(answer) => {
                self.life = Life::Idle;
                Ok(answer)
            }
            Err(error) => {
                self.life = Life::Dead;
                let state = self.store.data();
                let mut fault = fault::stopped(&self.bounds, call, &state.fence, &error);
                // What an interpreter printed tells more than where its own code stopped. Later it may hold values.
                let printed = state.wasi.last_lines();
                if BEFORE_ANY_OPERATION.contains(&call) && !printed.is_empty() {
                    let printed = escape(&printed, MAX_DETAIL_CHARS);
                    fault.detail = format!("it printed:\n{printed}\n{}", fault.detail);
                }
                let (plugin, digest) = (self.bounds.plugin.as_str(), self.bounds.digest.short());
                tracing::warn!(plugin, digest, call, code = %fault.code, "plugin stopped");
                tracing::debug!(plugin, digest, detail = %fault.detail, "where it stopped");
                Err(fault)
            }
        }
    }

    /// It broke the contract: never to be used again.
    pub(crate) fn lied(&mut self, call: &str, what: &str) -> Fault {
        self.life = Life::Dead;
        fault::lie(&self.bounds, call, what)
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.life == Life::Idle
    }
}

impl Drop for Fenced {
    fn drop(&mut self) {
        self.bounds.metrics.resident.fetch_sub(1, Ordering::Relaxed);
        self.bounds.resident.fetch_sub(1, Ordering::Relaxed);
        self.bounds.memory_of_last.store(self.store.data().fence.memory_used(), Ordering::Relaxed);
    }
}
