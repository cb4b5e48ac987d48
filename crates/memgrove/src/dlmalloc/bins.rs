//! Bins of free blocks: one per size below `SMALL_LIMIT`, eight per power of two from there on, and a map of those that
//! may hold something.

use super::block::{PREV_FREE, TAGS, header, set_header, size};
use super::heap::Heap;
use crate::link::{expect_link, load_link, store_link};
use crate::source::PageSource;
use crate::word::{WORD, at};

/// Bins with one size each: one for each multiple of the grain below `SMALL_LIMIT`. So many quick lists are there, too.
pub(super) const SMALL_BINS: usize = 32;
/// Bins per power of two, as a power of two: what a block is longer than a request of the bin below it is less than
/// an eighth.
const SHARE: u32 = 3;
/// How many blocks of a request's own bin are looked at for the best fit. With all of them a program could make the
/// search linear.
const LOOKS: usize = 4;
/// Bits in a word of the map. WebAssembly counts trailing zeros of 64 bits in one instruction.
const MAP_BITS: usize = u64::BITS as usize;

/// Leading bit of the smallest size that shares its bin.
const fn first_shared(grain: usize) -> usize {
    (SMALL_BINS * grain).ilog2() as usize
}

/// Number of bins for a grain.
const fn bins(grain: usize) -> usize {
    SMALL_BINS + ((usize::BITS as usize - first_shared(grain)) << SHARE)
}

/// Bins for the smallest grain there is, which has the most.
pub(super) const MOST_BINS: usize = bins(2 * WORD);
/// Words in the map.
pub(super) const MAP_WORDS: usize = MOST_BINS.div_ceil(MAP_BITS);

impl<S: PageSource, const GRAIN: usize> Heap<S, GRAIN> {
    /// Sizes from here on share bins.
    pub(super) const SMALL_LIMIT: usize = SMALL_BINS * GRAIN;
    /// Number of bins.
    pub(super) const BINS: usize = bins(GRAIN);

    /// The number of the bin for a size.
    #[inline]
    pub(super) fn bin(size: usize) -> usize {
        if size < Self::SMALL_LIMIT {
            size / GRAIN
        } else {
            // The leading bit, and the `SHARE` bits after it.
            let leading = size.ilog2();
            (size >> (leading - SHARE)) + ((leading as usize) << SHARE) + SMALL_BINS
                - (1 << SHARE)
                - (first_shared(GRAIN) << SHARE)
        }
    }

    /// How many heads there are, in a first region with its record at `record` that ends at `end`: all, unless no block can be
    /// longer than the region.
    #[inline(always)]
    pub(super) fn heads(record: usize, end: usize) -> usize {
        if S::GROWS { Self::BINS } else { Self::bin(end.wrapping_sub(record)) + 1 }
    }

    /// Address of the head of a bin's list.
    #[inline(always)]
    pub(super) fn head(&self, bin: usize) -> usize {
        self.bins + bin * WORD
    }

    /// Whether a bin may hold a block; if not, it holds none (H4).
    #[inline(always)]
    pub(super) fn may_hold(&self, bin: usize) -> bool {
        debug_assert!(bin < Self::BINS);
        // SAFETY: `bin` answers less than BINS for every size, and MAP_WORDS words hold a bit for each.
        unsafe { self.map.get_unchecked(bin / MAP_BITS) >> (bin % MAP_BITS) & 1 != 0 }
    }

    /// Puts a free block into its bin.
    ///
    /// # Safety
    /// `block` is marked free, `size` bytes long, and in no bin.
    #[inline]
    pub(super) unsafe fn insert(&mut self, block: usize, size: usize) {
        let bin = Self::bin(size);
        debug_assert!(bin < Self::BINS);
        // SAFETY: as in `may_hold`; heads are the heap's words; the block is long enough for its two list words (H1).
        unsafe {
            *self.map.get_unchecked_mut(bin / MAP_BITS) |= 1 << (bin % MAP_BITS);
            push(self.head(bin), block)
        }
    }

