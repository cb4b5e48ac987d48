//! Where `_start` ends its program, it returns if the code is 0 (see `pass/exit.rs`).

use wasm_encoder::{BlockType, Instruction};
use wasmparser::Operator;

use super::growth::Growth;
use crate::Error;
use crate::edit::{Frame, Instrument, Site, Splice, Subject};
use crate::edits::Exit;

/// Changes of code: growth behind breaks, and ends of the program.
pub(super) struct Instruments<'e> {
    growth: Growth<'e>,
    exit: Option<(&'e Exit, u32)>,
    /// The function at hand holds breaks that may move, is the program's entry.
    here: (bool, bool),
}

impl<'e> Instruments<'e> {
    /// `exit` with the global that holds the code.
    pub fn new(growth: Growth<'e>, exit: Option<(&'e Exit, u32)>) -> Self {
        Self { growth, exit, here: (false, false) }
    }
}

impl Instrument for Instruments<'_> {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        let grows = self.growth.function(function)?.is_some();
        let is_entry = self.exit.is_some_and(|(exit, _)| exit.start == Some(function.index));
        self.here = (grows, is_entry);
        Ok((grows || is_entry).then(Frame::default))
    }

    fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), Error> {
        let (grows, is_entry) = self.here;
        if grows {
            self.growth.instruction(site, splice)?;
        }
        if let (true, Some((exit, global)), Operator::Call { function_index }) =
            (is_entry, self.exit, site.operator)
            && exit.exits.contains(function_index)
        {
            splice
                .remove()
                .after(&Instruction::GlobalSet(global))
                .after(&Instruction::GlobalGet(global))
                .after(&Instruction::If(BlockType::Empty))
                .after(&Instruction::Unreachable)
                .after(&Instruction::End)
                .after(&Instruction::Return);
        }
        Ok(())
    }
}
