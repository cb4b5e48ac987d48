//! Regions: how the heap gets memory, and what it does when a stranger grew in between.

use super::block::{MIN_BLOCK, set_header};
use super::heap::Heap;
use crate::link::clear_links;
use crate::source::{PageSource, Region, obtain};
use crate::word::{WORD, align_up, load, store};

impl<S: PageSource, const GRAIN: usize> Heap<S, GRAIN> {
    /// At most this much of a new region is not the top: its record, the bins in the first one, a header, rounding.
    const OVERHEAD: usize = (Self::BINS + 2) * WORD + 2 * GRAIN;

    /// Makes the top at least `wanted` bytes long. False if that cannot be had; the heap is valid either way.
    #[inline(never)]
    pub(super) fn grow(&mut self, wanted: usize) -> bool {
        if self.end == 0 {
            let slack = self.source.slack();
            // Slack is not known to be zero.
            self.adopt(slack, slack.end);
        }
        let mut missing = wanted.wrapping_sub(self.end.wrapping_sub(self.top));
        if self.end == 0 {
            missing = wanted.saturating_add(Self::OVERHEAD);
        } else if self.end - self.top >= wanted {
            return true;
        }
        // Once more if a stranger took the memory after the top: then in one piece.
        for _ in 0..2 {
            let Some(region) = obtain(&mut self.source, missing) else { return false };
            self.adopt(region, 0);
            if self.end - self.top >= wanted {
                return true;
            }
            missing = wanted.saturating_add(Self::OVERHEAD);
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
