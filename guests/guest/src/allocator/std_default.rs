//! The standard library's own: a copy of crate dlmalloc that rustc brings. The control of a comparison with dlmalloc.

pub use std::alloc::System as Allocator;

pub const ALLOCATOR: Allocator = Allocator;
