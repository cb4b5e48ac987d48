//! What the inspector says of a module: text, table, JSON, HTML with a map of the memory.

mod html;
mod json;
mod map;
mod svg;
mod table;
mod text;

pub use html::HtmlReport;
pub use json::{json, json_foot, json_head, ndjson};
pub use table::{Columns, table_row};
pub use text::text;

use memgrove_inspect::Report;
use serde::Serialize;

/// One binary that was looked at.
#[derive(Debug)]
pub struct Inspected {
    /// The file's name, as the user gave it; with `#2` behind where a file holds several.
    pub name: String,
    /// What was around the binary, outermost first.
    pub wrapped_in: Vec<String>,
    /// What is said about it, or why nothing can be.
    pub result: Result<Report, Failure>,
}

/// Why nothing can be said about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What is wrong and where.
    pub message: String,
    /// Byte offset in the binary at which reading stopped, where it is known.
    pub offset: Option<u64>,
    /// What the user could try.
    pub hint: Option<String>,
}
