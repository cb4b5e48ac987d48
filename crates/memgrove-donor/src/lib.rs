//! The heaps that `memgrove fix --allocator` and `memgrove swap --to` put into a module: C's `malloc` and its family over
//! one of memgrove's allocators, which a feature names.
//!
//! Its functions are copied into modules that others have laid out, so nothing of it has an address there.
//!
//! | feature | for | where its state is | where its memory comes from |
//! |---|---|---|---|
//! | none | `fix` | at the start of the first page that it grew (`lazy.rs`) | `memory.grow` |
//! | `placed` | `swap` | position-independent: where the module says (`placed.rs`) | two functions of the module |
#![no_std]
#![allow(unsafe_code, reason = "C hands over raw pointers; each block cites what C promises")]

#[cfg(not(feature = "placed"))]
mod bytes;
#[cfg(not(feature = "placed"))]
mod lazy;
#[cfg(feature = "placed")]
mod placed;

/// A panic is a bug in this crate; there is nobody to tell.
#[cfg(target_family = "wasm")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
