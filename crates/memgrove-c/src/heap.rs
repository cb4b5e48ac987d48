//! The archive's allocator, and the six things that C asks of it.
//!
//! C's blocks and Rust's need not be alike: [`memgrove::Wee`] keeps what `free` must know in front of C's blocks only,
//! so everything here goes through its functions for C: `bare_wee`, which the build script sets, says that it is `Wee` and
//! nothing before it.

use core::ptr::null_mut;

use crate::source::Linear;

#[cfg(not(bare_wee))]
use core::alloc::Layout;
#[cfg(not(bare_wee))]
use memgrove::Allocate;

#[cfg(not(any(feature = "wee", feature = "dlmalloc", feature = "jemalloc", feature = "hoard")))]
compile_error!("choose the archive's allocator by one of the features wee, dlmalloc, jemalloc, hoard");

#[cfg(feature = "wee")]
type Chosen = memgrove::Wee<Linear>;
#[cfg(feature = "wee")]
const fn chosen() -> Chosen {
    memgrove::Wee::with_source(Linear)
}

#[cfg(feature = "dlmalloc")]
type Chosen = memgrove::Dlmalloc<Linear, { crate::ALIGN }>;
#[cfg(feature = "dlmalloc")]
const fn chosen() -> Chosen {
    memgrove::Dlmalloc::with_grain(Linear)
}

#[cfg(feature = "jemalloc")]
type Chosen = memgrove::Jemalloc<Linear>;
#[cfg(feature = "jemalloc")]
const fn chosen() -> Chosen {
    memgrove::Jemalloc::with_source(Linear)
}

#[cfg(feature = "hoard")]
type Chosen = memgrove::Hoard<Linear>;
#[cfg(feature = "hoard")]
const fn chosen() -> Chosen {
    memgrove::Hoard::with_source(Linear)
}

#[cfg(not(feature = "hardened"))]
static HEAP: Chosen = chosen();
#[cfg(feature = "hardened")]
static HEAP: memgrove::Hardened<Chosen> = memgrove::Hardened::new(chosen());

/// At least `size` bytes at a multiple of 16, or null.
pub(crate) fn allocate(size: usize) -> *mut u8 {
    HEAP.malloc(size)
}

/// `size` zero bytes, or null. What is fresh from the host is not cleared again.
#[cfg(not(bare_wee))]
pub(crate) fn allocate_zeroed(size: usize) -> *mut u8 {
    layout(size, crate::ALIGN).map_or(null_mut(), |layout| HEAP.allocate_zeroed(layout))
}

/// `size` zero bytes, or null.
#[cfg(bare_wee)]
pub(crate) fn allocate_zeroed(size: usize) -> *mut u8 {
    let block = HEAP.malloc(size);
    if !block.is_null() {
        // SAFETY: the block is that long.
        unsafe { block.write_bytes(0, size) };
    }
    block
}

/// At least `size` bytes at a multiple of `align`, a power of two; or null.
#[cfg(not(bare_wee))]
pub(crate) fn allocate_aligned(align: usize, size: usize) -> *mut u8 {
    layout(size, align.max(crate::ALIGN)).map_or(null_mut(), |layout| HEAP.allocate(layout))
}

/// At least `size` bytes at a multiple of `align`, a power of two; or null.
#[cfg(bare_wee)]
pub(crate) fn allocate_aligned(align: usize, size: usize) -> *mut u8 {
    if align > isize::MAX as usize { null_mut() } else { HEAP.memalign(align, size) }
}

/// Makes the block longer or shorter, in place or by moving it; null if exhausted, and then the old one stays.
///
/// # Safety
/// The block came from here and was not given back; on success only the answer is used afterwards.
#[cfg(not(bare_wee))]
pub(crate) unsafe fn reallocate(block: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { HEAP.resize(block, size) }
}

/// Makes the block longer or shorter, in place or by moving it; null if exhausted, and then the old one stays.
///
/// # Safety
/// The block came from here and was not given back; on success only the answer is used afterwards.
#[cfg(bare_wee)]
pub(crate) unsafe fn reallocate(block: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise; both blocks are as long as what is copied, and they do not overlap.
    unsafe {
        let usable = HEAP.usable_size(block);
        if size <= usable {
            return block;
        }
        let moved = HEAP.malloc(size);
        if !moved.is_null() {
            moved.copy_from_nonoverlapping(block, usable);
            HEAP.free(block);
        }
        moved
    }
}

/// # Safety
/// The block came from here and is given back once.
pub(crate) unsafe fn free(block: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { HEAP.free(block) }
}

/// # Safety
/// The block came from here and was not given back.
pub(crate) unsafe fn usable_size(block: *mut u8) -> usize {
    // SAFETY: the caller's promise.
    unsafe { HEAP.usable_size(block) }
}

/// `None` if the block would be longer than C allows an object to be.
#[cfg(not(bare_wee))]
fn layout(size: usize, align: usize) -> Option<Layout> {
    Layout::from_size_align(size.max(1), align).ok()
}
