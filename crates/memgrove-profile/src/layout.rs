//! Where things lie in the memory that a traced module records in, in bytes.
//!
//! All numbers are little-endian; 4 bytes unless said otherwise.
//!
//! ```text
//! 0x000000  header
//! 0x010000  stack    slots of the frames in progress: call site, node
//! 0x110000  heads    of the hash chains of nodes
//! 0x150000  nodes    65,536 at most, of 32 bytes
//! 0x350000  log      events of 16 bytes, to the end of the memory, which grows
//! ```
//!
//! `crates/memgrove-rewrite/trace/recorder.wat` has the same numbers.

/// First bytes of the memory, and of a profile.
pub const MAGIC: [u8; 4] = *b"MGPR";
/// Version of the layout and of the profile, behind the magic.
pub const VERSION: u32 = 1;

/// Header: what could not be recorded whole, as bits ([`LOG_CUT`], [`NODES_FULL`]).
pub const STATE: u32 = 8;
/// Header: where the log begins.
pub const LOG_START: u32 = 12;
/// Header: where the next event is written.
pub const LOG_CURSOR: u32 = 16;
/// Header: where the memory ends.
pub const LOG_END: u32 = 20;
/// Header: number of nodes, the root included.
pub const NODE_COUNT: u32 = 24;
/// Header: number of events, also of those that the log has not; 8 bytes.
pub const EVENT_COUNT: u32 = 32;
/// Header: bytes of all allocations that were not nested; 8 bytes.
pub const ALLOCATED_BYTES: u32 = 40;
/// Header: SHA-256 of the original; 32 bytes.
pub const ORIGINAL: u32 = 64;
/// Length of the header.
pub const HEADER_BYTES: u32 = 96;

/// Bit of [`STATE`]: the log ended at its limit.
pub const LOG_CUT: u32 = 1;
/// Bit of [`STATE`]: there were more stacks than nodes; what came later counts for the caller.
pub const NODES_FULL: u32 = 2;

/// The call sites of the frames in progress.
pub const STACK: u32 = 0x1_0000;
/// The stack's last slot: deeper frames share it.
pub const STACK_LIMIT: u32 = 0x11_0000 - SLOT_BYTES;
/// A slot: a call site and its node.
pub const SLOT_BYTES: u32 = 8;
/// The nodes. A node: parent, call site, next of its hash chain, 0; count of allocations and their bytes, 8 bytes each.
pub const NODES: u32 = 0x15_0000;
/// Length of a node.
pub const NODE_BYTES: u32 = 32;
/// The log. An event: what it is, node, address of the block, size.
pub const LOG: u32 = 0x35_0000;
/// Length of an event.
pub const EVENT_BYTES: u32 = 16;

/// What an event is: the low four bits of its first word.
pub mod kind {
    /// A block was allocated.
    pub const ALLOCATED: u32 = 1;
    /// A block is about to be freed.
    pub const FREED: u32 = 2;
    /// A block is about to be reallocated: it may move.
    pub const MOVING: u32 = 3;
    /// It was reallocated: to this block; without one, it was freed.
    pub const MOVED: u32 = 4;
    /// An allocation was refused; a block that was to be reallocated stays.
    pub const REFUSED: u32 = 5;
}
/// Set in an event of a function that was called by another function of the allocator.
pub const NESTED: u32 = 1 << 4;
/// Where in the first word the alignment stands, as a power of two; 0 if none was asked for.
pub const ALIGN_SHIFT: u32 = 8;
/// Set in a call site that is none, but an entry by the host: the rest is the function's index. Other call sites
/// are where the call lies, in bytes from the start of the original.
pub const ENTRY: u32 = 1 << 31;
