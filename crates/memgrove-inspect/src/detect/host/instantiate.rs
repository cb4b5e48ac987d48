//! What can go wrong while the module is instantiated, whatever it imports.

use super::{Answer, reason};
use crate::facts::{ElementMode, ExternKind, Facts};
use crate::knowledge::Host;
use wasmparser::Operator;

/// From this size on, whether an engine grants the initial memory depends on the machine.
const LARGE_MEMORY_BYTES: u64 = 1 << 30;
/// Engines of browsers refuse larger tables: <https://webassembly.github.io/spec/js-api/#limits>.
const LARGE_TABLE: u64 = 10_000_000;

pub(super) fn check(facts: &Facts<'_>, host: &Host, answer: &mut Answer) {
    memories(facts, host, answer);
    data(facts, answer);
    tables(facts, answer);
    start(facts, answer);
}

fn memories(facts: &Facts<'_>, host: &Host, answer: &mut Answer) {
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
        if memory.ty.shared
            && let Some(condition) = &host.shared_memory
        {
            answer.conditions.push(reason(condition));
        }
    }
}

fn data(facts: &Facts<'_>, answer: &mut Answer) {
    let beyond = facts.data.iter().find_map(|data| {
        let active = data.active?;
        let memory = facts.memories.get(active.memory as usize).filter(|memory| memory.import.is_none())?;
        let end = active.address.address()?.checked_add(data.bytes.len() as u64);
        end.is_none_or(|end| end > memory.ty.min_bytes()).then_some((data.offset, active.address.address()?))
    });
    if let Some((offset, address)) = beyond {
        let text = format!("the data segment at {offset:#x} goes to {address:#x}, beyond the initial memory");
        answer.reasons.push(reason(text));
    }
}

fn tables(facts: &Facts<'_>, answer: &mut Answer) {
    let imported = facts.imports.iter().filter(|import| import.ty.kind() == ExternKind::Table).count();
    if let Some(table) = facts.tables.iter().skip(imported).find(|table| table.min > LARGE_TABLE) {
        answer.conditions.push(reason(format!("the engine grants a table of {} elements", table.min)));
    }
    let beyond = facts.elements.iter().find(|element| {
        let ElementMode::Active { table, start } = element.mode else { return false };
        let Some(own) = (table as usize >= imported).then(|| facts.tables.get(table as usize)).flatten()
        else {
            return false;
        };
        let len = u64::from(element.funcs.end - element.funcs.start);
        start.address().is_some_and(|start| start.saturating_add(len) > own.min)
    });
    if let Some(element) = beyond {
        answer
            .reasons
            .push(reason(format!("the element segment at {:#x} is longer than its table", element.offset)));
    }
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
