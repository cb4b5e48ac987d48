//! Superblocks: blocks of one size, with the header that a block's address leads to.

use core::ptr::null_mut;
use core::sync::atomic::AtomicUsize;

use super::heap::SHARED;
use crate::classes::{COUNT, QUANTUM, SMALL_MAX, TABLE_MAX, class_of, head_offset, size_of_class};
use crate::link::Link;
use crate::pages::PAGE;
use crate::word::pointer;

/// Bytes of a superblock, which lies at a multiple of this: the *S* of the paper, and its value there. Smaller ones
/// would hold too few blocks of the large classes, longer ones would keep more memory from other classes.
pub(super) const SUPERBLOCK: usize = 8192;

/// Bytes of the header. A block never lies in a cache line of it.
const HEADER: usize = size_of::<Superblock>();

/// A block that is in nobody's hands.
pub(super) struct Block {
    /// The next one of the superblock's list, or null.
    pub(super) next: Link<Block>,
}

/// Where its heap keeps a superblock, by how full it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Group {
    /// Its class is allocated from it. In no list.
    Active,
    /// Every block is in use, or so many that few could be taken. In no list.
    Full,
    /// Less than f empty, but more than an eighth.
    Dense,
    /// At least f empty.
    Sparse,
    /// No block is in use: any class may have it.
    Empty,
}

/// The header. All of it but the owner and what only [`lay`] writes is read and written under the owner's lock. Where every thread may
/// free a block, what it has to read for that is not on a cache line that the owner writes to at each call: two threads, blocks
/// of which the other one frees, took 1.3 times as long.
#[repr(C, align(64))]
pub(super) struct Superblock {
    /// The number of the heap that it belongs to. Written under the lock of the heap that it names before.
    pub(super) owner: AtomicUsize,
    /// With threads, bytes of a block; and nothing else on this cache line, as the owner writes to what follows at each call.
    size_shared: Size<SIZE_SHARED>,
    /// The blocks that were cut and are in nobody's hands; last in, first out.
    pub(super) free: Link<Block>,
    /// How many blocks are in the program's hands.
    pub(super) used: usize,
    /// With fewer blocks in use than this it belongs to another group.
    pub(super) low: usize,
    /// What a block freed takes from its heap's `used` bytes: its size, or nothing while the superblock is active.
    pub(super) weight: usize,
    /// Without threads, bytes of a block.
    size_alone: Size<SIZE_ALONE>,
    /// Distance to the first block that was never cut from the superblock, in bytes.
    uncut: usize,
    /// Neighbours in its list.
    pub(super) next: Link<Superblock>,
    pub(super) prev: Link<Superblock>,
    /// The size class.
    pub(super) class: u8,
    pub(super) group: Group,
    /// How many blocks it has.
    pub(super) capacity: u16,
}

/// Bytes of a block, if it is here that they are kept: the first of so many words, the others of which are not used.
#[repr(transparent)]
pub(super) struct Size<const WORDS: usize>([usize; WORDS]);

impl<const WORDS: usize> Size<WORDS> {
    #[inline(always)]
    fn get(&self) -> usize {
        self.0.first().copied().unwrap_or(0)
    }

    #[inline(always)]
    fn set(&mut self, size: usize) {
        if let Some(first) = self.0.first_mut() {
            *first = size;
        }
    }
}

/// Words of the size with threads: what every thread may read, the owner and this, has a cache line of its own.
const SIZE_SHARED: usize = if SHARED { LINE_BYTES / size_of::<usize>() - 1 } else { 0 };

/// Words of the size without threads.
const SIZE_ALONE: usize = if SHARED { 0 } else { 1 };

const LINE_BYTES: usize = 64;

