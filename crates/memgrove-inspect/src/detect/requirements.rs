//! What the imports are for.

use crate::facts::{Facts, offset32};
use crate::report::Requirements;

/// Groups the imports by purpose.
#[must_use]
pub fn requirements(facts: &Facts<'_>) -> Requirements {
    Requirements { groups: Vec::new(), import_count: offset32(facts.imports.len() as u64) }
}
