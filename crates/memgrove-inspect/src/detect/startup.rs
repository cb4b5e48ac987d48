//! Application or library, and what must run first.

use memgrove_module::counted;

use crate::facts::{ExternKind, Facts};
use crate::report::{Conclusion, Confidence, Evidence, FunctionRef, Role, Startup, short};

/// Exports that run a program. `_main` is fastcomp's, `run` is Go's.
const ENTRY_POINTS: &[&str] =
    &["_start", "main", "_main", "__main_argc_argv", "__main_void", "wasm_main", "run"];

/// Functions that must run before any other export. Some toolchains run them from `start` or `_start`.
const CONSTRUCTORS: &[&str] = &[
    "_initialize",
    "__wasm_call_ctors",
    "__post_instantiate",
    "__wasm_apply_data_relocs",
    "globalCtors",
    "runPostSets",
];
/// Beginnings of the names of constructors of single files.
const CONSTRUCTOR_PREFIXES: &[&str] =
    &["__GLOBAL__", "_GLOBAL__", "___cxx_global_var_init", "__cxx_global_var_init"];

/// Concludes how the module is meant to be started.
#[must_use]
pub fn startup(facts: &Facts<'_>) -> Startup {
    let reached = reached_from_start(facts);
    let function = |func: u32, name: Option<&str>| FunctionRef {
        func,
        name: name.map(str::to_owned),
        exported: facts.exports_of(ExternKind::Func, func).next().is_some(),
        run_by_start: reached.get(func as usize).copied().unwrap_or(false),
    };
    let start_function = facts.start.map(|start| function(start.func, facts.func_name(start.func)));
    let constructors: Vec<_> = constructors(facts).map(|(func, name)| function(func, Some(name))).collect();
    let entries = facts.exports.iter().filter(|export| {
        export.kind == ExternKind::Func && ENTRY_POINTS.contains(&export.name) && is_entry(facts, export.name)
    });
    let entry_points: Vec<_> = entries.map(|export| function(export.index, Some(export.name))).collect();
    let role = role(facts, &entry_points, &constructors);
    Startup { role, start_function, constructors, entry_points }
}

/// `run` alone is a common word; Go exports `resume` with it.
fn is_entry(facts: &Facts<'_>, name: &str) -> bool {
    name != "run" || facts.exported_func("resume").is_some()
}

fn role(facts: &Facts<'_>, entries: &[FunctionRef], constructors: &[FunctionRef]) -> Conclusion<Role> {
    let export = |name: &str| facts.export(name).map_or(0, |export| export.offset);
    if facts.component.is_some() {
        return component_role(facts);
    }
    if facts.custom.linking {
        return Conclusion::new(Role::Object, Confidence::CERTAIN)
            .because(Evidence::new("a linking section: it is an object file"));
    }
    let base = facts.imports.iter().find(|import| matches!(import.name, "__memory_base" | "memoryBase"));
    if let (Some(_), Some(base)) = (&facts.custom.dylink, base) {
        return Conclusion::new(Role::SideModule, Confidence::CERTAIN)
            .because(Evidence::at(base.offset, "a dylink section, and __memory_base is imported"));
    }
    if let Some(entry) = entries.first() {
        let name = entry.name.as_deref().unwrap_or_default();
        return Conclusion::new(Role::Application, Confidence::HIGH)
            .because(Evidence::at(export(name), format!("exports {name}")));
    }
    let exports = facts.exports.iter().filter(|export| export.kind == ExternKind::Func).count();
    if exports == 0 && facts.start.is_none() {
        return Conclusion::new(Role::Data, Confidence::HIGH)
            .because(Evidence::new("no function is exported and there is no start function"));
    }
    if exports == 0 {
        return Conclusion::new(Role::Application, Confidence::MEDIUM)
            .because(Evidence::new("only the start function can run"));
    }
    if let Some(constructor) = constructors.iter().find(|constructor| constructor.exported) {
        let name = constructor.name.as_deref().unwrap_or_default();
        return Conclusion::new(Role::Library, Confidence::HIGH)
            .because(Evidence::at(export(name), format!("exports {} and no entry point", short(name))));
    }
    // Minified exports hide an entry point.
    let minified = facts.exports.iter().all(|export| export.name.len() <= 3);
    let confidence = if minified { Confidence::LOW } else { Confidence::MEDIUM };
    Conclusion::new(Role::Library, confidence).because(Evidence::new(format!(
        "{} exported, none of them a known entry point",
        counted(exports as u64, "function")
    )))
}

fn component_role(facts: &Facts<'_>) -> Conclusion<Role> {
    let exports = facts.component.iter().flat_map(|component| &component.exports);
    match exports.clone().find(|export| export.name.starts_with("wasi:cli/run@")) {
        Some(run) => Conclusion::new(Role::Application, Confidence::CERTAIN)
            .because(Evidence::at(run.offset, format!("exports {}", short(run.name)))),
        None => Conclusion::new(Role::Library, Confidence::HIGH).because(Evidence::new(format!(
            "{}, none of them wasi:cli/run",
            counted(exports.count() as u64, "export")
        ))),
    }
}

fn constructors<'f, 'a>(facts: &'f Facts<'a>) -> impl Iterator<Item = (u32, &'a str)> + use<'f, 'a> {
    let is_constructor = |name: &str| {
        CONSTRUCTORS.contains(&name) || CONSTRUCTOR_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    let exported = facts.exports.iter().filter(|export| export.kind == ExternKind::Func);
    let exported = exported.map(|export| (export.index, export.name));
    let mut found: Vec<(u32, &str)> =
        exported.chain(facts.names.funcs.iter()).filter(|(_, name)| is_constructor(name)).collect();
    found.sort_unstable();
    found.dedup_by_key(|(func, _)| *func);
    found.into_iter()
}

/// For each function, whether the start function reaches it by direct calls.
fn reached_from_start(facts: &Facts<'_>) -> Vec<bool> {
    let Some(start) = facts.start else { return Vec::new() };
    let mut reached = vec![false; facts.func_count() as usize];
    let mut queue = vec![start.func];
    while let Some(func) = queue.pop() {
        match reached.get_mut(func as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        queue.extend(facts.call_graph.callees(func));
    }
    reached
}
