//! The heap's own words, and the ways of allocating and freeing.

use super::bins::{MAP_WORDS, SMALL_BINS, unlink};
use super::block::{FREE, MIN_BLOCK, PREV_FREE, TAGS, header, mark_free, previous_size, set_header, size};
use super::grow::{STEP, lead};
use crate::link::{load_link, store_link};
use crate::source::PageSource;
use crate::word::WORD;

/// The quick lists are merged each time that so many bytes of larger blocks were freed: they may hold the blocks that
/// keep larger pieces of memory apart. Small enough that a big table given back is reused whole, large enough that
/// looking at empty lists costs nothing.
const MERGE_BYTES: usize = 1 << 16;

/// So many blocks may wait in quick lists, and four more for each live one: a program with a few live blocks that frees and
/// allocates in turn would otherwise have them merged, and cut again, every few calls.
const MERGE_BLOCKS: usize = 16;

/// One heap. All zero until the first allocation, so that it costs no bytes in a module's data.
///
/// No block holds an address within this struct: a heap may be moved.
pub(super) struct Heap<S, const GRAIN: usize> {
    /// Heads of the lists of small blocks freed and not merged, by `size / GRAIN` (H6).
    pub(super) quick: [usize; SMALL_BINS],
    /// The block that the next one is cut from at the end of the heap; it has no header yet. Zero if there is none.
    pub(super) top: usize,
    /// End of the newest region, whose last word is kept for a fence (H7).
    pub(super) end: usize,
    /// The top is cut up to here only, until the quick lists are merged (H7): what lies behind is taken a step at a time, as
    /// if it was grown.
    pub(super) reach: usize,
    /// The designated victim: a block that looks live (H6), from which small blocks are cut. Zero if there is none.
    pub(super) victim: usize,
    /// Bit `i` is set if bin `i` may hold a block (H4).
    pub(super) map: [u64; MAP_WORDS],
    /// Address of the heads of the bins, at the start of the first region: links in blocks point there.
    pub(super) bins: usize,
    /// Address of the newest region's record, which is one word: the address of the record before it, or zero.
    pub(super) region: usize,
    /// Nobody has written to the newest region from here on, nor above `top` (H8).
    pub(super) fresh: usize,
    /// Bytes of larger blocks freed since the quick lists were last merged for that reason.
    pub(super) loose: usize,
    /// Blocks that the bins, the victim and the top have given and not got back: live ones and those in quick lists.
    pub(super) out: usize,
    /// At least so many blocks more must be freed before quick lists hold every block that is out (H9).
    pub(super) credit: usize,
    /// Where memory comes from.
    pub(super) source: S,
}

impl<S: PageSource, const GRAIN: usize> Heap<S, GRAIN> {
    const CHECKED: () = assert!(
        GRAIN.is_power_of_two() && GRAIN >= 2 * WORD && GRAIN <= MIN_BLOCK,
        "the grain is two words or four"
    );

    pub(super) const fn new(source: S) -> Self {
        let () = Self::CHECKED;
        Self {
            quick: [0; SMALL_BINS],
            top: 0,
            end: 0,
            reach: 0,
            victim: 0,
            map: [0; MAP_WORDS],
            bins: 0,
            region: 0,
            fresh: 0,
            loose: 0,
            out: 0,
            credit: 0,
            source,
        }
    }

    /// The length of a block for `bytes` of the program's; below `MIN_BLOCK` for the smallest ones.
    #[inline(always)]
    pub(super) const fn block_size(bytes: usize) -> usize {
        (bytes + (WORD + GRAIN - 1)) & GRAIN.wrapping_neg()
    }

    /// Bytes that the program may use in a live block.
    ///
    /// # Safety
    /// `block` is live.
    #[inline(always)]
    pub(super) unsafe fn usable_size(block: usize) -> usize {
        // SAFETY: the caller's promise.
        unsafe { size(block) - WORD }
    }

