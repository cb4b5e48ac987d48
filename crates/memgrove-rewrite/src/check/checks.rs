//! Puts tests before accesses, or functions that do them in their place.

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::Instruction;
use wasmparser::{Operator, ValType};

use super::access::{Access, Accesses, Functions, Loops, TYPES};
use super::checker::{Checker, OfLayout};
use super::form::{Form, NO_SITE, NO_SITE_OF_RANGE_WRITTEN, Whole};
use super::headers::Headers;
use crate::Error;
use crate::edit::{Frame, Instrument, Site, Splice, Subject};
use crate::frames::{IF, Stacks};

/// Both flags of dlmalloc's header: this block and the one before it are in use.
const IN_USE: i32 = 3;

/// Which functions are checked, and how.
#[derive(Clone, Copy)]
pub(super) struct Manner<'c> {
    /// Not these.
    pub exempt: &'c BTreeSet<u32>,
    /// Reads of these as writes: to the byte.
    pub exact: &'c BTreeSet<u32>,
    /// In loops by code in line, which calls only where a granule is not whole.
    pub in_line: bool,
    /// Each access hands on where it lies.
    pub sites: bool,
    pub functions: &'c Functions,
}

/// The length of a range: the local that holds it, and its type.
#[derive(Clone, Copy)]
struct Length {
    local: u32,
    ty: ValType,
}

/// Puts tests before accesses, beside the frames.
pub(super) struct Checks<'c, 't, 'm, 'a> {
    stacks: Stacks<'t, 'm, 'a>,
    accesses: &'c Accesses,
    checker: &'c Checker,
    headers: &'c Headers,
    manner: Manner<'c>,
    /// Position of the next instruction of the function.
    at: usize,
    has_frame: bool,
    is_checked: bool,
    starts: [u32; 5],
    loops: Loops,
}

impl<'c, 't, 'm, 'a> Checks<'c, 't, 'm, 'a> {
    pub fn new(
        stacks: Stacks<'t, 'm, 'a>,
        accesses: &'c Accesses,
        checker: &'c Checker,
        headers: &'c Headers,
        manner: Manner<'c>,
    ) -> Self {
        Self {
            stacks,
            accesses,
            checker,
            headers,
            manner,
            at: 0,
            has_frame: false,
            is_checked: false,
            starts: [0; 5],
            loops: Loops::default(),
        }
    }

    /// Keeps the operands above an address; the address stays on the stack, and in a local.
    fn keep(&self, operands: &[ValType], splice: &mut Splice) -> (u32, Vec<u32>) {
        let mut first = self.starts;
        let at = TYPES.iter().position(|ty| *ty == self.checker.width.of_operands()).unwrap_or(0);
        first[at] += 1;
        let locals = Self::keep_in(first, operands, splice);
        splice.before(&Instruction::LocalTee(self.starts[at]));
        (self.starts[at], locals)
    }

    /// Takes the operands above an address from the stack into locals.
    fn keep_above(&self, operands: &[ValType], splice: &mut Splice) -> Vec<u32> {
        Self::keep_in(self.starts, operands, splice)
    }

    fn keep_in(mut next: [u32; 5], operands: &[ValType], splice: &mut Splice) -> Vec<u32> {
        let locals: Vec<u32> = operands
            .iter()
            .map(|operand| {
                let at = TYPES.iter().position(|ty| ty == operand).unwrap_or(0);
                next[at] += 1;
                next[at] - 1
            })
            .collect();
        for local in locals.iter().rev() {
            splice.before(&Instruction::LocalSet(*local));
        }
        locals
    }

    /// Tests an access of which a local holds the address.
    fn test(&self, form: Form, address: u32, site: u32, splice: &mut Splice) {
        for instruction in form.granules(address, self.checker) {
            splice.before(&instruction);
        }
        splice.before(&IF).before(&Instruction::LocalGet(address));
        match self.manner.functions.forms.get(&form) {
            Some(func) => self.hand_site(site, splice).before(&Instruction::Call(*func)),
            None => self.plain(form, site, self.checker.access(form.width, form.stores), splice),
        };
        splice.before(&Instruction::End);
    }

    /// Puts the site on the stack, if there are sites.
    fn hand_site<'s>(&self, site: u32, splice: &'s mut Splice) -> &'s mut Splice {
        if self.manner.sites {
            splice.before(&Instruction::I32Const(site.cast_signed()));
        }
        splice
    }

    /// Calls a function for all accesses of one width, whose address is on the stack.
    fn plain<'s>(&self, form: Form, site: u32, func: u32, splice: &'s mut Splice) -> &'s mut Splice {
        let site = Instruction::I32Const(site.cast_signed());
        splice
            .before(&Instruction::I32Const(form.offset.cast_signed()))
            .before(&if self.manner.sites { site } else { form.no_site() })
            .before(&Instruction::Call(func))
    }

    /// Tests a range of which the address and the length are in locals.
    fn range(&self, address: u32, length: Length, site: u32, writes: bool, splice: &mut Splice) {
        let site = match (self.manner.sites, writes) {
            (true, _) => site.cast_signed(),
            (false, true) => NO_SITE_OF_RANGE_WRITTEN,
            (false, false) => NO_SITE,
        };
        splice.before(&Instruction::LocalGet(address)).before(&Instruction::LocalGet(length.local));
        if length.ty != self.checker.width.of_operands() {
            for instruction in self.checker.width.widen() {
                splice.before(instruction);
            }
        }
        splice.before(&Instruction::I32Const(site)).before(&Instruction::Call(self.checker.range));
    }
}

