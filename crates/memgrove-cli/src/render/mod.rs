//! From a report to what is printed. Pure: values in, text, JSON or HTML out.

mod html;
mod json;
mod layout;
mod map;
mod svg;
mod table;
mod text;
mod words;

pub(crate) use html::HtmlReport;
pub(crate) use json::{json, json_foot, json_head, ndjson};
pub(crate) use layout::column;
pub(crate) use table::{Columns, table_row};
pub(crate) use text::text;
pub(crate) use words::count;

use memgrove_inspect::Report;

/// One binary that was looked at.
#[derive(Debug)]
pub(crate) struct Inspected {
    /// The file's name, as the user gave it; with `#2` behind where a file holds several.
    pub(crate) name: String,
    /// What was around the binary, outermost first.
    pub(crate) wrapped_in: Vec<String>,
    /// What is said about it, or why nothing can be.
    pub(crate) result: anyhow::Result<Report>,
}
