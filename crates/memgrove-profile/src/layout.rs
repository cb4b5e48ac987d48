//! Where things lie in the memory that a traced module records in, in bytes.
//!
//! All numbers are little-endian; 4 bytes unless said otherwise.
//!
//! ```text
//! 0x000000  header
//! 0x010000  stack    slots of the frames in progress: frame, node
//! 0x110000  heads    of the hash chains of nodes
//! 0x150000  nodes    65,536 at most, of 32 bytes
//! 0x350000  log      events of 16 bytes, to the end of the memory, which grows
//! ```
//!
//! A recording in a block of the program's own memory ([`Parts::BLOCK`]) has the same parts in the same order, closer
//! together; its places count from the start of the block. `crates/memgrove-rewrite/trace/recorder.wat` is given these numbers.

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
/// Header: 1 if nodes hold frames ([`UNKNOWN_CALL`]), 0 if they hold offsets of calls.
pub const FRAMES: u32 = 28;
/// Header: number of events, also of those that the log has not; 8 bytes.
pub const EVENT_COUNT: u32 = 32;
/// Header: bytes of all allocations that were not nested; 8 bytes.
pub const ALLOCATED_BYTES: u32 = 40;
/// Header: the highest place on the stack of which [`kind::LINKED`] was noted and not yet [`kind::RESUMED`].
pub const PENDING: u32 = 48;
/// Header: where a call of the allocator by the host itself has its place, if [`kind::LINKED`] was noted of it.
pub const LINKED: u32 = 52;
/// Header: with sampling, the mean distance of hits in bytes asked for; else 0.
pub const SAMPLE_BYTES: u32 = 56;
/// Header: not 0 if the module was checked, and the log holds reports of misuse ([`check`]).
pub const IS_CHECK: u32 = 60;
/// Header: SHA-256 of the original; 32 bytes.
pub const ORIGINAL: u32 = 64;
/// Length of the header.
pub const HEADER_BYTES: u32 = 96;
/// Behind the header, and no part of a profile: where the nodes begin; 0: at [`NODES`].
pub const NODES_AT: u32 = 96;

/// Bit of [`STATE`]: the log ended at its limit.
pub const LOG_CUT: u32 = 1;
/// Bit of [`STATE`]: there were more stacks than nodes; what came later counts for the caller.
pub const NODES_FULL: u32 = 2;
/// Bit of [`STATE`]: more functions were in progress than the stack has slots; the deepest shared one.
pub const STACK_FULL: u32 = 4;
/// Bit of [`STATE`]: calls went on in another order than that in which they were interrupted (JSPI), or more of them
/// were interrupted than the stack has room for: stacks may be those of others.
pub const OVERLAPPED: u32 = 8;
/// Bit of [`STATE`]: more sampled blocks were live than could be told apart; later ones were not recorded.
pub const SAMPLES_FULL: u32 = 16;

/// Bit of [`STATE`]: events are numbered ([`kind::NUMBER`]), as several instances have the program's memory. In a check, which
/// has none, the nodes are.
pub const NUMBERED: u32 = 32;

/// The state of the generator, with sampling; 8 bytes.
pub const SEED: u32 = 0x100;
/// A slot: a frame and its node.
pub const SLOT_BYTES: u32 = 8;
/// The nodes. A node: parent, frame, next of its hash chain, 0; count of allocations and their bytes, 8 bytes each.
pub const NODES: u32 = Parts::OWN.nodes();
/// Length of a node.
pub const NODE_BYTES: u32 = 32;
/// In a node: 1 if it is of this recording, where the threads of a check have one numbering of nodes ([`NUMBERED`]).
pub const NODE_IS_OWN: u32 = 12;
/// The log. An event: what it is, node, address of the block, size.
pub const LOG: u32 = Parts::OWN.log_start(false);
/// Where the log begins: behind the table of sampled blocks that are live, or of sites that were reported.
#[must_use]
pub const fn log_start(has_table: bool) -> u32 {
    Parts::OWN.log_start(has_table)
}

