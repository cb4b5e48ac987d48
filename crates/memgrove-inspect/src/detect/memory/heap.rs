//! Where static data and stack end and the heap may begin.

use super::align16;
use super::constants::{distinct, subtracted, word_accesses};
use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{Facts, PAGE_BYTES, SiteKind};
use crate::report::{
    AddressRange, Conclusion, Confidence, Evidence, Stack, StackDirection, StackPlacement, StaticData,
};

pub(super) fn heap_base(
    facts: &Facts<'_>,
    data: Option<&StaticData>,
    bss: Option<AddressRange>,
    stack: Option<&Stack>,
) -> Conclusion<u64> {
    let Some(memory) = facts.memories.first() else { return Conclusion::unknown() };
    if let Some((base, offset)) = facts.named_address("__heap_base").filter(|(base, _)| *base > 0) {
        return Conclusion::new(base, Confidence::CERTAIN)
            .because(Evidence::at(offset, format!("__heap_base is {base:#x}")));
    }
    if let Some(stack) = stack
        && stack.direction == StackDirection::Up
        && let Some(range) = stack.range
    {
        let base = align16(range.end);
        return Conclusion::new(base, Confidence::MEDIUM)
            .because(Evidence::new(format!("the stack grows up to {base:#x} behind static data")));
    }
    if stack.is_some_and(|stack| stack.imported || stack.direction == StackDirection::Up) {
        return Conclusion::unknown()
            .because(Evidence::new("the host decides where the stack lies, and with it the heap"));
    }
    if let (Some(stack), Some(data)) = (stack, data)
        && stack.base.is_some_and(|base| base > data.start && base < data.end)
    {
        return Conclusion::unknown().because(Evidence::new(
            "data segments cover the stack: a snapshot of a running module, whose heap they may cover too",
        ));
    }
    let data_end = data.map_or(0, |data| data.end);
    // What is known to be occupied, whatever else is.
    let floor = data_end.max(bss.map_or(0, |bss| bss.end));
    let stack_base = stack.and_then(|stack| stack.base);
    if let (Some(stack), Some(base)) = (stack, stack_base)
        && stack.placement == StackPlacement::AfterData
    {
        let base = align16(base);
        return Conclusion::new(base, Confidence::HIGH)
            .because(Evidence::new(format!("the stack is behind static data and begins at {base:#x}")));
    }
    if data.is_none() && stack_base.is_none_or(|base| base == 0) {
        return Conclusion::unknown().because(Evidence::new("neither static data nor a stack is known"));
    }
    let limit = memory.ty.min_bytes();
    let fits = |address: u64| address >= floor && address <= limit && address > 0;
    if let Some(found) = initial_break(facts, fits).or_else(|| constant_base(facts, fits)) {
        return found;
    }
    Conclusion::unknown().because(Evidence::new(format!(
        "between {floor:#x}, where known data ends, and {limit:#x}, the end of the initial memory"
    )))
}

fn growing_functions(facts: &Facts<'_>) -> Vec<u32> {
    let sites = facts.sites.iter();
    distinct(sites.filter_map(|site| match site.kind {
        SiteKind::Grow { memory: 0 } | SiteKind::Size { memory: 0 } => Some(site.func),
        _ => None,
    }))
}

/// `sbrk` keeps the break in a word that a data segment initialises with `__heap_base`.
fn initial_break(facts: &Facts<'_>, fits: impl Fn(u64) -> bool) -> Option<Conclusion<u64>> {
    let accesses: Vec<(u32, u64, u32)> = growing_functions(facts)
        .into_iter()
        .flat_map(|func| {
            word_accesses(facts, func).into_iter().map(move |(address, offset)| (func, address, offset))
        })
        .collect();
    let words = initial_words(facts, accesses.iter().map(|&(_, address, _)| address).collect());
    accesses.into_iter().find_map(|(func, address, offset)| {
        let value = *words.get(&address)?;
        (fits(value) && value % 8 == 0).then(|| {
            let text =
                format!("the word at {address:#x}, which the growing function uses, starts as {value:#x}");
            Conclusion::new(value, Confidence::HIGH).because(Evidence::in_func(func, offset, text))
        })
    })
}

/// An allocator that takes the rest of the initial memory names its start as a constant.
fn constant_base(facts: &Facts<'_>, fits: impl Fn(u64) -> bool) -> Option<Conclusion<u64>> {
    let mut best: Option<(u64, u32, u32)> = None;
    for func in growing_functions(facts) {
        for (value, offset) in subtracted(facts, func) {
            // Multiples of a page are sizes more often than addresses.
            let address_like = value % 4 == 0 && value % PAGE_BYTES != 0 && value > 0x400;
            if address_like && fits(value) && best.is_none_or(|(smallest, ..)| value < smallest) {
                best = Some((value, func, offset));
            }
        }
    }
    let (value, func, offset) = best?;
    let text = format!("the growing function subtracts {value:#x}, which lies behind all known data");
    Some(Conclusion::new(value, Confidence::MEDIUM).because(Evidence::in_func(func, offset, text)))
}

/// The 32-bit words that data segments put at these addresses: of each the first one in the order of the file.
///
/// One pass over the segments, O((segments + addresses) log addresses): there can be a hundred thousand segments.
fn initial_words(facts: &Facts<'_>, mut wanted: BTreeSet<u64>) -> BTreeMap<u64, u64> {
    let mut words = BTreeMap::new();
    for data in &facts.data {
        let Some(start) = data.active.filter(|active| active.memory == 0).and_then(|a| a.address.address())
        else {
            continue;
        };
        let Some(last) = (data.bytes.len() as u64).checked_sub(4) else { continue };
        let inside: Vec<u64> = wanted.range(start..=start.saturating_add(last)).copied().collect();
        for address in inside {
            let at = usize::try_from(address - start).unwrap_or(usize::MAX);
            let word = data.bytes.get(at..).and_then(|bytes| bytes.first_chunk::<4>());
            if let Some(word) = word {
                words.insert(address, u64::from(u32::from_le_bytes(*word)));
                wanted.remove(&address);
            }
        }
    }
    words
}
