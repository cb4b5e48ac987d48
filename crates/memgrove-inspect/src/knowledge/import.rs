//! What imports are for.

use super::pattern::ImportPattern;
use serde::Deserialize;

/// A purpose that imports are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// Id, such as `memory`.
    pub id: String,
    /// Title for people.
    pub title: String,
}

/// A known import, or a family of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ImportEntry {
    /// What it looks like.
    #[serde(flatten)]
    pub pattern: ImportPattern,
    /// Id of its purpose.
    pub purpose: String,
    /// What it does, for people.
    pub meaning: Option<String>,
    /// Whether the module asks for memory through it.
    #[serde(default)]
    pub grows: bool,
    /// Where this is from.
    pub source: String,
    /// An import in the text format that must match this entry.
    pub fixture: String,
}

/// `knowledge/imports.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportFile {
    pub(super) purpose: Vec<Purpose>,
    pub(super) import: Vec<ImportEntry>,
}
