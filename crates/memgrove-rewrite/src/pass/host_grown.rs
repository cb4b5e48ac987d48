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
//! The sign is an exported `__heap_base` in a module without `memory.grow`. If an i32 in
//! memory starts as that address and code moves it, it is the break. If none does, the host
//! uses the heap by itself, and is given room: the minimum is raised.

use wasmparser::{ExternalKind, FunctionBody, MemoryType, Operator};

use super::{PAGE, Pass};
use crate::edits::WatchedBreak;
use crate::structure::uses_cell;

/// Room behind `__heap_base` for a host that does not grow: 16 MiB, as Emscripten gives.
const ROOM_PAGES: u64 = 256;

/// Puts growth inside, or gives room.
pub(super) fn run(pass: &mut Pass<'_, '_>) {
    let module = pass.module;
    if !module.scan.grow_in.is_empty() || !pass.edits.funcs.is_empty() || !pass.owns_memory0() {
        return;
    }
    let Some(ty) = pass.memory0().filter(|ty| !ty.memory64) else { return };
    let is_exported = module.exports.iter().any(|e| e.kind == ExternalKind::Memory && e.index == 0)
        || pass.edits.memories.contains_key(&0);
    let can_grow = ty.maximum.is_none_or(|max| max > ty.initial);
    if !is_exported || !can_grow {
        return;
    }
    let Some(heap_base) = module.exported_i32("__heap_base") else {
        pass.notes
            .push("nothing inside grows the memory; if the program needs more, its host must".to_owned());
        return;
    };
    if let Some(watched) = find_break(pass, heap_base) {
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
    let wanted = u64::from(heap_base).div_ceil(PAGE) + ROOM_PAGES;
    let pages = wanted.min(ty.maximum.unwrap_or(wanted)).max(ty.initial);
    if pages > ty.initial {
        pass.set_memory0(MemoryType { initial: pages, ..ty });
        pass.change(
            "memory",
            format!("minimum raised from {} to {pages} pages", ty.initial),
            "the host used what lies behind __heap_base and grew it itself; this gives it 16 MiB",
        );
    }
}

/// Words that may be the break and are looked for in code.
const MOST_CELLS: usize = 16;

/// Where the program keeps a break that starts at `heap_base`.
fn find_break(pass: &Pass<'_, '_>, heap_base: u32) -> Option<WatchedBreak> {
    let module = pass.module;
    let starts = [heap_base, heap_base.next_multiple_of(8), heap_base.next_multiple_of(16)];
    // A linker cuts the zeros off the end of a segment, so its last word may be short.
    let cells = module.active_data().flat_map(|(at, bytes)| {
        let skip = usize::try_from(at.next_multiple_of(4) - at).unwrap_or(usize::MAX);
        let words = bytes.get(skip..).unwrap_or_default().chunks(4);
        (at + skip as u64..).step_by(4).zip(words).filter(|(_, bytes)| {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            starts.contains(&u32::from_le_bytes(word))
        })
    });
    let moved = |cell: u32| module.bodies.iter().any(|body| uses_cell(body, cell).unwrap_or(false));
    cells
        .filter_map(|(at, _)| u32::try_from(at).ok())
        // Data can be full of such words, and each that code reads is looked for in all of it.
        .filter(|&cell| module.loads_from(cell))
        .take(MOST_CELLS)
        .find(|&cell| moved(cell))
        .map(WatchedBreak::Cell)
        .or_else(|| find_break_global(pass, &starts))
}

/// A mutable global that starts there and is not a stack pointer: nothing is subtracted from it.
fn find_break_global(pass: &Pass<'_, '_>, starts: &[u32]) -> Option<WatchedBreak> {
    let module = pass.module;
    let global = (module.imported_globals..).zip(&module.global_inits).find_map(|(index, init)| {
        let starts_there =
            matches!(init, crate::module::Init::I32(value) if starts.contains(&value.cast_unsigned()));
        let at = index as usize;
        (starts_there && module.globals[at].mutable && module.scan.written_globals[at]).then_some(index)
    })?;
    let is_stack = module.bodies.iter().any(|body| takes_from(body, global).unwrap_or(true));
    (!is_stack).then_some(WatchedBreak::Global(global))
}

/// Something is subtracted from the global, as a stack pointer is moved.
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
