//! A compact format for recorded heap traces: what a program asked of its allocator, without addresses.
//!
//! # Format, version 1
//!
//! All integers are unsigned LEB128 of at most ten bytes (`uN` below).
//!
//! ```text
//! trace  := magic "MGTR"  version:byte = 1  threads:uN  blocks:uN  events:uN  event*
//! event  := op:byte  operands
//!           op & 7   op >> 3        operands
//!           0        log2 of align  size:uN            allocate
//!           1        log2 of align  size:uN            allocate, zeroed
//!           2        0              age:uN  size:uN    reallocate to `size`, same alignment
//!           3        0              age:uN             free
//!           4        0              thread:uN          the events that follow are this thread's
//! ```
//!
//! A block is named by its **age**: how many blocks were allocated after it (0 is the latest). So a free tells the
//! lifetime of its block in allocations, and most frees take two bytes. A reallocated block keeps its place in that
//! order. `blocks` is the number of allocations in the trace, which is the length of the table that a replay needs;
//! `events` tells a whole trace from one cut short. The first events are thread 0's.
//!
//! ```
//! use memgrove_trace::{Decoder, Encoder, Event};
//!
//! let mut encoder = Encoder::new();
//! let block = encoder.allocate(24, 8, false);
//! encoder.free(block);
//! let bytes = encoder.finish();
//! let events: Result<Vec<_>, _> = Decoder::new(&bytes)?.collect();
//! assert_eq!(events?, [Event::Allocate { size_bytes: 24, align_log2: 3, zeroed: false }, Event::Free { age: 0 }]);
//! # Ok::<(), memgrove_trace::Error>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod decode;
mod dump;
mod encode;
mod error;
mod leb;
mod summary;

pub use decode::{Decoder, Header};
pub use dump::dump;
pub use encode::{Block, Encoder};
pub use error::{Error, Fault};
pub use summary::{Summary, summarize};

/// First bytes of every trace.
pub const MAGIC: [u8; 4] = *b"MGTR";
/// The version that this crate reads and writes.
pub const VERSION: u8 = 1;
/// Largest alignment that can be recorded, as a power of two.
pub const MAX_ALIGN_LOG2: u8 = 31;

/// One call of the recorded program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A new block.
    Allocate {
        /// Requested size.
        size_bytes: u64,
        /// Requested alignment, as a power of two.
        align_log2: u8,
        /// Whether its bytes had to be zero.
        zeroed: bool,
    },
    /// A block's size changes.
    Reallocate {
        /// Number of blocks allocated after this one.
        age: u64,
        /// Its size from now on.
        new_size_bytes: u64,
    },
    /// A block is given back.
    Free {
        /// Number of blocks allocated after this one.
        age: u64,
    },
    /// The events that follow are another thread's.
    Thread {
        /// Number of the thread, from 0.
        thread: u64,
    },
}

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
