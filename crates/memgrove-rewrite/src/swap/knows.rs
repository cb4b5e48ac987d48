//! Which of the functions that stay know how the allocator works inside.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::facts::Facts;

use super::Why;
use super::own::Own;
use super::reader::Reader;
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
    for func in defined.filter(|func| survives(*func)) {
        if !reader.mentions(func, &number) {
            continue;
        }
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
    let is_of_interest = reader.mentions(func, &own.state) || calls && reader.may_look_before(func);
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
    if !reader.may_look_before(func) {
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
