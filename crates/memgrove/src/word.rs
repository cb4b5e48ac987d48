//! Words of memory by address, the arithmetic of alignment, and the hash that secrets are mixed in by.
//!
//! Heap code computes addresses, so it keeps them as `usize` and turns them into pointers here only. All memory it
//! touches came from a page source whose provenance was exposed when the region was handed over.

use core::ptr;

/// Bytes of a machine word: 4 on wasm32, 8 on wasm64 and natively.
pub(crate) const WORD: usize = size_of::<usize>();

/// Reads the word at `address`.
///
/// # Safety
/// `address` is word-aligned and lies in memory that the caller owns and has initialised.
#[inline(always)]
pub(crate) unsafe fn load(address: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { ptr::with_exposed_provenance::<usize>(address).read() }
}

/// Writes the word at `address`.
///
/// # Safety
/// `address` is word-aligned and lies in memory that the caller owns.
#[inline(always)]
pub(crate) unsafe fn store(address: usize, value: usize) {
    // SAFETY: the caller's promise.
    unsafe { ptr::with_exposed_provenance_mut::<usize>(address).write(value) }
}

/// `address` as a pointer to give to the program.
#[inline(always)]
pub(crate) fn pointer(address: usize) -> *mut u8 {
    ptr::with_exposed_provenance_mut(address)
}

/// `address` as a typed pointer into the heap's memory.
#[inline(always)]
pub(crate) fn at<T>(address: usize) -> *mut T {
    pointer(address).cast()
}

/// The next multiple of `align` (a power of two) at or above `value`; wraps past the end of the address space.
#[inline(always)]
pub(crate) const fn align_up(value: usize, align: usize) -> usize {
    value.wrapping_add(align - 1) & align.wrapping_neg()
}

/// Odd, and without pattern: 2^64 (or its upper half, 2^32) divided by the golden ratio, Knuth's multiplicative hash.
#[allow(clippy::cast_possible_truncation, reason = "the upper half is shifted down where a word has no room")]
pub(crate) const MIX: usize = (0x9e37_79b9_7f4a_7c15_u64 >> (64 - usize::BITS)) as usize | 1;

/// Half of a good hash; its high bits hang on all of `word`, and its low ones get their share by the shift.
#[inline(always)]
pub(crate) const fn mix(word: usize) -> usize {
    let product = word.wrapping_mul(MIX);
    product ^ (product >> (usize::BITS / 2))
}
