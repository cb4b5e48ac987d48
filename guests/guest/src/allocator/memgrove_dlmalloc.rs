//! This repository's Dlmalloc.

pub use memgrove::Dlmalloc as Allocator;

pub const ALLOCATOR: Allocator = Allocator::new();
