//! What memgrove's commands do, from bytes to values that are shown: shared by the command line and the npm package.
//!
//! ```text
//! bytes ─► inspect() ─► Inspected ─► Document: text, table, JSON (memgrove-view)
//! ```
//!
//! No file, process or clock: what is around the bytes is the front end's.
#![forbid(unsafe_code)]

mod document;
mod failure;
mod inspect;

pub use document::{Document, Format, Piece, document};
pub use failure::{of_module, of_opening};
pub use inspect::{inspect, report};
