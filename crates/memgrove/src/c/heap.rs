//! What C asks of a heap. C is not told sizes when it gives blocks back, and every block is aligned to 16 bytes.

use core::alloc::Layout;
use core::ptr::null_mut;

use super::ALIGN;
use crate::face::Allocate;
use crate::source::PageSource;
use crate::{Dlmalloc, Hardened, Hoard, Jemalloc, Wee};

/// A heap that serves C: every allocator of this crate, and [`Hardened`] before any of them.
///
/// # Safety
/// An implementation hands out blocks that do not overlap, are as long as asked for and aligned to [`ALIGN`] or more, and
/// stay put and untouched until they are given back; from whichever thread it is called.
pub unsafe trait CHeap {
    /// At least `size` bytes at a multiple of [`ALIGN`], or null.
    fn c_allocate(&self, size: usize) -> *mut u8;

    /// `size` zero bytes at a multiple of [`ALIGN`], or null.
    fn c_allocate_zeroed(&self, size: usize) -> *mut u8;

    /// At least `size` bytes at a multiple of `align`, a power of two, and of [`ALIGN`]; or null.
    fn c_allocate_aligned(&self, align: usize, size: usize) -> *mut u8;

    /// Makes the block longer or shorter, in place or by moving it; null if exhausted, and then the old one stays.
    ///
    /// # Safety
    /// The block came from this trait's functions on this heap and was not given back; on success only the returned one
    /// is used afterwards.
    unsafe fn c_reallocate(&self, block: *mut u8, size: usize) -> *mut u8;

    /// Gives the block back.
    ///
    /// # Safety
    /// The block came from this trait's functions on this heap and is given back once.
    unsafe fn c_free(&self, block: *mut u8);

    /// How many bytes of the block may be used.
    ///
    /// # Safety
    /// The block came from this trait's functions on this heap and was not given back.
    unsafe fn c_usable_size(&self, block: *mut u8) -> usize;
}

/// `None` if the block would be longer than C allows an object to be. No block is empty: each has an address of its own.
fn layout(size: usize, align: usize) -> Option<Layout> {
    Layout::from_size_align(size.max(1), align).ok()
}

/// For heaps whose blocks are alike in Rust and in C: the functions that take a layout serve where C gives one.
macro_rules! with_layouts {
    () => {
        #[inline]
        fn c_allocate_zeroed(&self, size: usize) -> *mut u8 {
            layout(size, ALIGN).map_or(null_mut(), |layout| self.allocate_zeroed(layout))
        }

        #[inline]
        fn c_allocate_aligned(&self, align: usize, size: usize) -> *mut u8 {
            layout(size, align.max(ALIGN)).map_or(null_mut(), |layout| self.allocate(layout))
        }

        #[inline]
        unsafe fn c_free(&self, block: *mut u8) {
            // SAFETY: the caller's promise.
            unsafe { self.free(block) }
        }

        #[inline]
        unsafe fn c_usable_size(&self, block: *mut u8) -> usize {
            // SAFETY: the caller's promise.
            unsafe { self.usable_size(block) }
        }
    };
}

/// For those whose `malloc` and `resize` align to [`ALIGN`].
macro_rules! as_they_are {
    () => {
        #[inline]
        fn c_allocate(&self, size: usize) -> *mut u8 {
            self.malloc(size)
        }

        #[inline]
        unsafe fn c_reallocate(&self, block: *mut u8, size: usize) -> *mut u8 {
            // SAFETY: the caller's promise.
            unsafe { self.resize(block, size) }
        }
    };
}

// SAFETY: `Allocate` makes the same promises; `malloc` and `resize` align to 16.
unsafe impl<S: PageSource> CHeap for Jemalloc<S> {
    as_they_are!();
    with_layouts!();
}

// SAFETY: `Allocate` makes the same promises; `malloc` and `resize` align to 16.
unsafe impl<S: PageSource> CHeap for Hoard<S> {
    as_they_are!();
    with_layouts!();
}

// SAFETY: `Allocate` makes the same promises; `malloc` aligns to 16, and `resize` keeps the alignment.
unsafe impl<A: Allocate, const QUARANTINE: usize> CHeap for Hardened<A, QUARANTINE> {
    as_they_are!();
    with_layouts!();
}

// SAFETY: `Allocate` makes the same promises; where the grain is less than 16, the alignment is asked for.
unsafe impl<S: PageSource, const GRAIN: usize> CHeap for Dlmalloc<S, GRAIN> {
    with_layouts!();

    #[inline]
    fn c_allocate(&self, size: usize) -> *mut u8 {
        if GRAIN >= ALIGN { self.malloc(size) } else { self.c_allocate_aligned(ALIGN, size) }
    }

    #[inline]
    unsafe fn c_reallocate(&self, block: *mut u8, size: usize) -> *mut u8 {
        // A layout of that size and alignment must exist.
        if layout(size, ALIGN).is_none() {
            return null_mut();
        }
        // SAFETY: the caller's promise; a block is given back through its header, not its layout, of which only the
        // alignment counts, and its usable bytes are at least those it was asked for.
        unsafe {
            if GRAIN >= ALIGN {
                return self.resize(block, size);
            }
            let layout = Layout::from_size_align_unchecked(self.usable_size(block), ALIGN);
            self.reallocate(block, layout, size)
        }
    }
}

// SAFETY: `Allocate` makes the same promises, and `memalign` aligns to 16 at least.
unsafe impl<S: PageSource> CHeap for Wee<S> {
    #[inline]
    fn c_allocate(&self, size: usize) -> *mut u8 {
        self.malloc(size)
    }

    #[inline]
    fn c_allocate_zeroed(&self, size: usize) -> *mut u8 {
        let block = self.malloc(size);
        if !block.is_null() {
            // SAFETY: the block is that long.
            unsafe { block.write_bytes(0, size) };
        }
        block
    }

    #[inline]
    fn c_allocate_aligned(&self, align: usize, size: usize) -> *mut u8 {
        if align > isize::MAX as usize { null_mut() } else { self.memalign(align, size) }
    }

    #[inline]
    unsafe fn c_reallocate(&self, block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise; both blocks are as long as what is copied, and they do not overlap.
        unsafe {
            let usable = self.usable_size(block);
            if size <= usable {
                return block;
            }
            let moved = self.malloc(size);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, usable);
                self.free(block);
            }
            moved
        }
    }

    #[inline]
    unsafe fn c_free(&self, block: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { self.free(block) }
    }

    #[inline]
    unsafe fn c_usable_size(&self, block: *mut u8) -> usize {
        // SAFETY: the caller's promise.
        unsafe { self.usable_size(block) }
    }
}
