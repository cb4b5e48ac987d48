//! The faces of an allocator: what it implements once, and what a program sees of it.
//!
//! An allocator implements [`Allocate`] and [`Inspect`]. The crate's own macro makes `GlobalAlloc` from that, and
//! `allocator_api2::alloc::Allocator` if the feature is on.

use core::alloc::Layout;

use crate::stats::{Broken, Stats};

/// The direct face: an allocator used without being the global one.
///
/// Zero-size layouts are allowed everywhere: each gives a block of its own, which must be given back like any other.
/// A null pointer means that memory is exhausted; the heap stays valid and everything allocated stays allocated.
///
/// ```
/// use core::alloc::Layout;
/// use memgrove::{Allocate, Dlmalloc};
///
/// static HEAP: Dlmalloc = Dlmalloc::new();
/// let layout = Layout::new::<[u64; 4]>();
/// let block = HEAP.allocate(layout);
/// assert!(!block.is_null());
/// // SAFETY: `block` came from `HEAP` with this layout and is not used afterwards.
/// unsafe { HEAP.deallocate(block, layout) };
/// ```
///
/// # Safety
/// An implementation hands out blocks that do not overlap, are as long and as aligned as the layout says, and stay
/// put and untouched until they are given back; from whichever thread it is called.
pub unsafe trait Allocate {
    /// A block of `layout.size()` bytes at a multiple of `layout.align()`, or null. Its bytes are arbitrary.
    fn allocate(&self, layout: Layout) -> *mut u8;

    /// Like [`allocate`](Self::allocate), with every byte zero. Pages that are fresh from the host are not cleared
    /// again.
    fn allocate_zeroed(&self, layout: Layout) -> *mut u8;

    /// Gives a block back.
    ///
    /// # Safety
    /// `block` came from this allocator with this `layout`, and is not used afterwards.
    unsafe fn deallocate(&self, block: *mut u8, layout: Layout);

    /// Makes a block `new_size` bytes long, in place if it can, keeping the bytes that fit. On null the old block
    /// is still there, unchanged.
    ///
    /// # Safety
    /// `block` came from this allocator with this `layout`; on success only the answer is used afterwards.
    /// `new_size`, rounded up to the alignment, does not exceed `isize::MAX`.
    unsafe fn reallocate(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8;
}

/// What a heap says about itself. Both walk it, so both are for tests and diagnosis.
pub trait Inspect {
    /// Counts what the heap holds. O(blocks).
    fn stats(&self) -> Stats;

    /// Walks the heap and verifies its numbered invariants. O(blocks).
    ///
    /// # Errors
    /// The first invariant that does not hold, and where.
    fn check(&self) -> Result<(), Broken>;
}

/// The way every allocator reallocates when the block cannot stay where it is.
///
/// # Safety
/// As for [`Allocate::reallocate`].
#[cold]
pub(crate) unsafe fn move_block<A: Allocate + ?Sized>(
    allocator: &A,
    block: *mut u8,
    layout: Layout,
    new_size: usize,
) -> *mut u8 {
    // SAFETY: the caller's promise about `new_size`; the alignment is a layout's.
    let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
    let moved = allocator.allocate(new_layout);
    if !moved.is_null() {
        // SAFETY: both blocks are at least this long and do not overlap; the old one is given back once.
        unsafe {
            core::ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size));
            allocator.deallocate(block, layout);
        }
    }
    moved
}

/// Makes `GlobalAlloc`, and with the feature `allocator_api2::alloc::Allocator`, from [`Allocate`].
macro_rules! implement_faces {
    ($allocator:ident $(, const $grain:ident)?) => {
        const _: () = {
            use core::alloc::{GlobalAlloc, Layout};

            use $crate::face::Allocate;
            use $crate::source::PageSource;

            // SAFETY: `Allocate` makes the same promises.
            unsafe impl<S: PageSource $(, const $grain: usize)?> GlobalAlloc for $allocator<S $(, $grain)?> {
                #[inline]
                unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
                    self.allocate(layout)
                }
                #[inline]
                unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
                    self.allocate_zeroed(layout)
                }
                #[inline]
                unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
                    // SAFETY: the caller's promise, which is the same.
                    unsafe { self.deallocate(block, layout) }
                }
                #[inline]
                unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
                    // SAFETY: the caller's promise, which is the same.
                    unsafe { self.reallocate(block, layout, new_size) }
                }
            }

            // SAFETY: the value is never moved while blocks live: `&self` is borrowed for as long as they are.
            #[cfg(feature = "allocator-api2")]
            unsafe impl<S: PageSource $(, const $grain: usize)?> allocator_api2::alloc::Allocator for &$allocator<S $(, $grain)?> {
                fn allocate(
                    &self,
                    layout: Layout,
                ) -> Result<core::ptr::NonNull<[u8]>, allocator_api2::alloc::AllocError> {
                    let block = core::ptr::NonNull::new(Allocate::allocate(*self, layout))
                        .ok_or(allocator_api2::alloc::AllocError)?;
                    Ok(core::ptr::NonNull::slice_from_raw_parts(block, layout.size()))
                }
                unsafe fn deallocate(&self, block: core::ptr::NonNull<u8>, layout: Layout) {
                    // SAFETY: the caller's promise, which is the same.
                    unsafe { Allocate::deallocate(*self, block.as_ptr(), layout) }
                }
            }
        };
    };
}
pub(crate) use implement_faces;
