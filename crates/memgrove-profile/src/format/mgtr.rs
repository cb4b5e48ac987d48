//! A trace for replay, as `memgrove bench --trace` takes it. Format: the crate `memgrove-trace`.

use std::collections::HashMap;

use memgrove_trace::Encoder;
use thiserror::Error;

use crate::read::Profile;
use crate::replay::{Contradictions, Step};

/// Why a profile cannot be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotReplayable {
    /// Events are missing behind the log's end.
    #[error("its log has {logged} of {events} events")]
    Cut {
        /// Events in the log.
        logged: u64,
        /// Events that there were.
        events: u64,
    },
    /// It has not every block.
    #[error("it is a sample, of one block in {bytes} bytes")]
    Sampled {
        /// The mean distance of hits in bytes asked for.
        bytes: u32,
    },
    /// Other instances used the memory, too.
    #[error("{} by other instances are missing", if *events == 1 { "1 event".to_owned() } else { format!("{events} events") })]
    Missing {
        /// How many of their events.
        events: u64,
    },
    /// It is not the allocator's own story.
    #[error(
        "its log contradicts itself: {} frees of blocks that were not allocated, {} allocations of live blocks",
        .0.freed_unknown, .0.allocated_live
    )]
    Contradicts(Contradictions),
    /// Nothing was allocated.
    #[error("nothing was allocated")]
    Empty,
}

impl Profile {
    /// The trace of what the program asked of its allocator.
    ///
    /// An allocation that asked for no alignment gets what the program's allocator gave all of them, at most 16. A block
    /// is not known to have been zeroed, and a refused allocation is left out.
    ///
    /// # Errors
    /// [`NotReplayable`] if the log is not complete, or no log of an allocator.
    pub fn mgtr(&self) -> Result<Vec<u8>, NotReplayable> {
        if self.is_log_cut {
            return Err(NotReplayable::Cut { logged: self.events.len() as u64, events: self.event_count });
        }
        self.mgtr_of_log()
    }

    /// The same of what the log has, if it ended before the program did: the program's first calls.
    ///
    /// # Errors
    /// [`NotReplayable`] if the log is a sample, or no log of an allocator.
    pub fn mgtr_of_log(&self) -> Result<Vec<u8>, NotReplayable> {
        if let Some(bytes) = self.sample_bytes {
            return Err(NotReplayable::Sampled { bytes });
        }
        if self.missing_events > 0 {
            return Err(NotReplayable::Missing { events: self.missing_events });
        }
        let usual_log2 = self.usual_align_log2();
        let mut encoder = Encoder::new();
        let mut blocks = HashMap::new();
        let mut changes = 0_u64;
        let heap = self.replay(|step, _| {
            changes += 1;
            match step {
                Step::Born(block) => {
                    let log2 = if block.align_log2 == 0 { usual_log2 } else { block.align_log2 };
                    let traced = encoder.allocate(block.size, 1 << log2, false);
                    blocks.insert(block.address, traced);
                }
                Step::Died(block, _) => {
                    if let Some(traced) = blocks.remove(&block.address) {
                        encoder.free(traced);
                    }
                }
                Step::Moved(old, new) => {
                    if let Some(traced) = blocks.remove(&old.address) {
                        encoder.reallocate(traced, new.size);
                        blocks.insert(new.address, traced);
                    }
                }
                Step::Refused(_) => {}
            }
        });
        let contradictions = heap.contradictions();
        if contradictions != Contradictions::default() {
            return Err(NotReplayable::Contradicts(contradictions));
        }
        if changes == 0 {
            return Err(NotReplayable::Empty);
        }
        Ok(encoder.finish())
    }

    /// The alignment that every block has which asked for none, as a power of two, at most 16 bytes.
    fn usual_align_log2(&self) -> u8 {
        let mut all = 1_u64 << 4;
        self.replay(|step, _| {
            if let Step::Born(block) | Step::Moved(_, block) = step
                && block.align_log2 == 0
            {
                all |= block.address;
            }
        });
        // At most 4, as the fifth bit is set.
        u8::try_from(all.trailing_zeros()).unwrap_or(0)
    }
}
