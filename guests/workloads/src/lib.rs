//! Heap workloads: patterns from the literature and real programs, over whatever allocator is the global one.
//!
//! Each answers a checksum that depends on scale and seed alone, so all allocators must agree on it. Blocks of the
//! patterns are tagged and verified ([`Block`]); the programs check their own results. Nothing that depends on an
//! address may reach a size, an order or the checksum: no hash table here has random keys.

mod block;
pub mod counting;
mod patterns;
#[cfg(feature = "programs")]
mod programs;
mod replay;
mod rng;
pub mod status;
mod table;
pub mod threaded;

pub use block::Block;
pub use counting::Counting;
pub use replay::{SLOT_BYTES, replay};
pub use rng::Rng;
pub use table::{Kind, Workload, workloads};

/// What a workload is told: how much, and with which random numbers.
pub struct Load {
    scale_percent: u32,
    seed: u32,
}

impl Load {
    /// A load of this many per cent of the standard size.
    pub const fn new(scale_percent: u32, seed: u32) -> Self {
        Self { scale_percent, seed }
    }

    /// `standard`, scaled; at least 1.
    pub fn times(&self, standard: usize) -> usize {
        ((standard as u64 * u64::from(self.scale_percent)) / 100).max(1) as usize
    }

    /// Random numbers of this run.
    pub fn rng(&self) -> Rng {
        Rng::new(u64::from(self.seed))
    }
}