/// How long the parts before the log are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Where the stack of the frames in progress begins.
    pub stack: u32,
    /// Slots of the stack; deeper frames share the last.
    pub slots: u32,
    /// Hash chains of nodes, as a power of two.
    pub heads_log2: u32,
    /// Nodes at most.
    pub most_nodes: u32,
    /// Places of the table of sampled blocks that are live, as a power of two.
    pub table_log2: u32,
    /// Bytes of a place: the length of an address.
    pub place_bytes: u32,
}

impl Parts {
    /// In a memory of the recording's own.
    pub const OWN: Self = Self {
        stack: 0x1_0000,
        slots: 1 << 17,
        heads_log2: 16,
        most_nodes: 1 << 16,
        table_log2: 18,
        place_bytes: 4,
    };
    /// The same for a program with 64-bit addresses: the table is as long and has half as many places.
    pub const OWN_WIDE: Self = Self { table_log2: 17, place_bytes: 8, ..Self::OWN };
    /// In a block of the program's memory, which may have little.
    pub const BLOCK: Self = Self {
        stack: 0x400,
        slots: 1 << 12,
        heads_log2: 11,
        most_nodes: 1 << 12,
        table_log2: 13,
        place_bytes: 4,
    };

    /// The heads of the hash chains, of 4 bytes.
    #[must_use]
    pub const fn heads(self) -> u32 {
        self.stack + self.slots * SLOT_BYTES
    }

    /// The nodes.
    #[must_use]
    pub const fn nodes(self) -> u32 {
        self.heads() + (4 << self.heads_log2)
    }

    /// The table.
    #[must_use]
    pub const fn table(self) -> u32 {
        self.nodes() + self.most_nodes * NODE_BYTES
    }

    /// Length of the table.
    #[must_use]
    pub const fn table_bytes(self) -> u32 {
        self.place_bytes << self.table_log2
    }

