//! [`Wee`]: the smallest code. Segregated free lists, one per power of two, and nothing else.
//!
//! The idea is that of Comfort's and Knuth's *segregated storage* (P. R. Wilson et al., *Dynamic Storage Allocation: A
//! Survey and Critical Review*, 1995, section 3.6) with the layout rule of a buddy system: a block of class `k` is `2^k`
//! bytes long and lies at a multiple of `2^k`. So no block needs a header, any alignment is served by a block that is
//! long enough, and memory skipped for alignment splits into blocks of smaller classes.
//!
//! # A block
//!
//! ```text
//!           a, a multiple of 2^k                                  a + 2^k
//!   live    | the program's bytes .................................|
//!   free    | next of the class, or 0 | ...........................|
//!   C       | ..... | list | the program's bytes ..................|     by `malloc`: `free` is not told the size
//!                          a multiple of the alignment; the block's start is found by clearing its last k bits
//! ```
//!
//! # Invariants
//!
//! - H1: `top <= end`, multiples of 16 both unless blocks of less than 16 bytes were cut off the top.
//! - H2: A block in the list of class `k` lies at a multiple of `2^k`, and belongs to nobody.
//! - H3: Free blocks, live blocks and the top are disjoint; the free blocks and the top are no more than was obtained.
//! - H4: Memory from the top to `end` is zero, except slack and the like: nobody has written to it.
//!
//! # Complexity, and what it does not do
//!
//! Allocating and freeing is O(1), whatever the state of the heap: a list's head, or a cut off the top. Blocks are never
//! merged, so memory once used for one class serves no other: a program's heap is at most the sum of the peaks of its
//! classes, up to twice that for rounding, and the gap before the longest block. Doing the same work twice does not grow it.
//! On 32-bit machines no block is longer than half the address space less what is already in use: 1 GiB. Take [`crate::Dlmalloc`] if that is
//! too much memory.

use core::alloc::Layout;

use crate::face::{Allocate, Inspect, move_block};
use crate::link::{check_link, load_link, store_link};
use crate::source::{PageSource, Platform, Region, obtain};
use crate::stats::{Broken, Stats, ensure};
use crate::sync::Lock;
use crate::word::{WORD, load, pointer, store};

/// One list for every number of leading zeros that a block's last offset can have.
const LISTS: usize = usize::BITS as usize;
/// What C's `malloc` aligns to, on every target; the list is kept in the word before.
const C_ALIGN: usize = 16;

/// The smallest code, and O(1): where the module's size counts most.
///
/// ```
/// # #[cfg(not(target_family = "wasm"))] {
/// use memgrove::Wee;
///
/// #[global_allocator]
/// static HEAP: Wee = Wee::new();
///
/// assert_eq!(format!("{}-{}", 1, 2), "1-2");
/// # }
/// ```
pub struct Wee<S: PageSource = Platform> {
    heap: Lock<Heap<S>>,
}

struct Heap<S> {
    /// First free block of each class (H2).
    lists: [usize; LISTS],
    /// Blocks are cut from here on (H1).
    top: usize,
    /// End of the newest region (H1).
    end: usize,
    /// All that was obtained from the source, in bytes.
    obtained: usize,
    source: S,
}

/// The list of the blocks that serve `bytes` at a multiple of `align`. Lists are numbered by the leading zeros of their
/// blocks' last offset, which the code has at hand, and not by `k`, which it would have to compute.
#[inline(always)]
fn list(bytes: usize, align: usize) -> usize {
    // The largest offset in use, or more; a block must hold a list word.
    let last = bytes.saturating_sub(1) | (align - 1) | (WORD - 1);
    last.leading_zeros() as usize
}

/// The last offset in the blocks of a list: their length less one.
#[inline(always)]
const fn last(list: usize) -> usize {
    usize::MAX >> list
}

impl<S: PageSource> Heap<S> {
    /// The head of a list.
    #[inline(always)]
    fn head(&mut self, list: usize) -> &mut usize {
        // SAFETY: a list's number is the leading zeros of a word that is not zero.
        unsafe { self.lists.get_unchecked_mut(list) }
    }

    /// A block of this list's, or zero.
    #[inline]
    fn allocate(&mut self, list: usize) -> usize {
        let block = *self.head(list);
        if block == 0 {
            return self.cut(list);
        }
        // SAFETY: a free block's first word leads to the next (H2).
        *self.head(list) = unsafe { load_link(block) };
        block
    }

