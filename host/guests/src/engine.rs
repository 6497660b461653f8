//! The engine all guests run on, and the clock that bounds their time.
//!
//! *One way to call*: every call runs on a fiber (`call_async`), so a guest that computes for long gives way
//! to other tasks at each tick and is cut when its budget is used. `concurrency_support` is off: it costs 0.8 µs
//! per call and is needed only for streams, which the contract does not have.
//!
//! *Memory*: 4 GiB of address space per linear memory make bounds checks disappear (a smaller reservation
//! costs 44 to 65 %). Slots come from a pool that keeps some of them warm. A process has limits of its own:
//! `vm.max_map_count` mappings and 47 bits of addresses; when the pool would not fit below them, instances are
//! made on demand, slower by some microseconds, and a warning gives the numbers.
//!
//! Invariant: no guest code runs without an epoch deadline; a new store starts with the deadline already
//! passed, so forgetting to set one interrupts at once.

use crate::limits::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmFeatures,
};

/// How the engine is sized.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Sessions at once.
    pub max_sessions: u32,
    /// Plugins in a typical pipeline. A session may have more as long as others have less.
    pub plugins_per_session: u32,
    /// The clock by which guests give way and are cut.
    pub tick: Duration,
    /// Stack of guest code. Deep recursion in a parser ends here, with a trap.
    pub wasm_stack_bytes: usize,
    /// Whether to try the pool at all.
    pub pooling: bool,
    /// Plugins compiled at the same time. Each compilation uses all cores by itself; the second place is for
    /// the day when one of them hangs.
    pub compilers: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            max_sessions: 1000,
            plugins_per_session: 4,
            // Each tick wakes a thread, and a call ends within microseconds.
            tick: Duration::from_millis(4),
            wasm_stack_bytes: 512 * 1024,
            pooling: true,
            compilers: 2,
        }
    }
}

/// Memories per instance the pool has room for, on average: most plugins have one, QuickJS has three.
const MEMORIES_PER_INSTANCE: u32 = 2;
/// Core instances per instance, on average: a Rust component has about two, Python 38. Only a counter.
const CORE_INSTANCES_PER_INSTANCE: u32 = 16;
/// Instances outside sessions: a new version is tried in some before it serves.
const SCRATCH_INSTANCES: u32 = 32;
/// Slots kept ready although nobody uses them.
const WARM_SLOTS: u32 = 256;
/// What of a slot is put back as it was rather than given back to the system: covers an idle Rust guest, saves its page
/// faults.
const KEEP_RESIDENT_BYTES: usize = 128 * 1024;
/// The same where the kernel tells which pages were touched (Linux 6.7): the others cost nothing then.
const KEEP_TOUCHED_BYTES: usize = 512 * 1024;
/// And of a table.
const KEEP_TABLE_BYTES: usize = 64 * 1024;
/// Slots that are given back in one go: each interrupts every core.
const GIVEN_BACK_TOGETHER: usize = 16;
/// Host frames below the guest's: lifting, lowering and import calls.
const HOST_STACK_BYTES: usize = 512 * 1024;
/// Mappings: two per memory slot from the start, four more for a live instance with its stack (measured).
const MAPS_PER_SLOT: u64 = 2;
const MAPS_PER_INSTANCE: u64 = 4;
/// Mappings of the rest of the process: code, threads, allocator, files.
const MAPS_ELSEWHERE: u64 = 4_000;
/// Reservation and guard of one slot.
const SLOT_BYTES: u64 = (4 << 30) + (64 << 20);
/// Addresses a process has on the platforms we run on, less room for everything else.
const ADDRESS_SPACE_BYTES: u64 = 100 << 40;

/// Where instances live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allocation {
    Pool { instances: u32 },
    OnDemand { why: String },
}

pub(crate) struct GuestEngine {
    pub(crate) engine: Engine,
    pub(crate) tick: Duration,
    pub(crate) allocation: Allocation,
    _ticker: Ticker,
}

impl GuestEngine {
    pub(crate) fn start(config: &EngineConfig) -> wasmtime::Result<Self> {
        let (engine, allocation) = build(config)?;
        let ticker = Ticker::start(&engine, config.tick)?;
        Ok(Self { engine, tick: config.tick, allocation, _ticker: ticker })
    }

    /// Ticks that make up a time; at least one.
    pub(crate) fn ticks(&self, time: Duration) -> u32 {
        let ticks = time.as_nanos().div_ceil(self.tick.as_nanos().max(1));
        u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
    }
}

fn build(config: &EngineConfig) -> wasmtime::Result<(Engine, Allocation)> {
    let why = match pool_config(config) {
        Ok((pool, instances)) => {
            let mut base = base_config(config);
            base.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
            match Engine::new(&base) {
                Ok(engine) => return Ok((engine, Allocation::Pool { instances })),
                Err(error) => format!("the pool of {instances} instances could not be set up: {error:#}"),
            }
        }
        Err(why) => why,
    };
    if config.pooling {
        tracing::warn!(%why, "plugin instances are made on demand");
    }
    let engine = Engine::new(&base_config(config))?;
    Ok((engine, Allocation::OnDemand { why }))
}

