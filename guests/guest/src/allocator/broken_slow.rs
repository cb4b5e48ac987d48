//! Broken on purpose: sound, and takes far more than forty times what dlmalloc takes.

use core::alloc::{GlobalAlloc, Layout};
use core::hint::black_box;

use ::dlmalloc::GlobalDlmalloc;

pub struct Allocator;

pub const ALLOCATOR: Allocator = Allocator;

fn waste() {
    for round in 0..10_000 {
        black_box(round);
    }
}

// SAFETY: dlmalloc's.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        waste();
        // SAFETY: passed on.
        unsafe { GlobalDlmalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { GlobalDlmalloc.dealloc(block, layout) }
    }
}
