//! What no caller can bring about alone: blocks that threads of chosen heaps take, free and send.

extern crate std;
use core::ptr::null_mut;
use core::sync::atomic::Ordering;
use std::collections::BTreeSet;
use std::vec::Vec;
use std::{boxed::Box, vec};

use super::post::{MAILBOX_BYTES, OUTBOX_BYTES, Outbox};
use super::superblock::{Block, quick_class, superblock_of};
use super::{GLOBAL, Hoard};
use crate::Inspect;
use crate::classes::{COUNT, class_of};
use crate::source::{Fake, Trouble};

const OWNER: usize = 2;
const OTHER: usize = 3;
const THIRD: usize = 4;

fn hoard() -> Hoard<Fake> {
    const BYTES: usize = 256 * Fake::PAGE_BYTES;
    let memory = Box::leak(vec![0_u128; BYTES / 16].into_boxed_slice());
    // SAFETY: leaked, zero, and nobody else's.
    Hoard::with_source(unsafe { Fake::new(memory.as_mut_ptr().cast(), BYTES, Trouble::default()) })
}

impl Hoard<Fake> {
    /// A block for the heap with this number, whichever thread asks.
    fn take_as(&self, number: usize, class: usize) -> *mut u8 {
        let block = self.heap(number).with(|heap| {
            let block = heap.take(class);
            if block.is_null() { self.refill(heap, number, class, true) } else { block }
        });
        assert!(!block.is_null(), "there was memory enough");
        block
    }

    /// As a thread of heap `mine` frees it.
    fn free_as(&self, mine: usize, block: *mut u8) {
        // SAFETY: callers give back each block once.
        unsafe {
            let superblock = superblock_of(block);
            let number = (*superblock).owner.load(Ordering::Relaxed);
            if number == mine {
                self.take_home(block, superblock);
            } else {
                self.free_of_another(block, superblock, number, mine);
            }
        }
    }

    fn outbox_weight(&self, number: usize) -> usize {
        self.post(number).outbox.0.with(|outbox| outbox.weight)
    }

    fn mailbox_weight(&self, number: usize) -> usize {
        self.post(number).mailbox.0.look().1
    }
}

/// The owner never comes: others free what it has allocated, of every class, and what is on its way stays bounded.
#[test]
fn what_is_on_its_way_is_bounded_and_counts_as_free() {
    let hoard = hoard();
    let blocks: Vec<_> = (0..8_000).map(|n| hoard.take_as(OWNER, n % COUNT)).collect();
    let (mut most, mut live) = (0, blocks.len());
    for (n, &block) in blocks.iter().enumerate() {
        hoard.free_as(if n % 3 == 0 { THIRD } else { OTHER }, block);
        live -= 1;
        assert!([OTHER, THIRD].iter().all(|&heap| hoard.outbox_weight(heap) < OUTBOX_BYTES));
        assert!(hoard.mailbox_weight(OWNER) <= MAILBOX_BYTES);
        most = most.max(hoard.mailbox_weight(OWNER));
        if n % 100 == 0 {
            hoard.check().expect("a valid heap");
            assert_eq!(hoard.stats().live_blocks, live);
        }
    }
    assert!(most > OUTBOX_BYTES, "blocks were sent");
    hoard.ask_back();
    assert_eq!((hoard.outbox_weight(OTHER), hoard.mailbox_weight(OWNER)), (0, 0));
    hoard.check().expect("a valid heap");
    let stats = hoard.stats();
    assert_eq!((stats.live_blocks, stats.live_bytes), (0, 0));
    let kept = |number| hoard.heap(number).with(|heap| heap.owned + heap.reserve());
    assert!((0..super::HEAPS).all(|number| kept(number) == 0), "a heap keeps superblocks without a block");
}

/// The owner comes: it finds what was sent before it takes memory.
#[test]
fn mail_is_taken_before_another_superblock() {
    let hoard = hoard();
    let class = class_of(64);
    let blocks: BTreeSet<_> = (0..2_000).map(|_| hoard.take_as(OWNER, class)).collect();
    while hoard.heap(OWNER).with(|heap| heap.take(class)).addr() != 0 {}
    let sent: Vec<_> = blocks.iter().copied().take(64).collect();
    sent.iter().for_each(|&block| hoard.free_as(OTHER, block));
    assert!(hoard.has_mail(OWNER));
    let again = hoard.allocate_after_mail(OWNER, class);
    assert!(!hoard.has_mail(OWNER) && sent.contains(&again));
    hoard.check().expect("a valid heap");
}

