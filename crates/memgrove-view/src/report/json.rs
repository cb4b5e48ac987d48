//! JSON: one document for all files, or one line for each.
//!
//! `docs/inspect-json.md` describes it.

use memgrove_inspect::Report;
use memgrove_inspect::report::SCHEMA_VERSION;
use serde::Serialize;

use super::{Failure, Inspected};
use crate::Json;

/// What is said about one file: `report` or `error`.
#[derive(Serialize)]
struct Entry<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    wrapped_in: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Failure>,
}

impl<'a> Entry<'a> {
    fn new(file: &'a Inspected) -> Self {
        let error = file.result.as_ref().err();
        Self { file: &file.name, wrapped_in: &file.wrapped_in, report: file.result.as_ref().ok(), error }
    }
}

/// The document's beginning, before the first file.
///
/// # Errors
/// What the serialiser says; there is no value here that it refuses.
pub fn json_head() -> serde_json::Result<Json> {
    let tool = Json::compact(&concat!("memgrove ", env!("CARGO_PKG_VERSION")))?;
    Ok(Json::frame("{\n  \"schema_version\": ")
        .then(&Json::compact(&SCHEMA_VERSION)?)
        .then(&Json::frame(",\n  \"tool\": "))
        .then(&tool)
        .then(&Json::frame(",\n  \"files\": [")))
}

/// The document's end.
#[must_use]
pub fn json_foot() -> Json {
    Json::frame("\n  ]\n}\n")
}

/// One file as an element of the document.
///
/// # Errors
/// What the serialiser says; there is no value here that it refuses.
pub fn json(file: &Inspected) -> serde_json::Result<Json> {
    Ok(Json::frame("\n").then(&Json::pretty(&Entry::new(file))?.indented(4)))
}

/// One file as a line of its own.
///
/// # Errors
/// What the serialiser says; there is no value here that it refuses.
pub fn ndjson(file: &Inspected) -> serde_json::Result<Json> {
    Ok(Json::compact(&Entry::new(file))?.then(&Json::frame("\n")))
}
