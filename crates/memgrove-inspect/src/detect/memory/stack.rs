//! The shadow stack: the global that points to its top, and where it lies.

use super::{align16, is_address, named_address};
use crate::facts::{ConstExpr, ExternKind, Facts, Global};
use crate::report::{
    AddressRange, Conclusion, Confidence, Evidence, Stack, StackDirection, StackPlacement, StaticData,
};
use wasmparser::Operator;

/// A prologue stands at the very start of a function: this many instructions are looked at.
const PROLOGUE_INSTRUCTIONS: usize = 24;
/// Functions looked at; a stack pointer shows in the first few. (4096 took as long as a third of validating.)
const MAX_FUNCTIONS: usize = 512;

pub(super) fn stack(
    facts: &Facts<'_>,
    data: Option<&StaticData>,
    bss: Option<AddressRange>,
) -> Conclusion<Stack> {
    if facts.memories.is_empty() {
        return Conclusion::unknown();
    }
    let prologues = prologues(facts);
    let Some(pointer) = find_pointer(facts, &prologues) else {
        return Conclusion::unknown().because(Evidence::new("no global is moved in function prologues"));
    };
    let Some(global) = facts.globals.get(pointer.global as usize) else { return Conclusion::unknown() };
    let seen = prologues.get(pointer.global as usize).copied().unwrap_or_default();
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
        (Some(base), Some(_)) if base % 0x1_0000 == 0 => StackPlacement::First,
        (Some(_), Some(_)) => StackPlacement::AfterData,
    };
    let stack = Stack {
        pointer_global: pointer.global,
        imported: is_imported(facts, global),
        base,
        range: range(facts, base, direction, placement, bss),
        direction,
        placement,
    };
    let mut conclusion = Conclusion::new(stack, pointer.confidence).because(pointer.evidence);
    if seen.down + seen.up > 0 {
        conclusion = conclusion.because(Evidence {
            text: format!("{} function prologues lower it, {} raise it", seen.down, seen.up),
            offset: Some(seen.first_offset),
            func: Some(seen.first_func),
        });
    }
    conclusion
}

struct Pointer {
    global: u32,
    confidence: Confidence,
    evidence: Evidence,
}

fn find_pointer(facts: &Facts<'_>, prologues: &[Prologues]) -> Option<Pointer> {
    if let Some(pointer) = named_pointer(facts) {
        return Some(pointer);
    }
    let candidates = (0u32..).zip(&facts.globals).zip(prologues);
    let moved =
        candidates.filter(|((_, global), seen)| seen.down + seen.up > 0 && has_stack_value(facts, global));
    let ((index, global), seen) =
        moved.max_by_key(|((index, _), seen)| (seen.down + seen.up, u32::MAX - index))?;
    let count = seen.down + seen.up;
    // One function can move a global for other reasons.
    let confidence = if count >= 3 { Confidence::HIGH } else { Confidence::MEDIUM };
    let text = format!("mutable global {index} is moved in {count} function prologues");
    Some(Pointer { global: index, confidence, evidence: Evidence::at(global.offset, text) })
}

fn named_pointer(facts: &Facts<'_>) -> Option<Pointer> {
    let certain = |global: u32, text: &str| {
        let offset = facts.globals.get(global as usize)?.offset;
        Some(Pointer { global, confidence: Confidence::CERTAIN, evidence: Evidence::at(offset, text) })
    };
    let names = ["__stack_pointer", "~lib/memory/__stack_pointer"];
    for name in names {
        let export = facts.export(name).filter(|export| export.kind == ExternKind::Global);
        if let Some(export) = export {
            return certain(export.index, "exported as __stack_pointer");
        }
        if let Some(index) = facts.names.globals.find(name) {
            return certain(index, "named __stack_pointer");
        }
    }
    let import = facts.imports.iter().find(|import| {
        import.ty.kind() == ExternKind::Global && matches!(import.name, "__stack_pointer" | "STACKTOP")
    })?;
    // Fastcomp copies the immutable import into a global of its own.
    let copy = facts.globals.iter().position(|global| global.init == Some(ConstExpr::Global(import.index)));
    match copy {
        Some(copy) => certain(u32::try_from(copy).ok()?, "starts with the value of the imported STACKTOP"),
        None => certain(import.index, "imported as the stack pointer"),
    }
}

