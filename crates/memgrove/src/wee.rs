//! [`Wee`]: the smallest code. Segregated free lists, one per power of two, and nothing else.
//!
//! The idea is that of Comfort's and Knuth's *segregated storage* (P. R. Wilson et al., *Dynamic Storage Allocation: A
//! Survey and Critical Review*, 1995, section 3.6) with the layout rule and the splitting of a buddy system: a block of class
//! `k` is `2^k` bytes long and lies at a multiple of `2^k`. So no block needs a header, any alignment is served by a block that
//! is long enough, and any memory is a few blocks: what was obtained goes into the lists at once, and a list that is empty takes
//! the front of the shortest longer block.
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
//! - H1: A block in the list of class `k` lies at a multiple of `2^k`, and belongs to nobody.
//! - H2: Free and live blocks are disjoint, and together they are what was obtained.
//!
//! # Complexity, and what it does not do
//!
//! Allocating and freeing is O(1), whatever the state of the heap: a list's head, or a look at each list of longer blocks,
//! of which there are fewer than an address has bits. Blocks are never merged, so memory once split for one class serves no
//! longer one again.
//!
//! A class comes by a block when all that it has are live: from a longer block or from growth. Else it gets at most one, as the
//! rest of a longer block or in the gap before one, until those are live again. So **a heap holds at most the sum of what each
//! class held at its peak, as much again as the longest block, and a page**, for as long as the program runs and whatever
//! it does; a class holds up to twice what was asked of it, for rounding. (Where somebody else grows memory, the rest of a page each
//! time.) With c classes in use that is up to 2·c times what is live at most at once, if the classes take turns: take
//! [`crate::Dlmalloc`] if that is too much memory.
//!
//! On 32-bit machines no block is longer than half the address space less what is already in use: 1 GiB.

use core::alloc::Layout;

use crate::c;
use crate::face::{Allocate, Inspect, move_block};
use crate::link::{check_link, load_link, store_link};
use crate::source::{PageSource, Platform, Region, obtain};
use crate::stats::{Broken, Stats, ensure};
use crate::sync::Lock;
use crate::word::{WORD, load, pointer, store};

/// One list for every number of leading zeros that a block's last offset can have.
const LISTS: usize = usize::BITS as usize;

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
    /// First free block of each class (H1).
    lists: [usize; LISTS],
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
        let block = self.take(list);
        if block == 0 { self.split(list) } else { block }
    }

    /// The first block of a list, or zero.
    #[inline(always)]
    fn take(&mut self, list: usize) -> usize {
        let block = *self.head(list);
        if block != 0 {
            // SAFETY: a free block's first word leads to the next (H1).
            *self.head(list) = unsafe { load_link(block) };
        }
        block
    }

    /// The front of the shortest free block that is long enough, the rest of which becomes free blocks. Memory grows if there
    /// is none; zero if it cannot. The source is asked only for what holds such a block, so that nothing was taken if it refuses.
    #[inline(never)]
    fn split(&mut self, list: usize) -> usize {
        let last = last(list);
        loop {
            // Longer blocks are in the lists before. None is as long as the address space, so the first list is always empty.
            let mut longer = list;
            while longer != 0 {
                let block = self.take(longer);
                if block != 0 {
                    self.give(block + last + 1, block + self::last(longer) + 1);
                    return block;
                }
                longer -= 1;
            }
            let Some(region) = self.grow(last) else { return 0 };
            self.obtained += region.bytes();
            self.give(region.start, region.end);
        }
    }

    /// Gives a block back to its list.
    ///
    /// # Safety
    /// The block is live, or was never anybody's, and lies at a multiple of its length (H1).
    #[inline(always)]
    unsafe fn free(&mut self, block: usize, list: usize) {
        // SAFETY: a block is at least a word long.
        unsafe { store_link(block, *self.head(list)) };
        *self.head(list) = block;
    }

    /// The next region: the first time, slack of any length; else one that holds a block with this last offset, unless
    /// another thread grows in between.
    #[inline(always)]
    fn grow(&mut self, last: usize) -> Option<Region> {
        if self.obtained == 0 {
            let slack = self.source.slack();
            if slack.bytes() != 0 {
                return Some(slack);
            }
        }
        // The gap before the block is at most as long as the block, which is at most half the address space: this does not
        // overflow.
        let next = self.source.next_address();
        let gap = (next.wrapping_add(last) & !last).wrapping_sub(next);
        obtain(&mut self.source, gap + last + 1)
    }

    /// Turns the memory from `block` to `until`, which is nobody's, into the longest free blocks that there are in it.
    #[inline(never)]
    fn give(&mut self, mut block: usize, until: usize) {
        while block != until {
            // Of the length that the address is a multiple of, or the longest that ends before `until`.
            let by_address = usize::BITS - block.trailing_zeros();
            let by_length = (until - block).leading_zeros() + 1;
            let list = by_address.max(by_length) as usize;
            // SAFETY: the callers' memory is a new region's or the rest of a free block (H2).
            unsafe { self.free(block, list) };
            block += last(list) + 1;
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
        Self { heap: Lock::new(Heap { lists: [0; LISTS], obtained: 0, source }) }
    }

    /// C's `malloc`: `size` bytes at a multiple of 16, or null. O(1).
    #[inline]
    pub fn malloc(&self, size: usize) -> *mut u8 {
        self.memalign(c::ALIGN, size)
    }

    /// C's `memalign`: `size` bytes at a multiple of `align`, a power of two; or null. O(1). In front of them lie as
    /// many bytes as the alignment says (at least 16), the last word of which holds the list.
    #[inline]
    pub fn memalign(&self, align: usize, size: usize) -> *mut u8 {
        let offset = align.max(c::ALIGN);
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
        // SAFETY: the word before such a block is its list; the block lies at a multiple of its length (H1).
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
        // SAFETY: the word before such a block is its list; the block lies at a multiple of its length (H1).
        let last = last(unsafe { load(address - WORD) });
        last - (address & last) + 1
    }
}

