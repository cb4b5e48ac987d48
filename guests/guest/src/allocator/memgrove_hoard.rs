//! This repository's Hoard.

pub use memgrove::Hoard as Allocator;

pub const ALLOCATOR: Allocator = Allocator::new();
