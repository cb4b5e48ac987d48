//! Broken on purpose: never takes anything back, and clears what it hands out like an allocator that means well.

use core::alloc::{GlobalAlloc, Layout};

use crate::floor::Bump;

pub struct Allocator(Bump);

pub const ALLOCATOR: Allocator = Allocator(Bump::new());

// SAFETY: as the bump allocator's.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}
