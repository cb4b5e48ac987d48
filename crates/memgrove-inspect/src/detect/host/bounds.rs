//! Bounds of a host that a module's file shows to be met or not.

use memgrove_module::counted;

use super::{Answer, reason};
use crate::facts::{ExternKind, Facts, TypeDef};
use crate::knowledge::Host;

pub(super) fn check(facts: &Facts<'_>, host: &Host, answer: &mut Answer) {
    let limits = &host.limits;
    let mut refuse = |text: String| answer.reasons.push(reason(text));
    let over = |number: usize, limit: Option<u32>| {
        limit.filter(|&limit| number > limit as usize).map(|limit| (number, limit))
    };
    if let Some(limit) = limits.file_bytes.filter(|&limit| facts.size_bytes() > limit) {
        refuse(format!("the file has {}; the limit is {limit}", counted(facts.size_bytes(), "byte")));
    }
    let own = facts.memories.iter().filter(|memory| memory.import.is_none()).count();
    if limits.one_own_memory && (facts.memories.len() != 1 || own != 1) {
        refuse(format!("it has {own} memories of its own; the host asks for exactly one"));
    }
    if limits.no_memory_maximum
        && let Some(memory) = facts.memories.iter().find(|memory| memory.ty.max_pages.is_some())
    {
        let max = memory.ty.max_pages.unwrap_or_default();
        refuse(format!(
            "its memory declares a maximum ({}); the host refuses that and sets its own",
            counted(max, "page")
        ));
    }
    if let Some((number, limit)) = over(facts.tables.len(), limits.tables) {
        refuse(format!("it has {}; the limit is {limit}", counted(number as u64, "table")));
    }
    for table in &facts.tables {
        if limits.table_maximum && table.max.is_none() {
            refuse(format!(
                "a table of {} declares no maximum; the host asks for one",
                counted(table.min, "element")
            ));
        }
        let elements = table.max.unwrap_or(table.min);
        if let Some(limit) = limits.table_elements.filter(|&limit| elements > limit) {
            refuse(format!("a table may have {}; the limit is {limit}", counted(elements, "element")));
        }
    }
    if let Some((number, limit)) = over(facts.imports.len(), limits.imports) {
        refuse(format!("it has {}; the limit is {limit}", counted(number as u64, "import")));
    }
    if let Some((number, limit)) = over(facts.functions.len(), limits.functions) {
        refuse(format!("it defines {}; the limit is {limit}", counted(number as u64, "function")));
    }
    signatures(facts, host, answer);
    if limits.no_start
        && let Some(start) = facts.start
    {
        answer.reasons.push(reason(format!(
            "it has a start function ({}); the host refuses modules with one",
            start.func
        )));
    }
    if limits.no_floats
        && let Some(first) = facts.proposals.floats()
    {
        answer.reasons.push(reason(format!(
            "floating point is used ({} at {:#x}); the host refuses it",
            first.describe(),
            first.offset
        )));
    }
}

/// Parameters and results of the functions that the module has.
fn signatures(facts: &Facts<'_>, host: &Host, answer: &mut Answer) {
    if host.limits.params.is_none() && host.limits.results.is_none() {
        return;
    }
    let defined = facts.functions.iter().map(|function| function.type_index);
    let imported = facts.imports.iter().filter(|import| import.ty.kind() == ExternKind::Func);
    let imported = imported.filter_map(|import| match import.ty {
        crate::facts::ExternType::Func(ty) => Some(ty),
        _ => None,
    });
    let (mut params, mut results) = (0, 0);
    for ty in defined.chain(imported) {
        if let Some(TypeDef::Func(ty)) = facts.types.get(ty as usize) {
            params = params.max(ty.params().len());
            results = results.max(ty.results().len());
        }
    }
    for (what, most, limit) in
        [("parameters", params, host.limits.params), ("results", results, host.limits.results)]
    {
        if let Some(limit) = limit.filter(|&limit| most > limit as usize) {
            let text = format!("a function has {most} {what}; the limit is {limit}");
            answer.reasons.push(reason(text));
        }
    }
}
