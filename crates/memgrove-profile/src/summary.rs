//! What a profile says: peak, who holds it, what grew, what is left at the end, what lives shortly.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::read::Profile;
use crate::replay::{Block, Contradictions, Heap, Step};

/// Classes of a histogram by powers of two: 0, 1, 2–3, 4–7, … .
pub const CLASSES: usize = 34;

/// A profile's figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Changes of the heap in the log: allocations, frees, reallocations, refusals.
    pub changes: u64,
    /// Allocations.
    pub allocations: u64,
    /// Bytes that allocations and reallocations asked for.
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
    /// Blocks live at that time.
    pub peak_blocks: u64,
    /// Number of the change after which they were.
    pub peak_at: u64,
    /// Bytes that had been allocated by then.
    pub peak_at_allocated_bytes: u64,
    /// Bytes live at the end of the log.
    pub final_bytes: u64,
    /// Blocks live at the end of the log.
    pub final_blocks: u64,
    /// Where the blocks lay at the peak.
    pub peak_extent: Option<Extent>,
    /// Where all blocks of the log lay.
    pub extent: Option<Extent>,
    /// Blocks by size, in [`class`]es.
    pub sizes: Vec<SizeClass>,
    /// Blocks that were freed, by the number of changes that they lived, in [`class`]es. A reallocated block begins anew.
    pub lifetimes: Vec<u64>,
    /// What does not fit an allocator.
    pub contradictions: Contradictions,
    /// For each node with blocks of its own, by its position.
    pub nodes: BTreeMap<u32, NodeSummary>,
}

/// Addresses from the lowest block to the end of the highest, by the sizes that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// The lowest address of a block.
    pub start: u64,
    /// The end of the block that reaches highest.
    pub end: u64,
}

/// Blocks of a class of sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SizeClass {
    /// Number of blocks.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The figures of one stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct NodeSummary {
    /// Allocations and reallocations.
    pub count: u64,
    /// Bytes that they asked for.
    pub bytes: u64,
    /// The most bytes of this stack that were live at once.
    pub max_bytes: u64,
    /// Blocks live at that time.
    pub max_blocks: u64,
    /// Bytes live at the peak.
    pub at_peak_bytes: u64,
    /// Blocks live at the peak.
    pub at_peak_blocks: u64,
    /// Bytes live after each quarter of the log.
    pub quarter_bytes: [u64; 4],
    /// Bytes live at the end.
    pub final_bytes: u64,
    /// Blocks live at the end.
    pub final_blocks: u64,
    /// Allocations whose block was freed by the next change.
    pub temporary: u64,
    /// Changes that its blocks lived, added up; those that were never freed live to the end.
    pub lifetimes: u64,
}

impl NodeSummary {
    /// Bytes by which it grew from the first quarter's end to the end, if it grew in each quarter: a sign of a leak.
    #[must_use]
    pub fn steady_growth_bytes(&self) -> Option<u64> {
        let [first, .., last] = self.quarter_bytes;
        self.quarter_bytes.is_sorted_by(|before, after| before < after).then(|| last - first)
    }
}

impl Extent {
    /// Bytes from its start to its end.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    fn with(extent: Option<Self>, block: &Block) -> Option<Self> {
        let (start, end) = (block.address, block.address.saturating_add(block.size));
        Some(match extent {
            Some(old) => Self { start: old.start.min(start), end: old.end.max(end) },
            None => Self { start, end },
        })
    }
}

/// The class of a value in a histogram: 0, or 1 + log2.
#[must_use]
pub fn class(value: u64) -> usize {
    let bits = u64::BITS - value.leading_zeros();
    usize::try_from(bits).unwrap_or(CLASSES).min(CLASSES - 1)
}

/// The least value of a class, and the greatest.
#[must_use]
pub fn class_bounds(class: usize) -> (u64, u64) {
    match class {
        0 => (0, 0),
        _ => (1 << (class - 1), (1 << class) - 1),
    }
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
        let changes = heap.changes();
        let mut counting = Counting {
            summary: Summary {
                changes,
                allocations: 0,
                allocated_bytes: 0,
                frees: 0,
                reallocations: 0,
                refused: 0,
                temporary: 0,
                peak_bytes,
                peak_blocks: 0,
                peak_at,
                peak_at_allocated_bytes: 0,
                final_bytes: live_bytes,
                final_blocks: heap.live_count() as u64,
                peak_extent: None,
                extent: None,
                sizes: vec![SizeClass::default(); CLASSES],
                lifetimes: vec![0; CLASSES],
                contradictions: heap.contradictions(),
                nodes: BTreeMap::new(),
            },
            live: vec![SizeClass::default(); self.nodes.len()],
            quarters: [1, 2, 3, 4].map(|quarter| changes.saturating_mul(quarter) / 4),
        };
        self.replay(|step, heap| counting.count(step, heap));
        let mut summary = counting.summary;
        for block in heap.live() {
            let node = summary.nodes.entry(block.node).or_default();
            node.final_bytes = node.final_bytes.saturating_add(block.size);
            node.final_blocks += 1;
            node.lifetimes += changes.saturating_sub(block.born + 1);
        }
        summary
    }

    /// The bytes live over the log, in `points` stretches of about as many changes: the most in each. Linear in the log.
    #[must_use]
    pub fn timeline(&self, summary: &Summary, points: usize) -> Vec<Point> {
        let points = u64::try_from(points.max(1)).unwrap_or(1);
        let stretch = summary.changes.div_ceil(points).max(1);
        let (mut live_bytes, mut allocated_bytes) = (0, 0_u64);
        let mut line: Vec<Point> = Vec::new();
        self.replay(|step, heap| {
            live_bytes = after(live_bytes, step);
            if let Step::Born(block) | Step::Moved(_, block) = step {
                allocated_bytes = allocated_bytes.saturating_add(block.size);
            }
            let now = Point {
                changes: heap.changes(),
                allocated_bytes,
                live_bytes,
                live_blocks: heap.live_count() as u64,
            };
            let fits = |last: &&mut Point| (last.changes - 1) / stretch == (now.changes - 1) / stretch;
            match line.last_mut().filter(fits) {
                // The greatest is shown, at its own place.
                Some(last) if last.live_bytes < now.live_bytes => *last = now,
                Some(_) => {}
                None => line.push(now),
            }
        });
        line
    }
}

