//! Constructors that the glue called after instantiation are called by a start function.
//!
//! ```wat
//! ;; before: the glue calls it
//! (export "__wasm_call_ctors" (func $ctors))
//! ;; after: runs at instantiation, and does nothing if someone calls it once more
//! (start $start)
//! (func $start (call $once))
//! (func $once (if (global.get $done) (then (return))) (global.set $done (i32.const 1)) (call $ctors))
//! (export "__wasm_call_ctors" (func $once))
//! ```
//!
//! Modules with `_initialize` or `_start` follow WASI's convention already: every host knows
//! that these are to be called, so they are left alone.

use std::collections::BTreeSet;

use memgrove_module::recognise::{RESIZE_HEAP, minified_constructor};
use wasmparser::Operator;

use super::{Pass, functions};
use crate::module::is_func;

/// Called before constructors: they make addresses right.
const FIRST: [&str; 3] = ["__wasm_apply_data_relocs", "__wasm_apply_global_relocs", "emscripten_stack_init"];

/// Finds them and has them called.
pub(super) fn run(pass: &mut Pass<'_, '_>) {
    let module = pass.module;
    // Without imports there was no glue; with imports left, the glue is still there.
    if module.imports.is_empty() || pass.edits.is_empty() || functions::any_stays(pass) {
        return;
    }
    if module.facts.exported_func("_initialize").is_some() || module.facts.exported_func("_start").is_some() {
        return;
    }
    let named =
        |name: &str| name == "__wasm_call_ctors" || name.trim_start_matches('_').starts_with("GLOBAL__");
    let mut first = Vec::new();
    let mut constructors = Vec::new();
    for export in module.exports.iter().filter(|export| is_func(export.kind)) {
        if !module.has_type(export.index, "->") || export.index < module.sections.imported_funcs {
            continue;
        }
        if FIRST.contains(&export.name) {
            first.push((FIRST.iter().position(|name| *name == export.name), export.index, export.name));
        } else if named(export.name) {
            constructors.push((export.index, export.name));
        }
    }
    if constructors.is_empty()
        && let Some(export) = minified(pass)
    {
        constructors.push(export);
    }
    first.sort_unstable();
    let all = first.into_iter().map(|(_, index, name)| (index, name)).chain(constructors);
    let mut called = Vec::new();
    let mut seen = BTreeSet::new();
    for (function, name) in all {
        if seen.insert(function) && !is_empty(pass, function) {
            pass.edits.constructors.push(function);
            called.push(format!("`{name}`"));
        }
    }
    if !called.is_empty() {
        pass.change(
            "constructors",
            format!("{} called at instantiation, once", called.join(", ")),
            "the glue called them before anything else",
        );
    }
}

/// The glue's is known by its place, whatever the letters are.
fn minified<'a>(pass: &Pass<'_, 'a>) -> Option<(u32, &'a str)> {
    let grows = pass.items.iter().any(|item| item.known_as.as_deref() == Some(RESIZE_HEAP));
    let found = minified_constructor(&pass.module.code, grows)?;
    Some((found.func, found.export))
}

/// Nothing but `end` (and `nop`).
fn is_empty(pass: &Pass<'_, '_>, function: u32) -> bool {
    let code = pass.module.code.operators(function);
    let does_nothing =
        |operator: &Operator<'_>| matches!(operator, Operator::End | Operator::Nop | Operator::Return);
    !code.is_empty() && code.iter().all(does_nothing)
}
