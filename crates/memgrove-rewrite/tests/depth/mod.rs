//! An instrument of every function: a depth that each keeps as a shadow stack does. For what it takes.

use memgrove_rewrite::Error;
use memgrove_rewrite::edit::{Edited, Edits, Frame, Instrument, Sections, Site, Splice, Subject};
use wasm_encoder::{ConstExpr, GlobalType, Instruction, ValType};
use wasmparser::Operator;

/// Instruments every function at its entry, its exits and behind its calls.
pub fn instrument(wasm: &[u8]) -> Result<Edited, Error> {
    let sections = Sections::read(wasm)?;
    let mut edits = Edits::new(&sections);
    let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    let global = edits.add_global(ty, ConstExpr::i32_const(0));
    edits.apply(&mut Depth { global })
}

/// A depth as a shadow stack keeps it.
struct Depth {
    global: u32,
}

impl Instrument for Depth {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        let local = function.first_local;
        let restore = [Instruction::LocalGet(local), Instruction::GlobalSet(self.global)];
        let enter = [
            Instruction::GlobalGet(self.global),
            Instruction::LocalTee(local),
            Instruction::I32Const(1),
            Instruction::I32Add,
            Instruction::GlobalSet(self.global),
        ];
        Ok(Some(Frame {
            locals: vec![ValType::I32],
            entry: enter.into_iter().collect(),
            exit: restore.into_iter().collect(),
        }))
    }

    fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), Error> {
        if matches!(site.operator, Operator::Call { .. }) {
            let local = site.function.first_local;
            splice.after(&Instruction::LocalGet(local)).after(&Instruction::GlobalSet(self.global));
        }
        Ok(())
    }
}