    /// Gives a block back to its list.
    ///
    /// # Safety
    /// The block is live, or was never anybody's, and lies at a multiple of its length (H2).
    #[inline(always)]
    unsafe fn free(&mut self, block: usize, list: usize) {
        // SAFETY: a block is at least a word long.
        unsafe { store_link(block, *self.head(list)) };
        *self.head(list) = block;
    }

    /// A block of this list's from the top, which grows if need be; or zero. The source is asked only for what makes the
    /// block fit, so that nothing was taken if it refuses.
    #[inline]
    fn cut(&mut self, list: usize) -> usize {
        let last = last(list);
        // How far the first block from `base` on reaches, less one. The gap before it is at most as long as the block,
        // which is at most half the address space: this does not overflow.
        let reach = |base: usize| ((base.wrapping_add(last)) & !last).wrapping_sub(base) + last;
        loop {
            let top = self.top;
            if reach(top) < self.end - top {
                let block = (top + last) & !last;
                self.give(block);
                self.top = block + last + 1;
                return block;
            }
            // Where memory goes on: at its end, or behind what a stranger has grown.
            let next = self.source.next_address().max(self.end);
            let base = if next == self.end { top } else { next };
            let Some(region) = self.obtain(reach(base) - (next - base) + 1) else { return 0 };
            self.obtained += region.end - region.start;
            if region.start != self.end {
                // A stranger's memory lies behind the top, or there was none.
                self.give(self.end);
                self.top = region.start;
            }
            self.end = region.end;
        }
    }

    /// The next region. The first time that may be slack, of any length.
    #[inline(always)]
    fn obtain(&mut self, bytes: usize) -> Option<Region> {
        if self.end == 0 {
            let slack = self.source.slack();
            if slack.end != 0 {
                return Some(slack);
            }
        }
        obtain(&mut self.source, bytes)
    }

    /// Turns the memory from the top to `until` into free blocks.
    #[inline(never)]
    fn give(&mut self, until: usize) {
        while self.top != until {
            let block = self.top;
            // Both are multiples of this power of two, so a block of that length fits, and lies at a multiple of it.
            let either = block | until;
            let bytes = either & either.wrapping_neg();
            self.top += bytes;
            // SAFETY: memory above the top is nobody's (H3).
            unsafe { self.free(block, (bytes - 1).leading_zeros() as usize) };
        }
    }
}

impl Wee {
    /// An empty heap on the source that fits the target.
    #[expect(clippy::new_without_default, reason = "a default value of a heap would be a new heap each time")]
    pub const fn new() -> Self {
        Self::with_source(crate::source::PLATFORM)
    }
}

impl<S: PageSource> Wee<S> {
    /// An empty heap on `source`.
    pub const fn with_source(source: S) -> Self {
        Self { heap: Lock::new(Heap { lists: [0; LISTS], top: 0, end: 0, obtained: 0, source }) }
    }

    /// C's `malloc`: `size` bytes at a multiple of 16, or null. O(1).
    #[inline]
    pub fn malloc(&self, size: usize) -> *mut u8 {
        self.memalign(C_ALIGN, size)
    }

    /// C's `memalign`: `size` bytes at a multiple of `align`, a power of two; or null. O(1). In front of them lie as
    /// many bytes as the alignment says (at least 16), the last word of which holds the list.
    #[inline]
    pub fn memalign(&self, align: usize, size: usize) -> *mut u8 {
        let offset = align.max(C_ALIGN);
        // An empty block needs a byte as well: else its address would be that of the block after it.
        let bytes = match size.max(1).checked_add(offset) {
            Some(bytes) if bytes <= isize::MAX as usize => bytes,
            _ => return core::ptr::null_mut(),
        };
        let list = list(bytes, offset);
        let block = self.heap.with(|heap| heap.allocate(list));
        if block == 0 {
            return core::ptr::null_mut();
        }
        // SAFETY: the block is longer than the offset, which is at least a word.
        unsafe { store(block + offset - WORD, list) };
        pointer(block + offset)
    }

    /// C's `free`. `block` may not be null.
    ///
    /// # Safety
    /// `block` came from [`malloc`](Self::malloc) or [`memalign`](Self::memalign) of this heap (not from another of its
    /// faces) and is not used afterwards.
    #[inline]
    pub unsafe fn free(&self, block: *mut u8) {
        let address = block.expose_provenance();
        // SAFETY: the word before such a block is its list; the block lies at a multiple of its length (H2).
        self.heap.with(|heap| unsafe {
            let list = load(address - WORD);
            heap.free(address & !last(list), list);
        });
    }

