//! What the report says about tables.

use super::ImportName;
use serde::Serialize;

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// Index in the table index space.
    pub index: u32,
    /// Where it comes from: both names of the import; `None` where the module has its own.
    pub imported: Option<ImportName>,
    /// Names under which it is exported.
    pub exported_as: Vec<String>,
    /// Type of its elements: `funcref`, `externref`, `exnref`, `ref` for any other.
    pub element: &'static str,
    /// Initial number of elements.
    pub min: u64,
    /// Declared maximum.
    pub max: Option<u64>,
    /// Who makes it larger.
    pub grown_by: TableGrower,
    /// Number of `table.grow` instructions for it.
    pub grow_sites: u32,
}

/// Who makes a table larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableGrower {
    /// The module itself, by `table.grow`.
    Module,
    /// Only the host could: it is imported or exported.
    Host,
    /// Nobody can: minimum and maximum are equal, or nothing inside grows it and it is not reachable from outside.
    Nobody,
}
