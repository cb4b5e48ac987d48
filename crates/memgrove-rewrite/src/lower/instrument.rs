//! Puts what stands for an instruction in its place.

use std::collections::BTreeMap;

use wasm_encoder::Instruction;

use super::carrier::Carrier;
use super::defined;
use super::form::{Form, Helper, Lowerable};
use crate::Error;
use crate::edit::{Frame, Instrument, Sections, Site, Splice, Subject};

/// Lowers the functions that hold something to lower.
pub(super) struct Lowering<'s, 'a> {
    sections: &'s Sections<'a>,
    lowerable: Lowerable,
    helpers: BTreeMap<Helper, u32>,
    /// For each function that the module defines, whether anything in it changes.
    touched: Vec<bool>,
    multi: Option<Carrier>,
}

impl<'s, 'a> Lowering<'s, 'a> {
    pub fn new(
        sections: &'s Sections<'a>,
        lowerable: Lowerable,
        helpers: BTreeMap<Helper, u32>,
        touched: Vec<bool>,
        multi: Option<Carrier>,
    ) -> Self {
        Self { sections, lowerable, helpers, touched, multi }
    }
}

impl Instrument for Lowering<'_, '_> {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        if self.touched.get(defined(self.sections, function.index)) != Some(&true) {
            return Ok(None);
        }
        let locals = match &mut self.multi {
            Some(multi) => multi.function(function, self.sections)?,
            None => Vec::new(),
        };
        Ok(Some(Frame { locals, ..Frame::default() }))
    }

    fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), Error> {
        if let Some(multi) = &mut self.multi {
            multi.instruction(site.operator, self.sections, splice)?;
        }
        // Writing an instruction again writes its numbers short, so that its bytes do not matter here.
        let Some((.., form)) = self.lowerable.form(site.operator, &[]) else { return Ok(()) };
        match form {
            Form::Shifts32(bits) => {
                splice
                    .remove()
                    .before(&Instruction::I32Const(bits))
                    .before(&Instruction::I32Shl)
                    .before(&Instruction::I32Const(bits))
                    .before(&Instruction::I32ShrS);
            }
            Form::Shifts64(bits) => {
                splice
                    .remove()
                    .before(&Instruction::I64Const(bits))
                    .before(&Instruction::I64Shl)
                    .before(&Instruction::I64Const(bits))
                    .before(&Instruction::I64ShrS);
            }
            Form::Call(helper) => {
                let func = self.helpers.get(&helper).copied();
                let func = func.ok_or_else(|| Error::Encode(format!("`{}` is missing", helper.name())))?;
                splice.remove().before(&Instruction::Call(func));
            }
            Form::Select => {
                splice.remove().before(&Instruction::Select);
            }
            Form::Short => {}
        }
        Ok(())
    }
}
