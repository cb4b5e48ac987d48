//! Broken on purpose: says that memory is exhausted after 256 KiB.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::floor::Bump;

pub struct Allocator(Bump, AtomicUsize);

pub const ALLOCATOR: Allocator = Allocator(Bump::new(), AtomicUsize::new(0));

// SAFETY: as the bump allocator's.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.1.fetch_add(layout.size(), Ordering::Relaxed) > 256 << 10 {
            return core::ptr::null_mut();
        }
        // SAFETY: passed on.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}
