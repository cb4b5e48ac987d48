//! Where `_start` ends its program, it returns if the code is 0 (see `pass/exit.rs`).

use wasm_encoder::{BlockType, Instruction};
use wasmparser::Operator;

use super::growth::Growth;
use super::wait;
use crate::Error;
use crate::edit::{Frame, Instrument, Site, Splice, Subject};
use crate::edits::Exit;

/// What a function holds.
#[derive(Default)]
struct Here {
    moves_break: bool,
    is_entry: bool,
    waits: bool,
}

/// Changes of code: growth behind breaks, and ends of the program.
pub(super) struct Instruments<'e> {
    growth: Growth<'e>,
    exit: Option<(&'e Exit, u32)>,
    never_waits: bool,
    /// Of the function at hand.
    here: Here,
}

impl<'e> Instruments<'e> {
    /// `exit` with the global that holds the code.
    pub fn new(growth: Growth<'e>, exit: Option<(&'e Exit, u32)>, never_waits: bool) -> Self {
        Self { growth, exit, never_waits, here: Here::default() }
    }
}

impl Instrument for Instruments<'_> {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        let frame = if self.never_waits { wait::frame(function.body)? } else { None };
        self.here = Here {
            moves_break: self.growth.function(function)?.is_some(),
            is_entry: self.exit.is_some_and(|(exit, _)| exit.start == Some(function.index)),
            waits: frame.is_some(),
        };
        Ok(frame.or_else(|| (self.here.moves_break || self.here.is_entry).then(Frame::default)))
    }

    fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), Error> {
        if self.here.moves_break {
            self.growth.instruction(site, splice)?;
        }
        if self.here.waits {
            wait::replace(site.operator, site.function.first_local, splice);
        }
        if let (true, Some((exit, global)), Operator::Call { function_index }) =
            (self.here.is_entry, self.exit, site.operator)
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
