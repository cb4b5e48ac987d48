//! What a profile says: peak, who holds it, what is left at the end, what lives shortly.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::read::Profile;
use crate::replay::{Contradictions, Step};

/// A profile's figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Changes of the heap in the log: allocations, frees, reallocations, refusals.
    pub changes: u64,
    /// Allocations.
    pub allocations: u64,
    /// Bytes that they asked for.
    pub allocated_bytes: u64,
    /// Frees.
    pub frees: u64,
    /// Reallocations.
    pub reallocations: u64,
    /// Allocations that were refused.
    pub refused: u64,
    /// Allocations whose block was freed by the next change.
    pub temporary: u64,
    /// The most bytes that were live at once.
    pub peak_bytes: u64,
    /// Number of the change after which they were.
    pub peak_at: u64,
    /// Bytes live at the end of the log.
    pub final_bytes: u64,
    /// Blocks live at the end of the log.
    pub final_blocks: u64,
    /// What does not fit an allocator.
    pub contradictions: Contradictions,
    /// For each node with blocks of its own, by its position.
    pub nodes: BTreeMap<u32, NodeSummary>,
}

/// The figures of one stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct NodeSummary {
    /// Allocations and reallocations.
    pub count: u64,
    /// Bytes that they asked for.
    pub bytes: u64,
    /// Bytes live at the peak.
    pub at_peak_bytes: u64,
    /// Bytes live at the end.
    pub final_bytes: u64,
    /// Blocks live at the end.
    pub final_blocks: u64,
    /// Allocations whose block was freed by the next change.
    pub temporary: u64,
}

impl Profile {
    /// Follows the log twice: for the peak, then for who holds what at that time. Linear in the log.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut live_bytes = 0_u64;
        let (mut peak_bytes, mut peak_at) = (0, 0);
        let heap = self.replay(|step, heap| {
            live_bytes = after(live_bytes, step);
            if live_bytes > peak_bytes {
                (peak_bytes, peak_at) = (live_bytes, heap.changes());
            }
        });
        let mut summary = Summary {
            changes: heap.changes(),
            allocations: 0,
            allocated_bytes: 0,
            frees: 0,
            reallocations: 0,
            refused: 0,
            temporary: 0,
            peak_bytes,
            peak_at,
            final_bytes: live_bytes,
            final_blocks: heap.live_count() as u64,
            contradictions: heap.contradictions(),
            nodes: BTreeMap::new(),
        };
        for block in heap.live() {
            let node = summary.nodes.entry(block.node).or_default();
            node.final_bytes += u64::from(block.size);
            node.final_blocks += 1;
        }
        self.replay(|step, heap| {
            summary.count(step, heap.changes());
            if heap.changes() == peak_at {
                for block in heap.live() {
                    summary.nodes.entry(block.node).or_default().at_peak_bytes += u64::from(block.size);
                }
            }
        });
        summary
    }
}

impl Summary {
    fn count(&mut self, step: &Step, changes: u64) {
        let made = match step {
            Step::Born(block) => {
                self.allocations += 1;
                Some(block)
            }
            Step::Moved(_, block) => {
                self.reallocations += 1;
                Some(block)
            }
            Step::Died(block, _) => {
                self.frees += 1;
                // `born` counts the changes before it, and this one has been counted.
                if block.born + 2 == changes {
                    self.temporary += 1;
                    self.nodes.entry(block.node).or_default().temporary += 1;
                }
                None
            }
            Step::Refused(_) => {
                self.refused += 1;
                None
            }
        };
        if let Some(block) = made {
            self.allocated_bytes += u64::from(block.size);
            let node = self.nodes.entry(block.node).or_default();
            node.count += 1;
            node.bytes += u64::from(block.size);
        }
    }
}

/// Live bytes after a step.
fn after(live_bytes: u64, step: &Step) -> u64 {
    match step {
        Step::Born(block) => live_bytes + u64::from(block.size),
        Step::Died(block, _) => live_bytes.saturating_sub(block.size.into()),
        Step::Moved(old, new) => live_bytes.saturating_sub(old.size.into()) + u64::from(new.size),
        Step::Refused(_) => live_bytes,
    }
}
