//! A guarded block: header, canary, poison. What they say, and how it is verified.

use core::alloc::Layout;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::source::beyond_memory;
use crate::word::{WORD, mix};

/// Bytes of a header: the size and the tag.
const HEADER_BYTES: usize = 2 * WORD;
/// The low bits of a tag: the binary logarithm of the alignment.
const ALIGN_BITS: usize = 0x3f;
/// What the bytes of a block in quarantine are. As a pointer or a length it is out of reach on 32-bit machines, odd so
/// that it is no aligned address, and no text.
const POISON: u8 = 0xdb;

/// Mixed into a tag, and never at rest: whether the block is in the program's hands.
#[derive(Clone, Copy)]
enum State {
    Live = 0x5bd1,
    Freed = 0xe995,
}

/// What stands before an address.
#[derive(Clone, Copy)]
pub(super) enum Found {
    /// The header of a block in the program's hands.
    Live(Layout),
    /// The header of a block that was given back.
    Freed(Layout),
    /// No header that fits the address.
    Nothing,
}

/// Where a block begins in the allocator's, in bytes.
#[inline(always)]
pub(super) const fn offset(align: usize) -> usize {
    if align > HEADER_BYTES { align } else { HEADER_BYTES }
}

/// What is asked of the allocator for a block; `None` if that would be too long.
#[inline(always)]
pub(super) fn outer_layout(layout: Layout) -> Option<Layout> {
    // A layout's size is at most `isize::MAX`, and so is an alignment: the sum of both and two words cannot wrap.
    let size = layout.size() + offset(layout.align()) + WORD;
    Layout::from_size_align(size, layout.align().max(WORD)).ok()
}

/// The bytes that are poison in quarantine: the program's and the canary.
fn poisoned_bytes(layout: Layout) -> usize {
    layout.size() + WORD
}

/// # Safety
/// The block is the caller's, and of this layout.
pub(super) unsafe fn poison(block: *mut u8, layout: Layout) {
    // SAFETY: the caller's promise.
    unsafe { block.write_bytes(POISON, poisoned_bytes(layout)) };
}

/// Whether nobody has written to a block since [`poison`].
///
/// # Safety
/// The block is the caller's, and of this layout.
pub(super) unsafe fn is_poison(block: *const u8, layout: Layout) -> bool {
    // SAFETY: the caller's promise, and `poison` has written to all of it; any bytes make a word.
    let (head, words, tail) =
        unsafe { core::slice::from_raw_parts(block, poisoned_bytes(layout)).align_to::<usize>() };
    const WORD_OF_POISON: usize = usize::from_ne_bytes([POISON; WORD]);
    let difference = words.iter().fold(0, |difference, word| difference | (word ^ WORD_OF_POISON));
    difference == 0 && head.iter().chain(tail).all(|&byte| byte == POISON)
}

/// The secret of a heap, at work.
#[derive(Clone, Copy)]
pub(super) struct Seal {
    secret: usize,
}

impl Seal {
    pub(super) const fn new(secret: usize) -> Self {
        Self { secret }
    }

    /// A secret from an address, which this seal was made of; never 0.
    pub(super) fn secret_from_address(self) -> usize {
        mix(self.secret) | 1
    }

    fn tag(self, block: usize, layout: Layout, state: State) -> usize {
        let log_align = layout.align().trailing_zeros() as usize;
        let address = mix(block ^ self.secret);
        let place = mix(address.wrapping_add(layout.size()));
        let hash = mix(place ^ (log_align + state as usize) ^ self.secret.rotate_left(usize::BITS / 2));
        hash & !ALIGN_BITS | log_align
    }

    fn canary(self, block: usize) -> usize {
        // The byte that comes first in memory is never 0. Both ends, because then it does not matter which that is.
        mix(!block ^ self.secret) | 1 | 1 << (usize::BITS - 8)
    }

