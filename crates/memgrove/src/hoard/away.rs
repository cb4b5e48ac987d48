//! Blocks on their way home: counted for [`stats`](super::check::stats), and B8 verified.

use core::sync::atomic::Ordering;

use super::check::{All, Counted};
use super::post::{OUTBOX_BYTES, POSTS, weight};
use super::superblock::{Block, SUPERBLOCK, Superblock, size_at, superblock_of};
use super::{HEAPS, TAG_SUPERBLOCK};
use crate::pages::{LARGE, page_at};
use crate::source::PageSource;
use crate::stats::{Broken, Stats, ensure};

impl<S: PageSource> All<'_, S> {
    /// Calls `f` with each list of blocks on their way, until it answers an error: the first block, what all weigh, and where they are.
    fn each_list(
        &self,
        mut f: impl FnMut(*mut Block, usize, Place) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        for (index, &outbox) in self.outboxes.iter().enumerate() {
            // SAFETY: the outbox's lock is held.
            for (to, chain) in unsafe { &*outbox }.chains.iter().enumerate() {
                f(chain.first, chain.weight, Place::Outbox { of: index, to })?;
            }
        }
        for post in self.posts {
            let (first, weight) = post.mailbox.0.look();
            f(first, weight, Place::Mailbox)?;
        }
        Ok(())
    }

    /// Counts blocks on their way as free ones: to their superblocks they are in use.
    pub(super) fn count_away(&self, stats: &mut Stats) {
        let counted = self.each_list(|first, _, _| {
            let mut block = first;
            while !block.is_null() {
                // SAFETY: a block on its way holds its link and lies in a superblock (B8).
                unsafe {
                    let size = size_at(superblock_of(block.cast()));
                    stats.live_blocks -= 1;
                    stats.live_bytes -= size;
                    stats.free_blocks += 1;
                    stats.free_bytes += size;
                    block = (*block).next.get();
                }
            }
            Ok(())
        });
        debug_assert!(counted.is_ok(), "counting has nothing to object to");
    }

    /// B8, against what the walk has met of each heap.
    pub(super) fn check_away(&self, met: &[Counted; HEAPS]) -> Result<(), Broken> {
        // For each heap, how many of its blocks were met on their way.
        let mut away = [0; HEAPS];
        let mut outboxes = [0; POSTS];
        self.each_list(|first, told, place| {
            let mut block = first;
            let mut weighs = 0;
            while !block.is_null() {
                let (superblock, at) = (self.superblock_of_away(block)?, block.addr());
                let owner = superblock.owner.load(Ordering::Relaxed);
                ensure(owner < HEAPS, "B2", "a superblock belongs to no heap", at)?;
                away[owner] += 1;
                // A list that leads back into itself ends here.
                let in_use = away[owner] <= met[owner].in_use;
                ensure(in_use, "B8", "more blocks of a heap are on their way than are in use", at)?;
                weighs += weight(superblock.size());
                // SAFETY: a block of a superblock, in nobody's hands.
                block = unsafe { (*block).next.check("B8")? };
            }
            let at = first.addr();
            ensure(weighs == told, "B8", "blocks on their way weigh something else", at)?;
            if let Place::Outbox { of, to } = place {
                outboxes[of] += weighs;
                ensure(of != to || first.is_null(), "B8", "a heap sends blocks to itself", at)?;
            }
            Ok(())
        })?;
        for (&outbox, weighs) in self.outboxes.iter().zip(outboxes) {
            // SAFETY: the outbox's lock is held.
            let told = unsafe { &*outbox }.weight;
            ensure(weighs == told, "B8", "an outbox weighs something else", outbox.addr())?;
            ensure(told < OUTBOX_BYTES, "B8", "an outbox holds what is to be sent", outbox.addr())?;
        }
        Ok(())
    }

    /// The superblock of a block on its way, if it is one of a superblock that was cut.
    fn superblock_of_away(&self, block: *mut Block) -> Result<&Superblock, Broken> {
        let superblock = superblock_of(block.cast());
        let page = page_at(superblock.addr());
        let known = self.pages.in_use().contains(&page) && {
            let extent = self.pages.extent_at(page);
            extent.class == LARGE && extent.tag == TAG_SUPERBLOCK && extent.bytes() == SUPERBLOCK
        };
        ensure(known, "B8", "a block on its way lies in no superblock", block.addr())?;
        // SAFETY: it is a superblock (B1), and all locks are held.
        let superblock = unsafe { &*superblock };
        let cut = superblock.has_cut(block.addr());
        ensure(cut, "B8", "a block on its way is not where a block of the superblock begins", block.addr())?;
        Ok(superblock)
    }
}

/// Where a list of blocks on their way is.
#[derive(Clone, Copy)]
enum Place {
    /// In an outbox: of this heap, for that one; counted from the first heap of a thread.
    Outbox {
        of: usize,
        to: usize,
    },
    Mailbox,
}
