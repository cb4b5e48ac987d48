//! Regions: how the heap gets memory, and what it does when a stranger grew in between.

use super::block::{MIN_BLOCK, set_header};
use super::heap::Heap;
use crate::link::clear_links;
use crate::source::{PageSource, Region, obtain};
use crate::word::{WORD, align_up, load, store};

/// Every region starts at a multiple of this (S2).
const REGION_ALIGN: usize = 16;

/// How far behind `block` one at a multiple of `align` begins, if what lies between them is to be a block, or nothing.
#[inline(always)]
pub(super) fn lead(block: usize, align: usize) -> usize {
    let lead = block.wrapping_neg() & (align - 1);
    if lead != 0 && lead < MIN_BLOCK { lead + align } else { lead }
}

impl<S: PageSource, const GRAIN: usize> Heap<S, GRAIN> {
    /// How much of a new region lies before its first block: its record, the bins in the first one, a header. Exact unless
    /// regions are less aligned than blocks.
    fn overhead(&self) -> usize {
        let bin_words = if self.bins == 0 { Self::BINS } else { 0 };
        let exact = align_up((bin_words + 2) * WORD, GRAIN);
        if GRAIN > REGION_ALIGN { exact + GRAIN - REGION_ALIGN } else { exact }
    }

    /// Whether a block of `wanted` bytes at a multiple of `align` can be cut off the top.
    #[inline(always)]
    pub(super) fn has_room(&self, wanted: usize, align: usize) -> bool {
        self.end.wrapping_sub(self.top) >= lead(self.top, align) + wanted
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
            if self.has_room(wanted, align) {
                return true;
            }
            // Where memory goes on: at its end, or behind what a stranger has grown.
            let next = self.source.next_address().max(self.end);
            let apart = next != self.end || self.end == 0;
            let top = if apart { next.wrapping_add(self.overhead()) } else { self.top };
            let missing = top.wrapping_add(lead(top, align)).wrapping_add(wanted).wrapping_sub(next);
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
        let bin_words = if self.bins == 0 { Self::BINS } else { 0 };
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
        let bin_words = if record + WORD == self.bins { Self::BINS } else { 0 };
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
