//! Modules that import nothing and yet need their host to grow memory before use.
//!
//! ```wat
//! ;; before: a break that only counts; the host calls memory.grow first
//! (global (export "__heap_base") i32 (i32.const 70320))
//! (data (i32.const 70296) "\b0\12\01\00")
//! (func $sbrk … (i32.store (i32.const 70296) (i32.add (local.get $old) (local.get $by))) …)
//! ;; after: memory follows the break
//! (func $sbrk …
//!   (i32.store (i32.const 70296) (i32.add (local.get $old) (local.get $by)))
//!   (drop (call $cover (i32.load (i32.const 70296)))) …)
//! ```
//!
//! The sign is an exported `__heap_base` in a module that cannot grow its memory and never asks for its
//! size, and an i32 in memory (or a global) that starts as that address and is moved by amounts that the
//! code computes, without being compared with an end inside of memory. A module without one may need
//! nothing, or its host grows memory by itself: it is left alone.

use std::collections::BTreeMap;

use memgrove_module::facts::ConstExpr;
use wasmparser::{ExternalKind, FunctionBody, Operator};

use super::{PAGE, Pass, functions};
use crate::edits::{StandIn, WatchedBreak};
use crate::structure::cells_used;

/// Puts growth inside.
pub(super) fn run(pass: &mut Pass<'_, '_>) {
    let module = pass.module;
    let grows_inside = module.facts.grow_sites().next().is_some()
        || pass
            .edits
            .funcs
            .values()
            .any(|stand_in| matches!(stand_in, StandIn::Runtime(function) if function.grows_memory()));
    // A function that stays may be the one that grows.
    if grows_inside || functions::any_stays(pass) || !pass.lays_out_memory0() {
        return;
    }
    let Some(ty) = pass.memory0() else { return };
    let is_exported = module.exports.iter().any(|e| e.kind == ExternalKind::Memory && e.index == 0)
        || pass.edits.memories.contains_key(&0);
    let can_grow = ty.maximum.is_none_or(|max| max > ty.initial);
    if !is_exported || !can_grow {
        return;
    }
    if let Some(watched) = find_watched(pass) {
        pass.edits.watched_breaks.push(watched);
        pass.change(
            "growth",
            match watched {
                WatchedBreak::Cell(at) => {
                    format!("memory follows the break that the program keeps at {at:#x}")
                }
                WatchedBreak::Global(global) => {
                    format!("memory follows the break that the program keeps in global {global}")
                }
            },
            "it starts as __heap_base and is moved without growing memory, which was left to the host",
        );
        return;
    }
    pass.notes.push("nothing inside grows the memory; if the program needs more, its host must".to_owned());
}

/// The module moves a break through its memory and leaves growth to its host.
pub(super) fn moves_a_break(pass: &Pass<'_, '_>) -> bool {
    find_watched(pass).is_some()
}

fn find_watched(pass: &Pass<'_, '_>) -> Option<WatchedBreak> {
    let module = pass.module;
    // A program that asks for memory's size keeps within it.
    let heap_base =
        module.code.exported_i32("__heap_base").filter(|_| module.facts.size_sites().next().is_none());
    find_break(pass, heap_base?)
}

/// Words that may be the break and are looked for in code, which reads every function: data that is full of such words tells
/// nothing.
const MOST_CELLS: usize = 16;

/// Where the program keeps a break that starts at `heap_base`.
fn find_break(pass: &Pass<'_, '_>, heap_base: u32) -> Option<WatchedBreak> {
    let module = pass.module;
    let starts = [heap_base, heap_base.next_multiple_of(8), heap_base.next_multiple_of(16)];
    // A linker cuts the zeros off the end of a segment, so its last word may be short.
    let cells = module.code.active_data().flat_map(|(at, bytes)| {
        let skip = usize::try_from(at.next_multiple_of(4) - at).unwrap_or(usize::MAX);
        let words = bytes.get(skip..).unwrap_or_default().chunks(4);
        (at + skip as u64..).step_by(4).zip(words).filter(|(_, bytes)| {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            starts.contains(&u32::from_le_bytes(word))
        })
    });
    let cells: Vec<u32> = cells
        .filter_map(|(at, _)| u32::try_from(at).ok())
        // Data can be full of such words.
        .filter(|&cell| module.code.loads_from(cell))
        .take(MOST_CELLS)
        .collect();
    let mut movers: BTreeMap<u32, Vec<FunctionBody<'_>>> = BTreeMap::new();
    for body in module.bodies() {
        for cell in cells_used(&body, &cells).unwrap_or_default() {
            movers.entry(cell).or_default().push(body.clone());
        }
    }
    let moved = |cell: &u32| {
        let movers = movers.get(cell).into_iter().flatten().cloned();
        is_moved_freely(pass, movers, heap_base, |operator| matches!(operator, Operator::I32Store { .. }))
    };
    cells
        .into_iter()
        .find(moved)
        .map(WatchedBreak::Cell)
        .or_else(|| find_break_global(pass, heap_base, &starts))
}

