//! The wrappers of exports, by which the host enters, and of imports, by which it is called.

use std::collections::BTreeSet;

use wasm_encoder::{Function, Instruction, ValType};
use wasmparser::FuncType;

use super::{Added, Reach, StackFunctions};
use crate::Error;
use crate::edit::Edits;

/// Functions without parameters and results that are called when the host has been running.
#[derive(Clone, Copy)]
pub(crate) struct Behind {
    /// It calls.
    pub entry: u32,
    /// It returns.
    pub import: u32,
}

/// Wraps what the host calls, and what may be called from it.
pub(crate) fn host(
    edits: &mut Edits<'_, '_>,
    reach: &Reach,
    added: Added,
    stack: StackFunctions,
    behind: Option<Behind>,
) -> Result<(), Error> {
    for func in reach.open_imports() {
        import(edits, func, reach.is_invoke(func), added, stack, behind)?;
    }
    let sections = edits.sections;
    let exported: BTreeSet<u32> = sections
        .exports()
        .filter(|export| crate::module::is_func(export.kind) && reach.reaches(export.index))
        .map(|export| export.index)
        .collect();
    for func in exported {
        let Some(ty) = sections.func_type(func) else { continue };
        let type_index = sections.funcs.get(func as usize).copied().unwrap_or_default();
        let entry =
            edits.add_func(type_index, entry(func, ty, stack, behind), format!("memgrove.entry.{func}"));
        edits.export_instead(func, entry);
    }
    Ok(())
}

/// A function that the host calls instead of `func`: it takes care of what a trap has left.
fn entry(func: u32, ty: &FuncType, stack: StackFunctions, behind: Option<Behind>) -> Function {
    let mut body = Function::new([]);
    body.instruction(&Instruction::Call(stack.entry));
    if let Some(behind) = behind {
        body.instruction(&Instruction::Call(behind.entry));
    }
    for (param, _) in (0..).zip(ty.params()) {
        body.instruction(&Instruction::LocalGet(param));
    }
    body.instruction(&Instruction::Call(func)).instruction(&Instruction::End);
    body
}

/// A wrapper of an import from which the host may call functions that have frames. What these leave when an exception
/// ends them, it sets right.
fn import(
    edits: &mut Edits<'_, '_>,
    func: u32,
    is_invoke: bool,
    added: Added,
    stack: StackFunctions,
    behind: Option<Behind>,
) -> Result<(), Error> {
    let Some(ty) = edits.sections.func_type(func) else { return Ok(()) };
    let params = u32::try_from(ty.params().len()).unwrap_or(u32::MAX);
    edits.wrap(func, format!("memgrove.import.{func}"), |inner| {
        let (sp, state) = (params, params + 1);
        let mut body = Function::new([(2, ValType::I32)]);
        body.instruction(&Instruction::GlobalGet(added.sp))
            .instruction(&Instruction::LocalSet(sp))
            .instruction(&Instruction::GlobalGet(added.state))
            .instruction(&Instruction::LocalSet(state));
        // What Emscripten's `invoke_` calls, is called by the frames in progress.
        if !is_invoke {
            body.instruction(&Instruction::I32Const(0)).instruction(&Instruction::Call(stack.out));
        }
        for param in 0..params {
            body.instruction(&Instruction::LocalGet(param));
        }
        body.instruction(&Instruction::Call(inner))
            .instruction(&Instruction::LocalGet(sp))
            .instruction(&Instruction::LocalGet(state))
            .instruction(&Instruction::Call(if is_invoke { stack.set } else { stack.back_at }));
        if let Some(behind) = behind {
            body.instruction(&Instruction::Call(behind.import));
        }
        body.instruction(&Instruction::End);
        body
    })
}
