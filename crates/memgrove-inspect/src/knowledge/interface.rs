//! Interfaces: families of functions whose types are fixed.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Functions with the types that every host gives them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Id, by which host profiles refer to it.
    pub id: String,
    /// Where this is from.
    pub source: String,
    /// An import in the text format that has the right type.
    pub fixture: String,
    /// An import in the text format that has not.
    pub refuses: String,
    /// The type of each function, in the notation of reports: `(i32 i32) -> i32`.
    pub functions: BTreeMap<String, String>,
}
