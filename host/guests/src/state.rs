//! What the host keeps for one instance: the fence it runs in, and who it is.

use crate::limits::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};
use crate::log::GuestLog;
use std::time::Instant;
use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};

pub(crate) struct GuestState {
    pub(crate) fence: Fence,
    pub(crate) log: GuestLog,
    /// Zero of `monotonic-ns`: a guest learns nothing of the machine's uptime.
    pub(crate) began: Instant,
}

/// Limits of the store, and which of them were hit.
pub(crate) struct Fence {
    memory_bytes: usize,
    memory_used: usize,
    ticks_left: u32,
    pub(crate) hit_memory: bool,
    pub(crate) hit_time: bool,
}

impl Fence {
    pub(crate) fn new(memory_bytes: usize) -> Self {
        Self { memory_bytes, memory_used: 0, ticks_left: 0, hit_memory: false, hit_time: false }
    }

    pub(crate) fn give(&mut self, ticks: u32) {
        self.ticks_left = ticks;
        self.hit_memory = false;
    }

    pub(crate) fn ticks_left(&self) -> u32 {
        self.ticks_left
    }
}

/// Each tick the guest gives way; when its ticks are used up it is cut.
pub(crate) fn on_tick(mut context: StoreContextMut<'_, GuestState>) -> wasmtime::Result<UpdateDeadline> {
    let fence = &mut context.data_mut().fence;
    match fence.ticks_left.checked_sub(1) {
        Some(left) => {
            fence.ticks_left = left;
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        }
        None => {
            fence.hit_time = true;
            Ok(UpdateDeadline::Interrupt)
        }
    }
}

impl ResourceLimiter for Fence {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.memory_used.saturating_add(desired.saturating_sub(current));
        if used > self.memory_bytes {
            self.hit_memory = true;
            return Ok(false);
        }
        self.memory_used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        MAX_CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}
