//! The post: how a block that another thread frees goes home.
//!
//! ```text
//!  a thread of heap 2 frees a block of heap 1
//!     │
//!     ▼  under the outbox's lock
//!  outbox of heap 2:   to 1: block ─► block ─► …      to 5: block      less than 4 KiB in all
//!     │
//!     ▼  with 4 KiB: one exchange for each chain
//!  mailbox of heap 1:  block ─► … ─► block ─► …                        with more than 16 KiB the sender empties it
//!     │
//!     ▼  under heap 1's lock, when it has no block at hand of a class that it is asked for
//!  superblocks
//! ```
//!
//! A loop that frees others' blocks takes its outbox's lock, which nobody else wants, and the cache line of each block once. With the
//! owner's lock each time it took the lines of that lock and of the superblock's counts, too, from a thread that was about
//! to use them again: two threads of the lab's `xmalloc-threads` took 21.9 ms on V8 and take 14.6, one takes 2.9; Jemalloc takes 15.7 and
//! 2.9. Half of and twice [`OUTBOX_BYTES`] made no difference that could be measured natively (`examples/threads.rs` tells such figures).

use core::ptr::null_mut;
use core::sync::atomic::Ordering;

use super::heap::{Heap, SHARED};
use super::mailbox::Mailbox;
use super::superblock::{Block, SUPERBLOCK, Superblock, size_at, superblock_of};
use super::{GLOBAL, HEAPS, Hoard, Lines, owner};
use crate::source::{PageSource, notice_growth};
use crate::sync::Lock;
use crate::thread::SLOTS;

/// How many heaps have a post: those of threads.
pub(super) const POSTS: usize = if SHARED { SLOTS } else { 0 };

/// What an outbox holds before it is emptied, in bytes as of [`weight`].
pub(super) const OUTBOX_BYTES: usize = 4096;

/// With more than this in a mailbox its owner does not come often enough, and the sender empties it.
pub(super) const MAILBOX_BYTES: usize = 2 * SUPERBLOCK;

/// What a block weighs on its way: its bytes, and as much as a 32nd part of an outbox for a small one.
#[inline(always)]
pub(super) fn weight(size: usize) -> usize {
    size.max(OUTBOX_BYTES / 32)
}

/// Blocks on their way to the same heap.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    pub(super) first: *mut Block,
    last: *mut Block,
    pub(super) weight: usize,
}

impl Chain {
    const EMPTY: Self = Self { first: null_mut(), last: null_mut(), weight: 0 };
}

/// The blocks that a heap's threads have freed and not yet sent.
pub(super) struct Outbox {
    /// For each heap of threads.
    pub(super) chains: [Chain; POSTS],
    /// What all of them weigh.
    pub(super) weight: usize,
}

// SAFETY: the blocks are nobody's, so they may go to another thread with the outbox.
unsafe impl Send for Outbox {}

impl Outbox {
    const EMPTY: Self = Self { chains: [Chain::EMPTY; POSTS], weight: 0 };

    /// Takes a block for the heap with this number; returns whether there is enough to be sent.
    ///
    /// # Safety
    /// A block that weighs this, in nobody's hands. The number is that of a thread's heap.
    #[inline(always)]
    unsafe fn put(&mut self, block: *mut Block, number: usize, weight: usize) -> bool {
        debug_assert!((1..HEAPS).contains(&number));
        // SAFETY: the caller's promise; so the block may hold the link.
        unsafe {
            let chain = self.chains.get_unchecked_mut(number - 1);
            (*block).next.set(chain.first);
            if chain.first.is_null() {
                chain.last = block;
            }
            chain.first = block;
            chain.weight += weight;
        }
        self.weight += weight;
        self.weight >= OUTBOX_BYTES
    }

    /// Takes a chain out; whichever, or none if there is none.
    fn take_chain(&mut self) -> *mut Block {
        let Some(chain) = self.chains.iter_mut().find(|chain| !chain.first.is_null()) else {
            return null_mut();
        };
        self.weight -= chain.weight;
        core::mem::replace(chain, Chain::EMPTY).first
    }
}

/// What a heap sends and what it receives.
pub(super) struct Post {
    pub(super) outbox: Lines<Lock<Outbox>>,
    pub(super) mailbox: Lines<Mailbox<Block>>,
}

impl Post {
    pub(super) const fn new() -> Self {
        Self { outbox: Lines(Lock::new(Outbox::EMPTY)), mailbox: Lines(Mailbox::new()) }
    }
}

impl<S: PageSource> Hoard<S> {
    /// The post of a thread's heap.
    #[inline(always)]
    pub(super) fn post(&self, number: usize) -> &Post {
        debug_assert!((1..HEAPS).contains(&number));
        // SAFETY: callers have the number of a thread's heap, from a slot, a superblock's owner (B2) or from counting.
        unsafe { self.posts.get_unchecked(number - 1) }
    }

    /// Whether others have sent blocks to a thread's heap.
    #[inline(always)]
    pub(super) fn has_mail(&self, number: usize) -> bool {
        !self.post(number).mailbox.0.is_empty()
    }

