//! Names under which allocation functions are exported.

use crate::pattern::glob;

/// C's, Rust's, AssemblyScript's, wasm-bindgen's and components'; `*` stands for any characters.
const EXPORTS: &[&str] = &[
    "malloc",
    "_malloc",
    "free",
    "_free",
    "realloc",
    "_realloc",
    "calloc",
    "__alloc",
    "__new",
    "__retain",
    "allocate",
    "alloc",
    "*_alloc",
    "*_malloc",
    "__wbindgen_malloc",
    "__wbindgen_free",
    "__wbindgen_realloc",
    "__wbindgen_export_*",
    "cabi_realloc",
    "canonical_abi_realloc",
    "memory.allocate",
    "__memory_allocate",
];

/// Whether a function that is exported under this name allocates, or is near to what does.
#[must_use]
pub fn is_allocation_export(name: &str) -> bool {
    EXPORTS.iter().any(|pattern| glob(pattern, name))
}
