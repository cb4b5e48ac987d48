//! The code that tests an access: in line, or in a function for all accesses of one form.

use wasm_encoder::{Function, Instruction, MemArg, MemArgTarget};

use super::checker::Checker;
use crate::frames::IF;

/// Accesses of one form, for which a function of their own decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    pub width: u32,
    /// It is tested to the byte.
    pub stores: bool,
    pub offset: u32,
    /// It lies within one granule.
    is_aligned: bool,
}

/// A function of its own takes 15 to 40 bytes, and two or three less at each access.
pub(super) const LEAST_OF_A_FORM: u32 = 24;

impl Form {
    pub fn of(memarg: wasmparser::MemArg, width: u32, stores: bool) -> Self {
        let offset = u32::try_from(memarg.offset).unwrap_or(u32::MAX);
        let is_aligned = width < 16 && 1 << memarg.align >= width;
        Self { width, stores, offset, is_aligned }
    }

    /// The granules to be tested of an access whose address is in a local: what is not 0 is not whole.
    pub fn granules(self, address: u32, shadow: u32) -> Vec<Instruction<'static>> {
        let granule = |distance: u32, is_wide: bool| {
            let mut code = vec![Instruction::LocalGet(address)];
            if distance > 0 {
                code.extend([Instruction::I32Const(distance.cast_signed()), Instruction::I32Add]);
            }
            let shadow = MemArg { offset: 0, align: 0, target: MemArgTarget::Memory(shadow), ordering: None };
            code.extend([Instruction::I32Const(3), Instruction::I32ShrU]);
            code.push(match is_wide {
                true => Instruction::I32Load16U(shadow),
                false => Instruction::I32Load8U(shadow),
            });
            code
        };
        let last = granule(self.offset + (self.width - 1), false);
        if self.is_aligned {
            return last;
        }
        let mut code = granule(self.offset, self.width == 16);
        code.extend(last);
        code.push(Instruction::I32Or);
        code
    }

    /// `(address, site)`: decides, after a test in line.
    pub fn decides(self, checker: &Checker) -> Function {
        let mut body = Function::new([]);
        body.instruction(&Instruction::LocalGet(0))
            .instruction(&Instruction::I32Const(self.offset.cast_signed()))
            .instruction(&Instruction::LocalGet(1))
            .instruction(&Instruction::Call(checker.access(self.width, self.stores)))
            .instruction(&Instruction::End);
        body
    }

    /// `(address, site)`: tests and hands the address on.
    pub fn function(self, checker: &Checker) -> Function {
        let mut body = Function::new([]);
        for instruction in self.granules(0, checker.shadow) {
            body.instruction(&instruction);
        }
        body.instruction(&IF)
            .instruction(&Instruction::LocalGet(0))
            .instruction(&Instruction::I32Const(self.offset.cast_signed()))
            .instruction(&Instruction::LocalGet(1))
            .instruction(&Instruction::Call(checker.access(self.width, self.stores)))
            .instruction(&Instruction::End)
            .instruction(&Instruction::LocalGet(0))
            .instruction(&Instruction::End);
        body
    }
}
