//! The first break, where the glue wrote it without being asked by an import.
//!
//! ```wat
//! ;; before: sbrk keeps the break at 264624, which is 0 until the glue writes it
//! (import "env" "emscripten_resize_heap" (func $grow (param i32) (result i32)))
//! (global $sp (mut i32) (i32.const 5507504))
//! (func $sbrk (param i32) (result i32) … (i32.load (i32.const 264624)) … call $grow …)
//! ;; after
//! (data (i32.const 264624) "\b0\09\54\00")   ;; 5507504: the stack ends there, the heap begins
//! ```
//!
//! Without it, `malloc` hands out addresses inside static data, and nothing traps.

use std::collections::BTreeSet;

use wasmparser::TypeRef;

use super::{PAGE, Pass, globals};
use crate::Error;
use crate::edits::StandIn;
use crate::runtime::RuntimeFunction;
use crate::structure;

/// Writes the break that the program's own `sbrk` starts from.
pub(super) fn run(pass: &mut Pass<'_, '_>) -> Result<(), Error> {
    find(pass)?;
    if !globals::break_cell_is_placed(pass) {
        give_back(pass);
    }
    Ok(())
}

/// What reads the break where nothing says where that is stays with the host.
fn give_back(pass: &mut Pass<'_, '_>) {
    for (at, entry) in pass.module.imports.iter().enumerate() {
        if !matches!(entry.import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
            continue;
        }
        let needs_it = matches!(
            pass.edits.funcs.get(&entry.index),
            Some(StandIn::Runtime(function)) if function.uses_break_cell()
        );
        if needs_it {
            pass.edits.funcs.remove(&entry.index);
            pass.stays(at, "nothing says where the program keeps its break");
        }
    }
}

fn find(pass: &mut Pass<'_, '_>) -> Result<(), Error> {
    let module = pass.module;
    if globals::break_cell_is_placed(pass) || pass.address_stays || !pass.lays_out_memory0() {
        // Without memory of its own there is nothing to write to. What uses a break then
        // keeps its host.
        return Ok(());
    }
    let growers: BTreeSet<u32> = pass
        .edits
        .funcs
        .iter()
        .filter(|(_, stand_in)| {
            matches!(
                stand_in,
                StandIn::Runtime(
                    RuntimeFunction::EmscriptenResizeHeap
                        | RuntimeFunction::EnlargeMemory
                        | RuntimeFunction::EmscriptenGetHeapSize
                )
            )
        })
        .flat_map(|(&import, _)| module.code.callers(import))
        .copied()
        .collect();
    let cells: BTreeSet<u32> =
        growers.iter().flat_map(|&function| structure::cells(module, function)).collect();
    if cells.is_empty() {
        return Ok(());
    }
    // Today's linker initialises the cell; passive segments are copied by code that runs first.
    let initialised = cells
        .iter()
        .any(|&cell| u64::from(module.code.initial_i32(cell)) >= module.code.data_end().max(1024));
    let has_passive = module.data().any(|data| matches!(data.kind, wasmparser::DataKind::Passive));
    if initialised || has_passive {
        return Ok(());
    }
    let mut zero = cells.iter().copied().filter(|&cell| module.code.initial_i32(cell) == 0 && cell >= 8);
    let (Some(cell), None) = (zero.next(), zero.next()) else {
        pass.notes.push(
            "the program keeps its break in memory, but which address it is cannot be told; if it was not initialised, malloc will fail".to_owned(),
        );
        return Ok(());
    };
    let first = heap_start(pass, cell);
    let end = u64::from(cell).max(first) + 16;
    globals::require_memory(pass, end, "the heap's start")?;
    let first = u32::try_from(first).map_err(|_| Error::NoRoom { what: "the heap", end: first })?;
    pass.edits.layout.break_cell = cell;
    pass.edits.data.push((cell, first.to_le_bytes().to_vec()));
    pass.change(
        "first break",
        format!("{first:#x} is written to {cell:#x} by a data segment, before anything runs"),
        "sbrk loads and stores its break there, and the glue wrote the first one; static data and stack lie below",
    );
    Ok(())
}

/// An address above static data and stack.
///
/// wasm-ld puts data, zeros and stack in this order unless told otherwise: if there is data
/// and all of it lies below the stack pointer, the stack pointer's start ends them all. In any
/// other order only the end of the memory that the glue created is certain.
fn heap_start(pass: &Pass<'_, '_>, cell: u32) -> u64 {
    let module = pass.module;
    if let Some(base) = module.code.exported_i32("__heap_base") {
        return u64::from(base).next_multiple_of(16);
    }
    let stack = globals::stack_bound(module);
    let data_end = module.code.data_end();
    if data_end > 0 && data_end <= stack && u64::from(cell) < stack {
        return stack.next_multiple_of(16);
    }
    globals::static_end(pass).next_multiple_of(PAGE)
}
