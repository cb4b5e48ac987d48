//! [`Dlmalloc`]: boundary tags, good fit, lists of recently freed small blocks.
//!
//! After Doug Lea, *A Memory Allocator* (1996/2000, <https://gee.cs.oswego.edu/dl/html/malloc.html>): boundary tags,
//! exact small bins, a designated victim to cut small blocks from, and a top block that grows with memory. Two things
//! differ.
//!
//! - Larger blocks are not in tries but in eight bins per power of two, found through a bit map as in TLSF (Masmano et
//!   al., 2004), and the first few blocks of a request's own bin are looked at for the best fit. Tries were built first:
//!   they took a third more instructions on loads of larger blocks, and saved no memory.
//! - Small blocks are freed without being merged, into *quick lists* by exact size (C. B. Weinstock and W. A. Wulf,
//!   *QuickFit*, 1988), where the next request of that size finds them in a dozen instructions. They are merged before
//!   memory grows, before the top is cut beyond the next 64 KiB, each time that half a heap of larger blocks was freed, and when
//!   they are found to hold more than a few blocks and four for each live one, so that they do not keep larger pieces of memory
//!   apart for long.
//!
//! # A block
//!
//! `W` is the word, 4 bytes on wasm32. A block is known by its payload's address `a`, a multiple of the grain
//! (two words unless chosen otherwise). Its header is the word before; the word before *that* belongs to the previous
//! block, which is why a block `size` bytes long holds `size - W` bytes of the program's.
//!
//! ```text
//!          a-W         a           a+W                            a+size-2W    a+size-W   a+size
//!   live   | size|bits | the program's bytes ...................................| next's header
//!   quick  | size|bits | next in list | ........................................|
//!   free   | size|bits | next in bin  | link | ..........................| size    |
//!                                                                         footer
//! ```
//!
//! `link` is the address of the word that points to the block: a bin's head or a list mate's first word. So a block can be
//! taken out without knowing which bin it is in.
//!
//! # Invariants
//!
//! - H1: The blocks of a region tile it without gaps from its first block to its fence, or to the top in the
//!   newest region; each size is a multiple of the grain and at least `MIN_BLOCK`, but for a remainder that is
//!   too short to be a block, in front of a fence.
//! - H2: `FREE` is set in the header of exactly the blocks that are in bins; `PREV_FREE` is set in exactly the headers
//!   that follow one. Two free blocks never touch, and none touches the top.
//! - H3: The last word of a free block (its footer) is its size.
//! - H4: A free block is in exactly one bin, that of its size, and `link` is the address of the word that points to it.
//!   A bin that holds blocks has its bit set in the bin map.
//! - H5: A small bin holds blocks of one size; a larger one those that share the leading bit and the three bits after it.
//! - H6: Blocks in quick lists and the designated victim are tiles that look live; each quick list holds one size.
//! - H7: `top <= reach <= end`, `top` and `end` multiples of the grain; the word before `end` is the heap's.
//! - H8: Memory from `max(fresh, top)` to `end` is zero: nobody has written to it.
//! - H9: `out` is the number of tiles that look live, but for the victim and what is too short to be a block. At least `credit`
//!   of them are live, unless the heap has not gone beyond its first step of 64 KiB.
//! - H10: A heap in which everything is free is as good as new. When a call has freed the last live block, no quick list holds
//!   any and there is no victim; in a heap of one region the bins are empty, the top begins where the first block was, and is cut a
//!   step at a time again, with the quick lists merged before each, as when memory grew. So the same work finds the same
//!   places again. (A heap that has not gone beyond its first step may keep quick blocks.)
//!
//! # A program that lives long
//!
//! Quick lists keep what was freed apart, so the same work, done again, would find the heap cut otherwise, need a little more
//! in some rounds, and grow for as long as it runs. H10 makes it a fixed point without a count of live blocks, which every
//! call would pay for: frees count down from the blocks that were live when the quick lists were looked through last, and at
//! zero they are looked through again, and merged if nothing is live or if they hold many. That takes, amortised, a constant
//! time for each free.
//!
//! # Complexity
//!
//! Allocating and freeing a small block takes a few instructions if its quick list serves it. Otherwise O(1): a look at a
//! bit map, at no more than a few blocks of one bin, and at two neighbours. Merging the quick lists takes time in their
//! length, each block being merged at most once per time it was freed.

mod bins;
mod block;
mod check;
mod grow;
mod heap;
mod resize;

use core::alloc::Layout;

use crate::face::{Allocate, Inspect, move_block};
use crate::source::{PageSource, Platform};
use crate::stats::{Broken, Stats};
use crate::sync::Lock;
use crate::word::{WORD, pointer};
use heap::Heap;

