//! Heap profiles of WebAssembly modules: the format, and what they say.
//!
//! ```text
//! memory of a traced module ── bytes_of_memory() ──▶ profile ── read() ──▶ Profile ── summary() ──▶ Summary
//!                                                                            ├─ replay(): every change of the heap
//!                                                                            └─ Export: other tools' formats
//! ```
//!
//! # Format, version 1
//!
//! Little-endian throughout. A profile is three parts of the recording memory ([`layout`]), one behind the other:
//!
//! ```text
//! 0       4  magic "MGPR"
//! 4       4  version: 1
//! 8       4  state: bit 0, the log was cut at its limit; bit 1, there were more stacks than nodes
//! 12      4  0x350000
//! 16      4  0x350000 + bytes of the log
//! 20      4  (size of the memory)
//! 24      4  nodes, at least 1
//! 28      4  0
//! 32      8  events, also those that the log has not
//! 40      8  bytes of all allocations that were not nested
//! 48     16  0
//! 64     32  SHA-256 of the module that was traced
//! 96         nodes, of 32 bytes:
//!               0  4  the caller's node, less than its own number; 0 is the root
//!               4  4  call site: offset of the call in the original; or 0x80000000 + function: entered by the host
//!               8  4  (link of a hash chain)
//!              12  4  0
//!              16  8  allocations made there
//!              24  8  their bytes
//! …          events, of 16 bytes:
//!               0  4  bits 0–3: 1 allocated, 2 freed, 3 to be reallocated, 4 reallocated, 5 refused
//!                     bit 4: called by another function of the allocator; bits 8–15: log2 of the alignment
//!               4  4  node
//!               8  4  address of the block
//!              12  4  size in bytes
//! ```
//!
//! Parts are only ever added: a reader ignores what follows the log. `profile.mjs` makes a profile of the memory in JavaScript.
#![forbid(unsafe_code)]

mod error;
mod format;
pub mod layout;
mod read;
mod replay;
mod summary;

pub use error::Error;
pub use format::{Export, Frame, Metric, Names, NotReplayable};
pub use read::{Event, Node, Profile, Site, What};
pub use replay::{Block, Contradictions, Heap, Step};
pub use summary::{CLASSES, Extent, NodeSummary, Point, SizeClass, Summary, class, class_bounds};

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
