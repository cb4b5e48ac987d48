//! Crate dlmalloc 0.2, a port of Doug Lea's malloc: the base of all ratios.

pub use ::dlmalloc::GlobalDlmalloc as Allocator;

pub const ALLOCATOR: Allocator = ::dlmalloc::GlobalDlmalloc;