/// Bytes of a block of a superblock that other threads may work with at the same time.
///
/// # Safety
/// The superblock has a block in use, or its owner's lock is held.
#[inline(always)]
pub(super) unsafe fn size_at(superblock: *const Superblock) -> usize {
    // SAFETY: the caller's promise: the size stays as it is, and nothing else of the header is read.
    unsafe { if SHARED { (*superblock).size_shared.get() } else { (*superblock).size_alone.get() } }
}

/// How many blocks are cut at once: cutting all would touch the whole superblock long before it is needed.
const CUT: usize = 16;

/// Where a superblock's first block begins.
///
/// A block's alignment is that of the class's size, or half of it, so that none begins at a multiple of a page;
/// see [`begins`].
const fn first_block(class: usize) -> usize {
    let size = size_of_class(class);
    let power = size & size.wrapping_neg();
    if power <= 16 {
        return HEADER;
    }
    let half = if power < PAGE { power / 2 } else { PAGE / 2 };
    let mut first = half;
    while first < HEADER {
        first += 2 * half;
    }
    first
}

/// Whether a block begins so far from its superblock's start: not at a page, where a large block would.
pub(super) const fn begins(offset: usize) -> bool {
    offset % PAGE != 0
}

/// How many blocks a superblock of each class has.
static CAPACITY: [u16; COUNT] = {
    let mut table = [0; COUNT];
    let mut class = 0;
    while class < COUNT {
        let mut offset = first_block(class);
        while offset + size_of_class(class) <= SUPERBLOCK {
            table[class] += begins(offset) as u16;
            offset += size_of_class(class);
        }
        assert!(table[class] > 1, "a superblock with one block has no groups");
        class += 1;
    }
    table
};

/// [`first_block`] of each class.
static FIRST: [u16; COUNT] = {
    let mut table = [0; COUNT];
    let mut class = 0;
    while class < COUNT {
        #[allow(clippy::cast_possible_truncation, reason = "less than a page")]
        let first = first_block(class) as u16;
        table[class] = first;
        class += 1;
    }
    table
};

/// The class of a block that comes from a superblock; `None` for one that is an extent of its own.
#[inline(always)]
pub(super) const fn small_class(size: usize, align: usize) -> Option<usize> {
    let size = if align <= QUANTUM {
        size
    } else if align <= PAGE / 2 {
        // Blocks of a class that is a multiple of 16 are multiples of 16; above that, of half of the class's power.
        let multiple = if align == 16 { 16 } else { 2 * align };
        let size = if size == 0 { 1 } else { size };
        size.wrapping_add(multiple - 1) & !(multiple - 1)
    } else {
        return None;
    };
    if size <= SMALL_MAX { Some(class_of(size)) } else { None }
}

/// [`small_class`] by one load, for a size of at most [`TABLE_MAX`] without an alignment to speak of.
#[inline(always)]
pub(super) fn quick_class(size: usize, align: usize) -> Option<usize> {
    if size > TABLE_MAX || align > QUANTUM {
        return None;
    }
    Some(head_offset(size) / size_of::<usize>())
}

/// The superblock that a small block lies in.
#[inline(always)]
pub(super) fn superblock_of(block: *mut u8) -> *mut Superblock {
    pointer(block.addr() & !(SUPERBLOCK - 1)).cast()
}

/// Whether a block is large, an extent of its own: those begin at a page, and no other block does (B1).
#[inline(always)]
pub(super) fn is_large(block: *mut u8) -> bool {
    block.addr() % PAGE == 0
}

/// Makes a superblock for a class, with no block cut. Its owner stays.
///
/// # Safety
/// The memory is a superblock's, and no block of it is in the program's hands.
#[allow(clippy::cast_possible_truncation, reason = "there are 28 classes")]
pub(super) unsafe fn lay(superblock: *mut Superblock, class: usize) {
    debug_assert!(class < COUNT);
    // SAFETY: the caller's promise; a class is below COUNT.
    unsafe {
        (*superblock).free.set(null_mut());
        (*superblock).used = 0;
        (*superblock).size_shared.set(size_of_class(class));
        (*superblock).size_alone.set(size_of_class(class));
        (*superblock).class = class as u8;
        (*superblock).capacity = *CAPACITY.get_unchecked(class);
        (*superblock).uncut = usize::from(*FIRST.get_unchecked(class));
    }
}

