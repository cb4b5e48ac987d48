//! A donor with 32-bit addresses in a memory with 64-bit ones: its addresses are made longer where they are used.

use std::collections::BTreeSet;

use memgrove_module::code::memory_access;
use wasm_encoder::{Instruction, ValType};
use wasmparser::{FunctionBody, MemArgTarget, Operator};

use super::{GraftError, unsupported};

/// What of the donor's imports is longer in the host, by the donor's indices.
#[derive(Default)]
pub(super) struct Wide {
    pub memories: BTreeSet<u32>,
    pub globals: BTreeSet<u32>,
}

/// Locals in which what lies above an address is kept while that is made longer: of each of these types one.
pub(super) struct Kept {
    first: u32,
}

const TYPES: [ValType; 2] = [ValType::I32, ValType::I64];

/// Instructions before and after one that stays.
#[derive(Default)]
pub(super) struct Around {
    pub before: Vec<Instruction<'static>>,
    pub after: Vec<Instruction<'static>>,
}

impl Around {
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

impl Wide {
    /// Gives a function the locals that it needs; `None` if it has nothing to do with what is longer.
    pub fn of_body(
        &self,
        body: &FunctionBody<'_>,
        locals: &mut Vec<(u32, ValType)>,
        params: usize,
    ) -> Result<Option<Kept>, GraftError> {
        let mut uses = false;
        if !self.memories.is_empty() || !self.globals.is_empty() {
            for operator in body.get_operators_reader()? {
                uses |= self.concerns(&operator?);
            }
        }
        if !uses {
            return Ok(None);
        }
        let params = u32::try_from(params).map_err(|_| unsupported("so many parameters"))?;
        let first = locals.iter().fold(params, |all, (count, _)| all.saturating_add(*count));
        locals.extend(TYPES.map(|ty| (1, ty)));
        Ok(Some(Kept { first }))
    }

    fn concerns(&self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::GlobalGet { global_index } => self.globals.contains(global_index),
            Operator::MemorySize { mem }
            | Operator::MemoryGrow { mem }
            | Operator::MemoryFill { mem }
            | Operator::MemoryInit { mem, .. } => self.memories.contains(mem),
            Operator::MemoryCopy { dst_mem, src_mem } => {
                self.memories.contains(dst_mem) || self.memories.contains(src_mem)
            }
            _ => memory_access(operator).is_some_and(|access| match access.memarg.target {
                MemArgTarget::Memory(memory) => self.memories.contains(&memory),
                _ => false,
            }),
        }
    }

    /// What stands around an instruction of the donor in the host.
    pub fn around(&self, operator: &Operator<'_>, kept: &Kept) -> Result<Around, GraftError> {
        if !self.concerns(operator) {
            return Ok(Around::default());
        }
        let (i32, i64) = (kept.first, kept.first + 1);
        Ok(match operator {
            Operator::GlobalGet { .. } | Operator::MemorySize { .. } => {
                Around { before: Vec::new(), after: vec![Instruction::I32WrapI64] }
            }
            Operator::MemoryGrow { .. } => {
                Around { before: vec![Instruction::I64ExtendI32U], after: vec![Instruction::I32WrapI64] }
            }
            // The length is longer, too.
            Operator::MemoryFill { .. } => Around {
                before: vec![
                    Instruction::I64ExtendI32U,
                    Instruction::LocalSet(i64),
                    Instruction::LocalSet(i32),
                    Instruction::I64ExtendI32U,
                    Instruction::LocalGet(i32),
                    Instruction::LocalGet(i64),
                ],
                after: Vec::new(),
            },
            operator => {
                let access = memory_access(operator).ok_or(unsupported("this access of a longer memory"))?;
                let before = match access.operands {
                    [] => vec![Instruction::I64ExtendI32U],
                    [one] => {
                        let local = match one {
                            wasmparser::ValType::I32 => i32,
                            wasmparser::ValType::I64 => i64,
                            _ => return Err(unsupported("a float in a longer memory")),
                        };
                        vec![
                            Instruction::LocalSet(local),
                            Instruction::I64ExtendI32U,
                            Instruction::LocalGet(local),
                        ]
                    }
                    _ => return Err(unsupported("an exchange in a longer memory")),
                };
                Around { before, after: Vec::new() }
            }
        })
    }
}