/// Between two heaps, blocks are in the mail while their superblocks go to the global heap, and to a third one.
#[test]
fn mail_follows_superblocks_that_have_moved() {
    let hoard = hoard();
    let class = class_of(128);
    let blocks: Vec<_> = (0..60 * 63).map(|_| hoard.take_as(OWNER, class)).collect();
    // One block of each superblock is sent, and stays in the mail; the others come home but for one.
    let mut superblocks = BTreeSet::new();
    let (mut sent, mut kept) = (Vec::new(), Vec::new());
    for &block in &blocks {
        if superblocks.insert(superblock_of(block)) {
            sent.push(block);
        }
    }
    sent.iter().for_each(|&block| hoard.free_as(OTHER, block));
    assert!(hoard.has_mail(OWNER));
    superblocks.clear();
    for &block in blocks.iter().filter(|block| !sent.contains(block)) {
        if superblocks.insert(superblock_of(block)) {
            kept.push(block);
        } else {
            hoard.free_as(OWNER, block);
        }
    }
    hoard.check().expect("a valid heap while superblocks have left it");
    let owner = |block: &*mut u8| {
        // SAFETY: the superblock of a block in use.
        unsafe { (*superblock_of(*block)).owner.load(Ordering::Relaxed) }
    };
    assert!(kept.iter().any(|block| owner(block) == GLOBAL));
    let third: Vec<_> = (0..10 * 63).map(|_| hoard.take_as(THIRD, class)).collect();
    assert!(kept.iter().any(|block| owner(block) == THIRD));

    assert!(sent.iter().any(|block| owner(block) == GLOBAL), "mail for the global heap");
    assert!(sent.iter().any(|block| owner(block) == THIRD), "mail for another thread's heap");
    let mine = hoard.allocate_after_mail(OWNER, class);
    assert!(!hoard.has_mail(OWNER));
    hoard.check().expect("a valid heap");
    assert_eq!(hoard.stats().live_blocks, kept.len() + third.len() + 1);
    hoard.free_as(OWNER, mine);
    kept.into_iter().chain(third).for_each(|block| hoard.free_as(OTHER, block));
    hoard.ask_back();
    hoard.check().expect("a valid heap");
    assert_eq!(hoard.stats().live_blocks, 0);
}

#[test]
fn the_check_sees_what_is_wrong_with_the_post() {
    let broken = |spoil: &dyn Fn(&Hoard<Fake>, &mut Outbox, *mut Block)| {
        let hoard = hoard();
        let block = hoard.take_as(OWNER, 5);
        hoard.free_as(OTHER, block);
        hoard.check().expect("a valid heap");
        hoard.post(OTHER).outbox.0.with(|outbox| spoil(&hoard, outbox, block.cast()));
        let found = hoard.check().expect_err("a broken heap");
        assert_eq!(found.invariant, "B8", "{found}");
    };
    // SAFETY: in all of these, the block is one on its way.
    unsafe {
        broken(&|_, outbox, _| outbox.weight += 1);
        broken(&|_, outbox, _| outbox.chains[OWNER - 1].weight += 1);
        broken(&|_, outbox, _| outbox.chains.swap(OWNER - 1, OTHER - 1));
        broken(&|_, outbox, block| outbox.chains[OWNER - 1].first = block.byte_add(8));
        broken(&|_, _, block| (*block).next.set(block));
        broken(&|_, _, block| (*block).next.set(block.wrapping_byte_sub(1 << 30)));
        broken(&|hoard, _, _| {
            hoard.post(OWNER).mailbox.0.push(null_mut(), 8, |_| ());
        });
    }
}

/// A thread that found nothing lets go of its heap's lock before it asks all others; by the time that it has the lock
/// again, another thread may have given a block back.
#[test]
fn what_comes_back_before_memory_grows_is_taken_and_not_lost() {
    let hoard = hoard();
    let class = quick_class(64, 1).expect("a small block has a class");
    let mine = Hoard::<Fake>::mine();
    let first = hoard.allocate_small(class);
    // All that is cut, but not all of the superblock.
    while !hoard.heap(mine).with(|heap| heap.take(class)).is_null() {}
    assert!(!first.is_null());
    // SAFETY: it is in use, and given back once.
    unsafe { hoard.free_block(first) };
    assert_eq!(hoard.allocate_small_at_last(class), first);
    assert_eq!(hoard.check(), Ok(()));
}
