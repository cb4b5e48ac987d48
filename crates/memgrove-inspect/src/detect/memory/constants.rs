//! Addresses that the code itself names, read from the few functions in which they stand.

use crate::facts::{Facts, SiteKind};
use wasmparser::Operator;

/// Bytes of code read at most in each of these searches: they look at functions that are short in practice,
/// and a hostile module must not make them long.
const MAX_FUNCTION_BYTES: usize = 64 << 10;
/// Accesses taken from one function; each is looked up in the data segments. With four times as many nothing more is found
/// ("Bounds" in CONTRIBUTING.md).
const MAX_ACCESSES: usize = 32;
/// Functions looked at in each of these searches.
const MAX_FUNCTIONS: usize = 16;

/// What a module that copies its data itself does at its start (`__wasm_init_memory`).
#[derive(Debug, Default)]
pub(super) struct MemoryInits {
    /// Passive segments with the constant address they are copied to, and the instruction's offset.
    pub(super) copies: Vec<Copy>,
    /// `memory.fill` with zero of a constant range, in the same functions.
    pub(super) zero_fills: Vec<ZeroFill>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Copy {
    pub(super) segment: u32,
    pub(super) address: u64,
    pub(super) len: u64,
    pub(super) func: u32,
    pub(super) offset: u32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ZeroFill {
    pub(super) address: u64,
    pub(super) len: u64,
    pub(super) func: u32,
    pub(super) offset: u32,
}

/// Constant `memory.init`s of memory 0, and the `memory.fill`s beside them.
pub(super) fn memory_inits(facts: &Facts<'_>) -> MemoryInits {
    let mut inits = MemoryInits::default();
    let funcs = facts.sites.iter().filter_map(|site| match site.kind {
        SiteKind::Init { memory: 0, .. } => Some(site.func),
        _ => None,
    });
    for func in distinct(funcs) {
        let mut last = [None; 3];
        walk(facts, func, |operator, offset| {
            match (operator, last) {
                (Operator::MemoryInit { data_index, mem: 0 }, [Some(address), Some(_), Some(len)]) => {
                    let offset = crate::facts::offset32(offset);
                    inits.copies.push(Copy { segment: *data_index, address, len, func, offset });
                }
                (Operator::MemoryFill { mem: 0 }, [Some(address), Some(0), Some(len)]) => {
                    let offset = crate::facts::offset32(offset);
                    inits.zero_fills.push(ZeroFill { address, len, func, offset });
                }
                _ => {}
            }
            last = [last[1], last[2], constant(operator)];
        });
    }
    inits
}

/// Constants that a function subtracts (or adds negated), with their offsets. Unsigned.
///
/// Memory's size less an address is the room behind the address; static variables are loaded and stored, hardly
/// ever subtracted.
pub(super) fn subtracted(facts: &Facts<'_>, func: u32) -> Vec<(u64, u32)> {
    let mut found = Vec::new();
    let mut last: Option<i64> = None;
    walk(facts, func, |operator, offset| {
        let value = match operator {
            Operator::I32Sub | Operator::I64Sub => last,
            Operator::I32Add | Operator::I64Add => last.map(i64::wrapping_neg),
            _ => None,
        };
        if let Some(value) = value.and_then(|value| u64::try_from(value).ok()) {
            found.push((value, crate::facts::offset32(offset)));
        }
        last = match *operator {
            Operator::I32Const { value } => Some(i64::from(value)),
            Operator::I64Const { value } => Some(value),
            _ => None,
        };
    });
    found
}

/// Constant addresses that a function loads a word from or stores one to: the word's address.
pub(super) fn word_accesses(facts: &Facts<'_>, func: u32) -> Vec<(u64, u32)> {
    let mut found = Vec::new();
    let mut last = [None; 2];
    walk(facts, func, |operator, offset| {
        let access = match operator {
            Operator::I32Load { memarg } | Operator::I64Load { memarg } => last[1].map(|base| (base, memarg)),
            // `i32.const ADDRESS; <one instruction>; i32.store`; longer values are not followed.
            Operator::I32Store { memarg } | Operator::I64Store { memarg } => {
                last[0].map(|base| (base, memarg))
            }
            _ => None,
        };
        if let Some((base, memarg)) = access
            && found.len() < MAX_ACCESSES
        {
            found.push((u64::saturating_add(base, memarg.offset), crate::facts::offset32(offset)));
        }
        last = [last[1], constant(operator)];
    });
    found
}

/// The functions of an iterator without repetition, as many as a search may look at.
pub(super) fn distinct(funcs: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut distinct: Vec<u32> = Vec::new();
    for func in funcs {
        // Sites come in the order of the file, so those of one function stand together.
        if distinct.last() != Some(&func) {
            if distinct.len() == MAX_FUNCTIONS {
                break;
            }
            distinct.push(func);
        }
    }
    distinct
}

fn constant(operator: &Operator<'_>) -> Option<u64> {
    match *operator {
        Operator::I32Const { value } => Some(u64::from(value.cast_unsigned())),
        Operator::I64Const { value } => Some(value.cast_unsigned()),
        _ => None,
    }
}

fn walk(facts: &Facts<'_>, func: u32, mut visit: impl FnMut(&Operator<'_>, u64)) {
    let Some(mut reader) = facts.operators(func) else { return };
    let start = reader.original_position();
    while let Ok((operator, offset)) = reader.read_with_offset() {
        if offset - start > MAX_FUNCTION_BYTES as u64 {
            break;
        }
        visit(&operator, offset);
        if reader.eof() {
            break;
        }
    }
}
