//! What an import is, read from how the module uses it: names can be minified, use cannot.

use std::collections::BTreeSet;

use wasmparser::{FunctionBody, Operator, ValType};

use crate::Error;
use crate::module::Module;

/// `memcpy` is given to the host from this size on: 512 in most of Emscripten's versions, 8192 before.
const MEMCPY_THRESHOLDS: [i32; 2] = [512, 8192];
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

/// An import to which `memcpy` gives large copies: called with the caller's own three
/// arguments, in order, in a function that compares with the threshold.
pub(crate) fn is_memcpy(module: &Module<'_>, import: u32) -> bool {
    if !has_type(module, import, "i32 i32 i32 -> i32") && !has_type(module, import, "i32 i32 i32 ->") {
        return false;
    }
    module.scan.calls[import as usize].iter().any(|call| {
        let code = module.operators(call.caller);
        let threshold = code.iter().any(
            |operator| matches!(operator, Operator::I32Const { value } if MEMCPY_THRESHOLDS.contains(value)),
        );
        threshold
            && code.windows(4).any(|window| {
                matches!(
                    window,
                    [
                        Operator::LocalGet { .. },
                        Operator::LocalGet { .. },
                        Operator::LocalGet { .. },
                        Operator::Call { function_index }
                    ] if *function_index == import
                )
            })
    })
}

/// How the callers of an import read its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorStyle {
    /// Linux: a number above −4096 (unsigned) is a negated errno.
    NegativeErrno,
    /// WASI: any number but 0 is an errno.
    PositiveErrno,
}

/// Which convention the callers follow; `None` when nothing shows it.
pub(crate) fn error_style(module: &Module<'_>, import: u32) -> Option<ErrorStyle> {
    let calls = &module.scan.calls[import as usize];
    let mut style = None;
    for call in calls {
        let code = module.operators(call.caller);
        for (at, operator) in code.iter().enumerate() {
            if !matches!(operator, Operator::Call { function_index } if *function_index == import) {
                continue;
            }
            let after = &code[at + 1..code.len().min(at + 9)];
            if compares_errno(after) || passes_to_syscall_ret(module, after) {
                return Some(ErrorStyle::NegativeErrno);
            }
            if after.iter().take(3).any(|op| {
                matches!(
                    op,
                    Operator::I32Eqz
                        | Operator::If { .. }
                        | Operator::BrIf { .. }
                        | Operator::I32Const { value: 0 }
                )
            }) {
                style = Some(ErrorStyle::PositiveErrno);
            }
        }
    }
    style
}

fn compares_errno(code: &[Operator<'_>]) -> bool {
    code.iter().any(|op| matches!(op, Operator::I32Const { value: -4096 | -4095 }))
}

/// The result goes to musl's `__syscall_ret`, which holds the comparison.
fn passes_to_syscall_ret(module: &Module<'_>, after: &[Operator<'_>]) -> bool {
    matches!(after.first(), Some(Operator::Call { function_index })
        if *function_index >= module.imported_funcs
            && has_type(module, *function_index, "i32 -> i32")
            && compares_errno(&module.operators(*function_index)))
}

/// Called with an address and a length: the second argument is a constant, or both are the
/// caller's own two parameters in order (as `getentropy` passes them on).
pub(crate) fn takes_address_and_length(module: &Module<'_>, import: u32) -> bool {
    module.scan.calls[import as usize].iter().any(|call| {
        let code = module.operators(call.caller);
        code.windows(3).any(|window| match window {
            [_, Operator::I32Const { .. }, Operator::Call { function_index }] => *function_index == import,
            [
                Operator::LocalGet { local_index: 0 },
                Operator::LocalGet { local_index: 1 },
                Operator::Call { function_index },
            ] => *function_index == import && has_type(module, call.caller, "i32 i32 -> i32"),
            _ => false,
        })
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
    let offsets: BTreeSet<u64> = code
        .iter()
        .filter_map(|operator| match operator {
            Operator::I32Store { memarg } => Some(memarg.offset),
            _ => None,
        })
        .collect();
    loaded
        .into_iter()
        .filter(|&at| {
            bases.iter().any(|&base| at.checked_sub(base).is_some_and(|o| offsets.contains(&u64::from(o))))
        })
        .collect()
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
