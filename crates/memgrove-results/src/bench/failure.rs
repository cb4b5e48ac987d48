//! Why an allocator failed a workload. A failure is a result: it is recorded and shown, never dropped.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::guest::Status;

/// An allocator that takes this many times the base's fuel fails: it has collapsed, and waiting for it would
/// hold up the rest.
pub const FUEL_LIMIT_RATIO: u64 = 40;

/// Why an allocator failed a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Failure {
    /// The content of a block changed, or was lost or not zero or not aligned.
    Corrupts {
        /// What the guest saw.
        status: Status,
    },
    /// Null was answered, or memory could not grow, although the workload fits.
    RunsOut,
    /// The same work again makes the heap larger, run after run.
    Leaks {
        /// Bytes of growth in the last identical run.
        growth_bytes: u64,
        /// Largest sum of live bytes, for comparison.
        peak_live_bytes: u64,
    },
    /// More than [`FUEL_LIMIT_RATIO`] times the base's fuel.
    Collapses {
        /// The limit that it hit.
        fuel_limit: u64,
    },
    /// Another answer than the other allocators'.
    WrongAnswer {
        /// Its checksum.
        checksum: u64,
        /// The others'.
        expected: u64,
    },
    /// It ended in a trap.
    Traps {
        /// Why.
        words: String,
    },
    /// It took too long.
    TimesOut,
    /// The guest cannot be used: it lacks an export, or the workload.
    Unusable {
        /// What is wrong.
        words: String,
    },
}

impl Failure {
    /// From a status that is not [`Status::Sound`].
    #[must_use]
    pub fn from_status(status: Status) -> Self {
        match status {
            Status::OutOfMemory => Self::RunsOut,
            Status::Sound | Status::NoSuchWorkload | Status::BadTrace => {
                Self::Unusable { words: format!("the guest reports {status:?}") }
            }
            Status::Corrupted | Status::Misaligned | Status::NotZeroed | Status::LostContent => {
                Self::Corrupts { status }
            }
        }
    }

    /// One word for a table.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Corrupts { .. } => "corrupts",
            Self::RunsOut => "runs out",
            Self::Leaks { .. } => "leaks",
            Self::Collapses { .. } => "collapses",
            Self::WrongAnswer { .. } => "wrong answer",
            Self::Traps { .. } => "traps",
            Self::TimesOut => "times out",
            Self::Unusable { .. } => "unusable",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupts { status: Status::Misaligned } => {
                f.write_str("corrupts: a block is not aligned as asked")
            }
            Self::Corrupts { status: Status::NotZeroed } => {
                f.write_str("corrupts: zeroed memory is not zero")
            }
            Self::Corrupts { status: Status::LostContent } => f.write_str("corrupts: realloc lost content"),
            Self::Corrupts { .. } => f.write_str("corrupts: the content of a live block changed"),
            Self::RunsOut => f.write_str("runs out of memory, although the workload fits"),
            Self::Leaks { growth_bytes, peak_live_bytes } => write!(
                f,
                "leaks: the same work again grows the heap by {growth_bytes} bytes, with {peak_live_bytes} live at most"
            ),
            Self::Collapses { fuel_limit } => {
                write!(f, "collapses: more than {FUEL_LIMIT_RATIO} x the base's fuel ({fuel_limit})")
            }
            Self::WrongAnswer { checksum, expected } => {
                write!(f, "wrong answer: {checksum:#x} where every other gives {expected:#x}")
            }
            Self::Traps { words } => write!(f, "traps: {words}"),
            Self::TimesOut => f.write_str("takes too long"),
            Self::Unusable { words } => write!(f, "cannot be used: {words}"),
        }
    }
}
