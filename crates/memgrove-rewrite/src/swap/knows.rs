//! Which of the functions that stay know how the allocator works inside.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::code::memory_access;
use memgrove_module::facts::{Facts, Numbers};
use wasmparser::Operator;

use super::Why;
use super::old::Reader;
use super::own::{Own, WORD_BYTES};
use super::role::{Member, Role};

/// Functions to which those that take a block hand its header. What was only inferred to be the allocator's may be a
/// program's function with a header of its own, which it may hand to whatever copies memory.
pub(super) fn inner(
    reader: &mut Reader<'_, '_>,
    replaced: &BTreeMap<u32, Member>,
    given: &BTreeSet<u32>,
) -> BTreeSet<u32> {
    let takes_block = |member: &&Member| member.role.takes_block() && !member.has_heap;
    let mut found = BTreeSet::new();
    for member in replaced.values().filter(takes_block).filter(|member| given.contains(&member.func)) {
        found.extend(reader.uses(member.func).into_iter().flat_map(|uses| &uses.passed_before));
    }
    found.retain(|callee| !replaced.contains_key(callee));
    found
}

/// Functions that are told where the heap is, as those that are replaced are.
pub(super) fn told(
    facts: &Facts<'_>,
    reader: &mut Reader<'_, '_>,
    own: &Own,
    survives: impl Fn(u32) -> bool,
) -> BTreeSet<u32> {
    let Some(heap) = own.heap else { return BTreeSet::new() };
    let number = BTreeSet::from([heap]);
    let mut told = BTreeSet::new();
    let defined = facts.imported_func_count()..facts.func_count();
    for func in defined.filter(|func| survives(*func) && mentions(facts, *func, &number)) {
        let constants = reader.uses(func).into_iter().flat_map(|uses| &uses.first_constants);
        told.extend(constants.filter(|(_, first)| first.cast_unsigned() == heap).map(|(callee, _)| *callee));
    }
    told
}

/// Whether a function that is told where the heap is does more with it than to tell it to those that are replaced.
fn looks_into_heap(reader: &mut Reader<'_, '_>, func: u32, replaced: &BTreeMap<u32, Member>) -> bool {
    let Some(uses) = reader.uses(func) else { return true };
    let is_heap = |(param, _): &(u32, u32)| *param == 0;
    uses.at_params.iter().any(is_heap)
        || uses.written_at_params.iter().any(is_heap)
        || uses.passed.iter().any(|(callee, _, param)| *param == 0 && !replaced.contains_key(callee))
}

/// What a function that survives knows of how the allocator works inside.
pub(super) enum Knows {
    Nothing,
    /// At these positions, whether a new block has to be cleared.
    Tests(BTreeSet<usize>),
    Inside(Why),
}

/// What a function that stays knows.
pub(super) fn knows(
    facts: &Facts<'_>,
    reader: &mut Reader<'_, '_>,
    func: u32,
    own: &Own,
    (replaced, inner, told): (&BTreeMap<u32, Member>, &BTreeSet<u32>, &BTreeSet<u32>),
) -> Knows {
    if told.contains(&func) && looks_into_heap(reader, func, replaced) {
        return Knows::Inside(Why::Heap);
    }
    let calls_any =
        |func: u32| facts.call_graph.callees(func).iter().any(|callee| replaced.contains_key(callee));
    let calls = calls_any(func) || facts.call_graph.callees(func).iter().any(|callee| inner.contains(callee));
    let callers = reader.code.callers(func);
    if !callers.is_empty()
        && callers.iter().all(|caller| calls_any(*caller))
        && let knows @ (Knows::Inside(_) | Knows::Tests(_)) = asks_header(reader, func, own, callers)
    {
        return knows;
    }
    // Reading a function takes longer than seeing that none of its numbers is an address of interest.
    let is_of_interest = mentions(facts, func, &own.state) || calls && may_look_before(facts, func);
    if !is_of_interest {
        return Knows::Nothing;
    }
    let Some(uses) = reader.uses(func) else { return Knows::Inside(Why::NotUnderstood) };
    // Who only writes there makes ready what nobody reads any more.
    if let Some(address) = uses.loads.iter().find_map(|at| own.near(*at)) {
        return Knows::Inside(Why::State { address: *address });
    }
    let is_new = |callee: &u32| {
        replaced.get(callee).is_some_and(|member| member.role.is_new_block() || member.role == Role::Realloc)
    };
    let is_block = |callee: &u32, position: u32| {
        replaced.get(callee).is_some_and(|member| member.block_param() == Some(position))
    };
    let passes_on = |param: u32| {
        uses.passed.iter().any(|(callee, position, passed)| *passed == param && is_block(callee, *position))
    };
    if uses.before_params.iter().any(|param| passes_on(*param)) {
        return Knows::Inside(Why::Header);
    }
    // Wherever the block comes from.
    if uses.before_handed.iter().any(|(callee, position)| is_block(callee, *position)) {
        return Knows::Inside(Why::Header);
    }
    // What is before a block is handed to what was the allocator's own.
    if uses.passed_before.iter().any(|callee| inner.contains(callee)) {
        return Knows::Inside(Why::Header);
    }
    let headers = || uses.before_results.iter().filter(|(callee, ..)| is_new(callee));
    if headers().any(|(.., is_test)| !is_test) {
        return Knows::Inside(Why::Header);
    }
    let tests: BTreeSet<usize> = headers().map(|(_, place, _)| *place).collect();
    if tests.is_empty() { Knows::Nothing } else { Knows::Tests(tests) }
}

