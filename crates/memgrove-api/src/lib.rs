//! What memgrove's commands do, from bytes to values that are shown: shared by the command line and the npm package.
//!
//! ```text
//! bytes ─► inspect() ─► Inspected ─► Document: text, table, JSON (memgrove-view)
//!       ─► fix::carry_out() ─► fix::Planned ─► verified by the front end's engines ─► text, JSON
//!       ─► swap::make() ─► verified likewise ─► swap::decide()
//!       ─► trace::instrument(), check::instrument() ─► run where it belongs ─► profile::of() ─► reports
//! ```
//!
//! No file, process or clock: what is around the bytes is the front end's.
#![forbid(unsafe_code)]

pub mod check;
mod document;
mod error;
mod extract;
mod failure;
pub mod fix;
mod host;
mod inspect;
mod open;
pub mod policy;
pub mod profile;
mod size;
pub mod swap;
pub mod trace;

pub use document::{Document, Format, Piece, document};
pub use error::{Error, ErrorKind, UserError};
pub use extract::{CoreModule, FileNames};
pub use failure::{of_module, of_opening};
pub use host::{HostTarget, profile_error};
pub use inspect::{inspect, inspect_and_extract, report};
pub use open::open_one;
pub use size::size;

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
