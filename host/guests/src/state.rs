//! What the host keeps for one instance: the fence it runs in, and who it is.

use crate::granted::Granted;
use crate::limits::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};
use crate::log::GuestLog;
use crate::wasi::Wasi;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};
use weir_model::SessionInfo;

/// A session as its plugins know it, with what all of them share.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    info: SessionInfo,
    pub(crate) memory: SessionMemory,
    pub(crate) purpose: Purpose,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Service,
    /// A command wants to know what plugins say, not what they have said.
    Command,
    /// Nobody's session: a plugin is tried with it.
    Trial,
}

impl Visit {
    pub(crate) fn new(info: SessionInfo, memory: SessionMemory) -> Self {
        Self { info, memory, purpose: Purpose::Service }
    }

    pub(crate) fn of_command(info: SessionInfo, memory: SessionMemory) -> Self {
        Self { info, memory, purpose: Purpose::Command }
    }

    pub(crate) fn trial(info: SessionInfo, memory: SessionMemory) -> Self {
        Self { info, memory, purpose: Purpose::Trial }
    }
}

impl Deref for Visit {
    type Target = SessionInfo;

    fn deref(&self) -> &SessionInfo {
        &self.info
    }
}

/// The linear memories of all instances of one session together. An instance gives back what it has when it goes.
#[derive(Clone, Debug)]
pub(crate) struct SessionMemory {
    used: Arc<AtomicUsize>,
    most_bytes: usize,
}

impl SessionMemory {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { used: Arc::default(), most_bytes }
    }

    fn take(&self, bytes: usize) -> bool {
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.most_bytes);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

pub(crate) struct GuestState {
    pub(crate) fence: Fence,
    pub(crate) log: GuestLog,
    pub(crate) granted: Granted,
    pub(crate) wasi: Wasi,
    /// Zero of `monotonic-ns`: a guest learns nothing of the machine's uptime.
    pub(crate) began: Instant,
}

/// Limits of the store, and which of them were hit.
pub(crate) struct Fence {
    memory_bytes: usize,
    memory_used: usize,
    session: SessionMemory,
    ticks_left: u32,
    pub(crate) hit_memory: bool,
    pub(crate) hit_time: bool,
}

impl Fence {
    pub(crate) fn new(memory_bytes: usize, session: SessionMemory) -> Self {
        Self { memory_bytes, memory_used: 0, session, ticks_left: 0, hit_memory: false, hit_time: false }
    }

    pub(crate) fn give(&mut self, ticks: u32) {
        self.ticks_left = ticks;
        self.hit_memory = false;
    }

    /// In bytes, all linear memories together.
    pub(crate) fn memory_used(&self) -> usize {
        self.memory_used
    }

    pub(crate) fn ticks_left(&self) -> u32 {
        self.ticks_left
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        self.session.give_back(self.memory_used);
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
        let more = desired.saturating_sub(current);
        let used = self.memory_used.saturating_add(more);
        if used > self.memory_bytes || !self.session.take(more) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn grows(fence: &mut Fence, from: usize, to: usize) -> bool {
        fence.memory_growing(from, to, None).unwrap()
    }

    #[test]
    fn instances_of_a_session_share_what_it_may_have_and_give_it_back() {
        let session = SessionMemory::new(100);
        let (mut one, mut two) = (Fence::new(80, session.clone()), Fence::new(80, session.clone()));
        assert!(grows(&mut one, 0, 60));
        assert!(grows(&mut two, 0, 40));
        assert!(!grows(&mut two, 40, 41) && two.hit_memory);
        // What was refused is not taken.
        assert!(!grows(&mut one, 60, 90) && one.hit_memory);
        drop(one);
        assert!(grows(&mut two, 40, 80));
        assert!(!grows(&mut two, 80, 81), "its own limit");
        let mut another = Fence::new(80, SessionMemory::new(100));
        assert!(grows(&mut another, 0, 80), "of another session");
        let mut three = Fence::new(80, session);
        assert!(!grows(&mut three, 0, 21) && grows(&mut three, 0, 20));
        assert!(!grows(&mut three, 20, usize::MAX));
    }
}
