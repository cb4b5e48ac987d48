//! The table of workloads, in the order of presentation.

use crate::{Load, patterns};

/// What kind of load a workload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One pattern of calls.
    Pattern,
    /// A real program.
    Program,
}

/// One workload.
pub struct Workload {
    /// Stable name.
    pub id: &'static str,
    /// What it does, in one line.
    pub title: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// What kind of load it is.
    pub kind: Kind,
    /// Does the work, frees everything, answers the checksum.
    pub run: fn(&Load) -> u64,
}

/// All workloads of this build.
pub fn workloads() -> impl Iterator<Item = &'static Workload> {
    let all = patterns::TABLE.iter();
    #[cfg(feature = "programs")]
    let all = all.chain(crate::programs::TABLE.iter());
    all
}
