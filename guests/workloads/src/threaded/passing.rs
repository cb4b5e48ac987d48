//! Blocks from hand to hand.

use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::ptr;

use super::{MAX_THREADS, Place};
use crate::{Block, Load};

/// A ring between one producer and one consumer. Its cells live outside the heap.
struct Ring {
    cells: [AtomicPtr<Block>; CELLS],
    written: AtomicUsize,
    read: AtomicUsize,
}

const CELLS: usize = 128;

static RINGS: [Ring; MAX_THREADS] = [const {
    Ring {
        cells: [const { AtomicPtr::new(ptr::null_mut()) }; CELLS],
        written: AtomicUsize::new(0),
        read: AtomicUsize::new(0),
    }
}; MAX_THREADS];

impl Ring {
    fn is_full(&self) -> bool {
        self.written.load(Ordering::Relaxed) - self.read.load(Ordering::Acquire) == CELLS
    }

    /// The producer's; the ring is not full.
    fn push(&self, block: Block) {
        let at = self.written.load(Ordering::Relaxed);
        self.cells[at % CELLS].store(Box::into_raw(Box::new(block)), Ordering::Relaxed);
        self.written.store(at + 1, Ordering::Release);
    }

    /// The consumer's. The box comes from the other thread too, so each hand-over frees two foreign blocks.
    fn pop(&self) -> Option<Block> {
        let at = self.read.load(Ordering::Relaxed);
        if at == self.written.load(Ordering::Acquire) {
            return None;
        }
        let block = self.cells[at % CELLS].load(Ordering::Relaxed);
        self.read.store(at + 1, Ordering::Release);
        // SAFETY: `push` made it of a box, and `read` has passed it, so nobody takes it twice.
        Some(*unsafe { Box::from_raw(block) })
    }
}

pub fn reset() {
    for ring in &RINGS {
        ring.written.store(0, Ordering::SeqCst);
        ring.read.store(0, Ordering::SeqCst);
    }
}

/// A thread's checksum is a plain sum: how its frees interleave with its neighbour's is up to the machine.
pub fn xmalloc(place: &Place, load: &Load) -> u64 {
    let mut rng = place.rng(load);
    let quota = load.times(30_000);
    let outgoing = &RINGS[place.thread];
    let incoming = &RINGS[(place.thread + place.threads - 1) % place.threads];
    let (mut made, mut taken, mut sum) = (0, 0, 0u64);
    while made < quota || taken < quota {
        if made < quota && !outgoing.is_full() {
            outgoing.push(Block::new(rng.between(8, 256), made as u32));
            made += 1;
        }
        match incoming.pop() {
            Some(block) => {
                sum = sum.wrapping_add(block.free());
                taken += 1;
            }
            None => core::hint::spin_loop(),
        }
    }
    sum
}

/// The first thread allocates a block for each, side by side; each frees its own and then allocates, writes and
/// frees small blocks: an allocator that hands the freed neighbours out again makes threads share a cache line.
pub fn cache_scratch(place: &Place, load: &Load) -> u64 {
    if place.thread == 0 {
        for ring in &RINGS[..place.threads] {
            ring.push(Block::new(8, 1));
        }
    }
    let handed = loop {
        match RINGS[place.thread].pop() {
            Some(block) => break block,
            None => core::hint::spin_loop(),
        }
    };
    let mut sum = handed.free();
    for step in 0..load.times(50_000) {
        let mut block = Block::new(8, step as u32);
        sum = sum.wrapping_add(block.work(8));
        sum = sum.wrapping_add(block.free());
    }
    sum
}
