//! What can go wrong while the module is instantiated, whatever it imports.

use std::collections::BTreeMap;

use memgrove_module::counted;

use super::{Answer, reason};
use crate::facts::{ConstExpr, ElementMode, ExternKind, Facts, ValType};
use crate::knowledge::Host;
use wasmparser::Operator;

/// From this size on, whether an engine grants the initial memory depends on the machine.
const LARGE_MEMORY_BYTES: u64 = 1 << 30;
/// Engines of browsers refuse larger tables: <https://webassembly.github.io/spec/js-api/#limits>.
const LARGE_TABLE: u64 = 10_000_000;

/// What holds on every host: found once, however many hosts there are. O(segments).
pub(super) fn everywhere(facts: &Facts<'_>) -> Answer {
    let mut answer = Answer::default();
    data(facts, &mut answer);
    tables(facts, &mut answer);
    start(facts, &mut answer);
    answer
}

/// Whether the host grants the memories that the module defines.
pub(super) fn memories(facts: &Facts<'_>, host: &Host, answer: &mut Answer) {
    for memory in facts.memories.iter().filter(|memory| memory.import.is_none()) {
        let bytes = memory.ty.min_bytes();
        let mebibytes = bytes >> 20;
        match host.memory_limit_bytes {
            Some(limit) if bytes > limit => {
                let text = format!("the initial memory is {mebibytes} MiB; the limit is {} MiB", limit >> 20);
                answer.reasons.push(reason(text));
            }
            _ if bytes >= LARGE_MEMORY_BYTES => {
                answer
                    .conditions
                    .push(reason(format!("the engine grants {mebibytes} MiB of memory at once")));
            }
            _ => {}
        }
        if let Some(limit) = host.memory_limit_bytes
            && bytes <= limit
            && memory.ty.max_bytes().is_none_or(|max| max > limit)
            && facts.grow_sites().next().is_some()
        {
            answer.notes.push(format!("its growth ends at {} MiB, the host's limit", limit >> 20));
        }
        if memory.ty.shared
            && let Some(condition) = &host.shared_memory
        {
            answer.conditions.push(reason(condition));
        }
    }
}

fn data(facts: &Facts<'_>, answer: &mut Answer) {
    for data in &facts.data {
        let Some(active) = data.active else { continue };
        let Some(memory) = facts.memories.get(active.memory as usize) else { continue };
        let Some(address) = address(facts, active.address) else { continue };
        let end = address.saturating_add(data.bytes.len() as u64);
        // Not a text yet: a module has a hundred thousand segments, and most lie where they may.
        let where_to = format_args!("the data segment at {:#x} goes to {address:#x}, beyond", data.offset);
        if memory.import.is_none() && end > memory.ty.min_bytes() {
            answer.reasons.push(reason(format!("{where_to} the initial memory")));
            return;
        }
        if end > memory.ty.max_bytes().unwrap_or(u64::MAX) {
            answer.reasons.push(reason(format!("{where_to} the largest memory that it takes")));
            return;
        }
    }
    for (memory, (end, offset)) in needed_memory(facts) {
        let Some(memory) = facts.memories.get(memory as usize) else { continue };
        let pages = end.div_ceil(memory.ty.page_size_bytes());
        answer.conditions.push(reason(format!(
            "the host passes a memory of at least {}: the data segment at {offset:#x} ends at {end:#x}",
            counted(pages, "page")
        )));
    }
}

/// The imported memories whose minimum does not hold their data: by index, where the segment that reaches furthest ends,
/// and its offset in the file. O(segments).
pub(in crate::detect) fn needed_memory(facts: &Facts<'_>) -> BTreeMap<u32, (u64, u32)> {
    let mut needed: BTreeMap<u32, (u64, u32)> = BTreeMap::new();
    for data in &facts.data {
        let Some(active) = data.active else { continue };
        let Some(memory) = facts.memories.get(active.memory as usize) else { continue };
        let Some(address) = address(facts, active.address) else { continue };
        let end = address.saturating_add(data.bytes.len() as u64);
        if memory.import.is_some() && end > memory.ty.min_bytes() {
            let furthest = needed.entry(active.memory).or_default();
            *furthest = (*furthest).max((end, data.offset));
        }
    }
    needed
}

fn tables(facts: &Facts<'_>, answer: &mut Answer) {
    let imported = facts.imports.iter().filter(|import| import.ty.kind() == ExternKind::Table).count();
    if let Some(table) = facts.tables.iter().skip(imported).find(|table| table.min > LARGE_TABLE) {
        answer.conditions.push(reason(format!("the engine grants a table of {} elements", table.min)));
    }
    let mut needed: BTreeMap<u32, (u64, u32)> = BTreeMap::new();
    for element in &facts.elements {
        let ElementMode::Active { table: index, start } = element.mode else { continue };
        let Some(table) = facts.tables.get(index as usize) else { continue };
        let Some(start) = address(facts, start) else { continue };
        let end = start.saturating_add(u64::from(element.funcs.end - element.funcs.start));
        let is_own = index as usize >= imported;
        if is_own && end > table.min || end > table.max.unwrap_or(u64::MAX) {
            let text = format!("the element segment at {:#x} is longer than its table", element.offset);
            answer.reasons.push(reason(text));
            return;
        }
        if end > table.min {
            let furthest = needed.entry(index).or_default();
            *furthest = (*furthest).max((end, element.offset));
        }
    }
    for (end, offset) in needed.into_values() {
        answer.conditions.push(reason(format!(
            "the host passes a table of at least {end} elements: the element segment at {offset:#x} ends there"
        )));
    }
}

/// The value of a segment's offset; `None` where only the host knows it.
fn address(facts: &Facts<'_>, mut expr: ConstExpr) -> Option<u64> {
    /// How often one global may be a copy of another.
    const MOST_COPIES: usize = 16;
    let mut add = 0_i64;
    let mut is_wide = None;
    for _ in 0..MOST_COPIES {
        let (index, addend) = match expr {
            ConstExpr::Global(global) => (global, 0),
            ConstExpr::GlobalPlus { global, addend } => (global, addend),
            plain => {
                let sum = plain.address()?.wrapping_add(add.cast_unsigned());
                let is_wide = is_wide.unwrap_or(matches!(plain, ConstExpr::I64(_)));
                return Some(if is_wide { sum } else { sum & u64::from(u32::MAX) });
            }
        };
        let global = facts.globals.get(index as usize)?;
        is_wide.get_or_insert(global.ty.content == ValType::I64);
        add = add.wrapping_add(addend);
        expr = global.init?;
    }
    None
}

fn start(facts: &Facts<'_>, answer: &mut Answer) {
    let Some(start) = facts.start else { return };
    let first = facts.operators(start.func).and_then(|mut reader| reader.read().ok());
    match first {
        Some(Operator::Unreachable) => {
            answer.reasons.push(reason(format!("the start function {} traps at once", start.func)));
        }
        Some(Operator::End) => {}
        _ => answer.notes.push(format!(
            "the start function {} runs while the module is instantiated; whether it traps shows only then",
            start.func
        )),
    }
}
