//! Writes the module that [`Edits`] describe; the only place that knows output indices.

mod added;
mod indices;
mod names;
mod sections;

use std::collections::BTreeMap;

use wasm_encoder::reencode::{Error as ReencodeError, Reencode};
use wasm_encoder::{ConstExpr, CustomSection, Instruction, Module as Output, RawSection};
use wasmparser::Operator;

use self::added::Added;
use self::indices::Indices;
use crate::edits::{Edits, Value};
use crate::module::Module;
use crate::runtime::Runtime;
use crate::{Error, mark};

/// The order of the sections in a module, by their ids (custom sections may lie anywhere).
const ORDER: [u8; 13] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];

/// Encodes `module` with `edits` applied. Linear in the size of the input.
pub(crate) fn encode(module: &Module<'_>, edits: &Edits, runtime: &Runtime) -> Result<Vec<u8>, Error> {
    let indices = Indices::new(module, edits);
    let added = Added::new(module, edits, &indices, runtime)?;
    let constants: BTreeMap<u32, Value> = edits
        .globals
        .iter()
        .filter(|(global, _)| !module.globals[**global as usize].mutable)
        .map(|(&global, &value)| (global, value))
        .collect();
    let mut emitter = Emitter { module, edits, indices, added, constants };

    let mut out = Output::new();
    let mut customs = module.customs.iter();
    // Position in ORDER of the next section to write.
    let mut next = 0;
    let last = module.sections.iter().rposition(|(id, _)| *id != 0);
    for (at, (id, _)) in module.sections.iter().enumerate() {
        if *id == 0 {
            if let Some(custom) = customs.next() {
                emitter.custom(&mut out, custom)?;
            }
        } else if let Some(position) = ORDER.iter().position(|known| known == id) {
            for &missing in &ORDER[next..=position] {
                emitter.section(&mut out, missing)?;
            }
            next = position + 1;
        }
        if last == Some(at) {
            for &missing in &ORDER[next..] {
                emitter.section(&mut out, missing)?;
            }
            next = ORDER.len();
        }
    }
    // A module of custom sections, or of none at all.
    for &missing in &ORDER[next..] {
        emitter.section(&mut out, missing)?;
    }
    if let Some(mark) = edits.mark {
        out.section(&CustomSection { name: mark::SECTION.into(), data: mark.as_slice().into() });
    }
    Ok(out.finish())
}

/// The output in the making.
struct Emitter<'m, 'a> {
    module: &'m Module<'a>,
    edits: &'m Edits,
    indices: Indices,
    added: Added,
    /// Globals that are constants now: constant expressions hold their value, so that the
    /// output does not need more than the input's proposals.
    constants: BTreeMap<u32, Value>,
}

impl<'a> Emitter<'_, 'a> {
    /// The contents of a section of the input; `None` if there is none.
    fn contents(&self, id: u8) -> Option<&'a [u8]> {
        let (_, range) = self.module.sections.iter().find(|(have, _)| *have == id)?;
        self.module.bytes.get(range.clone())
    }

    /// Copies a section as it is.
    fn copy(&self, out: &mut Output, id: u8) {
        if let Some(data) = self.contents(id) {
            out.section(&RawSection { id, data });
        }
    }
}

impl Reencode for Emitter<'_, '_> {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, func: u32) -> Result<u32, ReencodeError> {
        Ok(self.indices.funcs.get(func))
    }

    fn table_index(&mut self, table: u32) -> Result<u32, ReencodeError> {
        Ok(self.indices.tables.get(table))
    }

    fn memory_index(&mut self, memory: u32) -> Result<u32, ReencodeError> {
        Ok(self.indices.memories.get(memory))
    }

    fn global_index(&mut self, global: u32) -> Result<u32, ReencodeError> {
        Ok(self.indices.globals.get(global))
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
        let mut bytes = Vec::new();
        for instruction in &code {
            wasm_encoder::Encode::encode(instruction, &mut bytes);
        }
        Ok(ConstExpr::raw(bytes))
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
    fn instruction(self) -> Instruction<'static> {
        match self {
            Self::I32(value) => Instruction::I32Const(value.cast_signed()),
            Self::F64(value) => Instruction::F64Const(value.into()),
        }
    }
}
