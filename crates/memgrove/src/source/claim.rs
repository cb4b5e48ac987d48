//! One heap after `__heap_base`: the first that asks, and what makes the linker refuse a second one that would not ask here.
//!
//! A Rust program's heap and that of an archive for C (`crates/memgrove-c`) would both take the memory from `__heap_base`
//! on, and overwrite each other. Each is built without knowing of the other, so the linker must see it: the archive defines
//! a function whose name says what to do, and this crate refers to data of the same name. Where both are linked, wasm-ld
//! stops: "symbol type mismatch". Two definitions would do as well, but what a Rust library defines by name is exported
//! from every module that is made with it.
//!
//! In a program without the archive nothing is left of it: the reference stands in data that nothing uses, which the linker
//! drops before it asks for what is undefined. Only where it is told to drop nothing (`--no-gc-sections`, as for measuring
//! coverage) does it ask; `RUSTFLAGS="--cfg memgrove_one_heap"` leaves the reference out.

use core::sync::atomic::{AtomicBool, Ordering};

/// Whether a heap of this program has taken the memory. In one file with the reference below, because whoever links the one
/// then links the other: both become one part of the library.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether the caller is the first to ask, and so owns the memory.
#[inline(always)]
pub(super) fn take() -> bool {
    !TAKEN.swap(true, Ordering::Relaxed)
}

#[cfg(not(any(feature = "_archive", memgrove_one_heap)))]
#[allow(non_upper_case_globals, reason = "the linker shows it, so it is a sentence")]
unsafe extern "C" {
    static memgrove_two_heaps_in_one_module__leave_out_the_C_archive_and_write_memgrove_c_malloc_in_Rust: u8;
}

/// An address that nothing reads.
#[cfg(not(any(feature = "_archive", memgrove_one_heap)))]
struct Reference(#[allow(dead_code, reason = "only the linker sees it")] *const u8);

// SAFETY: no thread reads it.
#[cfg(not(any(feature = "_archive", memgrove_one_heap)))]
unsafe impl Sync for Reference {}

#[cfg(not(any(feature = "_archive", memgrove_one_heap)))]
#[used]
static REFERENCE: Reference = Reference(
    &raw const memgrove_two_heaps_in_one_module__leave_out_the_C_archive_and_write_memgrove_c_malloc_in_Rust,
);