impl Superblock {
    /// Bytes of a block.
    #[inline(always)]
    pub(super) fn size(&self) -> usize {
        if SHARED { self.size_shared.get() } else { self.size_alone.get() }
    }

    /// With at most so many blocks in use, at least f = 1/4 of the superblock is empty.
    pub(super) fn sparse_at_most(&self) -> usize {
        usize::from(self.capacity) - usize::from(self.capacity).div_ceil(4)
    }

    /// With at least so many blocks in use it is full: at most an eighth of it is empty. A superblock that came back to
    /// its class's list with its first free block would be full again after the next call.
    pub(super) fn full_at_least(&self) -> usize {
        usize::from(self.capacity) - usize::from(self.capacity) / 8
    }

    /// Bytes of all its blocks.
    pub(super) fn capacity_bytes(&self) -> usize {
        usize::from(self.capacity) * self.size()
    }

    /// Cuts more blocks, lowest address first, to the end of the empty list. Linear in those, at most [`CUT`].
    pub(super) fn cut(&mut self) {
        debug_assert!(self.free.get().is_null());
        let start = (&raw mut *self).addr();
        let mut last: *mut Link<Block> = &raw mut self.free;
        for _ in 0..CUT {
            if self.uncut + self.size() > SUPERBLOCK {
                break;
            }
            if begins(self.uncut) {
                let block: *mut Block = pointer(start + self.uncut).cast();
                // SAFETY: the block lies in the superblock and was never handed out (B3).
                unsafe {
                    (*last).set(block);
                    last = &raw mut (*block).next;
                    (*last).set(null_mut());
                }
            }
            self.uncut += self.size();
        }
    }

    /// How many blocks were not yet cut. Linear in them; for [`super::check`].
    pub(super) fn uncut_blocks(&self) -> usize {
        (self.uncut..=SUPERBLOCK - self.size()).step_by(self.size()).filter(|&offset| begins(offset)).count()
    }

    /// Whether a block that was cut begins at this address.
    pub(super) fn has_cut(&self, address: usize) -> bool {
        let offset = address.wrapping_sub((&raw const *self).addr());
        let first = usize::from(FIRST[usize::from(self.class)]);
        (first..self.uncut).contains(&offset) && (offset - first) % self.size() == 0 && begins(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_block_begins_at_a_page_and_little_is_lost() {
        for class in 0..COUNT {
            let (size, first) = (size_of_class(class), usize::from(FIRST[class]));
            assert!(first >= HEADER);
            let blocks = (first..=SUPERBLOCK - size).step_by(size).filter(|&offset| begins(offset)).count();
            assert_eq!(blocks, usize::from(CAPACITY[class]));
            // What the header and the pages' first blocks take is less than two blocks and a fortieth.
            assert!((blocks + 2) * size + SUPERBLOCK / 40 > SUPERBLOCK - HEADER, "{size}: {blocks} blocks");
        }
    }

    #[test]
    fn a_class_is_as_aligned_as_was_asked_for() {
        for power in 0..=9 {
            let align = 1 << power;
            for size in 0..=SMALL_MAX {
                let Some(class) = small_class(size, align) else { continue };
                assert!(size_of_class(class) >= size);
                for block in 0..4 {
                    let address = usize::from(FIRST[class]) + block * size_of_class(class);
                    assert_eq!(address % align, 0, "{size} at {align}");
                }
                assert!(quick_class(size, align).is_none_or(|quick| quick == class));
            }
        }
        assert_eq!(small_class(8, PAGE), None);
        assert_eq!(small_class(SMALL_MAX + 1, 1), None);
    }
}
