//! The floor.

pub use crate::floor::Bump as Allocator;

pub const ALLOCATOR: Allocator = Allocator::new();
