//! What made a module, and which allocator is inside.

use serde::Serialize;

use crate::knowledge::Defect;

/// A toolchain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Toolchain {
    /// Family, such as `emscripten` or `rust`: the name of a file in knowledge/toolchains.
    pub family: String,
    /// Era or target within the family, such as `fastcomp` or `wasm-bindgen`, as far as it is known.
    pub variant: Option<String>,
    /// Name for people, era and target included.
    pub name: String,
    /// The language of the source, as far as it is known.
    pub language: Option<String>,
    /// Version, as far as it is known.
    pub version: Option<String>,
    /// Whose version it is, as the file calls it: `rustc`, `clang`, `wasm-bindgen`.
    pub version_of: Option<String>,
    /// Languages that `producers` names, where there are several: what was linked together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
}

/// An allocator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Allocator {
    /// Id in knowledge/allocators, such as `dlmalloc-rs`.
    pub id: String,
    /// Family, such as `dlmalloc` or `wee_alloc`; `none` where the module allocates nothing itself.
    pub family: String,
    /// Name for people, variant included.
    pub name: String,
    /// Version, as far as it is known.
    pub version: Option<String>,
    /// What is known to be wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub defects: Vec<Defect>,
}
