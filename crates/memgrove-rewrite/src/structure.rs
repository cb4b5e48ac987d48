//! What an import is, read from how the module uses it: names can be minified, use cannot.

use std::collections::BTreeSet;

use wasmparser::{FunctionBody, Operator, ValType};

use crate::Error;
use crate::module::Module;

/// `memcpy` is given to the host from this size on: 512 in most of Emscripten's versions, 8192 before.
const MEMCPY_THRESHOLDS: [i32; 2] = [512, 8192];
/// Functions that are asked whether they are `memcpy`.
const MOST_COPIERS: usize = 32;
/// Offset of `fd` in musl's `FILE` on wasm32: the functions behind a stream load it.
const MUSL_FILE_FD: u64 = 60;

/// Whether a function type is written like `i32 i32 -> i32`.
pub(crate) fn has_type(module: &Module<'_>, func: u32, text: &str) -> bool {
    module.func_type(func).is_some_and(|ty| signature_text(ty) == text)
}

/// A function type like `i32 i32 -> i32`, `-> i32`, `->`.
pub(crate) fn signature_text(ty: &wasmparser::FuncType) -> String {
    let words = |types: &[ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    format!("{} -> {}", words(ty.params()), words(ty.results())).trim().to_owned()
}

/// The import that grows memory: the function that asks for `memory.size` calls exactly one
/// import of type `i32 -> i32`. Where an optimiser left only `memory.size` in that function,
/// the call is one level up.
pub(crate) fn growth_import(module: &Module<'_>) -> Option<u32> {
    let called_from = |functions: &BTreeSet<u32>| {
        let mut imports = (0..module.imported_funcs).filter(|&import| {
            has_type(module, import, "i32 -> i32")
                && module.scan.calls[import as usize].iter().any(|call| functions.contains(&call.caller))
        });
        match (imports.next(), imports.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    };
    let sizes: BTreeSet<u32> = module.scan.size_in.iter().copied().collect();
    if sizes.is_empty() {
        return None;
    }
    called_from(&sizes).or_else(|| {
        let above: BTreeSet<u32> = callers_of(module, &sizes);
        called_from(&above)
    })
}

/// Functions that directly call one of `functions`.
fn callers_of(module: &Module<'_>, functions: &BTreeSet<u32>) -> BTreeSet<u32> {
    let defined = module.imported_funcs..;
    defined
        .zip(&module.bodies)
        .filter(|(_, body)| {
            operators(body).any(|operator| {
                matches!(operator, Operator::Call { function_index } if functions.contains(&function_index))
            })
        })
        .map(|(index, _)| index)
        .collect()
}

/// An import to which `memcpy` gives large copies: called with three locals of which the last,
/// the length, is compared with the threshold.
pub(crate) fn is_memcpy(module: &Module<'_>, import: u32) -> bool {
    if !has_type(module, import, "i32 i32 i32 -> i32") && !has_type(module, import, "i32 i32 i32 ->") {
        return false;
    }
    let callers: BTreeSet<u32> = module.scan.calls[import as usize].iter().map(|call| call.caller).collect();
    // `memcpy` itself, and where it was inlined.
    callers.into_iter().take(MOST_COPIERS).any(|caller| {
        let code = module.operators(caller);
        code.windows(4).any(|window| {
            let [
                Operator::LocalGet { .. },
                Operator::LocalGet { .. },
                Operator::LocalGet { local_index: length },
                Operator::Call { function_index },
            ] = window
            else {
                return false;
            };
            *function_index == import && code.windows(3).any(|window| is_threshold(window, *length))
        })
    })
}

/// Compares a local with the size from which on the host copies.
fn is_threshold(window: &[Operator<'_>], length: u32) -> bool {
    let [Operator::LocalGet { local_index }, Operator::I32Const { value }, comparison] = window else {
        return false;
    };
    let threshold = match comparison {
        Operator::I32GeU | Operator::I32LtU | Operator::I32GeS | Operator::I32LtS => *value,
        Operator::I32GtU | Operator::I32LeU | Operator::I32GtS | Operator::I32LeS => value.wrapping_add(1),
        _ => return false,
    };
    *local_index == length && MEMCPY_THRESHOLDS.contains(&threshold)
}

/// Called by `getentropy`: given on both of its parameters, after a second one above 256 was
/// refused.
pub(crate) fn is_behind_getentropy(module: &Module<'_>, import: u32) -> bool {
    let Some(caller) = only_caller(module, import) else { return false };
    let code = module.operators(caller);
    let limits = code.windows(3).any(|window| {
        matches!(
            window,
            [
                Operator::LocalGet { local_index: 1 },
                Operator::I32Const { value: 256 },
                Operator::I32GtU | Operator::I32LeU
            ] | [
                Operator::LocalGet { local_index: 1 },
                Operator::I32Const { value: 257 },
                Operator::I32GeU | Operator::I32LtU
            ]
        )
    });
    let given_on = code.windows(3).any(|window| {
        matches!(window, [
            Operator::LocalGet { local_index: 0 },
            Operator::LocalGet { local_index: 1 },
            Operator::Call { function_index },
        ] if *function_index == import)
    });
    limits && given_on && has_type(module, caller, "i32 i32 -> i32")
}

/// Every call gives a constant of at most 256 as the second of two arguments: no address, and
/// what `getentropy` allows, inlined.
pub(crate) fn takes_small_length(module: &Module<'_>, import: u32) -> bool {
    const MOST_BYTES: i32 = 256;
    let callers: BTreeSet<u32> = module.scan.calls[import as usize].iter().map(|call| call.caller).collect();
    !callers.is_empty()
        && callers.into_iter().all(|caller| {
            let code = module.operators(caller);
            let mut calls = code
            .windows(2)
            .filter(
                |window| matches!(window[1], Operator::Call { function_index } if function_index == import),
            )
            .peekable();
            calls.peek().is_some()
                && calls.all(|window| matches!(window[0], Operator::I32Const { value: 1..=MOST_BYTES }))
        })
}

/// One of two imports of the same type that one function calls, each once and nowhere else, and
/// looks only at whether the result is 0: the sizes of the environment, then its contents.
pub(crate) fn reads_environment(module: &Module<'_>, import: u32) -> bool {
    let Some(caller) = only_caller(module, import) else { return false };
    let ty = module.func_type(import);
    let others = (0..module.imported_funcs).filter(|&other| {
        other != import && only_caller(module, other) == Some(caller) && module.func_type(other) == ty
    });
    let code = module.operators(caller);
    let is_tested = code.windows(2).any(|window| {
        matches!(window, [Operator::Call { function_index }, Operator::I32Eqz | Operator::If { .. } | Operator::BrIf { .. }]
            if *function_index == import)
    });
    is_tested && others.count() == 1
}

/// The function that calls an import, if that is one call in the whole module.
fn only_caller(module: &Module<'_>, import: u32) -> Option<u32> {
    match module.scan.calls[import as usize].as_slice() {
        [call] => Some(call.caller),
        _ => None,
    }
}

/// Called with four different constant addresses at which nothing is yet: time zone, daylight
/// saving, and the names of both.
pub(crate) fn sets_time_zone(module: &Module<'_>, import: u32) -> bool {
    let calls = &module.scan.calls[import as usize];
    !calls.is_empty()
        && calls.iter().all(|call| {
            module.operators(call.caller).windows(5).any(|window| match window {
                [
                    Operator::I32Const { value: a },
                    Operator::I32Const { value: b },
                    Operator::I32Const { value: c },
                    Operator::I32Const { value: d },
                    Operator::Call { function_index },
                ] => {
                    let addresses = BTreeSet::from([a, b, c, d].map(|&at| at.cast_unsigned()));
                    *function_index == import
                        && addresses.len() == 4
                        && addresses.iter().all(|&at| at >= 1024 && module.initial_i32(at) == 0)
                }
                _ => false,
            })
        })
}

/// Called with a time and the constant address of a `struct tm`, whose `tm_zone` the caller
/// stores afterwards: `localtime` and its like.
pub(crate) fn fills_broken_down_time(module: &Module<'_>, import: u32) -> bool {
    /// Offset of `tm_zone` in musl's `struct tm` on wasm32.
    const TM_ZONE: u64 = 40;
    let calls = &module.scan.calls[import as usize];
    !calls.is_empty()
        && calls.iter().all(|call| {
            let code = module.operators(call.caller);
            let Some(at) = code.windows(3).position(|window| {
                matches!(window, [Operator::I64Load { .. }, Operator::I32Const { .. } | Operator::LocalGet { .. }, Operator::Call { function_index }]
                    if *function_index == import)
            }) else {
                return false;
            };
            let (argument, after) = (&code[at + 1], &code[at + 3..]);
            match argument {
                Operator::I32Const { value } => after.iter().any(|op| {
                    matches!(op, Operator::I32Const { value: to }
                        if i64::from(*to) == i64::from(*value) + TM_ZONE.cast_signed())
                }),
                Operator::LocalGet { local_index } => {
                    let reads = after.iter().any(
                        |op| matches!(op, Operator::LocalGet { local_index: read } if read == local_index),
                    );
                    reads && after.iter().any(|op| matches!(op, Operator::I32Store { memarg } if memarg.offset == TM_ZONE))
                }
                _ => false,
            }
        })
}

/// A call behind a C stream: its callers load the stream's file descriptor.
pub(crate) fn works_on_stream(module: &Module<'_>, import: u32) -> bool {
    module.scan.calls[import as usize].iter().any(|call| {
        module
            .operators(call.caller)
            .iter()
            .any(|operator| matches!(operator, Operator::I32Load { memarg } if memarg.offset == MUSL_FILE_FD))
    })
}

/// Called in a loop, as `write` is until everything is written.
pub(crate) fn called_in_loop(module: &Module<'_>, import: u32) -> bool {
    module.scan.calls[import as usize].iter().any(|call| {
        let mut depth = 0_u32;
        let mut loops = Vec::new();
        for operator in module.operators(call.caller) {
            match operator {
                Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => depth += 1,
                Operator::Loop { .. } => {
                    depth += 1;
                    loops.push(depth);
                }
                Operator::End => {
                    if loops.last() == Some(&depth) {
                        loops.pop();
                    }
                    depth = depth.saturating_sub(1);
                }
                Operator::Call { function_index } if function_index == import && !loops.is_empty() => {
                    return true;
                }
                _ => {}
            }
        }
        false
    })
}

/// Different bases or offsets of the stores of a function that keeps a break.
const MOST_PLACES: usize = 64;

/// Addresses that a function both loads an i32 from and stores one to, when the address is a
/// constant: where `sbrk` keeps the break. An address behind a function that only returns a
/// constant (`emscripten_get_sbrk_ptr`) counts.
pub(crate) fn cells(module: &Module<'_>, function: u32) -> BTreeSet<u32> {
    let code = module.operators(function);
    let constant = |operator: &Operator<'_>| match operator {
        Operator::I32Const { value } => Some(value.cast_unsigned()),
        Operator::Call { function_index } if *function_index >= module.imported_funcs => {
            match module.operators(*function_index).as_slice() {
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
    let mut bases = BTreeSet::new();
    let mut stored = BTreeSet::new();
    let mut before = None;
    let mut loads = false;
    for operator in body.get_operators_reader()? {
        let operator = operator?;
        match &operator {
            Operator::I32Const { value } => {
                bases.insert(value.cast_unsigned());
            }
            Operator::I32Load { memarg } => {
                if let Some(Operator::I32Const { value }) = before {
                    loads |= add(value_of(value), memarg.offset) == Some(at);
                }
            }
            Operator::I32Store { memarg } => {
                stored.insert(memarg.offset);
            }
            _ => {}
        }
        before = Some(operator);
    }
    Ok(loads
        && bases.iter().any(|&base| at.checked_sub(base).is_some_and(|o| stored.contains(&u64::from(o)))))
}

fn value_of(value: i32) -> u32 {
    value.cast_unsigned()
}

fn add(base: u32, offset: u64) -> Option<u32> {
    base.checked_add(u32::try_from(offset).ok()?)
}

fn operators<'a>(body: &FunctionBody<'a>) -> impl Iterator<Item = Operator<'a>> {
    body.get_operators_reader().into_iter().flatten().map_while(Result::ok)
}
