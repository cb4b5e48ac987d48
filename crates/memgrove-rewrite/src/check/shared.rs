//! Whether memory that is freed may be handed out again by functions that are not known to do so: then it is not seen that a
//! block lies there.

use std::collections::BTreeSet;

use memgrove_module::Code;
use wasmparser::Operator;

use crate::swap::old::Old;
use crate::swap::reader::Reader;

/// Functions below one that frees which are looked at; more are no part of an allocator. The free of dlmalloc calls four.
const MOST: usize = 64;

/// A function by which those that free and reallocate give memory up, and that others call, too: one that keeps something,
/// or is told where something is kept, as an allocator below this one does. Copying and clearing memory is no such thing.
pub(super) fn shared(code: &Code<'_>, reader: &mut Reader<'_, '_>, old: &Old) -> Option<u32> {
    let facts = code.facts();
    let frees = old.replaced.values().filter(|member| member.role.takes_block());
    let mut open: Vec<u32> = frees.map(|member| member.func).collect();
    let mut seen: BTreeSet<u32> = open.iter().copied().collect();
    while let Some(func) = open.pop() {
        // Whoever is behind a table may keep anything.
        let callees = match returning(code, func) {
            Some(callees) => callees,
            None => return Some(func),
        };
        let Some(uses) = reader.uses(func) else { return Some(func) };
        let constants: BTreeSet<u32> = uses.first_constants.iter().map(|(callee, _)| *callee).collect();
        for callee in callees {
            // What is handed out by a wrapped function is seen.
            let is_seen = old.replaced.get(&callee).is_some_and(|member| member.role.is_new_block());
            if is_seen || facts.function(callee).is_none() || !seen.insert(callee) {
                continue;
            }
            if !old.is_own(callee) {
                let keeps = reader.uses(callee).is_none_or(|uses| !uses.stores.is_empty());
                if keeps || constants.contains(&callee) {
                    return Some(callee);
                }
            }
            if seen.len() > MOST {
                return Some(callee);
            }
            open.push(callee);
        }
    }
    None
}

/// The functions that a function calls and that return to it; `None` if some are behind a table. What does not return, as a
/// panic, is followed by an instruction that is not reached.
pub(super) fn returning(code: &Code<'_>, func: u32) -> Option<BTreeSet<u32>> {
    let operators = code.operators(func);
    let mut callees = BTreeSet::new();
    for (at, operator) in operators.iter().enumerate() {
        let returns = !matches!(operators.get(at + 1), Some(Operator::Unreachable));
        match operator {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } if returns => {
                callees.insert(*function_index);
            }
            Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. }
                if returns =>
            {
                return None;
            }
            _ => {}
        }
    }
    Some(callees)
}
