//! Where a program has neither data nor stack: what it accesses there is misuse.

use memgrove_module::Code;

use crate::swap::Start;

/// Linkers begin data here, so that nothing has an address near null.
const NULL_BYTES: u32 = 1024;

/// Addresses that no stack and no datum may pass. All are 0 where that is not known: then nothing is reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The global that is the stack pointer.
    pub stack_pointer: Option<u32>,
    /// What it is at first: frames lie below.
    pub stack_base: u32,
    /// No frame of a function lies below.
    pub stack_low: u32,
    /// No datum lies below: a multiple of 8.
    pub null_end: u32,
    /// Where the stack begins, if it grows down to 0; else 0.
    pub stack_first: u32,
}

impl Bounds {
    /// `start`: what a module for threads puts into its memory.
    pub fn of(code: &Code<'_>, start: Option<&Start<'_>>) -> Self {
        let facts = code.facts();
        let Some(pointer) = code.stack_pointer() else { return Self::default() };
        let seen = code.prologues().of(pointer.global);
        let global = facts.globals.get(pointer.global as usize);
        let base = global.and_then(|global| global.init?.address()).and_then(|base| u32::try_from(base).ok());
        // At 0 the program makes its stack when it runs.
        let Some(base) = base.filter(|base| *base > 0 && seen.down > seen.up) else { return Self::default() };
        let placed: Vec<(u64, &[u8])> = match start {
            Some(start) => start.copied().filter(|(_, bytes)| !bytes.is_empty()).collect(),
            None => code.active_data().filter(|(_, bytes)| !bytes.is_empty()).collect(),
        };
        let (first, end) = placed.iter().fold((u64::MAX, 0), |(first, end), (at, bytes)| {
            (first.min(*at), end.max(at.saturating_add(bytes.len() as u64)))
        });
        let data = facts.data.iter().filter(|data| !data.bytes.is_empty()).count();
        // What else a module for threads has is thread-local storage, of which each thread gets a copy where it has room for it.
        let is_known = end > 0 && (start.is_some() || data == placed.len());
        if !is_known {
            return Self::default();
        }
        let address = |at: u64| u32::try_from(at).unwrap_or(u32::MAX);
        let (first, end) = (address(first), address(end));
        let bounds = Self { stack_pointer: Some(pointer.global), stack_base: base, ..Self::default() };
        match () {
            () if base <= first => Self { null_end: NULL_BYTES.min(base) & !7, stack_first: base, ..bounds },
            () if base >= end => {
                // Data without a segment follow: their end is known by name only.
                let named = ["__stack_low", "__data_end"].into_iter();
                let low = named
                    .filter_map(|name| facts.named_address(name))
                    .map(|(at, _)| address(at))
                    .filter(|at| *at < base)
                    .fold(end, u32::max);
                Self { null_end: NULL_BYTES.min(first) & !7, stack_low: low, ..bounds }
            }
            // Of a program that has run.
            () => Self::default(),
        }
    }
}
