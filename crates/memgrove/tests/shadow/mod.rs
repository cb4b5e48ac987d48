//! A shadow of the heap: which block lies where and what is in it. Drives any allocator and says what it did wrong.
//!
//! Included by the native tests, by the fuzz target and by the program that runs inside wasm.

use std::alloc::Layout;
use std::collections::BTreeMap;

use memgrove::{Allocate, Inspect};

pub mod exchange;

/// One step. `which` chooses among the live blocks, modulo their number.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// A new block.
    Allocate { size: usize, align: usize, zeroed: bool },
    /// Gives one back.
    Free { which: usize },
    /// Makes one longer or shorter.
    Reallocate { which: usize, size: usize },
}

/// A live block, and what is in it.
pub struct Block {
    address: usize,
    layout: Layout,
    seed: u8,
}

/// Drives `heap` and remembers what it must hold.
pub struct Shadow<'a, A> {
    heap: &'a A,
    blocks: Vec<Block>,
    /// Start to end of every live block, empty ones as one byte.
    intervals: BTreeMap<usize, usize>,
    seed: u8,
    /// How often the heap said that it is exhausted.
    pub refusals: usize,
}

/// Which bytes of a block are written and verified: all of a short one, the ends and a sample of a long one.
fn positions(size: usize) -> impl Iterator<Item = usize> {
    const EDGE: usize = 256;
    let step = if size > 1 << 20 { 65521 } else { 509 };
    let head = 0..size.min(EDGE);
    let tail = size.saturating_sub(EDGE).max(EDGE.min(size))..size;
    head.chain((EDGE..size.saturating_sub(EDGE)).step_by(step)).chain(tail)
}

fn pattern(seed: u8, position: usize) -> u8 {
    seed ^ position.wrapping_mul(31).to_le_bytes()[0] ^ position.to_le_bytes()[1]
}

impl<'a, A: Allocate + Inspect> Shadow<'a, A> {
    pub fn new(heap: &'a A) -> Self {
        Self { heap, blocks: Vec::new(), intervals: BTreeMap::new(), seed: 0, refusals: 0 }
    }

    /// Number of live blocks.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Does one step and verifies what can be seen of it.
    pub fn step(&mut self, op: Op) -> Result<(), String> {
        match op {
            Op::Allocate { size, align, zeroed } => {
                let Ok(layout) = Layout::from_size_align(size, align) else { return Ok(()) };
                let block =
                    if zeroed { self.heap.allocate_zeroed(layout) } else { self.heap.allocate(layout) };
                if block.is_null() {
                    self.refusals += 1;
                    return Ok(());
                }
                if zeroed {
                    // SAFETY: the block was just allocated with this size.
                    let dirty = positions(size).find(|&position| unsafe { block.add(position).read() } != 0);
                    if let Some(position) = dirty {
                        return Err(format!("{op:?}: byte {position} is not zero"));
                    }
                }
                self.admit(block, layout).map_err(|error| format!("{op:?}: {error}"))
            }
            Op::Free { which } => {
                if self.blocks.is_empty() {
                    return Ok(());
                }
                let block = self.blocks.swap_remove(which % self.blocks.len());
                verify(&block, block.layout.size())?;
                self.intervals.remove(&block.address);
                // SAFETY: the block is live and forgotten here.
                unsafe { self.heap.deallocate(block.address as *mut u8, block.layout) };
                Ok(())
            }
            Op::Reallocate { which, size } => {
                if self.blocks.is_empty() {
                    return Ok(());
                }
                let index = which % self.blocks.len();
                let old = &self.blocks[index];
                let Ok(layout) = Layout::from_size_align(size, old.layout.align()) else { return Ok(()) };
                verify(old, old.layout.size())?;
                // SAFETY: the block is live; on success only the answer is used.
                let moved = unsafe { self.heap.reallocate(old.address as *mut u8, old.layout, size) };
                if moved.is_null() {
                    self.refusals += 1;
                    return verify(old, old.layout.size());
                }
                let mut old = self.blocks.swap_remove(index);
                self.intervals.remove(&old.address);
                let kept = old.layout.size().min(size);
                old.address = moved as usize;
                // Positions depend on the size, so only what both sizes look at can be compared.
                let lost =
                    positions(old.layout.size()).filter(|&position| position < kept).find(|&position| {
                        // SAFETY: the answer is at least `kept` bytes long.
                        unsafe { moved.add(position).read() != pattern(old.seed, position) }
                    });
                if let Some(position) = lost {
                    return Err(format!("{op:?}: byte {position} was lost, of {kept}"));
                }
                self.admit(moved, layout).map_err(|error| format!("{op:?}: {error}"))
            }
        }
    }

    /// Forgets a block that another shadow of the same heap is to look after, and verifies its bytes.
    fn hand_over(&mut self, which: usize) -> Result<Option<Block>, String> {
        if self.blocks.is_empty() {
            return Ok(None);
        }
        let block = self.blocks.swap_remove(which % self.blocks.len());
        self.intervals.remove(&block.address);
        verify(&block, block.layout.size())?;
        Ok(Some(block))
    }

