//! What a heap says about itself.

use core::fmt;

/// What a heap holds. Counted by walking it: O(blocks), no work at all for a program that never asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes obtained from the page source, the allocator's own words in them included.
    pub heap_bytes: usize,
    /// Bytes of blocks in the program's hands, headers and rounding included.
    pub live_bytes: usize,
    /// Bytes of blocks that were freed and wait for reuse.
    pub free_bytes: usize,
    /// Bytes at the end of the heap that no block has been cut from.
    pub top_bytes: usize,
    /// Length of the longest free block in bytes; the top does not count.
    pub largest_free_bytes: usize,
    /// Blocks in the program's hands. Zero where the design keeps no header to count by ([`crate::Wee`]).
    pub live_blocks: usize,
    /// Free blocks.
    pub free_blocks: usize,
}

/// A heap invariant that does not hold, as found by [`crate::Inspect::check`].
///
/// The numbers are those of the allocator's own documentation, for instance [`crate::dlmalloc`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its number, such as `"H3"`.
    pub invariant: &'static str,
    /// What it says, in a few words.
    pub rule: &'static str,
    /// Address of the block or word where it does not hold.
    pub address: usize,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "heap invariant {} broken at {:#x}: {}", self.invariant, self.address, self.rule)
    }
}

impl core::error::Error for Broken {}

/// Answers `Ok` if `holds`, else names the invariant.
pub(crate) fn ensure(
    holds: bool,
    invariant: &'static str,
    rule: &'static str,
    address: usize,
) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken { invariant, rule, address }) }
}