fn base_config(config: &EngineConfig) -> Config {
    let mut base = Config::new();
    base.concurrency_support(false)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_reservation(4 << 30)
        .max_wasm_stack(config.wasm_stack_bytes)
        .async_stack_size(config.wasm_stack_bytes.saturating_add(HOST_STACK_BYTES))
        // Each is surface that no supported toolchain needs.
        .wasm_features(
            WasmFeatures::GC
                | WasmFeatures::THREADS
                | WasmFeatures::SHARED_EVERYTHING_THREADS
                | WasmFeatures::MEMORY64
                | WasmFeatures::EXCEPTIONS
                | WasmFeatures::LEGACY_EXCEPTIONS
                | WasmFeatures::FUNCTION_REFERENCES
                | WasmFeatures::STACK_SWITCHING
                | WasmFeatures::CUSTOM_PAGE_SIZES,
            false,
        );
    base
}

fn pool_config(config: &EngineConfig) -> Result<(PoolingAllocationConfig, u32), String> {
    if !config.pooling {
        return Err("the pool is switched off".to_owned());
    }
    let instances =
        config.max_sessions.saturating_mul(config.plugins_per_session).saturating_add(SCRATCH_INSTANCES);
    let memories = instances.saturating_mul(MEMORIES_PER_INSTANCE);
    fits_the_process(instances, memories, max_map_count())?;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_INSTANCE))
        .total_memories(memories)
        .total_tables(memories)
        .total_stacks(instances)
        .max_core_instances_per_component(saturate(MAX_CORE_INSTANCES))
        .max_memories_per_component(saturate(MAX_MEMORIES))
        .max_tables_per_component(saturate(MAX_TABLES))
        .table_elements(MAX_TABLE_ELEMENTS)
        // The store's own limit is smaller; the slot has the addresses anyway.
        .max_memory_size(4 << 30)
        .max_unused_warm_slots(WARM_SLOTS)
        .decommit_batch_size(GIVEN_BACK_TOGETHER)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(KEEP_TOUCHED_BYTES)
            .table_keep_resident(KEEP_TABLE_BYTES);
    }
    Ok((pool, instances))
}

/// Whether mappings and addresses suffice, or a sentence with the numbers.
fn fits_the_process(instances: u32, memories: u32, max_maps: Option<u64>) -> Result<(), String> {
    let maps =
        u64::from(memories) * MAPS_PER_SLOT + u64::from(instances) * MAPS_PER_INSTANCE + MAPS_ELSEWHERE;
    if let Some(limit) = max_maps
        && maps > limit
    {
        return Err(format!(
            "a pool of {instances} instances needs about {maps} memory mappings and vm.max_map_count is {limit}; \
             raise it (sysctl -w vm.max_map_count={maps}) or lower the limit of sessions"
        ));
    }
    let bytes = u64::from(memories) * SLOT_BYTES;
    if bytes > ADDRESS_SPACE_BYTES {
        return Err(format!(
            "a pool of {instances} instances needs {} TiB of addresses and a process has about {}",
            bytes >> 40,
            ADDRESS_SPACE_BYTES >> 40
        ));
    }
    Ok(())
}

fn max_map_count() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

fn saturate(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The epoch clock: a thread of its own, so that it ticks while every worker computes. Stops when dropped.
struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: &Engine, tick: Duration) -> wasmtime::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, engine) = (Arc::clone(&stop), engine.clone());
        let thread = std::thread::Builder::new().name("weir-epoch".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(tick);
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_does_not_fit_says_so_with_numbers() {
        assert_eq!(fits_the_process(4_000, 8_000, Some(65_530)), Ok(()));
        let why = fits_the_process(10_000, 20_000, Some(65_530)).unwrap_err();
        assert!(why.contains("84000") && why.contains("65530"), "{why}");
        let why = fits_the_process(20_000, 40_000, None).unwrap_err();
        assert!(why.contains("TiB"), "{why}");
    }

    #[test]
    fn too_many_sessions_fall_back_to_on_demand() {
        let config = EngineConfig { max_sessions: 1_000_000, ..EngineConfig::default() };
        let engine = GuestEngine::start(&config).unwrap();
        assert!(matches!(engine.allocation, Allocation::OnDemand { .. }));
    }

    #[test]
    fn time_is_counted_in_whole_ticks() {
        let config = EngineConfig { max_sessions: 1, ..EngineConfig::default() };
        let engine = GuestEngine::start(&config).unwrap();
        assert_eq!(engine.ticks(Duration::from_millis(50)), 13);
        assert_eq!(engine.ticks(Duration::from_micros(1)), 1);
        assert!(matches!(engine.allocation, Allocation::Pool { instances: 36 }));
    }
}