/// Whether a function that is only called where blocks are allocated or freed is told where the heap is, or looks before a
/// block that it is handed: it was part of the allocator.
fn asks_header(reader: &mut Reader<'_, '_>, func: u32, own: &Own, callers: &[u32]) -> Knows {
    let is_leaf = reader.code.facts().call_graph.callees(func).is_empty();
    // One that is told where the heap is: nothing but the allocator is.
    let is_told = own.heap.is_some_and(|heap| {
        let told = (func, heap.cast_signed());
        callers
            .iter()
            .any(|caller| reader.uses(*caller).is_some_and(|uses| uses.first_constants.contains(&told)))
    });
    if is_told {
        return Knows::Inside(Why::Header);
    }
    if !may_look_before(reader.code.facts(), func) {
        return Knows::Nothing;
    }
    let Some(uses) = reader.uses(func) else { return Knows::Nothing };
    if uses.before_params.is_empty() {
        return Knows::Nothing;
    }
    let tests: BTreeSet<usize> = uses
        .before_params_at
        .iter()
        .filter(|(.., is_test)| *is_test)
        .map(|(_, _, place, _)| *place)
        .collect();
    let only_tests = tests.len() == uses.before_params_at.len();
    let has_other_uses = !uses.loads.is_empty() || !uses.stores.is_empty();
    if is_leaf && only_tests && !has_other_uses {
        return Knows::Tests(tests);
    }
    Knows::Nothing
}

/// Whether a function may look a little before an address, or at flags in a word behind which it hands one on. If it
/// subtracts no small number but from a global, which is how a stack grows, and takes no flags apart, it does not; that costs
/// less to see than to follow its values. O(its operators).
fn may_look_before(facts: &Facts<'_>, func: u32) -> bool {
    // A header is nearer, but an offset may be added to what is left.
    const SMALL: std::ops::RangeInclusive<i32> = 1..=4096;
    const FLAGS: std::ops::RangeInclusive<i32> = 1..=3;
    let Some(operators) = facts.operators(func) else { return true };
    let (mut subtracts, mut has_small, mut takes_bits, mut has_flags) = (false, false, false, false);
    // The two operators before: a constant, and whether a global stands before it.
    let (mut constant, mut of_global, mut is_global) = (None, false, false);
    for operator in operators {
        let Ok(operator) = operator else { return true };
        let (before, was_of_global) = (constant.take(), of_global);
        of_global = is_global;
        is_global = matches!(operator, Operator::GlobalGet { .. });
        match operator {
            Operator::I32Const { value } => {
                if (-4096..0).contains(&value) {
                    return true;
                }
                constant = Some(value);
                has_flags |= FLAGS.contains(&value);
            }
            Operator::I32Sub => match before {
                Some(value) if SMALL.contains(&value) && !was_of_global => return true,
                Some(_) => {}
                // What is taken away came by a local.
                None => subtracts = true,
            },
            // Whatever is done with the constant, it may be taken away later.
            _ => {
                has_small |= before.is_some_and(|value| {
                    SMALL.contains(&value)
                        && matches!(
                            operator,
                            Operator::LocalSet { .. }
                                | Operator::LocalTee { .. }
                                | Operator::End
                                | Operator::Select
                        )
                });
                takes_bits |= matches!(operator, Operator::I32And);
            }
        }
    }
    subtracts && has_small || takes_bits && has_flags
}

/// Whether a function holds a number that may lead to one of these addresses. O(1) for most that hold none, else O(its
/// operators).
pub(super) fn mentions(facts: &Facts<'_>, func: u32, state: &BTreeSet<u32>) -> bool {
    let (Some(first), Some(last)) = (state.first().copied(), state.last().copied()) else { return false };
    // A base and a distance from it: the base is the number.
    let range = u64::from(first.saturating_sub(1024))..=u64::from(last.saturating_add(WORD_BYTES));
    if facts.function(func).is_some_and(|function| !function.numbers.may_meet(Numbers::of_range(&range))) {
        return false;
    }
    let Some(operators) = facts.operators(func) else { return true };
    for operator in operators {
        let number = match operator {
            Ok(Operator::I32Const { value }) => u64::from(value.cast_unsigned()),
            Ok(other) => match memory_access(&other) {
                Some(access) => access.memarg.offset,
                None => continue,
            },
            Err(_) => return true,
        };
        if range.contains(&number) {
            return true;
        }
    }
    false
}
