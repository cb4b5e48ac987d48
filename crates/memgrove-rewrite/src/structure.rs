//! What the structure of a module says: types, loops, the cell of a break, handlers.

use std::collections::BTreeSet;

use wasmparser::{FunctionBody, Operator, ValType};

use crate::Error;
use crate::glue::Glue;
use crate::module::Module;

/// A function type like `i32 i32 -> i32`, `-> i32`, `->`.
pub(crate) fn signature_text(ty: &wasmparser::FuncType) -> String {
    let words = |types: &[ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    format!("{} -> {}", words(ty.params()), words(ty.results())).trim().to_owned()
}

/// Whether something in the module may catch what a call throws, so that a trap in its place would
/// not do the same: a handler in some code, Emscripten's calls through JavaScript that catch, or
/// `setjmp`, which has been in all of these.
pub(crate) fn can_catch(module: &Module<'_>, glue: Option<&Glue>) -> bool {
    const CATCHERS: [&str; 3] = ["invoke_", "setjmp", "longjmp"];
    module.facts.catches
        || module.imports.iter().any(|entry| {
            let told = glue.and_then(|glue| glue.told(entry.import.module, entry.import.name));
            let name = told.and_then(|told| told.name.as_deref()).unwrap_or(entry.import.name);
            let name = name.to_ascii_lowercase();
            CATCHERS.iter().any(|part| name.contains(part))
        })
}

/// Different bases or offsets of the stores of a function that keeps a break; with four times as many nothing
/// more is found ("Bounds" in CONTRIBUTING.md).
const MOST_PLACES: usize = 64;

/// Addresses that a function both loads an i32 from and stores one to, when the address is a
/// constant: where `sbrk` keeps the break. An address behind a function that only returns a
/// constant (`emscripten_get_sbrk_ptr`) counts.
pub(crate) fn cells(module: &Module<'_>, function: u32) -> BTreeSet<u32> {
    let code = module.code.operators(function);
    let constant = |operator: &Operator<'_>| match operator {
        Operator::I32Const { value } => Some(value.cast_unsigned()),
        Operator::Call { function_index } if *function_index >= module.sections.imported_funcs => {
            match module.code.operators(*function_index).as_slice() {
                [Operator::I32Const { value }, Operator::End] => Some(value.cast_unsigned()),
                _ => None,
            }
        }
        _ => None,
    };
    let loaded: BTreeSet<u32> = code
        .windows(2)
        .filter_map(|window| match window {
            [base, Operator::I32Load { memarg }] => add(constant(base)?, memarg.offset),
            _ => None,
        })
        .collect();
    let bases: BTreeSet<u32> = code.iter().filter_map(constant).collect();
    let offsets: BTreeSet<u32> = code
        .iter()
        .filter_map(|operator| match operator {
            Operator::I32Store { memarg } => u32::try_from(memarg.offset).ok(),
            _ => None,
        })
        .collect();
    // A base plus an offset: each of the fewer ones is tried. A function with many of both is no `sbrk`.
    let (few, many) = if bases.len() < offsets.len() { (&bases, &offsets) } else { (&offsets, &bases) };
    if few.len() > MOST_PLACES {
        return BTreeSet::new();
    }
    let is_stored =
        |at: u32| few.iter().any(|part| at.checked_sub(*part).is_some_and(|rest| many.contains(&rest)));
    loaded.into_iter().filter(|&at| is_stored(at)).collect()
}

/// Whether a function loads an i32 from `at` and stores one there.
pub(crate) fn uses_cell(body: &FunctionBody<'_>, at: u32) -> Result<bool, Error> {
    Ok(!cells_used(body, &[at])?.is_empty())
}

/// The few of these addresses from which a function loads an i32 and at which it stores one.
pub(crate) fn cells_used(body: &FunctionBody<'_>, cells: &[u32]) -> Result<BTreeSet<u32>, Error> {
    let mut loaded = BTreeSet::new();
    if cells.is_empty() {
        return Ok(loaded);
    }
    let mut before = None;
    for operator in body.get_operators_reader()? {
        let value = match operator? {
            Operator::I32Const { value } => Some(value_of(value)),
            Operator::I32Load { memarg } => {
                let at = before.and_then(|base| add(base, memarg.offset));
                loaded.extend(at.filter(|at| cells.contains(at)));
                None
            }
            _ => None,
        };
        before = value;
    }
    // Most functions load none of them, so only the others are read for what they store.
    if loaded.is_empty() {
        return Ok(loaded);
    }
    let mut bases = BTreeSet::new();
    let mut stored = BTreeSet::new();
    for operator in body.get_operators_reader()? {
        match operator? {
            Operator::I32Const { value } => drop(bases.insert(value_of(value))),
            Operator::I32Store { memarg } => drop(stored.insert(memarg.offset)),
            _ => {}
        }
    }
    let is_stored = |at: u32| {
        bases.iter().any(|&base| at.checked_sub(base).is_some_and(|o| stored.contains(&u64::from(o))))
    };
    loaded.retain(|&at| is_stored(at));
    Ok(loaded)
}

fn value_of(value: i32) -> u32 {
    value.cast_unsigned()
}

fn add(base: u32, offset: u64) -> Option<u32> {
    base.checked_add(u32::try_from(offset).ok()?)
}
