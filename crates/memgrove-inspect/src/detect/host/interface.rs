//! What a host's functions ask of a module beyond their names: their types, and where memory is.

use super::{Answer, reason};
use crate::facts::{ExternKind, Facts};
use crate::knowledge::{Host, Knowledge};

/// Imports that a reason spells out.
const NAMED: usize = 4;
/// Characters of a name that a reason shows.
const NAME_CHARS: usize = 80;

/// Compares the types of imported functions with those of the host's interfaces.
///
/// A native engine refuses to link another type; under JavaScript the call fails instead.
pub(super) fn types(facts: &Facts<'_>, host: &Host, knowledge: &Knowledge, answer: &mut Answer) {
    let interfaces: Vec<_> = host
        .provides
        .iter()
        .filter_map(|provides| knowledge.interface(provides.interface.as_deref()?))
        .collect();
    // Most imports are none of these, and patterns take time to compare with.
    let has_type = |name: &str| interfaces.iter().any(|interface| interface.functions.contains_key(name));
    let mut count = 0_usize;
    let mut shown = Vec::new();
    let functions = facts.imports.iter().filter(|import| import.ty.kind() == ExternKind::Func);
    for import in functions.filter(|import| has_type(import.name)) {
        let provides = host.provides.iter().find(|provides| provides.pattern.matches(facts, import));
        let expected = provides
            .and_then(|provides| knowledge.interface(provides.interface.as_deref()?))
            .and_then(|interface| interface.functions.get(import.name));
        let Some(expected) = expected else { continue };
        let declared = import.ty.describe(facts);
        if declared == *expected {
            continue;
        }
        count += 1;
        if shown.len() < NAMED {
            let module: String = import.module.chars().take(NAME_CHARS).collect();
            shown.push(format!("{module}.{} is {declared}, expected {expected}", import.name));
        }
    }
    if count > shown.len() {
        shown.push(format!("and {} more", count - shown.len()));
    }
    if count > 0 {
        let what = if count == 1 { "1 import has" } else { &format!("{count} imports have") };
        answer
            .reasons
            .push(reason(format!("{what} another type than the host's function: {}", shown.join("; "))));
    }
}

/// Whether the host needs a memory exported as `memory`, be it there or not.
///
/// Programs may have to have one; and WASI's functions look for it when they are called, `proc_exit`
/// included, so an import that nothing refers to does not count.
pub(crate) fn needs_memory_export(facts: &Facts<'_>, host: &Host) -> bool {
    let is_program = host.entry.as_ref().is_some_and(|entry| {
        let has_entry =
            entry.any_of.is_empty() || entry.any_of.iter().any(|name| facts.exported_func(name).is_some());
        entry.memory && has_entry
    });
    is_program || host.wasi_memory_export && uses_wasi(facts, host)
}

/// Some function of WASI that the host provides can be called.
fn uses_wasi(facts: &Facts<'_>, host: &Host) -> bool {
    let is_wasi = |module: &str| matches!(module, "wasi_snapshot_preview1" | "wasi_unstable");
    let mut wasi: Vec<u32> = facts
        .imports
        .iter()
        .filter(|import| import.ty.kind() == ExternKind::Func && is_wasi(import.module))
        .filter(|import| host.provides.iter().any(|provides| provides.pattern.matches(facts, import)))
        .map(|import| import.index)
        .collect();
    if wasi.is_empty() {
        return false;
    }
    wasi.sort_unstable();
    let is_one = |func: &u32| wasi.binary_search(func).is_ok();
    let defined = facts.imported_func_count()..facts.func_count();
    defined.into_iter().any(|func| facts.call_graph.callees(func).iter().any(is_one))
        || facts.address_taken().iter().any(is_one)
        || facts.exports.iter().any(|export| export.kind == ExternKind::Func && is_one(&export.index))
        || facts.start.is_some_and(|start| is_one(&start.func))
}

/// The module exports a memory as `memory`.
pub(super) fn exports_memory(facts: &Facts<'_>) -> bool {
    facts.export("memory").is_some_and(|export| export.kind == ExternKind::Memory)
}
