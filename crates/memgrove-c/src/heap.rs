//! Which allocator the archive has, and what C asks for that is not a function of its own there.

use core::alloc::Layout;
use core::ptr::null_mut;

use memgrove::Allocate;

use crate::ALIGN;

#[cfg(feature = "dlmalloc")]
pub(crate) static HEAP: memgrove::Dlmalloc<memgrove::source::Platform, ALIGN> =
    memgrove::Dlmalloc::with_source(memgrove::source::PLATFORM);

#[cfg(feature = "jemalloc")]
pub(crate) static HEAP: memgrove::Jemalloc = memgrove::Jemalloc::new();

#[cfg(not(any(feature = "wee", feature = "dlmalloc", feature = "jemalloc", feature = "hoard")))]
compile_error!("choose the archive's allocator by one of the features wee, dlmalloc, jemalloc, hoard");

/// A block of `size` zero bytes, or null.
pub(crate) fn zeroed(heap: &impl Allocate, size: usize) -> *mut u8 {
    layout(size, ALIGN).map_or(null_mut(), |layout| heap.allocate_zeroed(layout))
}

/// A block of `size` bytes at a multiple of `align`, a power of two; or null.
pub(crate) fn aligned(heap: &impl Allocate, align: usize, size: usize) -> *mut u8 {
    layout(size, align.max(ALIGN)).map_or(null_mut(), |layout| heap.allocate(layout))
}

/// `None` if the block would be longer than C allows an object to be.
fn layout(size: usize, align: usize) -> Option<Layout> {
    Layout::from_size_align(size.max(1), align).ok()
}
