//! How indices and constant expressions of the original are written: everything else is as it was.

use wasm_encoder::reencode::{Error as ReencodeError, Reencode};
use wasm_encoder::{ConstExpr, Instruction};
use wasmparser::Operator;

use super::Value;
use super::write::Writer;

impl Reencode for Writer<'_, '_, '_> {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, func: u32) -> Result<u32, ReencodeError> {
        Ok(self.spaces.funcs.get(func))
    }

    fn table_index(&mut self, table: u32) -> Result<u32, ReencodeError> {
        Ok(self.spaces.tables.get(table))
    }

    fn memory_index(&mut self, memory: u32) -> Result<u32, ReencodeError> {
        Ok(self.spaces.memories.get(memory))
    }

    fn global_index(&mut self, global: u32) -> Result<u32, ReencodeError> {
        Ok(self.spaces.globals.get(global))
    }

    /// Puts constants in the place of globals that were imported, and adds up what then is a
    /// sum of constants.
    fn const_expr(&mut self, expr: wasmparser::ConstExpr<'_>) -> Result<ConstExpr, ReencodeError> {
        if self.constants.is_empty() {
            return wasm_encoder::reencode::utils::const_expr(self, expr);
        }
        let mut ops = expr.get_operators_reader();
        let mut code: Vec<Instruction<'_>> = Vec::new();
        while !ops.is_end_then_eof() {
            let operator = ops.read()?;
            let constant = match operator {
                Operator::GlobalGet { global_index } => self.constants.get(&global_index),
                _ => None,
            };
            code.push(match constant {
                Some(value) => value.instruction(),
                None => self.instruction(operator)?,
            });
            fold(&mut code);
        }
        Ok(ConstExpr::extended(code))
    }
}

/// Replaces `i32.const a, i32.const b, i32.add` (or sub, mul) at the end by its value.
fn fold(code: &mut Vec<Instruction<'_>>) {
    let [.., Instruction::I32Const(a), Instruction::I32Const(b), operator] = code.as_slice() else {
        return;
    };
    let value = match operator {
        Instruction::I32Add => a.wrapping_add(*b),
        Instruction::I32Sub => a.wrapping_sub(*b),
        Instruction::I32Mul => a.wrapping_mul(*b),
        _ => return,
    };
    code.truncate(code.len() - 3);
    code.push(Instruction::I32Const(value));
}

impl Value {
    pub(super) fn instruction(self) -> Instruction<'static> {
        match self {
            Self::I32(value) => Instruction::I32Const(value.cast_signed()),
            Self::F64(value) => Instruction::F64Const(value.into()),
        }
    }
}
