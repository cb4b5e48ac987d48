//! What can be wrong with a profile.

use thiserror::Error;

/// Why a profile cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// It does not begin as one.
    #[error("not a heap profile: it does not begin with MGPR (at offset 0x0)")]
    NotAProfile,
    /// It was made by a later version.
    #[error("the profile has version {version}; this reader knows version 1 (at offset 0x4)")]
    Version {
        /// Its version.
        version: u32,
    },
    /// It ends before what its header promises.
    #[error("the profile is cut short: {what} would end at {end:#x}, and it ends at {len:#x}")]
    CutShort {
        /// What is missing.
        what: &'static str,
        /// Where it would end, in bytes.
        end: u64,
        /// Where the profile ends.
        len: u64,
    },
    /// A number in it cannot be.
    #[error("the profile is damaged: {what} (at offset {offset:#x})")]
    Damaged {
        /// What is wrong.
        what: &'static str,
        /// Where, in bytes from the start of the profile.
        offset: u64,
    },
}
