//! Walks the heap, verifies H1 to H8, and counts.

use super::block::{FREE, MIN_BLOCK, PREV_FREE, TAGS, header, size};
use super::heap::Heap;
use crate::link::{check_link, load_link};
use crate::source::PageSource;
use crate::stats::{Broken, Stats, ensure};
use crate::word::{WORD, load};

/// How much of the untouched top is looked at (H8), in bytes.
const FRESH_SAMPLE_BYTES: usize = 512;

impl<S: PageSource, const GRAIN: usize> Heap<S, GRAIN> {
    /// Counts what the heap holds.
    pub(super) fn stats(&self) -> Stats {
        let mut stats = Stats { top_bytes: self.end - self.top, ..Stats::default() };
        // A broken heap is counted as far as it can be walked.
        let _ = self.walk(&mut stats);
        for (_, bytes) in self.quick_blocks().chain(self.victim_block()) {
            stats.live_bytes -= bytes;
            stats.live_blocks -= 1;
            stats.free_bytes += bytes;
            stats.free_blocks += 1;
            stats.largest_free_bytes = stats.largest_free_bytes.max(bytes);
        }
        stats
    }

    /// Verifies H1 to H8.
    pub(super) fn check(&self) -> Result<(), Broken> {
        ensure(self.top <= self.end, "H7", "the top begins after the end", self.top)?;
        let reached = self.top <= self.reach && self.reach <= self.end;
        ensure(reached, "H7", "the top reaches beyond the end", self.reach)?;
        ensure((self.top | self.end) % GRAIN == 0, "H7", "the top is not on the grain", self.top)?;
        let mut stats = Stats::default();
        self.walk(&mut stats)?;
        self.check_bins(stats.free_blocks)?;
        self.check_quick(stats.live_blocks)?;
        let out = stats.live_blocks - usize::from(self.victim != 0);
        let live = out - self.quick_blocks().count();
        ensure(out == self.out, "H9", "the blocks that are out are not counted", self.out)?;
        let quick = out != live || self.victim != 0;
        ensure(live != 0 || !quick || self.is_small(), "H10", "an empty heap is not merged", self.top)?;
        ensure(
            self.credit <= live || self.is_small(),
            "H9",
            "an empty heap would not be noticed",
            self.credit,
        )?;
        let untouched = self.fresh.max(self.top)..self.end;
        for word in untouched.step_by(WORD).take(FRESH_SAMPLE_BYTES / WORD) {
            // SAFETY: memory below `end` is the heap's (H7).
            let zero = word + WORD > self.end || unsafe { load(word) } == 0;
            ensure(zero, "H8", "untouched memory is not zero", word)?;
        }
        Ok(())
    }

    /// Goes through all blocks: H1 to H3. Counts quick blocks and the victim as live.
    fn walk(&self, stats: &mut Stats) -> Result<(), Broken> {
        let mut record = self.region;
        let mut limit = self.top;
        while record != 0 {
            let mut block = self.first_block(record);
            let mut tag_before = 0;
            loop {
                if block == limit {
                    ensure(tag_before == 0, "H2", "a free block touches the top", block)?;
                    stats.heap_bytes += self.end - record;
                    break;
                }
                // SAFETY: up to here every tile led to the next one or to the fence (H1).
                let tagged = unsafe { header(block) };
                let bytes = tagged & !TAGS;
                ensure(
                    tagged & PREV_FREE == tag_before,
                    "H2",
                    "a tag disagrees with the block before",
                    block,
                )?;
                if bytes == 0 {
                    ensure(limit == 0, "H1", "a fence where the top should be", block)?;
                    stats.heap_bytes += block - record;
                    break;
                }
                ensure(bytes % GRAIN == 0, "H1", "a size is not a multiple of the grain", block)?;
                ensure(limit == 0 || bytes <= limit - block, "H1", "a block reaches beyond the top", block)?;
                if tagged & FREE != 0 {
                    ensure(tag_before == 0, "H2", "two free blocks touch", block)?;
                    ensure(bytes >= MIN_BLOCK, "H1", "a free block is too short", block)?;
                    // SAFETY: the tile's last word.
                    let footer = unsafe { load(block + bytes - 2 * WORD) };
                    ensure(footer == bytes, "H3", "a footer is not the size", block)?;
                    stats.free_blocks += 1;
                    stats.free_bytes += bytes;
                    stats.largest_free_bytes = stats.largest_free_bytes.max(bytes);
                } else if bytes >= MIN_BLOCK {
                    stats.live_blocks += 1;
                    stats.live_bytes += bytes;
                }
                tag_before = if tagged & FREE != 0 { PREV_FREE } else { 0 };
                block += bytes;
            }
            // SAFETY: `record` is a record of this heap.
            record = unsafe { Self::previous_record(record) };
            limit = 0;
        }
        Ok(())
    }

