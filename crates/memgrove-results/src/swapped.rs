//! What another allocator did to published packages: the figures of `docs/swap.md`.

use serde::{Deserialize, Serialize};

/// All of it, as measured at one time with one state of the code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Swaps {
    /// When, as a date.
    pub measured: String,
    /// Whether the machine did nothing else.
    pub quiet: bool,
    /// What was measured with, with versions.
    pub tools: Vec<String>,
    /// Smallest module first.
    pub packages: Vec<Package>,
}

/// A package whose module was given other allocators.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// Name and version.
    pub package: String,
    /// Id of its module in the corpus.
    pub module: String,
    /// The module as published.
    pub before: Figures,
    /// The module as published, run once more in turn with the others: how far two runs of the same differ.
    pub control: Times,
    /// By heap.
    pub after: Vec<After>,
}

/// A module with another allocator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct After {
    /// The heap's name.
    pub heap: String,
    /// What it came to, if its JavaScript printed what it prints with the original.
    pub figures: Option<Figures>,
    /// Why there are none.
    pub why: Option<String>,
}

/// One module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// As it is.
    pub bytes: u64,
    /// After `wasm-opt`.
    pub optimised_bytes: Option<u64>,
    /// Under Brotli.
    pub brotli_bytes: u64,
    /// Under its own JavaScript: pages of 64 KiB when the module had started.
    pub initial_pages: u64,
    /// And when the work was done; memory never shrinks.
    pub peak_pages: u64,
    /// What its allocator alone costs, under calls drawn from a seed.
    pub heap: Option<Heap>,
    /// How long its JavaScript took.
    pub times: Times,
}

/// An allocator alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heap {
    /// Pages after 400 rounds of blocks that were all given back.
    pub steady_pages: u64,
    /// Instructions of a program that has just begun, and asks for much that is new.
    pub instructions: u64,
    /// Instructions of 300 of these rounds, when memory is there.
    pub steady_instructions: u64,
}

/// Of each round, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// By the clock.
    pub wall_ms: Vec<f64>,
    /// Of the processor.
    pub cpu_ms: Vec<f64>,
}

impl Times {
    /// How these compare with others of the same rounds: the median of the ratios by the clock, and by the processor.
    #[must_use]
    pub fn ratios(&self, to: &Self) -> Option<(f64, f64)> {
        Some((median_ratio(&self.wall_ms, &to.wall_ms)?, median_ratio(&self.cpu_ms, &to.cpu_ms)?))
    }
}

fn median_ratio(these: &[f64], those: &[f64]) -> Option<f64> {
    let mut ratios: Vec<f64> = these.iter().zip(those).map(|(this, that)| this / that).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
}
