//! From values to what is shown: text for terminals, HTML with pictures for browsers, JSON for programs. Pure: no engine, no
//! file, no clock.
//!
//! ```text
//! Report ───────────────► report: text, table, JSON, HTML
//! Plan, Verification ───► fix: text, JSON
//! Results ──────────────► bench: text, Markdown, HTML, SVG
//! Survey ───────────────► survey: text, HTML
//! Advice ───────────────► advise: text, JSON
//! Profile, Summary ─────► profile: text, JSON, collapsed stacks
//! Profile, Findings ────► check: text, JSON, SARIF
//! ```
//!
//! Every text is a [`memgrove_text::Text`] and every page is made of escaped markup, so that no name out of a module can forge
//! either. The same fact has the same words in all of them.
#![forbid(unsafe_code)]

pub mod advise;
pub mod bench;
pub mod check;
pub mod explain;
pub mod fix;
pub mod html;
pub mod profile;
pub mod report;
pub mod survey;
pub mod swap;

mod grid;
mod json;
mod layout;
mod words;

pub use grid::Grid;
pub use json::Json;
pub use layout::column;
pub use words::{bytes, count};

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
