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
//! 8       4  state: bit 0, the log was cut at its limit; bit 1, there were more stacks than nodes; bit 2, more functions
//!            in progress than slots; bit 3, suspended calls went on in another order; bit 4,
//!            more sampled blocks were live than could be told apart; bit 5, events are numbered, as several instances
//!            have the program's memory
//! 12      4  where the log began in the recording memory: 0x350000; with sampling 0x450000; less in a block of the
//!            program's memory
//! 16      4  that and the bytes of the log
//! 20      4  (size of the memory)
//! 24      4  nodes, at least 1
//! 28      4  1: nodes hold frames; 0: offsets of calls (made by memgrove before it knew frames)
//! 32      8  events, also those that the log has not
//! 40      8  bytes of all allocations that were not nested
//! 48      8  (the recorder's own)
//! 56      4  with sampling: the mean distance of hits in bytes asked for. The log then has only blocks that were hit, and
//!            a reallocation is a free and an allocation
//! 60      4  1: the module was checked. The log then holds reports of misuse, and the counts of nodes are the blocks that
//!            were live at the end
//! 64     32  SHA-256 of the module that was traced
//! 96         nodes, of 32 bytes:
//!               0  4  the caller's node, less than its own number; 0 is the root
//!               4  4  frame: function << 12 | number of the call in its caller (12 bits, signed): from 0 up for calls of
//!                     the same function, in the order of the caller's code; from -1 down for calls of imports, through
//!                     tables and references; -2048: the host called; -2047: not known. The innermost is the allocator's.
//!                     Or call site: offset of the call in the original; 0x80000000 + function: the host called
//!               8  4  (link of a hash chain)
//!              12  4  1 if it is of this recording, where the threads of a check have one numbering of nodes; else 0
//!              16  8  allocations made there
//!              24  8  their bytes
//! …          events, of 16 bytes:
//!               0  4  bits 0–3: 1 allocated, 2 freed, 3 to be reallocated, 4 reallocated, 5 refused;
//!                     6 the host called what follows, called by the frames of this node, at this place (block) of the
//!                     stack; 7 the frames below this place went on, which proves 6
//!                     in a check 8 misuse, bits 8–15 which ([`layout::misuse`]), bits 16–27 the number of the call of the
//!                     function that holds the site, if that has no frame; block: the address; size: the site, as an
//!                     offset in the original, or 0 for a call of the allocator, or from 0x80000000 up where there are no
//!                     sites: bits 0–19 function, 20–22 log2 of the width (6 none, 7 a range), 23 it writes; 9 the block of that misuse, node of its
//!                     allocation; 10 bit 8: it was freed, node of its free; size: bytes of the access before the first that
//!                     is misuse, or the size that a freeing call told, block its alignment; 11 the end: block, frees of
//!                     unknown blocks; size, reports left out; node, threads that were checked, if any; bits 8–15 what became of the search for lost blocks
//!                     ([`layout::search`]); 14 before it, lost blocks of a node: block, how many; size, their bytes; bit 8:
//!                     other lost blocks point to them
//!                     with 64-bit addresses 12 the upper halves of the next event's block and size; absent if both are 0
//!                     where events are numbered 13 the number of the next event, unless it is one more than that of the
//!                     last: block, lower half; size, upper half; node, where in memory the counter stands
//!                     bit 4: called by another function of the allocator; bits 8–15: log2 of the alignment
//!               4  4  node
//!               8  4  address of the block
//!              12  4  size in bytes
//! ```
//!
//! Parts are only ever added: a reader ignores what follows the log. `profile.mjs` makes a profile of the memory in JavaScript.
#![forbid(unsafe_code)]

mod error;
mod findings;
mod format;
pub mod layout;
mod links;
mod merge;
mod nested;
mod read;
mod replay;
mod sample;
mod summary;

pub use error::Error;
pub use findings::{AccessWithin, Findings, Lost, Misuse, MisuseKind, MisusedBlock, Search};
pub use format::{Export, Frame, Metric, Names, NotReplayable};
pub use merge::MergeError;
pub use read::{Event, Node, NumberedCall, Profile, Site, What};
pub use replay::{Block, Contradictions, Heap, Step};
pub use sample::{Estimate, Estimates};
pub use summary::{CLASSES, Extent, NodeSummary, Point, SizeClass, Summary, class, class_bounds};

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
