//! What a WebAssembly module says, and what its parts are.
//!
//! ```text
//! bytes ── facts() ──▶ Facts ──────────▶ Code ─────────────────────▶ what its imports, its stack, its break are
//!          one validating pass  instructions, read where it is asked   recognise
//! ```
//!
//! Both who inspects a module and who rewrites it ask here, so that a question has one answer. Nothing is executed and
//! nothing is read but the bytes given.
#![forbid(unsafe_code)]

pub mod allocator;
pub mod code;
mod error;
pub mod facts;
pub mod pattern;
pub mod recognise;
mod words;

pub use code::Code;
pub use error::Error;
pub use facts::{Facts, PAGE_BYTES, PAGE_SIZE_LOG2, facts};
pub use words::{counted, counted_as};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