    /// A block of at least `wanted` bytes, taken out of its bin; and its size. The best fit among small ones, and to
    /// within the width of a bin among larger ones.
    pub(super) fn take(&mut self, wanted: usize) -> Option<(usize, usize)> {
        let mut bin = Self::bin(wanted);
        if wanted >= Self::SMALL_LIMIT {
            if self.may_hold(bin) {
                // SAFETY: heads exist since a bit is set; a bin's members are free and linked (H4).
                let best = unsafe { look(load_link(self.head(bin)), wanted) };
                if best.is_some() {
                    return best;
                }
            }
            // All blocks from the next bin on are long enough.
            bin += 1;
        }
        let mut word = bin / MAP_BITS;
        let mut mask = u64::MAX << (bin % MAP_BITS);
        while word < MAP_WORDS {
            let candidates = self.map[word] & mask;
            if candidates == 0 {
                word += 1;
                mask = u64::MAX;
                continue;
            }
            let bit = candidates.trailing_zeros() as usize;
            // SAFETY: heads exist since a bit is set; a bin's members are free and linked (H4).
            unsafe {
                let block = load_link(self.head(word * MAP_BITS + bit));
                if block != 0 {
                    unlink(block);
                    return Some((block, size(block)));
                }
            }
            // Taking a block out of the middle of the heap does not look whether its bin is empty now.
            self.map[word] &= !(1 << bit);
        }
        None
    }

    /// Makes a whole free block, which is in no bin, live.
    ///
    /// # Safety
    /// `block` was free (H2) and is `size` bytes long.
    #[inline]
    pub(super) unsafe fn make_live(block: usize, size: usize) {
        let next = block + size;
        // SAFETY: a tile or a fence follows every free block (H1), never the top (H2).
        unsafe {
            set_header(block, size);
            set_header(next, header(next) & !PREV_FREE);
        }
    }
}

/// The shortest block of at least `wanted` bytes among the first of a list, taken out; and its size.
///
/// # Safety
/// `block` is the first member of a bin's list, or zero.
#[inline]
unsafe fn look(mut block: usize, wanted: usize) -> Option<(usize, usize)> {
    let mut best = 0;
    // Too short a block has, wrapped, a rest of more than this; a fit has less.
    let mut best_rest = !wanted;
    let mut looks = LOOKS;
    // SAFETY: members are free blocks, whose first word leads to the next (H4).
    unsafe {
        while block != 0 && looks != 0 {
            let rest = size(block).wrapping_sub(wanted);
            if rest < best_rest {
                best_rest = rest;
                best = block;
            }
            block = load_link(block);
            looks -= 1;
        }
        if best == 0 {
            return None;
        }
        unlink(best);
    }
    Some((best, wanted + best_rest))
}

/// Puts a block in front of the list whose head is at `head`.
///
/// # Safety
/// `head` is a list head's address; `block` is a tile of at least `MIN_BLOCK` bytes.
#[inline]
unsafe fn push(head: usize, block: usize) {
    // SAFETY: the words are a free block's first two (see the drawing), and the old first block's link (H4).
    unsafe {
        let first = load_link(head);
        store_link(block, first);
        store_link(block + WORD, head);
        store_link(head, block);
        if first != 0 {
            store_link(first + WORD, block);
        }
    }
}

/// Takes a free block out of the list it is in.
///
/// # Safety
/// `block` is in a list (H4).
#[inline]
pub(super) unsafe fn unlink(block: usize) {
    // SAFETY: `link` is the address of the word that points here (H4); the next block has a link of its own.
    unsafe {
        let next = load_link(block);
        let link = load_link(block + WORD);
        expect_link(|| at::<u8>(load_link(link)), at(block));
        store_link(link, next);
        if next != 0 {
            store_link(next + WORD, link);
        }
    }
}

const _: () = assert!(TAGS < 8, "tags fit below the smallest grain");
