//! Modules of `n` things of one kind times `n` of another: what is done for each pair of them shows.
//!
//! A file grows with `n` in proportion. So must the time, the memory and the report.
#![allow(dead_code, reason = "each test that includes this uses a part of it")]
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "numbers here are small")]

mod code;
pub mod counting;
mod imports;
mod sections;
mod wasm;

use code::*;
use imports::*;
use sections::*;

/// A kind of module, by the number of its parts.
pub type Shape = fn(usize) -> Vec<u8>;

/// All kinds, with their names.
pub const SHAPES: &[(&str, Shape)] = &[
    ("imports with names", imports_named),
    ("imports without names", imports_nameless),
    ("imports that grow memory", imports_growing),
    ("compact imports of one long module name", imports_compact),
    ("imports of a wide type", imports_wide),
    ("imports of invoke, each of its own type", imports_invoke),
    ("imports of raw system calls", imports_syscall),
    ("imports of JavaScript glue", imports_glue),
    ("imports of one stand-in", imports_of_one_stand_in),
    ("minified imports called in one function", imports_minified),
    ("minified imports called in a function each", imports_minified_apart),
    ("imported tables, names taken by exports", tables_and_exports),
    ("imported globals with copies and reads", globals_and_reads),
    ("imported globals with letters for names", globals_minified),
    ("growth sites and exports", growth_and_exports),
    ("growth sites in one function, and its callers", growth_in_one),
    ("growth sites in a function with a long name", growth_long_name),
    ("growth sites reached by a chain of calls", growth_chain),
    ("growth sites reached from one export under many names", growth_many_names),
    ("size sites and callees", sizes_and_callees),
    ("size sites and imports", sizes_and_imports),
    ("functions and calls", functions_and_calls),
    ("functions and types", functions_and_types),
    ("functions and names", functions_and_names),
    ("functions with many locals", functions_and_locals),
    ("tiny functions", functions_tiny),
    ("constructors", constructors),
    ("exports of one function", exports_of_one),
    ("long names", names_long),
    ("data segments and constants", data_and_constants),
    ("data segments over each other", data_overlapping),
    ("data of rule texts", data_of_texts),
    ("data of heap bases, and functions", data_of_breaks),
    ("passive segments", data_passive),
    ("break cells and data", break_cells),
    ("element segments and functions", elements_and_functions),
    ("tables and element segments", tables_and_elements),
    ("globals and exports", globals_and_exports),
    ("tags and exports", tags_and_exports),
    ("memories and exports", memories_and_exports),
    ("custom sections", custom_sections),
    ("name sections", name_sections),
    ("producers of one field", producers_of_one),
    ("libraries needed", dylink_needed),
    ("deep blocks", blocks_deep),
    ("branch tables", branch_tables),
    ("copies to memcpy's import", copies),
    ("tees behind a call", tees),
    ("stores behind a call", stores_behind_call),
    ("start function that reaches all", start_reaches),
    ("copies of one allocator", allocator_copies),
    ("modules in a component", component_modules),
    ("components in components", components_deep),
];

fn name(i: usize) -> String {
    format!("name_{i}")
}
