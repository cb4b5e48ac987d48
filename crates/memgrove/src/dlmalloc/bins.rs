//! Small bins: one list per size, and a map of those that may hold something.

use super::block::{header, mark_free, set_header};
use super::heap::{Heap, SMALL_BINS};
use super::{block, block::MIN_BLOCK, block::PREV_FREE};
use crate::source::PageSource;
use crate::word::{WORD, load, store};

impl<S: PageSource, const GRAIN: usize> Heap<S, GRAIN> {
    /// Address of the head of the small bin with this number (`size / GRAIN`).
    #[inline(always)]
    pub(super) fn small_head(&self, bin: usize) -> usize {
        self.bins + bin * WORD
    }

    /// Puts a free block into the bin of its size.
    ///
    /// # Safety
    /// `block` is marked free, `size` bytes long, and in no bin.
    pub(super) unsafe fn insert(&mut self, block: usize, size: usize) {
        if size >= Self::SMALL_LIMIT {
            // SAFETY: the caller's promise.
            return unsafe { self.insert_tree(block, size) };
        }
        let bin = size / GRAIN;
        self.small_map |= 1 << bin;
        // SAFETY: heads are the heap's words; the block is long enough for its two list words (H1).
        unsafe { push(self.small_head(bin), block) }
    }

    /// Takes a free block out of its bin.
    ///
    /// # Safety
    /// `block` is free, `size` bytes long, and in its bin (H4).
    pub(super) unsafe fn remove(&mut self, block: usize, size: usize) {
        // SAFETY: the caller's promise.
        unsafe { if size >= Self::SMALL_LIMIT { Self::remove_tree(block) } else { unlink(block) } }
    }

    /// The first block of the first bin from `bin` on that holds one, taken out; and its size.
    #[inline(always)]
    pub(super) fn take_small(&mut self, bin: usize) -> Option<(usize, usize)> {
        loop {
            let candidates = self.small_map & (u32::MAX << bin);
            if candidates == 0 {
                return None;
            }
            let bin = candidates.trailing_zeros() as usize;
            // SAFETY: heads are the heap's words, and exist since a bit is set (H4).
            let block = unsafe { load(self.small_head(bin)) };
            if block != 0 {
                // SAFETY: a bin's member is free and linked (H4).
                unsafe { unlink(block) };
                return Some((block, bin * GRAIN));
            }
            // Taking a block out of the middle of the heap does not look whether its bin is empty now.
            self.small_map &= !(1 << bin);
        }
    }

    /// Makes a block of `wanted` bytes live that lies at the start of a free one of `size` bytes, which is in no bin.
    /// What is left over goes into its bin.
    ///
    /// # Safety
    /// `block` was free (H2) and `wanted <= size`.
    #[inline(always)]
    pub(super) unsafe fn split(&mut self, block: usize, size: usize, wanted: usize) -> usize {
        let rest_size = size - wanted;
        // SAFETY: both parts lie in the tile; the block before a free one is not free (H2), so no tag is lost.
        unsafe {
            if rest_size >= MIN_BLOCK {
                set_header(block, wanted);
                let rest = block + wanted;
                mark_free(rest, rest_size);
                self.insert(rest, rest_size);
            } else {
                Self::make_live(block, size);
            }
        }
        block
    }

    /// Makes a whole free block, which is in no bin, live.
    ///
    /// # Safety
    /// `block` was free (H2) and is `size` bytes long.
    #[inline(always)]
    pub(super) unsafe fn make_live(block: usize, size: usize) {
        let next = block + size;
        // SAFETY: a tile or a fence follows every free block (H1), never the top (H2).
        unsafe {
            set_header(block, size);
            set_header(next, header(next) & !PREV_FREE);
        }
    }
}

/// Puts a block in front of the list whose head is at `head`.
///
/// # Safety
/// `head` is a list head's address; `block` is a tile of at least `MIN_BLOCK` bytes.
#[inline(always)]
unsafe fn push(head: usize, block: usize) {
    // SAFETY: the words are a free block's first two (see the drawing), and the old first block's link (H4).
    unsafe {
        let first = load(head);
        store(block, first);
        store(block + WORD, head);
        store(head, block);
        if first != 0 {
            store(first + WORD, block);
        }
    }
}

/// Takes a block out of the list it is in.
///
/// # Safety
/// `block` is in a list (H4).
#[inline(always)]
pub(super) unsafe fn unlink(block: usize) {
    // SAFETY: `link` is the address of the word that points here (H4); the next block has a link of its own.
    unsafe {
        let next = load(block);
        let link = load(block + WORD);
        store(link, next);
        if next != 0 {
            store(next + WORD, link);
        }
    }
}

const _: () = assert!(SMALL_BINS <= u32::BITS as usize, "one bit of the map per bin");
const _: () = assert!(block::TAGS < 8, "tags fit below the smallest grain");