/// The lowest footprint, all-round speed: the one to take if nothing speaks for another.
///
/// `GRAIN` is the alignment that every block has: two words, or 16 for C on wasm32.
///
/// ```
/// # #[cfg(not(target_family = "wasm"))] {
/// use memgrove::Dlmalloc;
///
/// #[global_allocator]
/// static HEAP: Dlmalloc = Dlmalloc::new();
///
/// let words: Vec<String> = (0..100).map(|i| i.to_string()).collect();
/// assert_eq!(words[42], "42");
/// # }
/// ```
pub struct Dlmalloc<S: PageSource = Platform, const GRAIN: usize = { 2 * WORD }> {
    heap: Lock<Heap<S, GRAIN>>,
}

impl Dlmalloc {
    /// An empty heap on the source that fits the target.
    #[expect(clippy::new_without_default, reason = "a default value of a heap would be a new heap each time")]
    pub const fn new() -> Self {
        Self::with_source(crate::source::PLATFORM)
    }
}

impl<S: PageSource> Dlmalloc<S> {
    /// An empty heap on `source`.
    pub const fn with_source(source: S) -> Self {
        Self::with_grain(source)
    }
}

impl<S: PageSource, const GRAIN: usize> Dlmalloc<S, GRAIN> {
    /// An empty heap on `source` with a grain other than two words: `Dlmalloc::<_, 16>::with_grain(source)`.
    pub const fn with_grain(source: S) -> Self {
        Self { heap: Lock::new(Heap::new(source)) }
    }

    /// C's `malloc`: a block of at least `size` bytes at a multiple of `GRAIN`, or null. O(1), amortised.
    #[inline]
    pub fn malloc(&self, size: usize) -> *mut u8 {
        // Above this the sums below could wrap; C forbids such objects anyway.
        if size > isize::MAX as usize {
            return core::ptr::null_mut();
        }
        pointer(self.heap.with(|heap| heap.allocate(size)))
    }

    /// C's `free`, without a size. `block` may not be null.
    ///
    /// # Safety
    /// `block` came from this heap, by whichever function, and is not used afterwards.
    #[inline]
    pub unsafe fn free(&self, block: *mut u8) {
        // SAFETY: the caller's promise.
        self.heap.with(|heap| unsafe { heap.free(block.expose_provenance()) });
    }

    /// The bytes that the program may use in `block`: at least as many as it asked for. O(1).
    ///
    /// # Safety
    /// `block` came from this heap and was not given back.
    #[inline]
    pub unsafe fn usable_size(&self, block: *mut u8) -> usize {
        // SAFETY: a live block has a header (H1), which changes in its flags only.
        unsafe { Heap::<S, GRAIN>::usable_size(block.expose_provenance()) }
    }

    /// Makes `block` at least `new_size` bytes long, in place or by moving it; null if exhausted, and then the old
    /// block stays. The alignment that survives a move is `GRAIN`.
    ///
    /// # Safety
    /// `block` came from this heap and was not given back; on success only the answer is used afterwards.
    pub unsafe fn resize(&self, block: *mut u8, new_size: usize) -> *mut u8 {
        if new_size > isize::MAX as usize {
            return core::ptr::null_mut();
        }
        // SAFETY: the caller's promise; a block's usable bytes and the grain make a layout, and `move_block` gives
        // the block back through its header, not its layout.
        unsafe {
            let layout = Layout::from_size_align_unchecked(self.usable_size(block), GRAIN);
            self.reallocate(block, layout, new_size)
        }
    }
}

// SAFETY: the heap's invariants H1 to H6 say that live blocks are disjoint tiles; `Lock` lets one thread in at a time.
unsafe impl<S: PageSource, const GRAIN: usize> Allocate for Dlmalloc<S, GRAIN> {
    #[inline]
    fn allocate(&self, layout: Layout) -> *mut u8 {
        pointer(self.heap.with(|heap| {
            if layout.align() <= GRAIN {
                heap.allocate(layout.size())
            } else {
                heap.allocate_aligned(layout.size(), layout.align())
            }
        }))
    }

    fn allocate_zeroed(&self, layout: Layout) -> *mut u8 {
        pointer(self.heap.with(|heap| heap.allocate_zeroed(layout.size(), layout.align())))
    }

    #[inline]
    unsafe fn deallocate(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.free(block) }
    }

    #[inline]
    unsafe fn reallocate(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            let resized =
                self.heap.with(|heap| heap.resize(block.expose_provenance(), new_size, layout.align()));
            if resized != 0 {
                return pointer(resized);
            }
            move_block(self, block, layout, new_size)
        }
    }
}

impl<S: PageSource, const GRAIN: usize> Inspect for Dlmalloc<S, GRAIN> {
    fn stats(&self) -> Stats {
        self.heap.with(|heap| heap.stats())
    }

    fn check(&self) -> Result<(), Broken> {
        self.heap.with(|heap| heap.check())
    }
}
