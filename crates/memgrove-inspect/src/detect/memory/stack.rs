//! The shadow stack: the global that points to its top, and where it lies.

use memgrove_module::recognise::{ShownBy, StackPointer};

use super::align16;
use crate::Code;
use crate::facts::{Facts, PAGE_BYTES};
use crate::report::{
    AddressRange, Conclusion, Confidence, Evidence, Stack, StackDirection, StackPlacement, StaticData,
};

pub(super) fn stack(
    code: &Code<'_>,
    data: Option<&StaticData>,
    bss: Option<AddressRange>,
) -> Conclusion<Stack> {
    let facts = code.facts();
    if facts.memories.is_empty() {
        return Conclusion::unknown();
    }
    let Some(pointer) = code.stack_pointer() else {
        return Conclusion::unknown().because(Evidence::new("no global is moved in function prologues"));
    };
    let Some(global) = facts.globals.get(pointer.global as usize) else { return Conclusion::unknown() };
    let seen = code.prologues().of(pointer.global);
    let direction = match () {
        () if seen.down > seen.up => StackDirection::Down,
        () if seen.up > seen.down => StackDirection::Up,
        () => StackDirection::Unknown,
    };
    let base = global.init.and_then(|init| init.address());
    let placement = match (base, data) {
        // Base 0: the stack is allocated at run time (the adapter from WASI preview 1 to 2 does so).
        (None | Some(0), _) | (_, None) => StackPlacement::Unknown,
        (Some(base), Some(data)) if base <= data.start => StackPlacement::First,
        (Some(base), Some(data)) if base >= data.end => StackPlacement::AfterData,
        // Data on both sides: a snapshot of a running module, its stack and heap included. Linkers that put
        // the stack first make it whole pages.
        (Some(base), Some(_)) if base % PAGE_BYTES == 0 => StackPlacement::First,
        (Some(_), Some(_)) => StackPlacement::AfterData,
    };
    let stack = Stack {
        pointer_global: pointer.global,
        imported: pointer.imported,
        base,
        range: range(facts, base, direction, placement, bss),
        direction,
        placement,
    };
    let (confidence, text) = shown(&pointer);
    let mut conclusion = Conclusion::new(stack, confidence).because(Evidence::at(global.offset, text));
    if seen.down + seen.up > 0 {
        conclusion = conclusion.because(Evidence {
            text: format!("{} function prologues lower it, {} raise it", seen.down, seen.up),
            offset: Some(seen.first_offset),
            func: Some(seen.first_func),
        });
    }
    conclusion
}

/// How certain it is, and why.
fn shown(pointer: &StackPointer) -> (Confidence, String) {
    let certain = |text: &str| (Confidence::CERTAIN, text.to_owned());
    match pointer.shown_by {
        ShownBy::Export => certain("exported as __stack_pointer"),
        ShownBy::Name => certain("named __stack_pointer"),
        ShownBy::ImportedValue => certain("starts with the value of the imported STACKTOP"),
        ShownBy::Import => certain("imported as the stack pointer"),
        ShownBy::Frame(count) => {
            let text = format!(
                "mutable global {} is moved in {count} function prologues, and back by as much at the end",
                pointer.global
            );
            (Confidence::HIGH, text)
        }
        ShownBy::Prologues(count) => {
            // One function can move a global for other reasons.
            let confidence = if count >= 3 { Confidence::HIGH } else { Confidence::MEDIUM };
            (confidence, format!("mutable global {} is moved in {count} function prologues", pointer.global))
        }
    }
}

fn range(
    facts: &Facts<'_>,
    base: Option<u64>,
    direction: StackDirection,
    placement: StackPlacement,
    bss: Option<AddressRange>,
) -> Option<AddressRange> {
    let base = base?;
    if base == 0 {
        return None;
    }
    if direction == StackDirection::Up {
        // Fastcomp keeps STACK_MAX in a global beside STACKTOP.
        let limits = facts.globals.iter().filter_map(|global| global.init?.address());
        let end = limits.filter(|&limit| limit > base && limit % 16 == 0).min()?;
        return Some(AddressRange { start: base, end });
    }
    let low = facts.named_address("__stack_low").map(|(address, _)| address);
    match placement {
        StackPlacement::First => Some(AddressRange { start: low.unwrap_or(0), end: base }),
        StackPlacement::AfterData => {
            let start = low.or(bss.map(|bss| align16(bss.end)))?;
            (start < base).then_some(AddressRange { start, end: base })
        }
        StackPlacement::Unknown => None,
    }
}