impl Instrument for Checks<'_, '_, '_, '_> {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        self.at = 0;
        self.loops = Loops::default();
        let frame = self.stacks.function(function)?;
        self.has_frame = frame.is_some();
        let kept = self.accesses.funcs.get(&function.index);
        self.is_checked = kept.is_some();
        let Headers { tests, inlined, .. } = self.headers;
        let looks = tests.contains_key(&function.index) || inlined.contains_key(&function.index);
        if kept.is_none() && frame.is_none() && !looks {
            return Ok(None);
        }
        let mut frame = frame.unwrap_or_default();
        let first = function.first_local + u32::try_from(frame.locals.len()).unwrap_or(u32::MAX);
        let (locals, starts) = kept.copied().unwrap_or_default().locals(first);
        frame.locals.extend(locals);
        self.starts = starts;
        Ok(Some(frame))
    }

    fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), Error> {
        let position = self.at;
        self.at += 1;
        self.loops.pass(site.operator);
        if self.has_frame {
            self.stacks.instruction(site, splice)?;
        }
        let is_one = |of: &BTreeMap<u32, BTreeSet<usize>>| {
            of.get(&site.function.index).is_some_and(|places| places.contains(&position))
        };
        if let Operator::I32Load { memarg } = site.operator
            && is_one(&self.headers.inlined)
            && let OfLayout::Apart(header) = self.checker.of_layout
        {
            let offset = u32::try_from(memarg.offset).unwrap_or(u32::MAX).cast_signed();
            splice.remove().before(&Instruction::I32Const(offset)).before(&Instruction::Call(header.header));
            return Ok(());
        }
        if is_one(&self.headers.tests) {
            if matches!(self.checker.of_layout, OfLayout::Same(_)) {
                return Ok(());
            }
            // The header is not the allocator's: a block looks as one that was not mapped, so that it is cleared.
            let in_use = match site.operator {
                Operator::I64Load { .. } | Operator::I64Load8U { .. } => {
                    Instruction::I64Const(i64::from(IN_USE))
                }
                _ => Instruction::I32Const(IN_USE),
            };
            splice.remove().before(&Instruction::Drop).before(&in_use);
            return Ok(());
        }
        if !self.is_checked {
            return Ok(());
        }
        let func = site.function.index;
        let offset = u32::try_from(site.offset).unwrap_or(u32::MAX);
        if let Some(is_frame) = self.accesses.grows_stack(func, position) {
            let site = if self.manner.sites { offset.cast_signed() } else { NO_SITE };
            splice.before(&Instruction::I32Const(site)).before(&Instruction::Call(if is_frame {
                self.checker.frame
            } else {
                self.checker.stack
            }));
            return Ok(());
        }
        let Some(access) = Access::of(site.operator) else { return Ok(()) };
        if access == Access::Grow {
            splice.remove().before(&Instruction::Call(self.checker.grow));
            return Ok(());
        }
        if self.manner.exempt.contains(&func) || self.accesses.is_proven(func, position) {
            return Ok(());
        }
        let is_exact = self.manner.exact.contains(&func);
        let operands = access.operands(self.checker.width);
        if let Access::At { memarg, width, stores, .. } = access
            && !(self.manner.in_line && self.loops.is_inside())
        {
            let form = Form::of(memarg, width, stores, is_exact);
            let whole = Whole::of(site.operator, form, self.checker.width);
            if let Some(func) = whole.and_then(|whole| self.manner.functions.wholes.get(&whole)) {
                splice.remove();
                self.hand_site(offset, splice).before(&Instruction::Call(*func));
                return Ok(());
            }
            // The function hands the address on.
            let kept = self.keep_above(operands, splice);
            self.plain(form, offset, self.checker.pass(width, form.stores), splice);
            for local in &kept {
                splice.before(&Instruction::LocalGet(*local));
            }
            return Ok(());
        }
        if let Access::At { memarg, width, stores, .. } = access
            && let Some(local) = self.accesses.held(func, position)
        {
            self.test(Form::of(memarg, width, stores, is_exact), local, offset, splice);
            return Ok(());
        }
        let (address, kept) = self.keep(operands, splice);
        match (access, &kept[..]) {
            (Access::At { memarg, width, stores, .. }, _) => {
                self.test(Form::of(memarg, width, stores, is_exact), address, offset, splice);
            }
            // Read first, as the instruction does.
            (Access::Copy, [source, length]) => {
                let length = Length { local: *length, ty: operands[1] };
                self.range(*source, length, offset, false, splice);
                self.range(address, length, offset, true, splice);
            }
            (_, [_, length]) => {
                self.range(address, Length { local: *length, ty: operands[1] }, offset, true, splice);
            }
            _ => {}
        }
        for local in &kept {
            splice.before(&Instruction::LocalGet(*local));
        }
        Ok(())
    }
}
