//! The quarantine: a ring of the blocks freed last. Its words lie beside the heap, not in it.

use core::alloc::Layout;
use core::ptr::null_mut;

use super::block::{Seal, is_poison};
use crate::stats::{Broken, ensure};

/// The longest block that enters a quarantine, in bytes: longer ones take too long to poison and to verify.
pub const BLOCK_BYTES_MAX: usize = 16 << 10;

/// How many bytes a quarantine may hold for each of its places. With the 64 places it has if nothing else is said, that
/// is a page of wasm's, 64 KiB.
pub const BLOCK_BYTES_MEAN: usize = 1 << 10;

/// A freed block that waits, with the layout that it had. The layout in two words, so that an empty ring is all zero and
/// takes no bytes of the module.
#[derive(Clone, Copy)]
struct Entry {
    block: *mut u8,
    size: usize,
    align: usize,
}

impl Entry {
    fn layout(self) -> Layout {
        // SAFETY: both were a layout's when `offer` took them.
        unsafe { Layout::from_size_align_unchecked(self.size, self.align) }
    }
}

pub(super) struct Quarantine<const PLACES: usize> {
    ring: [Entry; PLACES],
    /// Where the oldest block is.
    first: usize,
    count: usize,
    bytes: usize,
}

// SAFETY: the blocks belong to the heap alone, whichever thread holds it.
unsafe impl<const PLACES: usize> Send for Quarantine<PLACES> {}

/// The answer to [`Quarantine::offer`].
pub(super) enum Offer {
    Taken,
    /// This one must leave before: the oldest.
    First(*mut u8, Layout),
}

impl<const PLACES: usize> Quarantine<PLACES> {
    pub(super) const EMPTY: Self =
        Self { ring: [Entry { block: null_mut(), size: 0, align: 0 }; PLACES], first: 0, count: 0, bytes: 0 };

    /// Takes a block in, or the oldest one out if there is no room. There is room in an empty ring for any block of at
    /// most [`BLOCK_BYTES_MAX`] bytes, so asking again comes to an end.
    pub(super) fn offer(&mut self, block: *mut u8, layout: Layout) -> Offer {
        let full = self.count == PLACES || self.bytes + layout.size() > PLACES * BLOCK_BYTES_MEAN;
        if full {
            if let Some((oldest, layout)) = self.pop() {
                return Offer::First(oldest, layout);
            }
        }
        let place = (self.first + self.count) % PLACES.max(1);
        if let Some(entry) = self.ring.get_mut(place) {
            *entry = Entry { block, size: layout.size(), align: layout.align() };
            self.count += 1;
            self.bytes += layout.size();
        }
        Offer::Taken
    }

    /// The oldest block, which is in it no longer.
    pub(super) fn pop(&mut self) -> Option<(*mut u8, Layout)> {
        if self.count == 0 {
            return None;
        }
        let entry = *self.ring.get(self.first)?;
        self.first = (self.first + 1) % PLACES.max(1);
        self.count -= 1;
        self.bytes -= entry.size;
        Some((entry.block, entry.layout()))
    }

    /// G1 to G3.
    pub(super) fn check(&self, seal: Seal) -> Result<(), Broken> {
        let mut bytes = 0;
        for number in 0..self.count {
            let Some(entry) = self.ring.get((self.first + number) % PLACES.max(1)) else { break };
            let (block, layout) = (entry.block, entry.layout());
            bytes += layout.size();
            // SAFETY: blocks in quarantine are the heap's own.
            let (freed, poison) = unsafe { (seal.is_freed(block, layout), is_poison(block, layout)) };
            ensure(freed, "G1", "a header was overwritten after free", block.addr())?;
            ensure(poison, "G2", "a block was written to after free", block.addr())?;
        }
        let bounded = self.count <= PLACES && bytes == self.bytes;
        ensure(bounded, "G3", "the quarantine does not count right", self.first)
    }
}
