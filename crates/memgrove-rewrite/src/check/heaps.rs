//! Which heap each function of an allocator works on, in a module with several that have nothing in common.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::Code;
use wasmparser::Operator;

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

/// The number of the heap by function: from 1, and of those functions only of which it is known. Two heaps are different if
/// each has functions that allocate and free, and nothing that one of these uses does one of the other's.
pub(super) fn heaps(code: &Code<'_>, reader: &mut Reader<'_, '_>, old: &Old) -> BTreeMap<u32, u32> {
    // Of each heap: its functions, and what they use.
    let mut found: Vec<(Vec<Member>, BTreeSet<Kept>)> = Vec::new();
    let none = BTreeMap::new();
    for member in old.replaced.values() {
        let Some(mut kept) = kept(code, reader, old, *member) else { return none };
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
    found.retain(|(members, _)| {
        members.iter().any(|member| member.role.is_new_block())
            && members.iter().any(|member| member.role.frees())
    });
    if found.len() < 2 || found.len() > MOST_HEAPS as usize {
        return none;
    }
    let numbered = (1..).zip(found);
    numbered.flat_map(|(heap, (members, _))| members.into_iter().map(move |one| (one.func, heap))).collect()
}

/// What a function uses of what allocators keep; `None` if that is not understood.
fn kept(code: &Code<'_>, reader: &mut Reader<'_, '_>, old: &Old, member: Member) -> Option<BTreeSet<Kept>> {
    let facts = code.facts();
    let stack = code.stack_pointer().map(|pointer| pointer.global);
    let is_own = |func: u32| {
        old.replaced.contains_key(&func) || old.dead.contains(&func) || old.primers.contains(&func)
    };
    // Where the heap is handed, it is another's matter.
    if member.has_heap {
        return None;
    }
    let mut kept = BTreeSet::from([Kept::Function(member.func)]);
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
                Operator::CallIndirect { .. } | Operator::CallRef { .. } => return None,
                _ => {}
            }
        }
        let uses = reader.uses(func)?;
        let written = uses.stores.iter().map(|(at, _)| *at).chain(uses.atomics.iter().map(|(at, _)| *at));
        kept.extend(written.chain(uses.loads.iter().copied()).map(Kept::Variable));
        for &callee in facts.call_graph.callees(func) {
            if is_own(callee) && kept.insert(Kept::Function(callee)) {
                open.push(callee);
            }
        }
    }
    Some(kept)
}
