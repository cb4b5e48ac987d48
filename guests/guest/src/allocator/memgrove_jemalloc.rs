//! This repository's Jemalloc.

pub use memgrove::Jemalloc as Allocator;

pub const ALLOCATOR: Allocator = Allocator::new();
