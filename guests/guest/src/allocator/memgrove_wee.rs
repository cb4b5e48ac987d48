//! This repository's Wee.

pub use memgrove::Wee as Allocator;

pub const ALLOCATOR: Allocator = Allocator::new();