    /// A block for `bytes` (at most `isize::MAX`), or zero.
    #[inline(always)]
    pub(super) fn allocate(&mut self, bytes: usize) -> usize {
        let wanted = Self::block_size(bytes);
        if wanted < Self::SMALL_LIMIT {
            let head = &mut self.quick[wanted / GRAIN];
            let block = *head;
            if block != 0 {
                // SAFETY: a quick list's member holds the next one's address (H6).
                *head = unsafe { load_link(block) };
                return block;
            }
        }
        self.allocate_slow(wanted)
    }

    /// Gives a live block back.
    ///
    /// # Safety
    /// `block` is live.
    #[inline(always)]
    pub(super) unsafe fn free(&mut self, block: usize) {
        // SAFETY: a live block has a header (H1) and room for a list word.
        unsafe {
            let tagged = header(block);
            if tagged < Self::SMALL_LIMIT {
                let head = &mut self.quick[tagged / GRAIN];
                store_link(block, *head);
                *head = block;
            } else {
                self.free_larger(block, tagged);
            }
        }
        self.credit = self.credit.wrapping_sub(1);
        if self.credit == 0 {
            self.settle();
        }
    }

    /// Gives a live block of at least `SMALL_LIMIT` bytes back.
    ///
    /// # Safety
    /// `block` is live, and `tagged` is its header.
    #[inline(never)]
    unsafe fn free_larger(&mut self, block: usize, tagged: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.release(block) };
        self.out -= 1;
        self.loose += tagged;
        if self.loose >= MERGE_BYTES && self.loose >= (self.reach - self.bins) / 2 {
            self.loose = 0;
            self.flush();
            // It counts this block as one that is yet to be freed.
            self.credit += 1;
        }
    }

    /// As many blocks were freed as were live when they were counted last, so that the quick lists may hold all that are out
    /// (H9): counts them again, and merges the quick lists if they hold all, or many beside the live ones. Linear in the
    /// blocks that they hold, which are a few, a few for each free since, or merged.
    #[cold]
    #[inline(never)]
    fn settle(&mut self) {
        if self.is_small() {
            self.credit = usize::MAX / 2;
            return;
        }
        let waiting = self.walk_quick(false);
        let live = self.out - waiting;
        if live != 0 && waiting <= MERGE_BLOCKS + 4 * live {
            self.credit = live;
            // It is cut anew, where it serves best.
            self.release_victim();
            return;
        }
        self.flush();
        if self.out == 0 {
            // As good as new (H10): the top is one, and is cut a step at a time again.
            self.reach = self.top;
            self.loose = 0;
        }
    }

    /// Whether the heap has not gone beyond its first step. Its quick blocks stay then: a program with a few blocks would have
    /// them merged all the time.
    #[inline(always)]
    pub(super) fn is_small(&self) -> bool {
        self.reach.wrapping_sub(self.bins) <= STEP
    }

    /// A block of `wanted` bytes where no quick list has one, or zero.
    #[inline(never)]
    pub(super) fn allocate_slow(&mut self, wanted: usize) -> usize {
        let wanted = if wanted < MIN_BLOCK {
            let head = &mut self.quick[MIN_BLOCK / GRAIN];
            let block = *head;
            if block != 0 {
                // SAFETY: as in `allocate`; requests this small have no list of their own.
                *head = unsafe { load_link(block) };
                return block;
            }
            MIN_BLOCK
        } else {
            wanted
        };
        self.find(wanted, wanted, GRAIN)
    }

    /// A block that holds one of `wanted` bytes at a multiple of `align`, or zero: any of `enough` bytes, or one cut off the
    /// top, which is no longer than it must be.
    pub(super) fn find(&mut self, enough: usize, wanted: usize, align: usize) -> usize {
        let block = loop {
            let block = self.fit(enough);
            if block != 0 {
                break block;
            }
            let block = self.top;
            let length = lead(block, align) + wanted;
            if self.has_room(length) {
                self.top += length;
                // SAFETY: the word before the top is the heap's (H7); nothing free touches it (H2).
                unsafe { set_header(block, length) };
                break block;
            }
            // Memory grows only when all that was freed, merged, does not serve.
            if !self.flush() && !self.grow(wanted, align) {
                return 0;
            }
        };
        self.out += 1;
        self.credit += 1;
        block
    }

    /// A block of `wanted` bytes from the bins or the victim, or zero.
    #[inline]
    fn fit(&mut self, wanted: usize) -> usize {
        let small = wanted < Self::SMALL_LIMIT;
        if small && !self.may_hold(wanted / GRAIN) {
            let block = self.cut_victim(wanted);
            if block != 0 {
                return block;
            }
        }
        let Some((block, size)) = self.take(wanted) else { return 0 };
        let rest_size = size - wanted;
        // SAFETY: a block from a bin is free (H4), at least as long as wanted, and now in no bin; both parts lie in the
        // tile, and the one before a free block is not free (H2), so no tag is lost.
        unsafe {
            if rest_size < MIN_BLOCK {
                Self::make_live(block, size);
                return block;
            }
            let rest = block + wanted;
            if small {
                Self::make_live(block, size);
                set_header(block, wanted);
                set_header(rest, rest_size);
                let before = self.victim;
                self.victim = rest;
                if before != 0 {
                    self.release(before);
                }
            } else {
                set_header(block, wanted);
                mark_free(rest, rest_size);
                self.insert(rest, rest_size);
            }
        }
        block
    }

    /// A block of `wanted` bytes from the start of the designated victim, or zero.
    #[inline]
    fn cut_victim(&mut self, wanted: usize) -> usize {
        let block = self.victim;
        if block == 0 {
            return 0;
        }
        // SAFETY: the victim is a live-looking tile (H6); both parts of it become such tiles.
        unsafe {
            let tagged = header(block);
            let rest_size = (tagged & !TAGS).wrapping_sub(wanted);
            if rest_size > isize::MAX as usize {
                return 0;
            }
            if rest_size >= MIN_BLOCK {
                set_header(block, tagged - rest_size);
                self.victim = block + wanted;
                set_header(self.victim, rest_size);
            } else {
                self.victim = 0;
            }
        }
        block
    }

    /// Merges a block with its free neighbours, and puts it into a bin or back into the top.
    ///
    /// # Safety
    /// `block` is a tile that looks live and belongs to nobody any more.
    #[inline(never)]
    pub(super) unsafe fn release(&mut self, block: usize) {
        // SAFETY: neighbours are found by sizes and footers (H1 to H3); free ones are in their bins (H4).
        unsafe {
            let mut block = block;
            let tagged = header(block);
            let mut length = tagged & !TAGS;
            let next = block + length;
            if tagged & PREV_FREE != 0 {
                let before = previous_size(block);
                block -= before;
                length += before;
                unlink(block);
            }
            if next == self.top {
                self.fresh = self.fresh.max(next);
                self.top = block;
                return;
            }
            let next_tagged = header(next);
            if next_tagged & FREE != 0 {
                let after = next_tagged & !TAGS;
                unlink(next);
                length += after;
            } else {
                set_header(next, next_tagged | PREV_FREE);
            }
            mark_free(block, length);
            self.insert(block, length);
        }
    }

    /// Gives the victim back to the heap, and its address, or zero.
    #[inline(never)]
    fn release_victim(&mut self) -> usize {
        let victim = core::mem::take(&mut self.victim);
        if victim != 0 {
            // SAFETY: the victim looks live (H6) and is nobody's.
            unsafe { self.release(victim) };
        }
        victim
    }

    /// How many blocks the quick lists hold; takes them out and merges them if `merging`.
    #[inline(never)]
    fn walk_quick(&mut self, merging: bool) -> usize {
        let mut count = 0;
        for head in 0..SMALL_BINS {
            let mut block = self.quick[head];
            if merging {
                self.quick[head] = 0;
            }
            while block != 0 {
                // SAFETY: members look live, are nobody's, and hold the next one's address (H6).
                unsafe {
                    let next = load_link(block);
                    if merging {
                        self.release(block);
                    }
                    block = next;
                }
                count += 1;
            }
        }
        count
    }

    /// Merges the quick lists and the victim into the heap. Whether there was anything to merge.
    #[inline(never)]
    pub(super) fn flush(&mut self) -> bool {
        let victim = self.release_victim();
        let merged = self.walk_quick(true);
        self.out -= merged;
        self.credit = self.out;
        victim | merged != 0
    }
}
