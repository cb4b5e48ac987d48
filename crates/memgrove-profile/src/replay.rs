//! Follows a log: which blocks are live after each event.

use std::collections::HashMap;

use crate::nested::{Call, Calls};
use crate::read::{Profile, What};

/// A block that is or was live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its address.
    pub address: u64,
    /// Bytes asked for.
    pub size: u64,
    /// The alignment asked for, as a power of two; 0 if none was.
    pub align_log2: u8,
    /// Position in [`Profile::nodes`] of the stack that allocated it, or last reallocated it.
    pub node: u32,
    /// Number of the change that made it, from 0.
    pub born: u64,
}

/// One change of the heap, after nested calls have been resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A block came to live.
    Born(Block),
    /// A block was freed, by the stack of this node.
    Died(Block, u32),
    /// A block was reallocated: before, after.
    Moved(Block, Block),
    /// An allocation of so many bytes was refused.
    Refused(u64),
}

/// What contradicts that the traced functions are the allocator's. Both are 0 in a sound profile of a sound program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Contradictions {
    /// Blocks freed or reallocated that no traced call had allocated.
    pub freed_unknown: u64,
    /// Blocks allocated at the address of one that was live.
    pub allocated_live: u64,
}

/// The heap while a log is followed.
#[derive(Debug, Default)]
pub struct Heap {
    live: HashMap<u64, Block>,
    changes: u64,
    contradictions: Contradictions,
}

impl Profile {
    /// Follows the log from its beginning; `each` is told every change, and the heap after it. Linear in the log.
    pub fn replay(&self, mut each: impl FnMut(&Step, &Heap)) -> Heap {
        let mut heap = Heap::default();
        let mut calls = Calls::default();
        for (at, event) in self.events.iter().enumerate() {
            calls.take(at, *event, |call| heap.apply(&call, &mut each));
        }
        calls.end(|call| heap.apply(&call, &mut each));
        heap
    }
}

impl Heap {
    /// Blocks that are live, in no order.
    pub fn live(&self) -> impl Iterator<Item = &Block> {
        self.live.values()
    }

    /// Number of blocks that are live.
    #[must_use]
    pub fn live_count(&self) -> usize {
        self.live.len()
    }

    /// Number of changes so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// What does not fit an allocator.
    #[must_use]
    pub fn contradictions(&self) -> Contradictions {
        self.contradictions
    }

    fn apply(&mut self, call: &Call, each: &mut impl FnMut(&Step, &Self)) {
        let event = call.event;
        let step = match event.what {
            What::Moving { .. } => None,
            What::Allocated { block, size, align_log2 } => {
                Some(Step::Born(self.born(block, size, align_log2, event.node)))
            }
            What::Freed { block, .. } => self.died(block).map(|block| Step::Died(block, event.node)),
            What::Refused { size } => Some(Step::Refused(size)),
            What::Moved { block, size, align_log2 } => {
                let old = call.from.and_then(|(_, old)| self.died(old));
                match (old, block) {
                    (Some(old), 0) => Some(Step::Died(old, event.node)),
                    (None, 0) => None,
                    (Some(old), _) => Some(Step::Moved(old, self.born(block, size, align_log2, event.node))),
                    (None, _) => Some(Step::Born(self.born(block, size, align_log2, event.node))),
                }
            }
        };
        if let Some(step) = step {
            self.changes += 1;
            each(&step, self);
        }
    }

    fn born(&mut self, address: u64, size: u64, align_log2: u8, node: u32) -> Block {
        let block = Block { address, size, align_log2, node, born: self.changes };
        if self.live.insert(address, block).is_some() {
            self.contradictions.allocated_live += 1;
        }
        block
    }

    fn died(&mut self, address: u64) -> Option<Block> {
        let block = self.live.remove(&address);
        if block.is_none() {
            self.contradictions.freed_unknown += 1;
        }
        block
    }
}