/// A mutable global that starts there, is not the stack pointer, and is never lowered, as what is a stack pointer or gives
/// memory back would be.
fn find_break_global(pass: &Pass<'_, '_>, heap_base: u32, starts: &[u32]) -> Option<WatchedBreak> {
    let module = pass.module;
    let global = module.facts.written_globals.iter().copied().find(|&index| {
        let starts_there = matches!(module.code.init(index), Some(ConstExpr::I32(value)) if starts.contains(&value.cast_unsigned()));
        starts_there && module.sections.globals[index as usize].mutable
    })?;
    let is_stack = module.code.stack_pointer().is_some_and(|pointer| pointer.global == global);
    let is_lowered = || module.bodies().any(|body| takes_from(&body, global).unwrap_or(true));
    let sets = |operator: &Operator<'_>| matches!(operator, Operator::GlobalSet { global_index } if *global_index == global);
    let movers = module.bodies().filter(|body| {
        body.get_operators_reader()
            .into_iter()
            .flatten()
            .map_while(Result::ok)
            .any(|operator| sets(&operator))
    });
    (!is_stack && !is_lowered() && is_moved_freely(pass, movers, heap_base, sets))
        .then_some(WatchedBreak::Global(global))
}

/// One of `movers` puts a sum of what it has computed where the break is, and none of them knows an
/// end between the heap's begin and the end of memory: with one, the program keeps within what it has.
fn is_moved_freely<'a>(
    pass: &Pass<'_, '_>,
    movers: impl Iterator<Item = FunctionBody<'a>>,
    heap_base: u32,
    moves: impl Fn(&Operator<'_>) -> bool,
) -> bool {
    let module = pass.module;
    let memory_end = pass.memory0().map_or(0, |ty| ty.initial * PAGE);
    let is_end = |value: i32| {
        let value = u64::from(value.cast_unsigned());
        value > u64::from(heap_base).next_multiple_of(16) && value <= memory_end
    };
    let mut is_moved = false;
    for body in movers {
        // The last three operators, the latest first; a sum may be kept on the way (`local.tee`).
        let mut before: [Option<Operator<'_>>; 3] = [None, None, None];
        for operator in body.get_operators_reader().into_iter().flatten().map_while(Result::ok) {
            let constant = match operator {
                Operator::I32Const { value } => Some(value),
                Operator::GlobalGet { global_index } => match module.code.init(global_index) {
                    Some(ConstExpr::I32(value)) => Some(value),
                    _ => None,
                },
                _ => None,
            };
            if constant.is_some_and(is_end) {
                return false;
            }
            if moves(&operator) {
                let sum = match &before {
                    [Some(Operator::LocalTee { .. }), sum, addend] => [sum, addend],
                    [sum, addend, _] => [sum, addend],
                };
                is_moved |= matches!(sum, [Some(Operator::I32Add), Some(addend)]
                    if !matches!(addend, Operator::I32Const { .. }));
            }
            let [first, second, _] = before;
            before = [Some(operator), first, second];
        }
    }
    is_moved
}

/// Something is subtracted from the global.
fn takes_from(body: &FunctionBody<'_>, global: u32) -> wasmparser::Result<bool> {
    // How much of `global.get, i32.const` has just been read.
    let mut amount = None;
    let mut is_read = false;
    for operator in body.get_operators_reader()? {
        let operator = operator?;
        match (&operator, amount) {
            (Operator::I32Sub, Some(1..)) | (Operator::I32Add, Some(..0)) => return Ok(true),
            _ => {}
        }
        amount = match operator {
            Operator::I32Const { value } if is_read => Some(value),
            _ => None,
        };
        is_read = matches!(operator, Operator::GlobalGet { global_index } if global_index == global);
    }
    Ok(false)
}
