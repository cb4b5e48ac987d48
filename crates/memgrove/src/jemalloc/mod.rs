//! [`Jemalloc`]: size classes, slabs, extents, low addresses first, and with threads caches and arenas.
//!
//! After Jason Evans, *A Scalable Concurrent malloc(3) Implementation for FreeBSD* (BSDCan 2006), and jemalloc's
//! documentation (<https://jemalloc.net/jemalloc.3.html>, "Implementation notes"): size classes four to a doubling,
//! *slabs* of equal regions whose metadata lies outside of them, *extents* of pages with best fit by length and then
//! by address, and a cache of free regions that takes and gives without looking at either.
//!
//! What differs comes from linear memory, which never shrinks: pages are small (1 KiB), so that an empty
//! slab soon serves another class; and in place of a decay clock, the cache is flushed when memory would have to grow
//! (`slabs.rs` tells how). So the way of a call costs what a plain list costs, and freed memory is still used for everything.
//!
//! # Layout
//!
//! ```text
//!  base                                                                     top          limit
//!  | page map | slab of 48s | large block         | free | slab of 16s | …  | not handed out |
//!
//!  a slab     | region | region | region | … | rest (at most an eighth)  |
//!  a region   | the program's bytes                                      |   in its hands
//!             | next   |                                                 |   in a cache or in a slab's list
//!             | next   | next slab |                                     |   first in the list of a queued slab
//!  a free     | next   | prev      | length | …                           |
//!    extent
//! ```
//!
//! # Invariants
//!
//! - J1: A region in a thread's cache, in a class's cache or in a slab's list is in nobody's hands; it is in one of those
//!   only, lies in a slab of its class, and at a multiple of the class's size from the slab's start.
//! - J2: A slab's count is the length of its list; a class's queue holds the slabs with a list, the highest first. The pages of a class are
//!   those of its slabs.
//! - J3: A thread's cache holds at most its limit of regions of each class, and its counts are the lengths of its lists. Its strays, which are on
//!   their way to other arenas, count for less than 4 KiB, and for as much as it says.
//! - J4: A slab's entries in the page map say its class and its arena, and keep to it for as long as it is a slab. An arena's queues hold slabs
//!   of its own only. No stray is of the arena of its own slot.
//! - The pages hold to P1 to P6 (`pages/mod.rs`).
//!
//! # Threads
//!
//! Natively, and on wasm with the `atomics` target feature, what was drawn above is there eight times, but for the pages: *arenas*, each with
//! its lists of free regions, its queues and slabs of its own behind its own lock, over pages that all share. In front of them each of 16 slots of threads
//! has a small bounded cache. A block that another arena's thread frees goes home. `threads/many.rs` tells how, in which order locks
//! are taken, and what arenas may hold. Without `atomics` there is none of it in the module: one heap, and no lock.
//!
//! # Complexity
//!
//! A call that the cache serves takes some 25 instructions. Otherwise: constant time for pages, linear in the regions
//! of a new slab (at most 512), or a flush, which is linear in the heap and is due only when memory has grown by a
//! sixty-fourth (an eighth in a program that only allocates) or when a call for each 32 pages of the heap has missed the
//! cache: constant time for each call, amortised.
//! With threads a call takes some instructions more for the lock of its slot; and two threads that share nothing meet where memory is
//! taken from the pages, once in a slab, in large blocks, and in a flush, which stops all arenas.

mod check;
#[cfg(any(all(target_family = "wasm", not(target_feature = "atomics")), test))]
mod heap;
mod lists;
mod reserve;
mod slabs;
mod threads;

use core::alloc::Layout;

use crate::c;
use crate::face::{Allocate, Inspect, move_block};
use crate::source::{PageSource, Platform};
use crate::stats::{Broken, Stats};
use threads::{Heaps, Threads};