fn is_imported(facts: &Facts<'_>, global: &Global) -> bool {
    match global.init {
        None => true,
        Some(ConstExpr::Global(source)) => {
            facts.globals.get(source as usize).is_some_and(|source| source.init.is_none())
        }
        Some(_) => false,
    }
}

/// A stack pointer is mutable and starts with an address above zero (or the host's).
fn has_stack_value(facts: &Facts<'_>, global: &Global) -> bool {
    let plausible = match global.init.and_then(|init| init.address()) {
        Some(address) => address > 0,
        None => is_imported(facts, global),
    };
    plausible && global.ty.mutable && is_address(&global.ty)
}

/// How often function prologues move a global.
#[derive(Debug, Clone, Copy, Default)]
struct Prologues {
    down: u32,
    up: u32,
    first_func: u32,
    first_offset: u32,
}

/// Counts, for each global, prologues of the form `global.get G … i32.const N … i32.sub … global.set G`.
fn prologues(facts: &Facts<'_>) -> Vec<Prologues> {
    let mut counts = vec![Prologues::default(); facts.globals.len()];
    let defined = facts.imported_func_count()..facts.func_count();
    for func in defined.take(MAX_FUNCTIONS) {
        if let Some(moved) = prologue(facts, func)
            && let Some(count) = counts.get_mut(moved.global as usize)
        {
            if count.down + count.up == 0 {
                (count.first_func, count.first_offset) = (func, moved.offset);
            }
            if moved.down { count.down += 1 } else { count.up += 1 }
        }
    }
    counts
}

struct Moved {
    global: u32,
    down: bool,
    offset: u32,
}

fn prologue(facts: &Facts<'_>, func: u32) -> Option<Moved> {
    let mut reader = facts.operators(func)?;
    let mut read: Option<u32> = None;
    let mut constant: Option<i64> = None;
    // The sign of the last `constant; add` or `constant; sub`.
    let mut step: Option<i64> = None;
    let mut depth = 0;
    for _ in 0..PROLOGUE_INSTRUCTIONS {
        let (operator, offset) = reader.read_with_offset().ok()?;
        match operator {
            Operator::GlobalGet { global_index } => {
                read = read.or(Some(global_index));
                constant = None;
            }
            Operator::I32Const { value } => constant = Some(i64::from(value)),
            Operator::I64Const { value } => constant = Some(value),
            Operator::I32Sub | Operator::I64Sub => step = constant.take().map(i64::wrapping_neg),
            Operator::I32Add | Operator::I64Add => step = constant.take(),
            Operator::LocalGet { .. } | Operator::LocalSet { .. } | Operator::LocalTee { .. } => {}
            Operator::GlobalSet { global_index } if read == Some(global_index) => {
                let step = step.filter(|step| *step != 0)?;
                return Some(Moved {
                    global: global_index,
                    down: step < 0,
                    offset: crate::facts::offset32(offset),
                });
            }
            // A check for overflow may stand between.
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
            Operator::End if depth == 0 => return None,
            Operator::End => depth -= 1,
            _ => constant = None,
        }
    }
    None
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
    let low = named_address(facts, "__stack_low").map(|(address, _)| address);
    match placement {
        StackPlacement::First => Some(AddressRange { start: low.unwrap_or(0), end: base }),
        StackPlacement::AfterData => {
            let start = low.or(bss.map(|bss| align16(bss.end)))?;
            (start < base).then_some(AddressRange { start, end: base })
        }
        StackPlacement::Unknown => None,
    }
}