    /// H4 and H5: the bins hold `free_blocks` blocks, linked and in their places.
    fn check_bins(&self, free_blocks: usize) -> Result<(), Broken> {
        if self.bins == 0 {
            return Ok(());
        }
        let mut left = free_blocks;
        for bin in 0..Self::heads(self.bins - WORD, self.end) {
            let head = self.head(bin);
            // SAFETY: the heads are the heap's words.
            let first = unsafe { check_link(head, "H4")? };
            ensure(first == 0 || self.may_hold(bin), "H4", "a bin's bit is not set", head)?;
            Self::check_list(head, bin, &mut left)?;
        }
        ensure(left == 0, "H4", "a free block is in no bin", self.bins)
    }

    /// The list whose first block's address is at `link`: free blocks of sizes for `bin`, each with its link.
    fn check_list(mut link: usize, bin: usize, left: &mut usize) -> Result<(), Broken> {
        loop {
            // SAFETY: `link` is a head or a member's first word.
            let block = unsafe { check_link(link, "H4")? };
            if block == 0 {
                return Ok(());
            }
            ensure(*left != 0, "H4", "the bins hold more than the free blocks", block)?;
            *left -= 1;
            // SAFETY: a member is a free block (H4), so these are its words.
            let (tagged, back) = unsafe { (header(block), check_link(block + WORD, "H4")?) };
            ensure(tagged & TAGS == FREE, "H4", "a bin holds a block that is not free", block)?;
            ensure(Self::bin(tagged & !TAGS) == bin, "H5", "a block is in another size's bin", block)?;
            ensure(back == link, "H4", "a link does not lead back", block)?;
            link = block;
        }
    }

    /// H6: quick blocks and the victim look live; there are at most `live_blocks`.
    fn check_quick(&self, live_blocks: usize) -> Result<(), Broken> {
        let mut left = live_blocks;
        for (bin, &head) in self.quick.iter().enumerate() {
            let mut block = head;
            while block != 0 {
                ensure(left != 0, "H6", "quick lists hold more than the blocks there are", block)?;
                left -= 1;
                // SAFETY: members are tiles.
                let tagged = unsafe { header(block) };
                ensure(
                    tagged & !PREV_FREE == bin * GRAIN,
                    "H6",
                    "a quick block of another size or kind",
                    block,
                )?;
                // SAFETY: a member's first word leads to the next.
                block = unsafe { check_link(block, "H6")? };
            }
        }
        if let Some((block, bytes)) = self.victim_block() {
            // SAFETY: the victim is a tile.
            let tagged = unsafe { header(block) };
            ensure(tagged & FREE == 0 && bytes >= MIN_BLOCK, "H6", "the victim is not a block", block)?;
        }
        Ok(())
    }

    /// The blocks in quick lists, with their sizes.
    fn quick_blocks(&self) -> impl Iterator<Item = (usize, usize)> {
        self.quick.iter().enumerate().flat_map(|(bin, &head)| {
            let first = (head != 0).then_some(head);
            core::iter::successors(first, |&block| {
                // SAFETY: a member's first word leads to the next (H6).
                let next = unsafe { load_link(block) };
                (next != 0).then_some(next)
            })
            .map(move |block| (block, bin * GRAIN))
        })
    }

    /// The victim, if there is one, with its size.
    fn victim_block(&self) -> Option<(usize, usize)> {
        // SAFETY: the victim is a tile (H6).
        (self.victim != 0).then(|| (self.victim, unsafe { size(self.victim) }))
    }
}