/// The heap at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Point {
    /// Changes so far.
    pub changes: u64,
    /// Bytes allocated so far.
    pub allocated_bytes: u64,
    /// Bytes live.
    pub live_bytes: u64,
    /// Blocks live.
    pub live_blocks: u64,
}

/// A summary in the making.
struct Counting {
    summary: Summary,
    /// What each node holds.
    live: Vec<SizeClass>,
    /// The changes after which a quarter of the log is over.
    quarters: [u64; 4],
}

impl Counting {
    fn count(&mut self, step: &Step, heap: &Heap) {
        let changes = heap.changes();
        match step {
            Step::Born(block) => {
                self.summary.allocations += 1;
                self.made(block);
            }
            Step::Moved(old, block) => {
                self.summary.reallocations += 1;
                self.gone(old, changes);
                self.made(block);
            }
            Step::Died(block, _) => {
                self.summary.frees += 1;
                // `born` counts the changes before it, and this one has been counted.
                if block.born + 2 == changes {
                    self.summary.temporary += 1;
                    self.summary.nodes.entry(block.node).or_default().temporary += 1;
                }
                self.gone(block, changes);
            }
            Step::Refused(_) => self.summary.refused += 1,
        }
        if changes == self.summary.peak_at {
            self.at_peak(heap);
        }
        for (quarter, &at) in self.quarters.iter().enumerate() {
            if changes == at {
                for (&node, figures) in &mut self.summary.nodes {
                    let live = self.live.get(node as usize).copied().unwrap_or_default();
                    figures.quarter_bytes[quarter] = live.bytes;
                }
            }
        }
    }

    fn at_peak(&mut self, heap: &Heap) {
        self.summary.peak_at_allocated_bytes = self.summary.allocated_bytes;
        self.summary.peak_blocks = heap.live_count() as u64;
        for block in heap.live() {
            let node = self.summary.nodes.entry(block.node).or_default();
            node.at_peak_bytes = node.at_peak_bytes.saturating_add(block.size);
            node.at_peak_blocks += 1;
            self.summary.peak_extent = Extent::with(self.summary.peak_extent, block);
        }
    }

    fn made(&mut self, block: &Block) {
        let size = block.size;
        self.summary.allocated_bytes = self.summary.allocated_bytes.saturating_add(size);
        self.summary.extent = Extent::with(self.summary.extent, block);
        if let Some(class) = self.summary.sizes.get_mut(class(size)) {
            class.count += 1;
            class.bytes = class.bytes.saturating_add(size);
        }
        let node = self.summary.nodes.entry(block.node).or_default();
        node.count += 1;
        node.bytes = node.bytes.saturating_add(size);
        if let Some(live) = self.live.get_mut(block.node as usize) {
            live.count += 1;
            live.bytes = live.bytes.saturating_add(size);
            if live.bytes > node.max_bytes {
                (node.max_bytes, node.max_blocks) = (live.bytes, live.count);
            }
        }
    }

    fn gone(&mut self, block: &Block, changes: u64) {
        let lived = changes.saturating_sub(block.born + 1);
        if let Some(class) = self.summary.lifetimes.get_mut(class(lived)) {
            *class += 1;
        }
        self.summary.nodes.entry(block.node).or_default().lifetimes += lived;
        if let Some(live) = self.live.get_mut(block.node as usize) {
            live.count = live.count.saturating_sub(1);
            live.bytes = live.bytes.saturating_sub(block.size);
        }
    }
}

/// Live bytes after a step.
fn after(live_bytes: u64, step: &Step) -> u64 {
    match step {
        Step::Born(block) => live_bytes.saturating_add(block.size),
        Step::Died(block, _) => live_bytes.saturating_sub(block.size),
        Step::Moved(old, new) => live_bytes.saturating_sub(old.size).saturating_add(new.size),
        Step::Refused(_) => live_bytes,
    }
}
