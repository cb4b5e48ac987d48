//! What can be called, and which function of an allocator is the lowest.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::Code;
use memgrove_module::facts::{ExternKind, Facts};
use wasmparser::Operator;

use super::role::Member;

/// Functions that hand their arguments on, one after the other; and bytes of one.
const MOST_FORWARDS: usize = 4;
const MOST_FORWARD_BYTES: u32 = 64;

/// The function to which a function hands all its arguments, and nothing else; itself if there is none.
pub(super) fn forwarded(code: &Code<'_>, func: u32) -> u32 {
    let facts = code.facts();
    let mut last = func;
    for _ in 0..MOST_FORWARDS {
        // Longer bodies are not read.
        if code.body_len(last) > MOST_FORWARD_BYTES {
            break;
        }
        let operators = code.operators(last);
        let [arguments @ .., Operator::Call { function_index }, Operator::End] = operators.as_slice() else {
            break;
        };
        let in_order = arguments.iter().zip(0_u32..).all(
            |(operator, at)| matches!(operator, Operator::LocalGet { local_index } if *local_index == at),
        );
        let is_same_type = facts.func_type(last) == facts.func_type(*function_index)
            && facts.func_type(last).is_some_and(|ty| ty.params().len() == arguments.len());
        if !in_order || !is_same_type || facts.function(*function_index).is_none() {
            break;
        }
        last = *function_index;
    }
    last
}

/// No other function of the allocator's is reached from it: nothing of what it promises is another's.
pub(super) fn is_lowest(facts: &Facts<'_>, func: u32, members: &BTreeMap<u32, Member>) -> bool {
    let mut seen = BTreeSet::from([func]);
    let mut open = vec![func];
    while let Some(next) = open.pop() {
        for &callee in facts.call_graph.callees(next) {
            if members.contains_key(&callee) && callee != func {
                return false;
            }
            // What is far below is no part of an allocator: panics and formatting.
            if seen.len() < 64 && facts.function(callee).is_some() && seen.insert(callee) {
                open.push(callee);
            }
        }
    }
    true
}

/// Functions by which the module is entered, and those that may be called through tables and references.
pub(super) fn roots(facts: &Facts<'_>, more: Option<u32>) -> Vec<u32> {
    let exported =
        facts.exports.iter().filter(|export| export.kind == ExternKind::Func).map(|export| export.index);
    let mut roots: Vec<u32> = exported.chain(facts.address_taken()).chain(more).collect();
    roots.extend(facts.start.map(|start| start.func));
    roots
}

/// Functions that can be called, by index. Nothing is reached through bodies that are cut out.
pub(super) fn reach(facts: &Facts<'_>, roots: Vec<u32>, is_cut: impl Fn(u32) -> bool) -> Vec<bool> {
    let mut reached = vec![false; facts.func_count() as usize];
    let mut open = roots;
    while let Some(func) = open.pop() {
        let Some(known) = reached.get_mut(func as usize) else { continue };
        if std::mem::replace(known, true) || is_cut(func) {
            continue;
        }
        open.extend(facts.call_graph.callees(func));
    }
    reached
}
