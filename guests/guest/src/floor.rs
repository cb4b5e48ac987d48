//! The floor: what a workload costs without an allocator.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::sync::atomic::{AtomicUsize, Ordering};

const PAGE_BYTES: usize = 65536;

/// Hands out fresh memory and takes nothing back. It grows by a sixteenth of what there is, so that growth costs it
/// next to nothing.
pub struct Bump {
    next: AtomicUsize,
    end: AtomicUsize,
}

impl Bump {
    pub const fn new() -> Self {
        Self { next: AtomicUsize::new(0), end: AtomicUsize::new(0) }
    }

    #[cold]
    fn grow(&self, layout: Layout) -> *mut u8 {
        let pages = (layout.size() + layout.align()).div_ceil(PAGE_BYTES).max(memory_size(0) / 16);
        let before = memory_grow(0, pages);
        if before == usize::MAX {
            return core::ptr::null_mut();
        }
        if before * PAGE_BYTES != self.end.load(Ordering::Relaxed) {
            self.next.store(before * PAGE_BYTES, Ordering::Relaxed);
        }
        self.end.store((before + pages) * PAGE_BYTES, Ordering::Relaxed);
        self.bump(layout)
    }

    #[inline]
    fn bump(&self, layout: Layout) -> *mut u8 {
        let start = self.next.load(Ordering::Relaxed).next_multiple_of(layout.align());
        match start.checked_add(layout.size()) {
            Some(next) if next <= self.end.load(Ordering::Relaxed) => {
                self.next.store(next, Ordering::Relaxed);
                start as *mut u8
            }
            _ => self.grow(layout),
        }
    }
}

// SAFETY: every block is cut from fresh memory that is never handed out again. Not for threads: the threaded guests
// have no floor.
unsafe impl GlobalAlloc for Bump {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.bump(layout)
    }

    // Fresh pages are zero.
    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.bump(layout)
    }

    #[inline]
    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}