    /// The bytes that the program may use in `block`. O(1).
    ///
    /// # Safety
    /// As for [`free`](Self::free), but that it may still be used.
    #[inline]
    pub unsafe fn usable_size(&self, block: *mut u8) -> usize {
        let address = block.expose_provenance();
        // SAFETY: the word before such a block is its list; the block lies at a multiple of its length (H2).
        let last = last(unsafe { load(address - WORD) });
        last - (address & last) + 1
    }
}

// SAFETY: H3; `Lock` lets one thread in at a time.
unsafe impl<S: PageSource> Allocate for Wee<S> {
    #[inline]
    fn allocate(&self, layout: Layout) -> *mut u8 {
        let list = list(layout.size(), layout.align());
        pointer(self.heap.with(|heap| heap.allocate(list)))
    }

    fn allocate_zeroed(&self, layout: Layout) -> *mut u8 {
        let list = list(layout.size(), layout.align());
        pointer(self.heap.with(|heap| {
            // Those that come off a list were written to; the others lie above what was the top.
            let listed = *heap.head(list) != 0;
            let block = heap.allocate(list);
            if block != 0 && (listed || block < heap.source.zeroed_from()) {
                // SAFETY: the block is at least this long.
                unsafe { pointer(block).write_bytes(0, layout.size()) };
            }
            block
        }))
    }

    #[inline]
    unsafe fn deallocate(&self, block: *mut u8, layout: Layout) {
        let list = list(layout.size(), layout.align());
        // SAFETY: the caller's promise: the same layout gives the same list.
        self.heap.with(|heap| unsafe { heap.free(block.expose_provenance(), list) });
    }

    #[inline]
    unsafe fn reallocate(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if list(new_size, layout.align()) == list(layout.size(), layout.align()) {
            return block;
        }
        // SAFETY: the caller's promise.
        unsafe { move_block(self, block, layout, new_size) }
    }
}

impl<S: PageSource> Inspect for Wee<S> {
    /// `live_blocks` stays 0: without headers nobody knows.
    fn stats(&self) -> Stats {
        self.heap.with(|heap| {
            let top_bytes = heap.end - heap.top;
            let mut stats = Stats { heap_bytes: heap.obtained, top_bytes, ..Stats::default() };
            for (list, &first) in heap.lists.iter().enumerate() {
                let mut block = first;
                while block != 0 {
                    let bytes = last(list) + 1;
                    stats.free_blocks += 1;
                    stats.free_bytes += bytes;
                    stats.largest_free_bytes = stats.largest_free_bytes.max(bytes);
                    // SAFETY: a free block's first word leads to the next (H2).
                    block = unsafe { load_link(block) };
                }
            }
            stats.live_bytes = heap.obtained.wrapping_sub(top_bytes).wrapping_sub(stats.free_bytes);
            stats
        })
    }

    fn check(&self) -> Result<(), Broken> {
        /// How much of the untouched top is looked at (H4), in words.
        const SAMPLE_WORDS: usize = 64;
        self.heap.with(|heap| {
            ensure(heap.top <= heap.end, "H1", "the top begins after the end", heap.top)?;
            ensure((heap.top | heap.end) % WORD == 0, "H1", "the top is not on a word", heap.top)?;
            let mut left = heap.obtained.wrapping_sub(heap.end - heap.top);
            for (list, &first) in heap.lists.iter().enumerate() {
                let mut block = first;
                while block != 0 {
                    let bytes = last(list) + 1;
                    ensure(
                        block & (bytes - 1) == 0,
                        "H2",
                        "a block is not at a multiple of its length",
                        block,
                    )?;
                    ensure(left >= bytes, "H3", "more is free than was obtained", block)?;
                    left -= bytes;
                    // SAFETY: a free block's first word leads to the next (H2).
                    block = unsafe { check_link(block, "H2")? };
                }
            }
            let fresh = heap.source.zeroed_from().max(heap.top);
            for word in (fresh..heap.end).step_by(WORD).take(SAMPLE_WORDS) {
                // SAFETY: memory from the top to the end is the heap's (H1).
                ensure(unsafe { load(word) } == 0, "H4", "untouched memory is not zero", word)?;
            }
            Ok(())
        })
    }
}
