//! Behind every instruction that may move a watched break, memory is made to reach it (see `pass/host_grown.rs`).

use wasm_encoder::{Instruction, MemArg, MemArgTarget};
use wasmparser::{FunctionBody, Operator};

use crate::Error;
use crate::edit::{Frame, Instrument, Site, Splice, Subject};
use crate::edits::WatchedBreak;

/// Puts growth behind the stores of breaks.
pub(super) struct Growth<'e> {
    watched: &'e [WatchedBreak],
    /// The function that makes memory reach an address, if there are breaks.
    cover: Option<u32>,
    /// Those that the function at hand may move.
    here: Vec<WatchedBreak>,
}

impl<'e> Growth<'e> {
    pub fn new(watched: &'e [WatchedBreak], cover: Option<u32>) -> Self {
        Self { watched, cover, here: Vec::new() }
    }
}

impl Instrument for Growth<'_> {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        self.here.clear();
        for &watched in self.watched {
            if may_move(function.body, watched)? {
                self.here.push(watched);
            }
        }
        Ok((!self.here.is_empty()).then(Frame::default))
    }

    fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), Error> {
        for watched in &self.here {
            match (watched, site.operator) {
                (WatchedBreak::Global(global), Operator::GlobalSet { global_index })
                    if global == global_index =>
                {
                    splice.after(&Instruction::GlobalGet(*global));
                }
                (WatchedBreak::Cell(at), Operator::I32Store { .. }) => {
                    splice.after(&Instruction::I32Const(at.cast_signed())).after(&Instruction::I32Load(I32));
                }
                _ => continue,
            }
            let Some(cover) = self.cover else {
                return Err(Error::Encode("a watched break without the function that grows".to_owned()));
            };
            splice.after(&Instruction::Call(cover)).after(&Instruction::Drop);
        }
        Ok(())
    }
}

/// An aligned i32 in memory 0.
pub(super) const I32: MemArg =
    MemArg { offset: 0, align: 2, target: MemArgTarget::Memory(0), ordering: None };

/// Whether a function may move a break.
fn may_move(body: &FunctionBody<'_>, watched: WatchedBreak) -> Result<bool, Error> {
    match watched {
        WatchedBreak::Global(global) => {
            for operator in body.get_operators_reader()? {
                if matches!(operator?, Operator::GlobalSet { global_index } if global_index == global) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        WatchedBreak::Cell(at) => crate::structure::uses_cell(body, at),
    }
}
