//! Crate rusty_alloc 2: mimalloc's design in Rust.

pub use ::rusty_alloc_api::RustyAlloc as Allocator;

pub const ALLOCATOR: Allocator = ::rusty_alloc_api::RustyAlloc;
