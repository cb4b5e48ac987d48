//! Which toolchain made the module.

use crate::facts::Facts;
use crate::report::Conclusion;
use serde::Serialize;

/// A toolchain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Toolchain {
    /// Family, such as `emscripten` or `rustc`.
    pub family: String,
    /// Name for people, era and target included.
    pub name: String,
    /// Version, as far as it is known.
    pub version: Option<String>,
}

/// Concludes which toolchain made the module.
#[must_use]
pub fn toolchain(_facts: &Facts<'_>) -> Conclusion<Toolchain> {
    Conclusion::unknown()
}
