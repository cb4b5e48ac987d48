//! Headers, tag bits and sizes: the numbers behind the drawing in the module's documentation.

use crate::word::{WORD, load, store};

/// Tag bit of a header: this block is free, that is, in a bin (H2). Its footer is valid (H3).
pub(super) const FREE: usize = 1;
/// Tag bit of a header: the block before this one is free, so the word before this header is its footer (H2, H3).
pub(super) const PREV_FREE: usize = 2;
/// All tag bits. Sizes are multiples of the grain, which is at least 8, so these bits are theirs.
pub(super) const TAGS: usize = FREE | PREV_FREE;

/// The shortest block: header, list word, link, footer.
pub(super) const MIN_BLOCK: usize = 4 * WORD;

/// The header of the block at `block`.
///
/// # Safety
/// `block` is a tile of the heap (H1).
#[inline(always)]
pub(super) unsafe fn header(block: usize) -> usize {
    // SAFETY: a tile's header is the word before it.
    unsafe { load(block.wrapping_sub(WORD)) }
}

/// Writes the header of the block at `block`.
///
/// # Safety
/// `block` is to be a tile of the heap (H1).
#[inline(always)]
pub(super) unsafe fn set_header(block: usize, header: usize) {
    // SAFETY: a tile's header is the word before it.
    unsafe { store(block.wrapping_sub(WORD), header) }
}

/// The size of the block at `block`.
///
/// # Safety
/// `block` is a tile of the heap (H1).
#[inline(always)]
pub(super) unsafe fn size(block: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { header(block) & !TAGS }
}

/// The size of the free block before `block`.
///
/// # Safety
/// The header of `block` says `PREV_FREE`.
#[inline(always)]
pub(super) unsafe fn previous_size(block: usize) -> usize {
    // SAFETY: the previous block is free (H2), so its footer is its last word (H3).
    unsafe { load(block.wrapping_sub(2 * WORD)) }
}

/// Marks the block as free: header and footer. What follows it must be told by the caller.
///
/// # Safety
/// `block` is a tile of `size` bytes, and the one before it is not free (H2).
#[inline(always)]
pub(super) unsafe fn mark_free(block: usize, size: usize) {
    // SAFETY: both words lie in the tile.
    unsafe {
        set_header(block, size | FREE);
        store(block.wrapping_add(size).wrapping_sub(2 * WORD), size);
    }
}