    /// The log.
    #[must_use]
    pub const fn log_start(self, has_table: bool) -> u32 {
        if has_table { self.table() + self.table_bytes() } else { self.table() }
    }
}
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
    /// What follows was called by the host, which was called by the frames of this node. Its block is the place on the
    /// stack. True only if [`RESUMED`] follows: an exception may have ended those frames before.
    pub const LINKED: u32 = 6;
    /// The frames below this place on the stack go on.
    pub const RESUMED: u32 = 7;
    /// Misuse, in a recording of a check: bits 8–15 say which ([`super::misuse`]), bits 16–27 are the number of the call
    /// of the function that holds the site, if that has no frame. Its block is the address, its size the site: the offset
    /// of the access, or 0 if it is a call of the allocator, whose frame is the node's.
    ///
    /// In a module without sites its size is [`super::NO_SITE`] and what is known of the access.
    pub const MISUSE: u32 = 8;
    /// The block that the last misuse was about: bits 8–15 are the alignment that was asked for, as a power of two; the
    /// node is that of its allocation.
    pub const OF_BLOCK: u32 = 9;
    /// Where the block was freed, if it was. Its block and size are what the misused call said: alignment and size.
    pub const FREED_AT: u32 = 10;
    /// The end of a check: frees of blocks that are not known, and reports for which there was no room. Bits 8–15 say what
    /// became of the search for lost blocks ([`super::search`]). Bit 16 is set if the program was refused memory beyond 4 GiB. Its node
    /// is how many threads share the memory and had come to be checked, 0 without threads.
    pub const CHECKED: u32 = 11;
    /// The upper halves of the next event's block and size, where memory has 64-bit addresses and they are not 0.
    pub const HIGH: u32 = 12;
    /// The number of the next event among those of all instances, where it is not one more than that of the last. Its node is
    /// where in memory the counter stands, the block the lower half of the number and the size the upper. In a check its node
    /// is where the shadow stands, and the rest 0.
    pub const NUMBER: u32 = 13;
    /// At the end of a check: blocks that are lost. The node is that of their allocation, the block their number, the size
    /// their bytes. Bit 8 is set for those to which other lost blocks point.
    pub const LOST: u32 = 14;
}
/// Where the blocks of a checked program lie.
pub mod check {
    /// Apart from one another, with red zones between them.
    pub const APART: u32 = 1;
    /// Where they lie without a check.
    pub const SAME: u32 = 2;
}
/// What became of the search for lost blocks, as bits.
pub mod search {
    /// It was made.
    pub const DONE: u32 = 1;
    /// Functions were in progress at the end: their locals may have held pointers.
    pub const IN_PROGRESS: u32 = 2;
    /// It was not made, as the header of a block was overwritten.
    pub const BROKEN: u32 = 4;
    /// It was not made, as there was no memory for it.
    pub const NO_ROOM: u32 = 8;
    /// It was not made, as threads share the memory: their stacks and globals may hold pointers.
    pub const SHARED: u32 = 16;
    /// Live blocks were counted by another thread.
    pub const COUNTED_ELSEWHERE: u32 = 32;
    /// Nothing was checked, as there was no memory for the shadow that threads share.
    pub const UNCHECKED: u32 = 64;
}
/// What a misuse is.
pub mod misuse {
    /// A block was read or written after it was freed.
    pub const USE_AFTER_FREE: u32 = 1;
    /// Behind the end of a block.
    pub const OVERFLOW: u32 = 2;
    /// Before the beginning of a block.
    pub const UNDERFLOW: u32 = 3;
    /// A block was freed a second time.
    pub const DOUBLE_FREE: u32 = 4;
    /// What was freed is not the beginning of a block.
    pub const INVALID_FREE: u32 = 5;
    /// It was freed with another size than it was asked for.
    pub const WRONG_SIZE: u32 = 6;
    /// It was freed with another alignment than it was asked for.
    pub const WRONG_ALIGN: u32 = 7;
    /// A block was reallocated after it was freed.
    pub const REALLOC_AFTER_FREE: u32 = 8;
    /// Below the lowest datum, after an allocation was refused.
    pub const NULL_OFFSET: u32 = 9;
    /// The stack pointer was set below the stack; it is the address.
    pub const STACK_OVERFLOW: u32 = 10;
    /// A block was freed or reallocated by a function of another heap.
    pub const WRONG_HEAP: u32 = 11;
}
/// Set in the site of a misuse by an access in a module that was instrumented without sites. The rest is: bits 0–19 the
/// innermost function in progress, [`NO_FUNC`] if there is none; bits 20–22 the access's width as a power of two, or
/// [`NO_ACCESS`], or [`WIDTH_OF_RANGE`]; bit 23 is set if it writes.
pub const NO_SITE: u32 = 1 << 31;
/// A function that is not known.
pub const NO_FUNC: u32 = (1 << 20) - 1;
/// In place of a width: the stack pointer was set, nothing accessed.
pub const NO_ACCESS: u32 = 6;
/// In place of a width: of a range, whose length was not kept.
pub const WIDTH_OF_RANGE: u32 = 7;
/// Set in an event of a function that was called by another function of the allocator.
pub const NESTED: u32 = 1 << 4;
/// Where in the first word the alignment stands, as a power of two; 0 if none was asked for.
pub const ALIGN_SHIFT: u32 = 8;
/// A frame: the function's index, shifted by so many bits, and the number of the call in the caller's code
/// (`memgrove_module::code::CallNumbers`), from [`LEAST_CALL`] to [`MOST_CALL`].
pub const FUNC_SHIFT: u32 = 12;
/// Number of a call in a frame that the host has called.
pub const HOST_CALL: i32 = -2048;
/// Number of a call of which nothing more is known.
pub const UNKNOWN_CALL: i32 = -2047;
/// The least number of a call.
pub const LEAST_CALL: i32 = -2046;
/// The greatest number of a call.
pub const MOST_CALL: i32 = 2047;
/// Set in a call site that is none, but an entry by the host: the rest is the function's index. Other call sites
/// are where the call lies, in bytes from the start of the original.
pub const ENTRY: u32 = 1 << 31;
