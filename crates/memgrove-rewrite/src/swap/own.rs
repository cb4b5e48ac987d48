//! What an allocator keeps in memory: its variables, where its heap is, the end of the heap, errno.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::{Code, PAGE_BYTES};

use super::old::Reader;
use super::role::Member;

/// Bytes of a variable of the allocator.
pub(super) const WORD_BYTES: u32 = 4;
/// The numbers that C libraries store to errno when memory is refused, and for a bad argument: Linux's and WASI's.
pub(super) const ERRNOS: [i32; 4] = [12, 22, 28, 48];

/// What the allocator keeps.
pub(super) struct Own {
    /// Addresses that it both reads and writes.
    pub state: BTreeSet<u32>,
    pub heap: Option<u32>,
    pub errno: Option<(u32, i32)>,
    pub break_cell: Option<u32>,
}

impl Own {
    /// An address of the state that a word at an address shares bytes with.
    pub fn near(&self, at: u32) -> Option<&u32> {
        self.state.range(at.saturating_sub(WORD_BYTES - 1)..at.saturating_add(WORD_BYTES)).next()
    }
}

/// What the functions that are replaced, and others that go with them, keep.
pub(super) fn state<'o>(
    reader: &mut Reader<'_, '_>,
    replaced: &'o BTreeMap<u32, Member>,
    others: impl Iterator<Item = &'o u32>,
    sbrk: Option<u32>,
) -> Own {
    let (mut loads, mut stores) = (BTreeSet::new(), BTreeSet::new());
    // Where the heap is a parameter: at which distances it is read and written, and where it is.
    let (mut read_at, mut written_at, mut heaps) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for func in replaced.keys().chain(others) {
        let Some(uses) = reader.uses(*func) else { continue };
        loads.extend(&uses.loads);
        stores.extend(&uses.stores);
        if replaced.get(func).is_some_and(|member| member.has_heap) {
            read_at.extend(uses.at_params.iter().filter(|(param, _)| *param == 0).map(|(_, at)| *at));
            written_at
                .extend(uses.written_at_params.iter().filter(|(param, _)| *param == 0).map(|(_, at)| *at));
        }
    }
    let callers: BTreeSet<u32> = replaced
        .iter()
        .filter(|(_, member)| member.has_heap)
        .flat_map(|(func, _)| reader.code.callers(*func).to_vec())
        .collect();
    for caller in callers {
        let Some(uses) = reader.uses(caller) else { continue };
        let given = uses
            .first_constants
            .iter()
            .filter(|(callee, _)| replaced.get(callee).is_some_and(|member| member.has_heap));
        heaps.extend(given.map(|(_, heap)| heap.cast_unsigned()));
    }
    for &heap in &heaps {
        loads.extend(read_at.iter().map(|at| heap.wrapping_add(*at)));
        stores.extend(written_at.iter().map(|at| (heap.wrapping_add(*at), None)));
    }
    // What `sbrk` keeps is its own, also where a copy of it was inlined.
    let breaks: BTreeSet<u32> = sbrk
        .and_then(|sbrk| reader.uses(sbrk))
        .map(|uses| uses.loads.iter().copied().chain(uses.stores.iter().map(|(at, _)| *at)).collect())
        .unwrap_or_default();
    let mut by_address: BTreeMap<u32, Vec<Option<i32>>> = BTreeMap::new();
    for (at, value) in stores {
        by_address.entry(at).or_default().push(value);
    }
    // It is stored to and never looked at: a variable of the program's.
    let is_errno = |values: &[Option<i32>]| {
        values.iter().all(|value| value.is_some_and(|value| ERRNOS.contains(&value)))
    };
    let errno = by_address.iter().find_map(|(at, values)| {
        let memory = values.iter().flatten().find(|value| [12, 48].contains(*value))?;
        (is_errno(values) && !loads.contains(at)).then_some((*at, *memory))
    });
    let mut state: BTreeSet<u32> =
        by_address.into_keys().filter(|at| loads.contains(at) && !breaks.contains(at)).collect();
    let break_cell = break_cell(reader.code, &state);
    if let Some(cell) = break_cell {
        state.remove(&cell);
    }
    Own { state, heap: heaps.first().copied(), errno, break_cell }
}

/// Of an allocator that has not run, the only variable that points to where the heap begins.
fn break_cell(code: &Code<'_>, state: &BTreeSet<u32>) -> Option<u32> {
    let memory = code.facts().memories.first()?.ty;
    let is_heap = |value: u32| {
        let value = u64::from(value);
        value >= code.data_end()
            && value.is_multiple_of(8)
            && value <= memory.min_pages.saturating_mul(PAGE_BYTES)
    };
    let mut cells = state.iter().copied().filter(|at| is_heap(code.initial_i32(*at)));
    let cell = cells.next()?;
    (code.data_end() > 0 && cells.next().is_none()).then_some(cell)
}

/// What the old allocator keeps that points to a block: it has run already.
pub(super) fn snapshot(code: &Code<'_>, own: &Own) -> Option<(u32, u32)> {
    let memory = code.facts().memories.first()?;
    let end = memory.ty.min_pages.saturating_mul(PAGE_BYTES);
    own.state.iter().find_map(|&at| {
        let value = code.initial_i32(at);
        // The heap lies behind its state, and links within the state are a linker's.
        let last = own.state.last().copied().unwrap_or_default().saturating_add(1024);
        (value > last && value.is_multiple_of(4) && u64::from(value) <= end).then_some((at, value))
    })
}
