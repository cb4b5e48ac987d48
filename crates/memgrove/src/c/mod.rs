//! C's `malloc` and its family over a heap of this crate: what each function returns, and the macros that give them C's
//! names.
//!
//! A Rust program that is linked with C or C++ needs one heap for both. [`c_malloc!`](crate::c_malloc) makes the program's
//! Rust heap that one:
//!
//! ```
//! #[global_allocator]
//! static HEAP: memgrove::Dlmalloc = memgrove::Dlmalloc::new();
//! memgrove::c_malloc!(HEAP);
//! # fn main() {}
//! ```
//!
//! The archives for C (`crates/memgrove-c`) bring a heap of their own, which starts at `__heap_base` as the Rust one does.
//! Two heaps there would overwrite each other, so the linker refuses such a program, with a symbol whose name says this.
//!
//! The functions follow C23 (N3220, 7.24.3) and POSIX.1-2024; `crates/memgrove-c/include/memgrove.h` tells C's side of it.

mod heap;
mod names;

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;

pub use heap::CHeap;

/// The alignment of every block for C: `alignof(max_align_t)` on wasm32 and wasm64.
pub const ALIGN: usize = 16;

/// What heaps with size classes are asked for when C asks for `size`, so that every block is at a multiple of [`ALIGN`]: a
/// multiple of 16 lands in a class that is one, too, on the quick way. Wraps above `isize::MAX`, which C forbids.
#[inline(always)]
pub(crate) const fn rounded(size: usize) -> usize {
    let rounded = (size + ALIGN - 1) & !(ALIGN - 1);
    if rounded == 0 { ALIGN } else { rounded }
}

/// The numbers that wasi-libc and Emscripten share.
const EINVAL: c_int = 28;
const ENOMEM: c_int = 48;

/// What a function does when memory is refused, unless it is given something else: nothing. Where there is an `errno`, a
/// program may set it.
pub fn no_errno() {}

/// Stops the program, as C++'s `new` does without exceptions: on wasm by `unreachable`, natively by `abort`.
pub fn trap() -> ! {
    crate::trap::trap()
}

#[inline(always)]
fn or(block: *mut u8, refused: impl FnOnce()) -> *mut c_void {
    if block.is_null() {
        refused();
    }
    block.cast()
}

/// C23 7.24.3.6.
#[inline]
pub fn malloc<H: CHeap>(heap: &H, size: usize, refused: impl FnOnce()) -> *mut c_void {
    or(heap.c_allocate(size), refused)
}

/// C23 7.24.3.2. Memory fresh from the host is not cleared again.
#[inline]
pub fn calloc<H: CHeap>(heap: &H, count: usize, size: usize, refused: impl FnOnce()) -> *mut c_void {
    or(count.checked_mul(size).map_or(null_mut(), |bytes| heap.c_allocate_zeroed(bytes)), refused)
}

/// C23 7.24.3.3.
///
/// # Safety
/// `block` is null or came from a function of this family and was not given back.
#[inline]
pub unsafe fn free<H: CHeap>(heap: &H, block: *mut c_void) {
    if !block.is_null() {
        // SAFETY: the caller's promise.
        unsafe { heap.c_free(block.cast()) }
    }
}

/// C23 7.24.3.7. A size of zero, which C23 leaves undefined, gives a block of the least size, as in glibc's 2.41 `malloc`.
///
/// # Safety
/// As for [`free`]; on success only the returned block is used afterwards.
#[inline]
pub unsafe fn realloc<H: CHeap>(
    heap: &H,
    block: *mut c_void,
    size: usize,
    refused: impl FnOnce(),
) -> *mut c_void {
    if block.is_null() {
        return malloc(heap, size, refused);
    }
    // SAFETY: the caller's promise.
    or(unsafe { heap.c_reallocate(block.cast(), size) }, refused)
}

/// POSIX.1-2024: `realloc` of `count * size`, null if that overflows.
///
/// # Safety
/// As for [`realloc`].
#[inline]
pub unsafe fn reallocarray<H: CHeap>(
    heap: &H,
    block: *mut c_void,
    count: usize,
    size: usize,
    refused: impl FnOnce(),
) -> *mut c_void {
    match count.checked_mul(size) {
        // SAFETY: the caller's promise.
        Some(bytes) => unsafe { realloc(heap, block, bytes, refused) },
        None => or(null_mut(), refused),
    }
}

/// C23 7.24.3.1. An alignment that is not a power of two is refused; the size need not be a multiple of it.
#[inline]
pub fn aligned_alloc<H: CHeap>(heap: &H, align: usize, size: usize, refused: impl FnOnce()) -> *mut c_void {
    or(if align.is_power_of_two() { heap.c_allocate_aligned(align, size) } else { null_mut() }, refused)
}

/// POSIX.1-2024. On an error `*out` stays as it was, and so does `errno`.
///
/// # Safety
/// `out` may be written to.
#[inline]
pub unsafe fn posix_memalign<H: CHeap>(heap: &H, out: *mut *mut c_void, align: usize, size: usize) -> c_int {
    if !align.is_power_of_two() || align % size_of::<*mut c_void>() != 0 {
        return EINVAL;
    }
    let block = heap.c_allocate_aligned(align, size);
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
#[inline]
pub unsafe fn malloc_usable_size<H: CHeap>(heap: &H, block: *mut c_void) -> usize {
    if block.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise.
    unsafe { heap.c_usable_size(block.cast()) }
}
