//! Words of memory by address, and the arithmetic of alignment.
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

/// Whether an address lies behind the end of memory, or where no memory is.
#[inline(always)]
pub(crate) fn beyond_memory(address: usize) -> bool {
    #[cfg(target_arch = "wasm32")]
    use core::arch::wasm32::memory_size;
    #[cfg(target_arch = "wasm64")]
    use core::arch::wasm64::memory_size;

    #[cfg(any(target_arch = "wasm32", target_arch = "wasm64"))]
    {
        let beyond = || address / crate::source::page_bytes() >= memory_size(0);
        // It may lie in what another thread has grown, of which this one has not heard.
        if beyond() {
            crate::source::notice_growth();
        }
        beyond()
    }
    // Natively nobody knows where memory ends; but no system gives a program more than 48 bits of addresses unasked.
    #[cfg(not(any(target_arch = "wasm32", target_arch = "wasm64")))]
    {
        size_of::<usize>() > 4 && address as u64 >> 48 != 0
    }
}
