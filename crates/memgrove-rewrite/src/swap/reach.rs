//! What can be called, and which function of an allocator is the lowest.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::Code;
use memgrove_module::allocator::Param;
use memgrove_module::facts::{ExternKind, Facts};
use wasmparser::Operator;

use super::role::{Member, Role, has_wide_addresses};

/// Functions that hand their arguments on, one after the other; and bytes of one. A quarter of either is
/// enough for the corpus and the samples.
const MOST_FORWARDS: usize = 4;
const MOST_FORWARD_BYTES: u32 = 64;

/// The function to which a function hands all its arguments, and at most where the heap is, first; and its role, which is
/// the same but for the order. Itself if there is none.
pub(super) fn forwarded(code: &Code<'_>, member: Member) -> Member {
    let mut last = member;
    for _ in 0..MOST_FORWARDS {
        match forwarded_once(code, last) {
            Some(next) => last = next,
            None => break,
        }
    }
    last
}

fn forwarded_once(code: &Code<'_>, member: Member) -> Option<Member> {
    let facts = code.facts();
    // Longer bodies are not read.
    if code.body_len(member.func) > MOST_FORWARD_BYTES {
        return None;
    }
    let operators = code.operators(member.func);
    let [arguments @ .., Operator::Call { function_index }, Operator::End] = operators.as_slice() else {
        return None;
    };
    let (own, callee) = (facts.func_type(member.func)?, facts.func_type(*function_index)?);
    facts.function(*function_index)?;
    if own.results() != callee.results() || callee.params().len() != arguments.len() {
        return None;
    }
    let heap = member.has_heap.then_some(Param::Heap);
    let meanings: Vec<Param> = heap.into_iter().chain(member.role.params().iter().copied()).collect();
    let is_wide = has_wide_addresses(facts);
    let mut handed = BTreeSet::new();
    let mut meant = |(at, operator): (usize, &Operator<'_>)| match operator {
        Operator::LocalGet { local_index } => {
            handed.insert(*local_index);
            meanings.get(*local_index as usize).copied()
        }
        Operator::I32Const { .. } if at == 0 && !member.has_heap && !is_wide => Some(Param::Heap),
        Operator::I64Const { .. } if at == 0 && !member.has_heap && is_wide => Some(Param::Heap),
        _ => None,
    };
    let params: Vec<Param> = arguments.iter().enumerate().map(&mut meant).collect::<Option<_>>()?;
    // Each once.
    if handed.len() != own.params().len()
        || handed.len() + usize::from(params.len() > handed.len()) != params.len()
    {
        return None;
    }
    let is_same = params == meanings;
    let (role, has_heap) = match is_same {
        true => (member.role, member.has_heap),
        false => Role::of(member.role.operation(), &params)?,
    };
    Some(Member { func: *function_index, role, has_heap, ..member })
}

/// No other function of the allocator's is reached from it: nothing of what it promises is another's. What allocates may
/// free: new memory, after it has grown.
pub(super) fn is_lowest(facts: &Facts<'_>, func: u32, members: &BTreeMap<u32, Member>) -> bool {
    let mut seen = BTreeSet::from([func]);
    let mut open = vec![func];
    let allocates = members.get(&func).is_some_and(|member| member.role.is_new_block());
    while let Some(next) = open.pop() {
        for &callee in facts.call_graph.callees(next) {
            let is_other = |member: &Member| callee != func && !(allocates && member.role.frees());
            if members.get(&callee).is_some_and(is_other) {
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