    /// Looks after a block that another shadow of the same heap handed over: verifies its bytes, and fills it anew.
    fn take_over(&mut self, block: Block) -> Result<(), String> {
        verify(&block, block.layout.size())?;
        self.admit(block.address as *mut u8, block.layout)
    }

    /// Takes note of a new block, and fills it.
    fn admit(&mut self, block: *mut u8, layout: Layout) -> Result<(), String> {
        let address = block as usize;
        if address % layout.align() != 0 {
            return Err(format!("{address:#x} is not aligned to {}", layout.align()));
        }
        let Some(end) = address.checked_add(layout.size().max(1)).filter(|&end| end != usize::MAX) else {
            return Err(format!("{address:#x} wraps past the end of the address space"));
        };
        if let Some((&other, &other_end)) = self.intervals.range(..end).next_back() {
            if other_end > address {
                return Err(format!("{address:#x}..{end:#x} overlaps {other:#x}..{other_end:#x}"));
            }
        }
        self.intervals.insert(address, end);
        self.seed = self.seed.wrapping_add(1);
        let seed = self.seed;
        for position in positions(layout.size()) {
            // SAFETY: the block is live and this long.
            unsafe { block.add(position).write(pattern(seed, position)) };
        }
        self.blocks.push(Block { address, layout, seed });
        Ok(())
    }

    /// The heap's own check.
    pub fn check(&self) -> Result<(), String> {
        self.heap.check().map_err(|broken| broken.to_string())
    }

    /// Gives every block back, verifying its bytes.
    fn give_all_back(&mut self) -> Result<(), String> {
        while !self.blocks.is_empty() {
            self.step(Op::Free { which: self.blocks.len() / 2 })?;
        }
        Ok(())
    }

    /// Gives every block back, verifying its bytes, and verifies that none is lost.
    pub fn finish(mut self) -> Result<(), String> {
        self.give_all_back()?;
        self.check()?;
        let stats = self.heap.stats();
        if stats.live_blocks != 0 || stats.live_bytes != 0 {
            return Err(format!("everything was given back, and yet: {stats:?}"));
        }
        Ok(())
    }
}

fn verify(block: &Block, size: usize) -> Result<(), String> {
    let changed = positions(size).find(|&position| {
        // SAFETY: the block is live and this long.
        unsafe { (block.address as *const u8).add(position).read() != pattern(block.seed, position) }
    });
    match changed {
        Some(position) => {
            Err(format!("byte {position} of {:#x} ({:?}) was overwritten", block.address, block.layout))
        }
        None => Ok(()),
    }
}

/// A small deterministic generator (xorshift64*), so that a seed names a run on every target.
pub struct Random(u64);

impl Random {
    /// The run with this name.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize;
        high % limit
    }

    /// Mostly small sizes, some around powers of two and pages, few large ones: up to `largest`.
    pub fn size(&mut self, largest: usize) -> usize {
        let size = match self.below(16) {
            0..8 => self.below(128),
            8..12 => self.below(1024),
            12 | 13 => ((1usize << self.below(18)) + self.below(33)).saturating_sub(16),
            14 => ((self.below(4) << 16) + self.below(65)).saturating_sub(32),
            _ => self.below(largest),
        };
        if size > largest { self.below(largest) } else { size }
    }

    /// A step of a program that holds about `target` blocks.
    pub fn op(&mut self, live: usize, target: usize, largest: usize) -> Op {
        let allocate = if live == 0 {
            16
        } else if live < target {
            9
        } else {
            6
        };
        match self.below(16) {
            kind if kind < allocate => {
                let align = if self.below(8) == 0 { 1 << self.below(14) } else { 1 << self.below(4) };
                Op::Allocate { size: self.size(largest), align, zeroed: self.below(4) == 0 }
            }
            15 | 14 => Op::Reallocate { which: self.below(live), size: self.size(largest) },
            _ => Op::Free { which: self.below(live) },
        }
    }
}

/// Runs `steps` random steps on `heap`, checking the heap after every `check_every`-th, and gives everything back.
/// Answers how often memory was refused.
#[allow(dead_code, reason = "not every test that includes this drives heaps this way")]
pub fn drive<A: Allocate + Inspect>(
    heap: &A,
    random: &mut Random,
    steps: usize,
    target: usize,
    largest: usize,
    check_every: usize,
) -> Result<usize, String> {
    let mut shadow = Shadow::new(heap);
    for step in 0..steps {
        let op = random.op(shadow.len(), target, largest);
        shadow.step(op).map_err(|error| format!("step {step}: {error}"))?;
        if step % check_every == 0 {
            shadow.check().map_err(|error| format!("step {step}, {op:?}: {error}"))?;
        }
    }
    let refusals = shadow.refusals;
    shadow.finish()?;
    Ok(refusals)
}
