//! Regions: how the heap gets memory, and what it does when a stranger grew in between.

use super::block::{MIN_BLOCK, set_header};
use super::heap::Heap;
use crate::link::clear_links;
use crate::source::{PageSource, Region, obtain};
use crate::word::{WORD, align_up, load, store};

/// Every region starts at a multiple of this (S2).
const REGION_ALIGN: usize = 16;

/// The quick lists are merged each time that the top is cut beyond a multiple of this, whether memory grows for it or has
/// grown before: so that the same work needs the same memory again. In bytes.
pub(super) const STEP: usize = 1 << 16;

/// How far behind `block` one at a multiple of `align` begins, if what lies between them is to be a block, or nothing.
#[inline(never)]
pub(super) fn lead(block: usize, align: usize) -> usize {
    let lead = block.wrapping_neg() & (align - 1);
    if lead != 0 && lead < MIN_BLOCK { lead + align } else { lead }
}

impl<S: PageSource, const GRAIN: usize> Heap<S, GRAIN> {
    /// How much of a new region lies before its first block: its record, the bins in the first one, a header. Exact unless
    /// regions are less aligned than blocks.
    fn overhead(&self) -> usize {
        const fn exactly(words: usize, grain: usize) -> usize {
            align_up(words * WORD, grain) + grain.saturating_sub(REGION_ALIGN)
        }
        if self.bins == 0 { exactly(Self::BINS + 2, GRAIN) } else { exactly(2, GRAIN) }
    }

    /// Whether so many bytes can be cut off the top.
    #[inline(always)]
    pub(super) fn has_room(&self, length: usize) -> bool {
        self.reach.wrapping_sub(self.top) >= length
    }

    /// Gives the top room for a block of `wanted` bytes at a multiple of `align`. False if it cannot be had; no memory was
    /// taken then, unless a stranger grew meanwhile.
    #[inline(never)]
    pub(super) fn grow(&mut self, wanted: usize, align: usize) -> bool {
        if self.end == 0 {
            let slack = self.source.slack();
            // Slack is not known to be zero.
            self.adopt(slack, slack.end);
        }
        // Once more if a stranger took the memory after the top in between: then in one piece.
        for _ in 0..3 {
            // What was grown before serves first.
            let (room, length) = (self.end - self.top, lead(self.top, align) + wanted);
            if room >= length {
                // Behind the last step of the address space this wraps.
                let step = align_up(self.top + length, STEP);
                self.reach = if step.wrapping_sub(self.top) < room { step } else { self.end };
                // The heap may have been a small one, in which nothing was counted.
                self.credit = 0;
                return true;
            }
            // Where memory goes on: at its end, or behind what a stranger has grown.
            let next = self.source.next_address();
            let missing = if next <= self.end && self.end != 0 {
                length - room
            } else {
                let overhead = self.overhead();
                overhead + lead(next.wrapping_add(overhead), align) + wanted
            };
            let Some(region) = obtain(&mut self.source, missing) else { return false };
            self.adopt(region, 0);
        }
        false
    }

    /// Makes the top end with `region`, which is not known to be zero below `fresh`.
    #[inline]
    fn adopt(&mut self, region: Region, fresh: usize) {
        let end = region.end & GRAIN.wrapping_neg();
        if region.start == self.end && self.end != 0 {
            self.end = end;
            return;
        }
        let record = align_up(region.start, WORD);
        let bin_words = if self.bins == 0 { Self::heads(record, end) } else { 0 };
        let bins = record.wrapping_add(WORD);
        let first = align_up(bins.wrapping_add((bin_words + 1) * WORD), GRAIN);
        if first.wrapping_add(MIN_BLOCK) > end || first < region.start {
            // Not worth a region. Nothing was written to it.
            return;
        }
        let (old_top, old_end) = (self.top, self.end);
        // SAFETY: the record and the bins lie in the region, before its first block.
        unsafe {
            store(record, self.region);
            if bin_words != 0 {
                clear_links(bins, bin_words);
                self.bins = bins;
            }
        }
        self.region = record;
        self.top = first;
        self.reach = first;
        self.end = end;
        self.fresh = if S::ZEROED { first.max(fresh) } else { usize::MAX };
        // SAFETY: what is left of the old top becomes the last tile of its region, then the fence (H1). A block before
        // the old top is not free (H2), so no tag is set.
        unsafe {
            let rest_size = old_end - old_top;
            if old_end != 0 {
                set_header(old_end, 0);
                if rest_size != 0 {
                    set_header(old_top, rest_size);
                }
                if rest_size >= MIN_BLOCK {
                    self.release(old_top);
                }
            }
        }
    }

    /// First block of the region with this record.
    pub(super) fn first_block(&self, record: usize) -> usize {
        let bin_words = if record + WORD == self.bins { Self::heads(record, self.end) } else { 0 };
        align_up(record + (bin_words + 2) * WORD, GRAIN)
    }

    /// The record before `record`, or zero.
    ///
    /// # Safety
    /// `record` is a region's record of this heap.
    pub(super) unsafe fn previous_record(record: usize) -> usize {
        // SAFETY: a record is one word, the address of the one before.
        unsafe { load(record) }
    }
}
