//! Which allocator is inside the module.

use crate::facts::Facts;
use crate::report::Conclusion;
use serde::Serialize;

/// An allocator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Allocator {
    /// Family, such as `dlmalloc` or `wee_alloc`.
    pub family: String,
    /// Name for people, variant included.
    pub name: String,
    /// Version, as far as it is known.
    pub version: Option<String>,
}

/// Concludes which allocator is inside the module.
#[must_use]
pub fn allocator(_facts: &Facts<'_>) -> Conclusion<Allocator> {
    Conclusion::unknown()
}
