//! What a host's functions ask of a module beyond their names: their types, and where memory is.

use super::{Answer, reason};
use crate::facts::{ExternKind, ExternType, Facts, Import};
use crate::knowledge::{FunctionTypes, Host, Knowledge, Provides};
use crate::report::{Reason, short};
use wasmparser::Operator;

/// Imports that a reason spells out.
const NAMED: usize = 4;

/// Functions that are imported with another type than the host gives them.
pub(super) struct OtherTypes {
    about: Reason,
    shown: Vec<String>,
}

impl Default for OtherTypes {
    fn default() -> Self {
        Self { about: reason(""), shown: Vec::new() }
    }
}

impl OtherTypes {
    /// Compares an import with the types of the interface that provides it.
    pub(super) fn compare(
        &mut self,
        facts: &Facts<'_>,
        at: u32,
        import: &Import<'_>,
        provides: &Provides,
        knowledge: &Knowledge,
    ) {
        let Some(interface) = provides.interface(knowledge) else { return };
        let Some(expected) = interface.types(import.module, import.name) else { return };
        let declared = import.ty.describe(facts);
        if expected.holds(&declared) {
            return;
        }
        self.about.add_import(at);
        if self.shown.len() < NAMED {
            let (module, expected) = (short(import.module), expected.list().join(" or "));
            self.shown.push(format!("{module}.{} is {declared}, expected {expected}", short(import.name)));
        }
    }

    /// What the host does with them; `None` where there are none.
    pub(super) fn into_reason(mut self, types: FunctionTypes) -> Option<Reason> {
        let count = self.about.import_count as usize;
        if count == 0 {
            return None;
        }
        if count > self.shown.len() {
            self.shown.push(format!("and {} more", count - self.shown.len()));
        }
        let what = if count == 1 { "1 import has" } else { &format!("{count} imports have") };
        let list = self.shown.join("; ");
        self.about.text = match types {
            FunctionTypes::Compared => format!("{what} another type than the host's function: {list}"),
            FunctionTypes::NotCompared => format!(
                "these are never called ({what} another type than the host's function, which shows only then): {list}"
            ),
        };
        Some(self.about)
    }
}

/// Why the memory or table that the host gives does not fit the import.
pub(super) fn size_misfit(import: &Import<'_>, provides: &Provides) -> Option<Reason> {
    let [min, max] = provides.size?;
    let (what, unit, asked_min, asked_max) = match import.ty {
        ExternType::Memory(ty) => ("memory", "pages", ty.min_pages, ty.max_pages),
        ExternType::Table(ty) => ("table", "elements", ty.min, ty.max),
        _ => return None,
    };
    let text = if asked_min > min {
        format!("the {what} that it imports has at least {asked_min} {unit}, and the host gives {min}")
    } else if asked_max.is_some_and(|asked| asked < max) {
        format!(
            "the {what} that it imports has at most {} {unit}, and the host's may grow to {max}",
            asked_max.unwrap_or_default()
        )
    } else {
        return None;
    };
    Some(reason(text))
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
    is_program || host.wasi_memory_export && uses_wasi(facts)
}

/// The imported functions of WASI, as sorted indices of functions.
fn wasi_functions(facts: &Facts<'_>) -> Vec<u32> {
    let is_wasi = |module: &str| matches!(module, "wasi_snapshot_preview1" | "wasi_unstable");
    let mut wasi: Vec<u32> = facts
        .imports
        .iter()
        .filter(|import| import.ty.kind() == ExternKind::Func && is_wasi(import.module))
        .map(|import| import.index)
        .collect();
    wasi.sort_unstable();
    wasi
}

/// Some function of WASI can be called.
fn uses_wasi(facts: &Facts<'_>) -> bool {
    let wasi = wasi_functions(facts);
    if wasi.is_empty() {
        return false;
    }
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

/// A start function that calls WASI while the module is instantiated, where the host is not ready for it.
pub(super) fn wasi_from_start(facts: &Facts<'_>, host: &Host, answer: &mut Answer) {
    let Some(start) = facts.start.filter(|_| host.wasi_after_start) else { return };
    let wasi = wasi_functions(facts);
    if wasi.is_empty() {
        return;
    }
    let is_one = |func: u32| wasi.binary_search(&func).is_ok();
    let name = |func: u32| facts.import_of(ExternKind::Func, func).map_or("a function", |import| import.name);
    if let Some(func) = certain_call(facts, start.func, &is_one) {
        answer.reasons.push(reason(format!(
            "the start function {} calls {} of WASI, which is not ready before the module is instantiated",
            start.func,
            name(func)
        )));
    } else if let Some(func) = reached(facts, start.func, &is_one) {
        answer.conditions.push(reason(format!(
            "the start function {} does not get as far as calling {} of WASI, which is not ready then",
            start.func,
            name(func)
        )));
    }
}

/// How deep calls are followed that happen in any case; deeper ones are behind a condition.
const MAX_DEPTH: u32 = 8;
/// Instructions looked at in one function: what happens in any case stands at its beginning.
const MAX_INSTRUCTIONS: u32 = 4096;

/// The first call of a wanted function that happens whenever `func` runs: on the straight way from its beginning.
fn certain_call(facts: &Facts<'_>, func: u32, is_wanted: &dyn Fn(u32) -> bool) -> Option<u32> {
    let mut func = func;
    // Only the first call on the way is followed: what comes behind it runs only if it returns.
    for _ in 0..MAX_DEPTH {
        if is_wanted(func) {
            return Some(func);
        }
        let mut operators = facts.operators(func)?;
        let mut next = None;
        for _ in 0..MAX_INSTRUCTIONS {
            match operators.read().ok()? {
                Operator::Call { function_index } => {
                    next = Some(function_index);
                    break;
                }
                // A block is entered in any case.
                Operator::Block { .. } | Operator::Loop { .. } => {}
                operator if leaves(&operator) => return None,
                _ => {}
            }
        }
        func = next?;
    }
    None
}

/// Whether control may go elsewhere here, or end.
fn leaves(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::If { .. }
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::Return
            | Operator::Unreachable
            | Operator::End
            | Operator::Try { .. }
            | Operator::TryTable { .. }
            | Operator::Throw { .. }
            | Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. }
            | Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. }
            | Operator::BrOnCast { .. }
            | Operator::BrOnCastFail { .. }
    )
}

/// A wanted function that direct calls lead to. O(calls).
fn reached(facts: &Facts<'_>, func: u32, is_wanted: &dyn Fn(u32) -> bool) -> Option<u32> {
    let mut seen = vec![false; facts.func_count() as usize];
    let mut queue = vec![func];
    while let Some(func) = queue.pop() {
        if is_wanted(func) {
            return Some(func);
        }
        match seen.get_mut(func as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        queue.extend_from_slice(facts.call_graph.callees(func));
    }
    None
}