/// The fast one: a call costs a few instructions, and pages go wherever they are needed.
///
/// ```
/// # #[cfg(not(target_family = "wasm"))] {
/// use memgrove::Jemalloc;
///
/// #[global_allocator]
/// static HEAP: Jemalloc = Jemalloc::new();
///
/// let words: Vec<String> = (0..100).map(|i| i.to_string()).collect();
/// assert_eq!(words[42], "42");
/// # }
/// ```
pub struct Jemalloc<S: PageSource = Platform> {
    heaps: Heaps<S>,
}

impl Jemalloc {
    /// An empty heap on the source that fits the target.
    #[expect(clippy::new_without_default, reason = "a default value of a heap would be a new heap each time")]
    pub const fn new() -> Self {
        Self::with_source(crate::source::PLATFORM)
    }
}

impl<S: PageSource> Jemalloc<S> {
    /// An empty heap on `source`.
    pub const fn with_source(source: S) -> Self {
        Self { heaps: Heaps::new(source) }
    }

    /// C's `malloc`: a block of at least `size` bytes at a multiple of 16, or null.
    #[inline]
    pub fn malloc(&self, size: usize) -> *mut u8 {
        // Above this the rounding could wrap; C forbids such objects anyway.
        if size > isize::MAX as usize {
            return core::ptr::null_mut();
        }
        self.heaps.allocate(c::rounded(size), 1)
    }

    /// C's `free`, without a size: the page map knows it. `block` may not be null.
    ///
    /// # Safety
    /// `block` came from this heap, by whichever function, and is not used afterwards.
    #[inline]
    pub unsafe fn free(&self, block: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { self.heaps.free(block) };
    }

    /// The bytes that the program may use in `block`: at least as many as it asked for. O(1).
    ///
    /// # Safety
    /// `block` came from this heap and was not given back.
    #[inline]
    pub unsafe fn usable_size(&self, block: *mut u8) -> usize {
        // SAFETY: the caller's promise.
        unsafe { self.heaps.usable_size(block) }
    }

    /// Makes `block` at least `new_size` bytes long, in place or by moving it; null if exhausted, and then the old
    /// block stays. The alignment that survives a move is 16.
    ///
    /// # Safety
    /// `block` came from this heap and was not given back; on success only the answer is used afterwards.
    pub unsafe fn resize(&self, block: *mut u8, new_size: usize) -> *mut u8 {
        if new_size > isize::MAX as usize {
            return core::ptr::null_mut();
        }
        let new_size = c::rounded(new_size);
        // SAFETY: the caller's promise; both blocks are at least as long as what is copied and do not overlap, and
        // the old one is given back once.
        unsafe {
            if self.heaps.resize_in_place_unsized(block, new_size) {
                return block;
            }
            let moved = self.malloc(new_size);
            if !moved.is_null() {
                core::ptr::copy_nonoverlapping(block, moved, self.usable_size(block).min(new_size));
                self.free(block);
            }
            moved
        }
    }
}

// SAFETY: P2 and J1 say that live blocks are disjoint regions and extents; `Lock` lets one thread in at a time.
unsafe impl<S: PageSource> Allocate for Jemalloc<S> {
    #[inline]
    fn allocate(&self, layout: Layout) -> *mut u8 {
        self.heaps.allocate(layout.size(), layout.align())
    }

    fn allocate_zeroed(&self, layout: Layout) -> *mut u8 {
        self.heaps.allocate_zeroed(layout.size(), layout.align())
    }

    #[inline]
    unsafe fn deallocate(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.heaps.deallocate(block, layout.size(), layout.align()) };
    }

    #[inline]
    unsafe fn reallocate(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            let (size, align) = (layout.size(), layout.align());
            let stays = self.heaps.resize_in_place(block, size, align, new_size);
            if stays { block } else { move_block(self, block, layout, new_size) }
        }
    }
}

impl<S: PageSource> Inspect for Jemalloc<S> {
    fn stats(&self) -> Stats {
        self.heaps.stats()
    }

    fn check(&self) -> Result<(), Broken> {
        self.heaps.check()
    }
}
