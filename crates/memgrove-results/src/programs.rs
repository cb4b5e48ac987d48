//! What allocators take for the calls of real programs: the figures of `docs/programs.md`.

use serde::{Deserialize, Serialize};

use crate::bench::failure::Failure;

/// Which programs were recorded: `results/traces/programs.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The trace is the file of this name, with `.mgtr`.
    pub name: String,
    /// Name and version of the published package.
    pub package: String,
    /// What it did.
    pub work: String,
}

/// All programs on all allocators: `results/programs.json`. Counted, so that the same code has the same figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programs {
    /// What counted, with its version.
    pub engine: String,
    /// In the order of their names.
    pub programs: Vec<Program>,
}

/// A program on all allocators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// What was recorded.
    #[serde(flatten)]
    pub recorded: Recorded,
    /// Calls of its allocator.
    pub calls: u64,
    /// Largest sum of live requested bytes.
    pub peak_live_bytes: u64,
    /// By allocator.
    pub allocators: Vec<Run>,
}

/// A program's calls on an allocator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Id of the allocator.
    pub allocator: String,
    /// What it took, if it got through.
    pub taken: Option<Taken>,
    /// Why it did not, if so.
    pub failure: Option<Failure>,
}

/// What the calls took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Pages of 64 KiB that the heap has after all calls: the most, as memory never shrinks.
    pub pages: u64,
    /// Instructions of the allocator, and bytes that it copies and clears.
    pub instructions: u64,
}

impl Program {
    /// What an allocator took, if it got through.
    #[must_use]
    pub fn taken(&self, allocator: &str) -> Option<Taken> {
        let run = self.allocators.iter().find(|run| run.allocator == allocator)?;
        run.taken.filter(|_| run.failure.is_none())
    }
}
