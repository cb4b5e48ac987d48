//! What a WebAssembly module's memory is, which toolchain and allocator made it, and where it will run.
//!
//! ```text
//! bytes ── facts() ──▶ Facts ── conclude() ──▶ Report
//!          what the file says    what we conclude, each with its evidence
//! ```
//!
//! Nothing is executed and nothing is read but the bytes given. [`Report`] serialises to the JSON that
//! `docs/inspect-json.md` describes.
#![forbid(unsafe_code)]

mod conclude;
pub mod detect;
pub mod fingerprint;
pub mod knowledge;
pub mod report;
#[doc(hidden)]
pub mod robust;

pub use conclude::{conclude, conclude_with};
pub use knowledge::{Knowledge, KnowledgeError};
pub use memgrove_module::{Code, Error, Facts, facts};
pub use report::{Conclusion, Confidence, Evidence, Report};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
