//! `malloc` and its family for C and C++ on WebAssembly, over one of memgrove's allocators.
//!
//! One archive for each allocator, chosen by a feature; `cargo xtask archives` makes them all. Blocks are aligned to
//! 16 bytes, which is wasm32's `alignof(max_align_t)`. What each function returns for zero, overflow, a bad alignment
//! and exhaustion is written down in `include/memgrove.h`; the functions are `memgrove::c`.
#![no_std]
#![allow(unsafe_code, reason = "C hands over raw pointers; each block cites what C promises")]

mod heap;
mod source;

unsafe extern "C" {
    /// Sets `errno` to `ENOMEM` where the program has one; in `shim/errno.c`, because only C can ask that weakly.
    safe fn memgrove_out_of_memory();
}

/// A panic is a bug in this crate; there is nobody to tell.
#[cfg(target_family = "wasm")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

memgrove::c_malloc!(heap::HEAP, || memgrove_out_of_memory());

/// A Rust heap of this project refers to data of this name, so that the linker refuses two heaps in one module: see
/// `source/claim.rs` of crate `memgrove`. With threads neither of the two takes memory that the other one has.
#[cfg(not(target_feature = "atomics"))]
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the linker shows it, so it is a sentence")]
extern "C" fn memgrove_two_heaps_in_one_module__leave_out_the_C_archive_and_write_memgrove_c_malloc_in_Rust()
{
}
