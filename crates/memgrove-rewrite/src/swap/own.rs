//! What an allocator keeps in memory: its variables, where its heap is, the end of the heap, errno.

use std::collections::{BTreeMap, BTreeSet};

use memgrove_module::{Code, PAGE_BYTES};

use super::reader::Reader;
use super::role::{Member, has_wide_addresses};
use super::shared::Start;
use super::uses::Far;

/// Bytes of a variable of the allocator, where addresses have 32 bits.
pub(super) const WORD_BYTES: u32 = 4;
/// The same with 64 bits.
const WIDE_WORD_BYTES: u32 = 8;
/// The numbers that C libraries store to errno when memory is refused, and for a bad argument: Linux's and WASI's.
pub(super) const ERRNOS: [i32; 4] = [12, 22, 28, 48];

/// What the allocator keeps.
pub(super) struct Own {
    /// Addresses that it both reads and writes.
    pub state: BTreeSet<u32>,
    /// Those of them that are whole words, and not accessed atomically, as a lock is.
    pub words: BTreeSet<u32>,
    pub heap: Option<u32>,
    pub errno: Option<(Errno, i32)>,
    pub break_cell: Option<u32>,
    /// Bytes of a variable that holds an address.
    word_bytes: u32,
}

/// Where a program's errno is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errno {
    /// At this address.
    At(u32),
    /// A thread's own: so many bytes behind what a function returns, or a global holds.
    Behind(Far, u32),
}

impl Errno {
    /// Its address, where it is the same for all threads.
    pub const fn address(self) -> Option<u32> {
        match self {
            Self::At(address) => Some(address),
            Self::Behind(..) => None,
        }
    }
}

impl Own {
    /// An address of the state that a word at an address shares bytes with.
    pub fn near(&self, at: u32) -> Option<&u32> {
        self.state.range(at.saturating_sub(self.word_bytes - 1)..at.saturating_add(self.word_bytes)).next()
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
    let (mut words, mut words_at, mut plain) =
        (BTreeSet::<u32>::new(), BTreeSet::<u32>::new(), BTreeSet::<u32>::new());
    let (mut atomics, mut far) = (BTreeSet::<(u32, bool)>::new(), BTreeSet::new());
    // Where the heap is a parameter: at which distances it is read and written, and where it is.
    let (mut read_at, mut written_at, mut heaps) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for func in replaced.keys().chain(others) {
        let Some(uses) = reader.uses(*func) else { continue };
        loads.extend(&uses.loads);
        stores.extend(&uses.stores);
        words.extend(&uses.words);
        atomics.extend(&uses.atomics);
        plain.extend(&uses.plain);
        far.extend(&uses.far);
        if replaced.get(func).is_some_and(|member| member.has_heap) {
            read_at.extend(uses.at_params.iter().filter(|(param, _)| *param == 0).map(|(_, at)| *at));
            written_at
                .extend(uses.written_at_params.iter().filter(|(param, _)| *param == 0).map(|(_, at)| *at));
            words_at.extend(uses.words_at_params.iter().filter(|(param, _)| *param == 0).map(|(_, at)| *at));
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
        words.extend(words_at.iter().map(|at| heap.wrapping_add(*at)));
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
        (is_errno(values) && !loads.contains(at)).then_some((Errno::At(*at), *memory))
    });
    let errno = errno.or_else(|| errno_of_thread(&far));
    // Whoever stays and takes it does so before each call, and need not know what is behind it.
    let is_lock =
        |at: u32| atomics.contains(&(at, true)) && !atomics.contains(&(at, false)) && !plain.contains(&at);
    let is_state = |at: &u32| loads.contains(at) && !breaks.contains(at) && !is_lock(*at);
    let mut state: BTreeSet<u32> = by_address.into_keys().filter(is_state).collect();
    let break_cell = break_cell(reader.code, &state);
    if let Some(cell) = break_cell {
        state.remove(&cell);
    }
    words.retain(|word| {
        word.is_multiple_of(WORD_BYTES)
            && state.contains(word)
            && !atomics.iter().any(|(at, _)| overlap(*at, *word))
    });
    let word_bytes = if has_wide_addresses(reader.code.facts()) { WIDE_WORD_BYTES } else { WORD_BYTES };
    Own { state, words, heap: heaps.first().copied(), errno, break_cell, word_bytes }
}

/// Whether two words have bytes in common.
fn overlap(one: u32, other: u32) -> bool {
    one.abs_diff(other) < WORD_BYTES
}

/// A variable of each thread's that is set to the numbers of errno alone, and never looked at.
fn errno_of_thread(far: &BTreeSet<(Far, u32, Option<Option<i32>>)>) -> Option<(Errno, i32)> {
    far.iter().find_map(|&(of, distance, stored)| {
        let number = stored.flatten().filter(|number| [12, 48].contains(number))?;
        let is_errno = |stored: Option<Option<i32>>| {
            stored.is_some_and(|value| value.is_some_and(|value| ERRNOS.contains(&value)))
        };
        let mut others = far.iter().filter(|(other, at, _)| (*other, *at) == (of, distance));
        others.all(|(.., stored)| is_errno(*stored)).then_some((Errno::Behind(of, distance), number))
    })
}

/// Of an allocator that has not run, the only variable that points to where the heap begins.
fn break_cell(code: &Code<'_>, state: &BTreeSet<u32>) -> Option<u32> {
    let memory = code.facts().memories.first()?.ty;
    // Where memory is shared, code puts the data there.
    let start = if memory.shared { Some(Start::of(code)?) } else { None };
    let data_end = start.as_ref().map_or_else(|| code.data_end(), Start::end);
    let initial =
        |at: u32| start.as_ref().map_or_else(|| code.initial_i32(at), |start| start.word(at).unwrap_or(0));
    let is_heap = |value: u32| {
        let value = u64::from(value);
        value >= data_end && value.is_multiple_of(8) && value <= memory.min_pages.saturating_mul(PAGE_BYTES)
    };
    let mut cells = state.iter().copied().filter(|at| is_heap(initial(*at)));
    let cell = cells.next()?;
    (data_end > 0 && cells.next().is_none()).then_some(cell)
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
