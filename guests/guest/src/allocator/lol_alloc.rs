//! Crate lol_alloc 0.4: one free list, ordered by address.

use ::lol_alloc::{AssumeSingleThreaded, FreeListAllocator};

pub type Allocator = AssumeSingleThreaded<FreeListAllocator>;

// SAFETY: this guest has one thread.
pub const ALLOCATOR: Allocator = unsafe { AssumeSingleThreaded::new(FreeListAllocator::new()) };
