//! Follows a log: which blocks are live after each event.
//!
//! An allocator's functions call each other, and each call is in the log. An event that happened inside of another
//! call is one of its own only if it is about another block: `calloc` that calls `malloc` allocates once, while a
//! collector that runs inside of an allocation frees blocks in their own right. Which it is shows as soon as the
//! outer call's block is known, so nested events wait for that.

use std::collections::HashMap;

use crate::read::{Event, Profile, What};

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
    /// The block that is being reallocated.
    moving: Option<u64>,
    /// The block that the last outermost event was about to free.
    freeing: Option<u64>,
    waiting: Vec<Event>,
}

impl Profile {
    /// Follows the log from its beginning; `each` is told every change, and the heap after it. Linear in the log.
    pub fn replay(&self, mut each: impl FnMut(&Step, &Heap)) -> Heap {
        let mut heap = Heap::default();
        for event in &self.events {
            heap.take(event, &mut each);
        }
        heap.settle(None, &mut each);
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

    fn take(&mut self, event: &Event, each: &mut impl FnMut(&Step, &Self)) {
        if event.is_nested {
            self.waiting.push(*event);
            return;
        }
        let result = match event.what {
            What::Allocated { block, .. } | What::Moved { block, .. } => Some(block),
            _ => None,
        };
        self.settle(result, each);
        self.apply(event, each);
        self.freeing = match event.what {
            What::Freed { block, .. } => Some(block),
            _ => None,
        };
    }

    /// Applies the nested events that are about other blocks than the calls around them.
    fn settle(&mut self, result: Option<u64>, each: &mut impl FnMut(&Step, &Self)) {
        let (freeing, moving) = (self.freeing, self.moving);
        let of_outer = |block: u64| Some(block) == result || Some(block) == freeing || Some(block) == moving;
        // A nested reallocation is two events; the second belongs where the first does.
        let mut skip_moved = false;
        for event in std::mem::take(&mut self.waiting) {
            let own = match event.what {
                // An aligned block may begin inside of the longer one that was allocated for it.
                What::Allocated { block, size, .. } => {
                    let holds = |result: u64| result.checked_sub(block).is_some_and(|at| at < size);
                    !of_outer(block) && !result.is_some_and(holds)
                }
                What::Freed { block, .. } => !of_outer(block),
                What::Moving { block } => {
                    skip_moved = of_outer(block);
                    !skip_moved
                }
                What::Moved { block, .. } => !std::mem::take(&mut skip_moved) && !of_outer(block),
                What::Refused { .. } => false,
            };
            if own {
                let outer = self.moving.take();
                self.apply(&event, each);
                if !matches!(event.what, What::Moving { .. }) {
                    self.moving = outer;
                }
            }
        }
        self.moving = moving;
    }

    fn apply(&mut self, event: &Event, each: &mut impl FnMut(&Step, &Self)) {
        let step = match event.what {
            What::Moving { block } => {
                self.moving = Some(block);
                return;
            }
            What::Allocated { block, size, align_log2 } => {
                Some(Step::Born(self.born(block, size, align_log2, event.node)))
            }
            What::Freed { block, .. } => self.died(block).map(|block| Step::Died(block, event.node)),
            What::Refused { size } => {
                self.moving = None;
                Some(Step::Refused(size))
            }
            What::Moved { block, size, align_log2 } => {
                let old = self.moving.take().and_then(|old| self.died(old));
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
