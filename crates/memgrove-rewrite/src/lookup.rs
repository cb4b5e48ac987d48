//! Answers that are asked for each import, export or address of a module, found once.
//!
//! Every field is filled on first use, so that a module that never asks pays nothing.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use wasmparser::{Export, ExternalKind, Imports, Operator, Parser, Payload};

use crate::Error;

/// What has been found so far.
#[derive(Default)]
pub(crate) struct Lookup<'a> {
    names: OnceCell<HashMap<&'a str, usize>>,
    items: OnceCell<HashMap<(u8, u32), usize>>,
    data: OnceCell<InitialData<'a>>,
    data_end: OnceCell<u64>,
    loads: OnceCell<BTreeSet<u32>>,
    break_pointer: OnceCell<Option<(u32, u32)>>,
    moved_copies: OnceCell<BTreeSet<u32>>,
    is_emscripten: OnceCell<bool>,
    has_panic_hook: OnceCell<bool>,
}

impl<'a> Lookup<'a> {
    /// Position of the export with a name.
    pub fn named(&self, exports: &[Export<'a>], name: &str) -> Option<usize> {
        let names =
            self.names.get_or_init(|| exports.iter().enumerate().map(|(at, e)| (e.name, at)).collect());
        names.get(name).copied()
    }

    /// Position of the first export of an item.
    pub fn exported(&self, exports: &[Export<'a>], kind: ExternalKind, index: u32) -> Option<usize> {
        let items = self.items.get_or_init(|| {
            // The first is to be found, so the last is put in first.
            exports.iter().enumerate().rev().map(|(at, e)| ((e.kind as u8, e.index), at)).collect()
        });
        items.get(&(kind as u8, index)).copied()
    }

    /// What active segments put into memory 0, given those segments in the order of the file.
    pub fn initial_data(&self, segments: impl FnOnce() -> Vec<(u64, &'a [u8])>) -> &InitialData<'a> {
        self.data.get_or_init(|| InitialData::new(&segments()))
    }

    /// End of what they put there.
    pub fn data_end(&self, find: impl FnOnce() -> u64) -> u64 {
        *self.data_end.get_or_init(find)
    }

    /// Constant addresses that code loads an i32 from.
    pub fn loads(&self, find: impl FnOnce() -> BTreeSet<u32>) -> &BTreeSet<u32> {
        self.loads.get_or_init(find)
    }

    /// See `pass/globals`.
    pub fn break_pointer(&self, find: impl FnOnce() -> Option<(u32, u32)>) -> Option<(u32, u32)> {
        *self.break_pointer.get_or_init(find)
    }

    /// Imported globals of which code moves a copy.
    pub fn moved_copies(&self, find: impl FnOnce() -> BTreeSet<u32>) -> &BTreeSet<u32> {
        self.moved_copies.get_or_init(find)
    }

    /// Some import is Emscripten's by its name.
    pub fn is_emscripten(&self, find: impl FnOnce() -> bool) -> bool {
        *self.is_emscripten.get_or_init(find)
    }

    /// The functions of wasm-bindgen's panic hook are imported.
    pub fn has_panic_hook(&self, find: impl FnOnce() -> bool) -> bool {
        *self.has_panic_hook.get_or_init(find)
    }
}

/// The constant addresses that a body loads an i32 from.
pub(crate) fn constant_loads(body: &wasmparser::FunctionBody<'_>) -> impl Iterator<Item = u32> {
    let operators = body.get_operators_reader().into_iter().flatten().map_while(Result::ok);
    let mut base = None;
    operators.filter_map(move |operator| {
        let before = base.take();
        match operator {
            Operator::I32Const { value } => base = Some(value.cast_unsigned()),
            Operator::I32Load { memarg } => return before?.checked_add(u32::try_from(memarg.offset).ok()?),
            _ => {}
        }
        None
    })
}

/// Pieces of data that do not overlap, by their start.
#[derive(Default)]
pub(crate) struct InitialData<'a> {
    pieces: BTreeMap<u64, &'a [u8]>,
}

impl<'a> InitialData<'a> {
    /// Later segments overwrite earlier ones. O(n log n).
    fn new(segments: &[(u64, &'a [u8])]) -> Self {
        let mut data = Self::default();
        // From the last to the first: what is there already stays. Neighbours are joined, so that each stretch is met
        // once by a segment that reaches it and is then a part of a longer one.
        let mut covered: BTreeMap<u64, u64> = BTreeMap::new();
        for &(start, bytes) in segments.iter().rev().filter(|(_, bytes)| !bytes.is_empty()) {
            let end = start.saturating_add(bytes.len() as u64);
            let (mut at, mut first, mut last) = (start, start, end);
            if let Some((&from, &until)) = covered.range(..=start).next_back()
                && until >= start
            {
                covered.remove(&from);
                (at, first, last) = (until, from, end.max(until));
            }
            while at < end {
                let next = covered.range(at..=end).next().map(|(&from, &until)| (from, until));
                let (from, until) = next.unwrap_or((end, end));
                data.insert(start, bytes, at, from);
                covered.remove(&from);
                last = last.max(until);
                at = until;
            }
            covered.insert(first, last);
        }
        data
    }

    /// The part of a segment between two addresses.
    fn insert(&mut self, start: u64, bytes: &'a [u8], from: u64, to: u64) {
        let at = |address: u64| usize::try_from(address - start).unwrap_or(usize::MAX);
        if let Some(part) = bytes.get(at(from)..at(to)).filter(|part| !part.is_empty()) {
            self.pieces.insert(from, part);
        }
    }

    /// The byte at an address: 0 where nothing is put.
    pub fn byte(&self, address: u64) -> u8 {
        let Some((start, bytes)) = self.pieces.range(..=address).next_back() else { return 0 };
        usize::try_from(address - start).ok().and_then(|at| bytes.get(at)).copied().unwrap_or(0)
    }
}

/// Bytes of names that the imports of every module may have.
const BASE_NAME_BYTES: u64 = 64 << 10;
/// Bytes of names for each byte of the module.
const NAME_BYTES_PER_BYTE: u64 = 16;

/// Refuses a module whose imports have more names than it has bytes, many times over: the compact form gives one
/// name to any number of them, and everyone who reads them copies it.
pub(crate) fn check_names(wasm: &[u8]) -> Result<(), Error> {
    let mut left = (wasm.len() as u64).saturating_mul(NAME_BYTES_PER_BYTE).saturating_add(BASE_NAME_BYTES);
    // What cannot be read is for the validator to say.
    for payload in Parser::new(0).parse_all(wasm).map_while(Result::ok) {
        let Payload::ImportSection(section) = payload else { continue };
        let offset = section.range().start;
        for group in section.into_iter().map_while(Result::ok) {
            let bytes = match group {
                Imports::Single(_, import) => (import.module.len() + import.name.len()) as u64,
                Imports::Compact1 { module, items } => {
                    let count = u64::from(items.count());
                    let names = items.into_iter().map_while(Result::ok).map(|item| item.name.len() as u64);
                    (module.len() as u64).saturating_mul(count).saturating_add(names.sum())
                }
                Imports::Compact2 { module, names, .. } => {
                    let count = u64::from(names.count());
                    let names = names.into_iter().map_while(Result::ok).map(|name| name.len() as u64);
                    (module.len() as u64).saturating_mul(count).saturating_add(names.sum())
                }
            };
            left = left.checked_sub(bytes).ok_or(Error::TooComplex { offset })?;
        }
        return Ok(());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Like the specification: segments are copied one after the other.
    fn slowly(segments: &[(u64, &[u8])], size: usize) -> Vec<u8> {
        let mut memory = vec![0; size];
        for (start, bytes) in segments {
            for (i, byte) in bytes.iter().enumerate() {
                memory[usize::try_from(*start).unwrap() + i] = *byte;
            }
        }
        memory
    }

    #[test]
    fn later_segments_overwrite_earlier_ones() {
        // Of a fixed sequence, so that a failure can be repeated.
        let mut state = 7_u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for round in 0..2000 {
            let contents: Vec<(u64, Vec<u8>)> = (1..=random(9))
                .map(|i| (u64::from(random(20)), vec![u8::try_from(i).unwrap(); random(12) as usize]))
                .collect();
            let segments: Vec<(u64, &[u8])> =
                contents.iter().map(|(at, bytes)| (*at, bytes.as_slice())).collect();
            let data = InitialData::new(&segments);
            let expected = slowly(&segments, 40);
            let found: Vec<u8> = (0..40).map(|address| data.byte(address)).collect();
            assert_eq!(found, expected, "round {round}: {segments:?}");
        }
    }
}
