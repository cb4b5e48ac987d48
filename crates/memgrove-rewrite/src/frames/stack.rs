//! Frames on the recorder's stack: a slot for each function in progress that can lead to what is recorded.
//!
//! ```wat
//! ;; before            ;; after
//! (func $f             (func $f (local $base i32)
//!                        (local.set $base (call $enter (i32.const F)))
//!   (call $g)            (call $g)
//!   (call $g)            (global.set $site (i32.const 1)) (call $g)
//!   …)                   … (global.set $sp (local.get $base)))
//! ```
//!
//! A slot holds the function and the number of the call by which it was entered ([`CallNumbers`]). Most numbers are 0
//! and cost nothing: the callee takes `$site` and puts it back to 0, so it is set only where a function calls another
//! for the second time.
//!
//! What an exception leaves as it was, the frame that goes on sets right from its own locals: a function that catches
//! before each of its calls, which is where it next matters, and every function behind a call that may be the host's.

use wasm_encoder::{BlockType, Instruction, ValType};

use super::reach::Reach;
use super::{Added, StackFunctions};
use crate::Error;
use crate::edit::{Code, Frame, Instrument, Sections, Site, Splice, Subject, is_tail_call};
use memgrove_module::code::{CallNumbers, Callee};
use memgrove_profile::layout;

/// Gives every function that can lead to what is recorded a frame.
pub(crate) struct Stacks<'t, 'm, 'a> {
    sections: &'m Sections<'a>,
    reach: &'t Reach,
    added: Added,
    functions: StackFunctions,
    /// Tell the calls of one function by another apart.
    call_sites: bool,
    numbers: CallNumbers,
    /// The function's added locals: its slot, and what the state was when it was entered.
    base: u32,
    /// The function catches exceptions.
    catches: bool,
    /// Functions that got a frame.
    pub framed: u32,
}

impl<'t, 'm, 'a> Stacks<'t, 'm, 'a> {
    pub fn new(
        sections: &'m Sections<'a>,
        reach: &'t Reach,
        added: Added,
        functions: StackFunctions,
        call_sites: bool,
    ) -> Self {
        let numbers = CallNumbers::new(sections.imported_funcs);
        Self { sections, reach, added, functions, call_sites, numbers, base: 0, catches: false, framed: 0 }
    }

    /// The number as a frame has it.
    fn number(&self, number: i32) -> i32 {
        if !self.call_sites {
            // What is open or the host's has a number in any case: 0 means there that the host called.
            return if number < 0 { layout::UNKNOWN_CALL } else { 0 };
        }
        if (layout::LEAST_CALL..=layout::MOST_CALL).contains(&number) { number } else { layout::UNKNOWN_CALL }
    }
}

impl Instrument for Stacks<'_, '_, '_> {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        if !self.reach.calls(function.index) {
            return Ok(None);
        }
        self.framed += 1;
        self.numbers.clear();
        self.base = function.first_local;
        self.catches = self.reach.catches(function.index);
        let func = function.index.cast_signed();
        let mut entry = Code::default();
        entry
            .push(&Instruction::I32Const(func))
            .push(&Instruction::Call(self.functions.enter))
            .push(&Instruction::LocalSet(self.base));
        let mut locals = vec![ValType::I32];
        if self.catches || self.reach.calls_open_host(function.index) {
            entry.push(&Instruction::GlobalGet(self.added.state)).push(&Instruction::LocalSet(self.base + 1));
            locals.push(ValType::I32);
        }
        let exit = [Instruction::LocalGet(self.base), Instruction::GlobalSet(self.added.sp)];
        Ok(Some(Frame { locals, entry, exit: exit.into_iter().collect() }))
    }

    fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), Error> {
        let Some((callee, number)) = self.numbers.of(site.operator) else { return Ok(()) };
        let may_be_hosts = match callee {
            Callee::Own(func) | Callee::Host(func) if !self.reach.reaches(func) => return Ok(()),
            Callee::Own(_) | Callee::Host(_) => false,
            Callee::Open(ty) if !self.reach.reaches_openly(self.sections.func_type_at(ty)) => return Ok(()),
            Callee::Open(_) => self.reach.is_table_shared(),
        };
        let number = self.number(number);
        let frame = [Instruction::LocalGet(self.base), Instruction::LocalGet(self.base + 1)];
        let functions = self.functions;
        if self.catches {
            frame.iter().for_each(|instruction| {
                splice.before(instruction);
            });
            splice.before(&Instruction::Call(functions.restore));
        }
        if is_tail_call(site.operator) {
            splice.before(&Instruction::LocalGet(self.base)).before(&Instruction::Call(functions.tail));
        } else if may_be_hosts {
            splice.before(&Instruction::I32Const(number)).before(&Instruction::Call(functions.out));
            frame.iter().for_each(|instruction| {
                splice.after(instruction);
            });
            splice.after(&Instruction::Call(functions.back));
        } else if number != 0 {
            // A wrapper of an import of which nothing is to be known does not ask for the number.
            if let Callee::Host(func) = callee
                && !self.reach.takes_number(func)
            {
                return Ok(());
            }
            let set = |number| [Instruction::I32Const(number), Instruction::GlobalSet(self.added.site)];
            set(number).iter().for_each(|instruction| {
                splice.before(instruction);
            });
            let stays = match callee {
                Callee::Open(ty) => self.reach.may_leave_number(self.sections.func_type_at(ty)),
                Callee::Own(func) => self.reach.leaves_number(func),
                Callee::Host(_) => false,
            };
            if stays {
                set(0).iter().for_each(|instruction| {
                    splice.after(instruction);
                });
            }
        }
        Ok(())
    }
}

/// An `if` without values.
pub(crate) const IF: Instruction<'static> = Instruction::If(BlockType::Empty);
