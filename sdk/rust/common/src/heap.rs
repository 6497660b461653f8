//! The memory of a plugin: first what lies behind its data from the start, then what the host gives.
//!
//! The standard library's allocator asks the host for all that it hands out and leaves the memory behind the module's data
//! alone. Each instance would grow once at its beginning, and each growth makes the host change its page tables twice:
//! when it comes, and when the memory is put back. `plugins/build` links enough behind the data for a usual session.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::{Cell, UnsafeCell};
use core::ptr::null_mut;
use dlmalloc::{Allocator, Dlmalloc};

const PAGE_BYTES: usize = 64 << 10;

unsafe extern "C" {
    /// Made by the linker: its address is where the data ends.
    static __heap_base: u8;
}

/// Where the allocator gets its memory.
struct Source {
    /// What lies behind the data is handed out.
    is_begun: Cell<bool>,
}

// SAFETY: what is handed out lies behind the data or was never there before, is zero, and is never handed out again.
unsafe impl Allocator for Source {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let end = memory_size(0).saturating_mul(PAGE_BYTES);
        let begin = match self.is_begun.replace(true) {
            true => end,
            false => (&raw const __heap_base).addr().next_multiple_of(16).min(end),
        };
        let missing = size.saturating_sub(end - begin).div_ceil(PAGE_BYTES);
        if missing > 0 && memory_grow(0, missing) == usize::MAX {
            return (null_mut(), 0, 0);
        }
        // The last byte of the address space stays out: its end would be address zero.
        let have = (end - begin).saturating_add(missing * PAGE_BYTES).min(usize::MAX - 15 - begin);
        (core::ptr::with_exposed_provenance_mut(begin), have, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE_BYTES
    }
}

struct Heap(UnsafeCell<Dlmalloc<Source>>);

// SAFETY: a plugin has one thread.
unsafe impl Sync for Heap {}

// SAFETY: as `dlmalloc` promises; nothing in it calls back.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { (*self.0.get()).malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { (*self.0.get()).calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { (*self.0.get()).free(at, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { (*self.0.get()).realloc(at, layout.size(), layout.align(), size) }
    }
}

#[global_allocator]
static HEAP: Heap =
    Heap(UnsafeCell::new(Dlmalloc::new_with_allocator(Source { is_begun: Cell::new(false) })));