    /// What stands before `block`.
    ///
    /// # Safety
    /// The two words before it are readable, if it is word-aligned.
    pub(super) unsafe fn look_at(self, block: *const u8) -> Found {
        let address = block.addr();
        if address % WORD != 0 || address < HEADER_BYTES || beyond_memory(address) {
            return Found::Nothing;
        }
        // SAFETY: word-aligned, and the caller promises that they can be read.
        let (size, tag) = unsafe {
            let words: *const usize = block.cast();
            (words.sub(2).read(), (*tag_of(block)).load(Ordering::Relaxed))
        };
        let log_align = tag & ALIGN_BITS;
        if log_align >= usize::BITS as usize {
            return Found::Nothing;
        }
        let Ok(layout) = Layout::from_size_align(size, 1 << log_align) else { return Found::Nothing };
        if tag == self.tag(address, layout, State::Live) {
            Found::Live(layout)
        } else if tag == self.tag(address, layout, State::Freed) {
            Found::Freed(layout)
        } else {
            Found::Nothing
        }
    }

    /// Whether `block` has the header of a freed block of this layout.
    ///
    /// # Safety
    /// As for [`look_at`](Self::look_at).
    pub(super) unsafe fn is_freed(self, block: *const u8, layout: Layout) -> bool {
        // SAFETY: the caller's promise.
        matches!(unsafe { self.look_at(block) }, Found::Freed(found) if found == layout)
    }

    /// Makes `block` a live one.
    ///
    /// # Safety
    /// The words before it are the caller's.
    pub(super) unsafe fn write_header(self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise; the offset is a multiple of a word.
        unsafe {
            block.cast::<usize>().sub(2).write(layout.size());
            (*tag_of(block)).store(self.tag(block.addr(), layout, State::Live), Ordering::Relaxed);
        }
    }

    /// Makes a live block a freed one; false if another thread has done that in between.
    ///
    /// # Safety
    /// The words before it are the heap's.
    pub(super) unsafe fn mark_freed(self, block: *mut u8, layout: Layout) -> bool {
        let [live, freed] = [State::Live, State::Freed].map(|state| self.tag(block.addr(), layout, state));
        // SAFETY: the caller's promise.
        let tag = unsafe { &*tag_of(block) };
        tag.compare_exchange(live, freed, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// # Safety
    /// The block is the caller's, and of this layout.
    pub(super) unsafe fn write_canary(self, block: *mut u8, layout: Layout) {
        // SAFETY: `outer_layout` asks for a word behind the block.
        unsafe { block.add(layout.size()).cast::<usize>().write_unaligned(self.canary(block.addr())) };
    }

    /// # Safety
    /// The block is the heap's, and of this layout.
    pub(super) unsafe fn has_canary(self, block: *const u8, layout: Layout) -> bool {
        // SAFETY: as above.
        unsafe { block.add(layout.size()).cast::<usize>().read_unaligned() == self.canary(block.addr()) }
    }
}

/// The tag, as something that two threads may look at: both may try to free the block.
#[inline(always)]
fn tag_of(block: *const u8) -> *const AtomicUsize {
    block.wrapping_sub(WORD).cast()
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn a_tag_fits_one_address_one_layout_and_one_state_only() {
        let seal = Seal::new(0x1234_5678);
        let mut tags = std::collections::BTreeSet::new();
        for block in (0x10000..0x12000).step_by(WORD) {
            for (size, align) in [(0, 1), (0, 8), (24, 8), (25, 8), (24, 16)] {
                let layout = Layout::from_size_align(size, align).expect("a layout");
                for state in [State::Live, State::Freed] {
                    assert!(tags.insert(seal.tag(block, layout, state)) || WORD < 8, "{block:#x} {layout:?}");
                }
            }
        }
        assert!(tags.len() > 10_000, "of 26 bits, few tags may coincide");
    }

    #[test]
    fn a_canary_neither_begins_nor_ends_with_a_zero() {
        for block in (0..100_000).step_by(8) {
            let canary = Seal::new(block * 3).canary(block).to_ne_bytes();
            assert!(canary[0] != 0 && canary[WORD - 1] != 0);
        }
    }
}