    /// A block for a heap that has none at hand, but had mail a moment ago; or that has nothing at all.
    #[cold]
    #[inline(never)]
    pub(super) fn allocate_after_mail(&self, mine: usize, class: usize) -> *mut u8 {
        let mut strays = null_mut();
        let block = self.heap(mine).with(|heap| {
            strays = self.receive(heap, mine);
            let block = heap.take(class);
            if block.is_null() { self.refill(heap, mine, class, false) } else { block }
        });
        self.pass_on(strays);
        if block.is_null() { self.allocate_small_at_last(class) } else { block }
    }

    /// Frees a block of the heap with this number, which is not the caller's, `mine`: it is sent home with others, if the heap is a thread's.
    ///
    /// # Safety
    /// A block of the superblock, given back once.
    #[inline(never)]
    pub(super) unsafe fn free_of_another(
        &self,
        block: *mut u8,
        superblock: *mut Superblock,
        number: usize,
        mine: usize,
    ) {
        if number == GLOBAL {
            // SAFETY: the caller's promise.
            return unsafe { self.take_home(block, superblock) };
        }
        // SAFETY: the caller's promise; the size of a superblock with a block in use does not change.
        let late = self.post(mine).outbox.0.with(|outbox| unsafe {
            let enough = outbox.put(block.cast(), number, weight(size_at(superblock)));
            if enough { self.deliver(outbox) } else { 0 }
        });
        if late != 0 {
            self.receive_late(late);
        }
    }

    /// Puts all that is in an outbox into mailboxes; returns which of these hold too much, a bit for each heap.
    #[cold]
    #[inline(never)]
    fn deliver(&self, outbox: &mut Outbox) -> u32 {
        let mut late = 0;
        outbox.weight = 0;
        for (number, chain) in (1..).zip(&mut outbox.chains) {
            let Chain { first, last, weight } = *chain;
            if first.is_null() {
                continue;
            }
            *chain = Chain::EMPTY;
            // SAFETY: the chain's blocks are nobody's, and hold their links (B8).
            let link = |next| unsafe { (*last).next.set(next) };
            if self.post(number).mailbox.0.push(first, weight, link) > MAILBOX_BYTES {
                late |= 1 << number;
            }
        }
        late
    }

    /// Empties the mailboxes of these heaps, whose threads have not come for long.
    #[cold]
    #[inline(never)]
    fn receive_late(&self, mut late: u32) {
        while late != 0 {
            let number = late.trailing_zeros() as usize;
            late &= late - 1;
            self.pass_on(self.heap(number).with(|heap| self.receive(heap, number)));
        }
    }

    /// Takes the blocks in a heap's mailbox home. Its lock is held. Returns those whose superblocks belong to another heap by
    /// now, to be [passed on](Self::pass_on) without the lock. Linear in the blocks.
    pub(super) fn receive(&self, heap: &mut Heap, number: usize) -> *mut Block {
        let mailbox = &self.post(number).mailbox.0;
        let mut strays = null_mut();
        let mut block = mailbox.take();
        if block.is_null() {
            return strays;
        }
        // Whoever sent them may know of more memory than this thread did when it took the lock.
        notice_growth();
        let mut received = 0;
        // SAFETY: a block on its way is nobody's and holds its link; it lies in a superblock (B1), which stays one, because the block
        // counts as in use (B3), and whose owner does not change while its lock is held (B2).
        unsafe {
            while !block.is_null() {
                let next = (*block).next.get();
                let superblock = superblock_of(block.cast());
                received += weight(size_at(superblock));
                if (*superblock).owner.load(Ordering::Relaxed) != number {
                    (*block).next.set(strays);
                    strays = block;
                } else {
                    self.put_home(heap, number, block.cast(), superblock);
                }
                block = next;
            }
        }
        mailbox.settle(received);
        strays
    }

    /// Takes blocks home to wherever their superblocks are now. No lock is held.
    pub(super) fn pass_on(&self, mut block: *mut Block) {
        // SAFETY: as in `receive`.
        unsafe {
            while !block.is_null() {
                let next = (*block).next.get();
                self.take_home(block.cast(), superblock_of(block.cast()));
                block = next;
            }
        }
    }

    /// Takes a block home, under the lock of the heap that owns its superblock.
    ///
    /// # Safety
    /// A block of the superblock, given back once.
    #[inline(never)]
    pub(super) unsafe fn take_home(&self, block: *mut u8, superblock: *mut Superblock) {
        // SAFETY: the caller's promise; the owner's lock is held (B2).
        unsafe {
            owner::with_owner(
                &(*superblock).owner,
                |number| self.heap(number),
                |number, heap: &mut Heap| self.put_home(heap, number, block, superblock),
            );
        }
    }

    /// Takes every block home that is on its way. Linear in them and in the square of how many heaps there are.
    #[allow(
        clippy::reversed_empty_ranges,
        reason = "without threads there is one heap, and nothing is on its way"
    )]
    pub(super) fn bring_home(&self) {
        for post in &self.posts {
            for _ in 0..POSTS {
                let first = post.outbox.0.with(Outbox::take_chain);
                if first.is_null() {
                    break;
                }
                self.pass_on(first);
            }
        }
        for number in 1..HEAPS {
            self.pass_on(self.heap(number).with(|heap| self.receive(heap, number)));
        }
    }
}
