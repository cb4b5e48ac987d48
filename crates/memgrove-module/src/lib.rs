//! What a WebAssembly module says, and what its parts are.
//!
//! ```text
//! bytes ── facts() ──▶ Facts
//!          one validating pass
//! ```
//!
//! Both who inspects a module and who rewrites it ask here, so that a question has one answer. Nothing is executed and
//! nothing is read but the bytes given.
#![forbid(unsafe_code)]

mod error;
pub mod facts;

pub use error::Error;
pub use facts::{Facts, facts};
