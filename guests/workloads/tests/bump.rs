//! The workloads over an allocator that never reuses an address: what depends on addresses shows as a difference.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's, and nothing is given back.
struct Leaking;

// SAFETY: System's; a block that is never given back stays valid.
unsafe impl GlobalAlloc for Leaking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Leaking = Leaking;

#[test]
fn workloads_answer_the_recorded_checksums() {
    common::all_workloads_answer_the_recorded_checksum();
}
