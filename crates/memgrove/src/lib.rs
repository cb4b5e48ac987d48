#![doc = include_str!("../README.md")]
//!
//! # Where to start reading
//!
//! - [`face`]: the traits that every allocator implements, and the `GlobalAlloc` made from them.
//! - [`source`]: where memory comes from, and the fakes that tests use.
//! - [`dlmalloc`]: the block layout drawn, its tag bits, and the numbered invariants of the heap.
//! - [`jemalloc`]: the fast one; [`hoard`]: the one for threads. Both take their pages from `pages/mod.rs`, which draws the
//!   page map, and share `classes.rs`, the size classes.
//! - [`wee`]: the smallest one.
//! - [`c`]: C's `malloc` over a Rust heap, for programs of both.
//! - [`hardened`]: the layer before any of them that catches misuse.
#![no_std]
#![allow(
    unsafe_code,
    reason = "an allocator is made of raw memory; each block cites the invariant it relies on"
)]
#![cfg_attr(memgrove_thread_local, feature(thread_local))]
#![cfg_attr(target_arch = "wasm64", feature(simd_wasm64))] // memory_grow for memory64 is not stable yet

pub mod c;
mod classes;
pub mod dlmalloc;
pub mod face;
pub mod hardened;
pub mod hoard;
pub mod jemalloc;
mod link;
mod pages;
pub mod source;
mod stats;
mod sync;
mod thread;
mod trap;
pub mod wee;
mod word;

pub use dlmalloc::Dlmalloc;
pub use face::{Allocate, Inspect};
pub use hardened::Hardened;
pub use hoard::Hoard;
pub use jemalloc::Jemalloc;
pub use stats::{Broken, Stats};
pub use wee::Wee;

face::implement_faces!(Dlmalloc, const GRAIN);
face::implement_faces!(Hoard);
face::implement_faces!(Jemalloc);
face::implement_faces!(Wee);
