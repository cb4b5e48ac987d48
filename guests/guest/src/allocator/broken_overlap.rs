//! Broken on purpose: after a while, a block begins inside the one before it.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::floor::Bump;

pub struct Allocator(Bump, AtomicUsize, AtomicUsize);

pub const ALLOCATOR: Allocator = Allocator(Bump::new(), AtomicUsize::new(0), AtomicUsize::new(0));

// SAFETY: none; the measuring must notice.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let call = self.1.fetch_add(1, Ordering::Relaxed);
        let last = self.2.load(Ordering::Relaxed);
        if call % 64 == 63 && layout.size() <= 64 && last.is_multiple_of(layout.align()) {
            return last as *mut u8;
        }
        // SAFETY: passed on.
        let block = unsafe { self.0.alloc(layout) };
        if layout.size() >= 64 {
            self.2.store(block as usize, Ordering::Relaxed);
        }
        block
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}
