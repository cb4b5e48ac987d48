//! Which heap each function of an allocator works on, in a module with several that have nothing in common.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::Code;
use wasmparser::Operator;

use super::shared::returning;
use crate::swap::Member;
use crate::swap::old::Old;
use crate::swap::reader::Reader;

/// More heaps are not told apart.
const MOST_HEAPS: u32 = 15;

/// What functions of an allocator have in common if they work on one heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kept {
    /// A variable that one of them writes, by its address.
    Variable(u32),
    /// A global that one of them sets.
    Global(u32),
    /// A function that only they call.
    Function(u32),
}

/// What is known of heaps.
#[derive(Default)]
pub(super) struct Heaps {
    /// Where there are several: the number of the heap by function, from 1, and of those functions only of which it is known.
    pub numbers: BTreeMap<u32, u32>,
    /// There is one: all functions have something in common.
    pub is_one: bool,
}

/// Finds them. Two heaps are different if each has functions that allocate and free, and nothing that one of these uses does
/// one of the other's.
pub(super) fn heaps(code: &Code<'_>, reader: &mut Reader<'_, '_>, old: &Old) -> Heaps {
    // Of each heap: its functions, and what they use.
    let mut found: Vec<(Vec<Member>, BTreeSet<Kept>)> = Vec::new();
    for member in old.replaced.values() {
        let Some(mut kept) = kept(code, reader, old, *member) else { return Heaps::default() };
        let mut members = vec![*member];
        let (same, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(_, other)| !other.is_disjoint(&kept));
        for (more, other) in same {
            members.extend(more);
            kept.extend(other);
        }
        found = others;
        found.push((members, kept));
    }
    let is_one = found.len() == 1;
    found.retain(|(members, _)| {
        members.iter().any(|member| member.role.is_new_block())
            && members.iter().any(|member| member.role.frees())
    });
    if found.len() < 2 || found.len() > MOST_HEAPS as usize {
        return Heaps { is_one, ..Heaps::default() };
    }
    let numbered = (1..).zip(found);
    let numbers =
        numbered.flat_map(|(heap, (members, _))| members.into_iter().map(move |one| (one.func, heap)));
    Heaps { numbers: numbers.collect(), is_one }
}

/// What a function uses of what allocators keep; `None` if that is not understood.
fn kept(code: &Code<'_>, reader: &mut Reader<'_, '_>, old: &Old, member: Member) -> Option<BTreeSet<Kept>> {
    let facts = code.facts();
    let stack = code.stack_pointer().map(|pointer| pointer.global);
    let mut kept = BTreeSet::from([Kept::Function(member.func)]);
    // Where the heap is handed, that is what it works on.
    if member.has_heap {
        kept.insert(Kept::Variable(old.heap?));
    }
    let mut open = vec![member.func];
    while let Some(func) = open.pop() {
        for operator in facts.operators(func)?.into_iter().map_while(Result::ok) {
            match operator {
                Operator::GlobalGet { global_index } | Operator::GlobalSet { global_index }
                    if Some(global_index) != stack
                        && facts
                            .globals
                            .get(global_index as usize)
                            .is_some_and(|global| global.ty.mutable) =>
                {
                    kept.insert(Kept::Global(global_index));
                }
                _ => {}
            }
        }
        let uses = reader.uses(func)?;
        let written = uses.stores.iter().map(|(at, _)| *at).chain(uses.atomics.iter().map(|(at, _)| *at));
        kept.extend(written.chain(uses.loads.iter().copied()).map(Kept::Variable));
        // Whoever is behind a table may keep anything.
        for callee in returning(code, func)? {
            if old.is_own(callee) && kept.insert(Kept::Function(callee)) {
                open.push(callee);
            }
        }
    }
    Some(kept)
}
