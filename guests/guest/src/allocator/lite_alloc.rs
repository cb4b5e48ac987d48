//! Crate lite-alloc 0.1: its general-purpose free list, ordered by address.

pub use ::lite_alloc::single_threaded::FreeListAllocator as Allocator;

pub const ALLOCATOR: Allocator = Allocator::new();
