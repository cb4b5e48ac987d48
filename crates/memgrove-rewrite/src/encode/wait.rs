//! Where nobody can wake who waits, a wait compares and times out (see `pass/alone.rs`).
//!
//! ```wat
//! ;; before
//! (memory.atomic.wait32 offset=4 (local.get $at) (local.get $expected) (local.get $timeout))
//! ;; after
//! (if (result i32) (i32.ne (i32.atomic.load offset=4 (local.get $at)) (local.get $expected))
//!   (then (i32.const 1))
//!   (else (if (i64.lt_s (local.get $timeout) (i64.const 0)) (then unreachable)) (i32.const 2)))
//! ```

use wasm_encoder::{BlockType, Instruction, MemArg, MemArgTarget, ValType};
use wasmparser::{FunctionBody, Operator};

use crate::Error;
use crate::edit::{Frame, Splice};

/// Locals that a function with waits gets: address, expected values of both widths, timeout.
const LOCALS: [ValType; 4] = [ValType::I32, ValType::I32, ValType::I64, ValType::I64];

/// What a function with waits gets; none without.
pub(super) fn frame(body: &FunctionBody<'_>) -> Result<Option<Frame>, Error> {
    for operator in body.get_operators_reader()? {
        if matches!(operator?, Operator::MemoryAtomicWait32 { .. } | Operator::MemoryAtomicWait64 { .. }) {
            return Ok(Some(Frame { locals: LOCALS.to_vec(), ..Frame::default() }));
        }
    }
    Ok(None)
}

/// Puts the comparison in place of a wait.
pub(super) fn replace(operator: &Operator<'_>, first_local: u32, splice: &mut Splice) {
    let (is_wide, memarg) = match operator {
        Operator::MemoryAtomicWait32 { memarg } => (false, memarg),
        Operator::MemoryAtomicWait64 { memarg } => (true, memarg),
        _ => return,
    };
    let [address, narrow, wide, timeout] = [0, 1, 2, 3].map(|local| first_local + local);
    let memarg = MemArg {
        offset: memarg.offset,
        align: memarg.align.into(),
        target: MemArgTarget::Memory(0),
        ordering: None,
    };
    let (expected, load, differ) = match is_wide {
        false => (narrow, Instruction::I32AtomicLoad(memarg), Instruction::I32Ne),
        true => (wide, Instruction::I64AtomicLoad(memarg), Instruction::I64Ne),
    };
    splice
        .remove()
        .after(&Instruction::LocalSet(timeout))
        .after(&Instruction::LocalSet(expected))
        .after(&Instruction::LocalTee(address))
        .after(&load)
        .after(&Instruction::LocalGet(expected))
        .after(&differ)
        .after(&Instruction::If(BlockType::Result(ValType::I32)))
        .after(&Instruction::I32Const(1))
        .after(&Instruction::Else)
        .after(&Instruction::LocalGet(timeout))
        .after(&Instruction::I64Const(0))
        .after(&Instruction::I64LtS)
        .after(&Instruction::If(BlockType::Empty))
        .after(&Instruction::Unreachable)
        .after(&Instruction::End)
        .after(&Instruction::I32Const(2))
        .after(&Instruction::End);
}
