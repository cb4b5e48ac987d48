//! Threads that drive one heap and pass its blocks to each other.
#![allow(dead_code, reason = "part of the shadow, which tests with one thread include too")]

use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use memgrove::{Allocate, Inspect};

use super::{Block, Random, Shadow};

/// A block on its way, and the thread that sent it.
struct Parcel {
    sender: usize,
    block: Block,
}

/// Where blocks wait for whichever thread comes next.
pub struct Exchange {
    slots: [AtomicPtr<Parcel>; Self::SLOTS],
}

/// What each thread is to do.
#[derive(Clone, Copy)]
pub struct Work {
    /// Calls to the heap.
    pub steps: usize,
    /// About so many blocks a thread holds at the end; at the beginning few, so that memory grows all along.
    pub target: usize,
    /// The largest size in bytes.
    pub largest: usize,
    /// The heap is checked after so many steps.
    pub check_every: usize,
}

/// What a thread did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Calls to the heap, the final giving back included.
    pub operations: usize,
    /// Blocks that came from another thread.
    pub received: usize,
    /// How often the heap said that it is exhausted.
    pub refusals: usize,
}

impl Exchange {
    const SLOTS: usize = 64;

    pub const fn new() -> Self {
        Self { slots: [const { AtomicPtr::new(null_mut()) }; Self::SLOTS] }
    }

    /// Leaves a parcel in a slot, or nothing, and takes what was there.
    fn swap(&self, slot: usize, parcel: Option<Parcel>) -> Option<Parcel> {
        let left = parcel.map_or(null_mut(), |parcel| Box::into_raw(Box::new(parcel)));
        let taken = self.slots[slot].swap(left, Ordering::AcqRel);
        // SAFETY: whoever swaps a pointer out is the only one who has it; it came from a box.
        (!taken.is_null()).then(|| *unsafe { Box::from_raw(taken) })
    }

    /// The work of one thread, which is told its number. Half of its steps are followed by an exchange of a block for
    /// another thread's, if one waits.
    pub fn drive<A: Allocate + Inspect>(&self, heap: &A, thread: usize, work: Work) -> Result<Tally, String> {
        let mut random = Random::new(thread as u64 + 1);
        let mut shadow = Shadow::new(heap);
        let mut tally = Tally::default();
        for step in 0..work.steps {
            let at = |error: String| format!("thread {thread}, step {step}: {error}");
            // Wide, because a word of wasm has no room for the product.
            let reached = work.target as u64 * step as u64 / work.steps as u64;
            let target = 1 + usize::try_from(reached).unwrap_or(work.target);
            let op = random.op(shadow.len(), target, work.largest);
            shadow.step(op).map_err(at)?;
            if step % 2 == 0 {
                let sent = shadow.hand_over(random.below(1 << 16)).map_err(at)?;
                let sent = sent.map(|block| Parcel { sender: thread, block });
                if let Some(parcel) = self.swap(random.below(Self::SLOTS), sent) {
                    tally.received += usize::from(parcel.sender != thread);
                    shadow.take_over(parcel.block).map_err(at)?;
                }
            }
            if step % 64 == 0 {
                // Optimised, a thread would be done before the next one began.
                std::thread::yield_now();
            }
            if (step + 1) % work.check_every == 0 {
                shadow.check().map_err(at)?;
            }
        }
        tally.operations = work.steps + shadow.len();
        shadow.give_all_back()?;
        tally.refusals = shadow.refusals;
        Ok(tally)
    }

    /// When all threads are done: gives back what nobody took, and verifies that no block is lost.
    pub fn finish<A: Allocate + Inspect>(&self, heap: &A) -> Result<(), String> {
        let mut shadow = Shadow::new(heap);
        for slot in 0..Self::SLOTS {
            if let Some(parcel) = self.swap(slot, None) {
                shadow.take_over(parcel.block)?;
            }
        }
        shadow.finish()
    }
}
