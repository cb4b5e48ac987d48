//! Imports that grow memory: what `sbrk` does with them.
//!
//! ```wat
//! (if (i32.gt_u (local.tee $new …) (i32.shl (memory.size) (i32.const 16)))
//!   (then (br_if $fails (i32.eqz (call $import (local.get $new))))))
//! (i32.store (i32.const 5000) (local.get $new))
//! ```

use std::collections::BTreeSet;

use wasmparser::Operator;

use crate::code::{Code, Flow, Flows};
use crate::facts::ExternKind;

/// The imports through which memory grows, all of one module and name; none where two different
/// ones look alike.
pub(crate) fn growth_imports(flows: &Flows<'_, '_>) -> Vec<u32> {
    let code = flows.code;
    let facts = code.facts();
    if facts.size_sites().next().is_none() {
        return Vec::new();
    }
    let found: Vec<u32> = (0..facts.imported_func_count())
        .filter(|&import| {
            code.has_type(import, "i32 -> i32")
                && flows.any_call(import, |_, flow, call| asks_for_more(code, flow, call))
        })
        .collect();
    let name =
        |&import: &u32| facts.import_of(ExternKind::Func, import).map(|import| (import.module, import.name));
    let names: BTreeSet<_> = found.iter().filter_map(name).collect();
    if names.len() == 1 { found } else { Vec::new() }
}

/// Whether a call asks for memory up to a size: the argument was compared with the size that there is,
/// the result only decides, and the size is then where the heap ends.
fn asks_for_more(code: &Code<'_>, flow: &Flow<'_>, call: usize) -> bool {
    let Some(size) = flow.operand(call, 0) else { return false };
    let is_compared = || {
        flow.positions(0..call).any(|at| {
            is_comparison(&flow.code[at])
                && [(0, 1), (1, 0)].into_iter().any(|(wanted, have)| {
                    flow.operand(at, have).is_some_and(|have| is_memory_bytes(code, flow, have))
                        && flow.operand(at, wanted).is_some_and(|wanted| flow.is_same(wanted, size))
                })
        })
    };
    // A result that is dropped decides nothing: the call may only tell of the size, as a log does.
    flow.is_truth(call) && !flow.is_dropped(call) && is_compared() && is_kept(flow, size)
}

/// Whether a value is stored, or is the function's result.
fn is_kept(flow: &Flow<'_>, value: usize) -> bool {
    flow.all_uses(value).into_iter().any(|(user, which)| match flow.code[user] {
        Operator::I32Store { .. } | Operator::I32AtomicStore { .. } => which == 1,
        Operator::I32AtomicRmwCmpxchg { .. } => which == 2,
        Operator::Return => true,
        Operator::End => user + 1 == flow.code.len(),
        _ => false,
    })
}

fn is_comparison(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::I32GtU
            | Operator::I32GeU
            | Operator::I32LtU
            | Operator::I32LeU
            | Operator::I32GtS
            | Operator::I32GeS
            | Operator::I32LtS
            | Operator::I32LeS
    )
}

/// Whether a value is the size of memory in bytes, worked out on the spot or by a function that does no
/// more.
fn is_memory_bytes(code: &Code<'_>, flow: &Flow<'_>, value: usize) -> bool {
    let factor = |wanted: i32| flow.const_operand(value, 1) == Some(wanted);
    match flow.code[value] {
        Operator::I32Shl => factor(16) && is_memory_size(flow, value),
        Operator::I32Mul => factor(65536) && is_memory_size(flow, value),
        Operator::Call { function_index } => matches!(
            code.operators(function_index).as_slice(),
            [
                Operator::MemorySize { mem: 0 },
                Operator::I32Const { value: 16 },
                Operator::I32Shl,
                Operator::End
            ]
        ),
        _ => false,
    }
}

fn is_memory_size(flow: &Flow<'_>, value: usize) -> bool {
    flow.operand(value, 0).is_some_and(|size| matches!(flow.code[size], Operator::MemorySize { mem: 0 }))
}

/// What an import is that fastcomp's `sbrk` calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fastcomp {
    TotalMemory,
    EnlargeMemory,
    ResizeHeap,
    CannotGrow,
    SetErrNo,
}

/// An import that `sbrk` calls: the function that keeps the break behind an imported address.
pub(super) fn fastcomp(flows: &Flows<'_, '_>, sbrk: u32, import: u32) -> Option<Fastcomp> {
    let code = flows.code;
    let flow = flows.of(sbrk)?;
    if flow.calls(import).is_empty() {
        return None;
    }
    let breaks: Vec<usize> = flow
        .positions_after(0)
        .filter(|&at| {
            matches!(flow.code[at], Operator::I32Store { .. })
                && flow.operand(at, 0).is_some_and(|to| matches!(flow.code[to], Operator::GlobalGet { .. }))
        })
        .filter_map(|at| flow.operand(at, 1))
        .collect();
    let is_break = |value: usize| breaks.iter().any(|&at| flow.is_same(at, value));
    let roles: BTreeSet<_> = flow
        .calls(import)
        .iter()
        .map(|&call| {
            let is_dropped = flow.is_dropped(call);
            // A refusal: it is asked about a size that cannot be had, then errno is ENOMEM.
            let refuses = is_dropped && sets_enomem(code, &flow, call + 2);
            let of_break = flow.operand(call, 0).is_some_and(is_break);
            if code.has_type(import, "-> i32") {
                let is_size = flow.uses(call).into_iter().any(|(user, which)| {
                    is_comparison(&flow.code[user]) && flow.operand(user, 1 - which).is_some_and(is_break)
                });
                match () {
                    () if is_size => Some(Fastcomp::TotalMemory as u8),
                    () if refuses => Some(Fastcomp::CannotGrow as u8),
                    () if !is_dropped && flow.is_truth(call) => Some(Fastcomp::EnlargeMemory as u8),
                    () => None,
                }
            } else if code.has_type(import, "i32 -> i32") && of_break {
                match () {
                    () if refuses => Some(Fastcomp::CannotGrow as u8),
                    () if !is_dropped && flow.is_truth(call) => Some(Fastcomp::ResizeHeap as u8),
                    () => None,
                }
            } else {
                (code.has_type(import, "i32 ->") && sets_enomem(code, &flow, call - 1))
                    .then_some(Fastcomp::SetErrNo as u8)
            }
        })
        .collect();
    let all = [
        Fastcomp::TotalMemory,
        Fastcomp::EnlargeMemory,
        Fastcomp::ResizeHeap,
        Fastcomp::CannotGrow,
        Fastcomp::SetErrNo,
    ];
    match roles.into_iter().collect::<Vec<_>>().as_slice() {
        [Some(only)] => all.into_iter().find(|role| *role as u8 == *only),
        _ => None,
    }
}

/// `errno = ENOMEM; return -1` by way of the host.
fn sets_enomem(code: &Code<'_>, flow: &Flow<'_>, at: usize) -> bool {
    let Some([Operator::I32Const { value: 12 }, Operator::Call { function_index }, rest @ ..]) =
        flow.code.get(at..)
    else {
        return false;
    };
    code.has_type(*function_index, "i32 ->")
        && rest.iter().take(2).any(|operator| matches!(operator, Operator::I32Const { value: -1 }))
}
