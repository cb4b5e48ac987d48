//! Calls of the allocator that count, out of a log that has every call.
//!
//! An allocator's functions call each other, and each call is in the log. An event that happened inside of another
//! call is one of its own only if it is about another block: `calloc` that calls `malloc` allocates once, while a
//! collector that runs inside of an allocation frees blocks in their own right. Which it is shows as soon as the
//! outer call's block is known, so nested events wait for that.

use std::collections::HashSet;

use crate::read::{Event, What};

/// A call that counts. What is about to be reallocated is told with the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    /// Position in the log.
    pub at: usize,
    pub event: Event,
    /// Of [`What::Moved`]: where in the log it began, and which block it was.
    pub from: Option<(usize, u64)>,
}

/// Follows the log of one instance.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// The block that is being reallocated.
    moving: Option<(usize, u64)>,
    /// The block that the last outermost event was about to free.
    freeing: Option<u64>,
    waiting: Vec<(usize, Event)>,
}

impl Calls {
    /// Takes the event at this position; `each` is told of calls that count, in their order.
    pub fn take(&mut self, at: usize, event: Event, mut each: impl FnMut(Call)) {
        if event.is_nested {
            self.waiting.push((at, event));
            return;
        }
        let result = match event.what {
            What::Allocated { block, .. } | What::Moved { block, .. } => Some(block),
            _ => None,
        };
        self.settle(result, &mut each);
        self.freeing = None;
        let from = match event.what {
            What::Moving { block } => {
                self.moving = Some((at, block));
                return;
            }
            What::Freed { block, .. } => {
                self.freeing = Some(block);
                None
            }
            What::Moved { .. } => self.moving.take(),
            What::Refused { .. } => {
                self.moving = None;
                None
            }
            What::Allocated { .. } => None,
        };
        each(Call { at, event, from });
    }

    /// The log is over.
    pub fn end(mut self, mut each: impl FnMut(Call)) {
        self.settle(None, &mut each);
    }

    /// Tells of the nested events that are about other blocks than the calls around them.
    fn settle(&mut self, result: Option<u64>, each: &mut impl FnMut(Call)) {
        let (freeing, moving) = (self.freeing, self.moving.map(|(_, block)| block));
        let of_outer = |block: u64| Some(block) == result || Some(block) == freeing || Some(block) == moving;
        let waiting = std::mem::take(&mut self.waiting);
        let given_again = given_again(&waiting);
        // A nested reallocation is two events; the second belongs where the first does.
        let mut skip_moved = false;
        let mut from: Option<(usize, u64)> = None;
        let mut last_freed = None;
        for ((at, event), given_again) in waiting.into_iter().zip(given_again) {
            let of_inner =
                |block: u64| from.is_some_and(|(_, moving)| moving == block) || last_freed == Some(block);
            let counts = match event.what {
                // An aligned block may begin inside of the longer one that was allocated for it.
                What::Allocated { block, size, .. } => {
                    let holds = |result: u64| result.checked_sub(block).is_some_and(|at| at < size);
                    !given_again && !of_outer(block) && !result.is_some_and(holds)
                }
                What::Freed { block, .. } => !of_outer(block) && !of_inner(block),
                What::Moving { block } => {
                    skip_moved = of_outer(block);
                    if !skip_moved && !of_inner(block) {
                        from = Some((at, block));
                    }
                    false
                }
                What::Moved { block, .. } => {
                    !given_again && !std::mem::take(&mut skip_moved) && !of_outer(block)
                }
                What::Refused { .. } => {
                    // If it was a reallocation, the old block stays.
                    (skip_moved, from) = (false, None);
                    false
                }
            };
            if counts {
                let from = if matches!(event.what, What::Moved { .. }) { from.take() } else { None };
                last_freed = match event.what {
                    What::Freed { block, .. } => Some(block),
                    _ => None,
                };
                each(Call { at, event, from });
            }
        }
    }
}

/// Of each event: whether one behind it gives the same block, which so has it from this one.
fn given_again(events: &[(usize, Event)]) -> Vec<bool> {
    let mut given = HashSet::new();
    let mut again: Vec<bool> = events
        .iter()
        .rev()
        .map(|(_, event)| match event.what {
            What::Allocated { block, .. } | What::Moved { block, .. } => !given.insert(block),
            What::Freed { block, .. } | What::Moving { block } => {
                given.remove(&block);
                false
            }
            What::Refused { .. } => false,
        })
        .collect();
    again.reverse();
    again
}