// SAFETY: H2; `Lock` lets one thread in at a time.
unsafe impl<S: PageSource> Allocate for Wee<S> {
    #[inline]
    fn allocate(&self, layout: Layout) -> *mut u8 {
        let list = list(layout.size(), layout.align());
        pointer(self.heap.with(|heap| heap.allocate(list)))
    }

    fn allocate_zeroed(&self, layout: Layout) -> *mut u8 {
        let list = list(layout.size(), layout.align());
        pointer(self.heap.with(|heap| {
            let obtained = heap.obtained;
            let block = heap.allocate(list);
            if block != 0 {
                // What had to be obtained for it is zero, but for the link that it held when it was free.
                let fresh = heap.obtained != obtained && block >= heap.source.zeroed_from();
                let dirty_bytes = if fresh { layout.size().min(WORD) } else { layout.size() };
                // SAFETY: the block is at least this long.
                unsafe { pointer(block).write_bytes(0, dirty_bytes) };
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
            let mut stats = Stats { heap_bytes: heap.obtained, ..Stats::default() };
            for (list, &first) in heap.lists.iter().enumerate() {
                let mut block = first;
                while block != 0 {
                    let bytes = last(list) + 1;
                    stats.free_blocks += 1;
                    stats.free_bytes += bytes;
                    stats.largest_free_bytes = stats.largest_free_bytes.max(bytes);
                    // SAFETY: a free block's first word leads to the next (H1).
                    block = unsafe { load_link(block) };
                }
            }
            stats.live_bytes = heap.obtained.wrapping_sub(stats.free_bytes);
            stats
        })
    }

    fn check(&self) -> Result<(), Broken> {
        self.heap.with(|heap| {
            let mut left = heap.obtained;
            for (list, &first) in heap.lists.iter().enumerate().skip(1) {
                let bytes = last(list) + 1;
                let mut block = first;
                while block != 0 {
                    ensure(
                        block & (bytes - 1) == 0,
                        "H1",
                        "a block is not at a multiple of its length",
                        block,
                    )?;
                    ensure(left >= bytes, "H2", "more is free than was obtained", block)?;
                    left -= bytes;
                    // SAFETY: a free block's first word leads to the next (H1).
                    block = unsafe { check_link(block, "H1")? };
                }
            }
            Ok(())
        })
    }
}
