//! Blocks that change their length, that are aligned to more than the grain, or that must be zero.

use super::bins::unlink;
use super::block::{FREE, MIN_BLOCK, PREV_FREE, TAGS, header, previous_size, set_header, size};
use super::grow::lead;
use super::heap::Heap;
use crate::source::PageSource;
use crate::word::{WORD, pointer};

impl<S: PageSource, const GRAIN: usize> Heap<S, GRAIN> {
    /// A block for `bytes` at a multiple of `align`, which exceeds the grain; or zero.
    #[cold]
    pub(super) fn allocate_aligned(&mut self, bytes: usize, align: usize) -> usize {
        let wanted = Self::block_size(bytes).max(MIN_BLOCK);
        // Long enough that what is cut off in front can be a block.
        let Some(enough) = wanted.checked_add(align).and_then(|sum| sum.checked_add(MIN_BLOCK)) else {
            return 0;
        };
        let block = self.find(enough, wanted, align);
        if block == 0 {
            return 0;
        }
        let lead = lead(block, align);
        let aligned = block + lead;
        // SAFETY: both parts lie in the tile, and each is long enough to be one (H1).
        unsafe {
            if lead != 0 {
                let tagged = header(block);
                set_header(aligned, (tagged & !TAGS) - lead);
                set_header(block, lead | tagged & TAGS);
                self.release(block);
            }
            self.shrink(aligned, wanted);
        }
        aligned
    }

    /// A block whose first `bytes` bytes are zero, or zero for none.
    pub(super) fn allocate_zeroed(&mut self, bytes: usize, align: usize) -> usize {
        // The same statement (H8), so that it still holds when the block is cut off the top.
        self.fresh = self.fresh.max(self.top);
        let block = if align <= GRAIN { self.allocate(bytes) } else { self.allocate_aligned(bytes, align) };
        if block != 0 {
            // SAFETY: the block is live and at least this long.
            unsafe {
                // No free block touches the top (H2), so a block that ends there was cut off it, or was written to
                // below `fresh`.
                let fresh = if block + size(block) == self.top { self.fresh } else { usize::MAX };
                let dirty_bytes = fresh.saturating_sub(block).min(bytes);
                core::ptr::write_bytes(pointer(block), 0, dirty_bytes);
            }
        }
        block
    }

    /// Gives back the end of a live block beyond `wanted` bytes, if it is worth a block.
    ///
    /// # Safety
    /// `block` is live, at least `wanted` bytes long; `wanted` is a block's size.
    pub(super) unsafe fn shrink(&mut self, block: usize, wanted: usize) {
        // SAFETY: both parts lie in the tile and are tiles (H1).
        unsafe {
            let tagged = header(block);
            let rest_size = (tagged & !TAGS) - wanted;
            if rest_size >= MIN_BLOCK {
                set_header(block, tagged - rest_size);
                set_header(block + wanted, rest_size);
                self.release(block + wanted);
            }
        }
    }

    /// Makes a live block long enough for `bytes` without a second one: in place, or by moving it down into a free
    /// block before it. Answers where it is then, or zero if it cannot; then nothing has changed.
    ///
    /// # Safety
    /// `block` is live and aligned to `align`; `bytes` is at most `isize::MAX`.
    pub(super) unsafe fn resize(&mut self, block: usize, bytes: usize, align: usize) -> usize {
        let wanted = Self::block_size(bytes).max(MIN_BLOCK);
        // SAFETY: neighbours are found by sizes and footers (H1 to H3); free ones are in their bins (H4).
        unsafe {
            let old_size = size(block);
            if wanted <= old_size {
                self.shrink(block, wanted);
                return block;
            }
            let more = wanted - old_size;
            let next = block + old_size;
            if next == self.top {
                let mut room = self.has_room(more);
                if !room && self.source.next_address() <= self.end && self.grow(more, GRAIN) {
                    // This block is live.
                    self.credit = 1;
                    room = true;
                }
                // Unless growing moved the top elsewhere, because a stranger's memory lies behind it.
                if room && next == self.top {
                    self.top += more;
                    set_header(block, header(block) + more);
                    return block;
                }
            }
            // Growth by a stranger's side may have made the rest of the old top a free block here.
            let mut length = old_size;
            let after = if next == self.top { 0 } else { header(next) };
            if after & FREE != 0 {
                length += after & !TAGS;
            }
            let tagged = header(block);
            let mut start = block;
            if length < wanted {
                if tagged & PREV_FREE == 0 || align > GRAIN {
                    return 0;
                }
                let before = previous_size(block);
                length += before;
                if length < wanted {
                    return 0;
                }
                start -= before;
                unlink(start);
            }
            if after & FREE != 0 {
                unlink(next);
            }
            if start != block {
                // Before any header is written: the old block's bytes end where its rest begins.
                core::ptr::copy(pointer(block), pointer(start), old_size - WORD);
            }
            // One live block, whose end is given back as any block's would be. The one before `start` is not free if
            // `start` was (H2); else it may be.
            set_header(start, length | if start == block { tagged & PREV_FREE } else { 0 });
            let end = start + length;
            if end != self.top {
                set_header(end, header(end) & !PREV_FREE);
            }
            self.shrink(start, wanted);
            start
        }
    }
}
