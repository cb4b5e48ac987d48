//! `malloc` and its family for C and C++ on WebAssembly, over one of memgrove's allocators.
//!
//! One archive for each allocator, chosen by a feature; `cargo xtask archives` makes them all. Blocks are aligned to
//! 16 bytes, which is wasm32's `alignof(max_align_t)`. What each function answers for zero, overflow, a bad alignment
//! and exhaustion is written down in `include/memgrove.h`, after C23 (N3220, 7.24.3) and POSIX.1-2024.
#![no_std]
#![allow(unsafe_code, reason = "C hands over raw pointers; each block cites what C promises")]

mod heap;
mod source;

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;

/// The alignment of every block, in bytes.
#[cfg(not(bare_wee))]
const ALIGN: usize = 16;

/// The numbers that wasi-libc and Emscripten share.
const EINVAL: c_int = 28;
const ENOMEM: c_int = 48;

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

/// Answers the block, and sets `errno` if there is none.
fn or_errno(block: *mut u8) -> *mut c_void {
    if block.is_null() {
        memgrove_out_of_memory();
    }
    block.cast()
}

/// C23 7.24.3.6.
#[unsafe(no_mangle)]
pub extern "C" fn malloc(size: usize) -> *mut c_void {
    or_errno(heap::allocate(size))
}

/// C23 7.24.3.2. Memory fresh from the host is not cleared again.
#[unsafe(no_mangle)]
pub extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    or_errno(count.checked_mul(size).map_or(null_mut(), heap::allocate_zeroed))
}

/// C23 7.24.3.3.
///
/// # Safety
/// `block` is null or came from a function of this family and was not given back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(block: *mut c_void) {
    if !block.is_null() {
        // SAFETY: the caller's promise.
        unsafe { heap::free(block.cast()) }
    }
}

/// C23 7.24.3.4: as `free`; the size is not needed.
///
/// # Safety
/// As for [`free`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free_sized(block: *mut c_void, _size: usize) {
    // SAFETY: the caller's promise.
    unsafe { free(block) }
}

/// C23 7.24.3.5: as `free`; neither alignment nor size is needed.
///
/// # Safety
/// As for [`free`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free_aligned_sized(block: *mut c_void, _align: usize, _size: usize) {
    // SAFETY: the caller's promise.
    unsafe { free(block) }
}

/// C23 7.24.3.7. A size of zero, which C23 leaves undefined, gives a block of the least size, as in glibc's 2.41 `malloc`.
///
/// # Safety
/// As for [`free`]; on success only the answer is used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    if block.is_null() {
        return malloc(size);
    }
    // SAFETY: the caller's promise.
    or_errno(unsafe { heap::reallocate(block.cast(), size) })
}

/// POSIX.1-2024: `realloc` of `count * size`, null if that overflows.
///
/// # Safety
/// As for [`realloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn reallocarray(block: *mut c_void, count: usize, size: usize) -> *mut c_void {
    match count.checked_mul(size) {
        // SAFETY: the caller's promise.
        Some(bytes) => unsafe { realloc(block, bytes) },
        None => or_errno(null_mut()),
    }
}

/// C23 7.24.3.1. An alignment that is not a power of two is refused; the size need not be a multiple of it.
#[unsafe(no_mangle)]
pub extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
    or_errno(if align.is_power_of_two() { heap::allocate_aligned(align, size) } else { null_mut() })
}

/// The old name of [`aligned_alloc`].
#[unsafe(no_mangle)]
pub extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
    aligned_alloc(align, size)
}

/// POSIX.1-2024. On an error `*out` stays as it was, and so does `errno`.
///
/// # Safety
/// `out` may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, align: usize, size: usize) -> c_int {
    if !align.is_power_of_two() || align % size_of::<*mut c_void>() != 0 {
        return EINVAL;
    }
    let block = heap::allocate_aligned(align, size);
    if block.is_null() {
        return ENOMEM;
    }
    // SAFETY: the caller's promise.
    unsafe { out.write(block.cast()) };
    0
}

/// How many bytes of the block may be used: at least as many as were asked for; 0 for null.
///
/// # Safety
/// As for [`free`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc_usable_size(block: *mut c_void) -> usize {
    if block.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise.
    unsafe { heap::usable_size(block.cast()) }
}

/// Lets the calling thread copy, fill and atomically use what other threads have allocated and passed on to it:
/// [`memgrove::source::notice_growth`]. Nothing in an archive without threads.
#[unsafe(no_mangle)]
pub extern "C" fn memgrove_notice_growth() {
    memgrove::source::notice_growth();
}
