//! Frames on the stack of call sites: a slot for each function in progress that can lead to an allocation.
//!
//! ```wat
//! ;; before                      ;; after
//! (func $f                       (func $f (local $base i32) (local $next i32)
//!                                  (local.set $base (global.get $sp))
//!                                  (local.set $next (… $base + 8, at the limit $base))
//!                                  (global.set $sp (local.get $next))
//!   (call $g)                      (i64.store $recorded (local.get $base) (i64.const SITE)) (call $g)
//!   …)                             … (global.set $sp (local.get $base)))
//! ```
//!
//! `SITE` is where the call lies in the original; the upper half of the slot, the node, becomes 0. The frame below
//! puts the pointer back when it returns. Where it may not have, as an exception was caught on the way, this frame
//! does: behind calls of imports and through tables, whose callee may be the host's, and before each call of a
//! function that catches exceptions. While the host is called, `$host` is where frames begin that it enters anew.

use wasm_encoder::{BlockType, Instruction, MemArg, MemArgTarget, ValType};
use wasmparser::Operator;

use super::reach::Reach;
use crate::Error;
use crate::edit::{Code, Frame, Instrument, Sections, Site, Splice, Subject};
use memgrove_profile::layout::{SLOT_BYTES, STACK_LIMIT};

/// The globals and the memory that are added to a module, by their edit indices.
#[derive(Clone, Copy)]
pub(super) struct Added {
    pub memory: u32,
    pub sp: u32,
    /// Where the stack begins for what the host calls next.
    pub host: u32,
    /// Not 0 while a function of the allocator is in progress.
    pub inside: u32,
    /// `record` of `trace/recorder.wat`.
    pub record: u32,
}

impl Added {
    /// An aligned number of 8 bytes in the added memory.
    pub fn at(self) -> MemArg {
        MemArg { offset: 0, align: 3, target: MemArgTarget::Memory(self.memory), ordering: None }
    }

    /// Leaves the slot behind the one in local `base`; the same one at the limit.
    pub fn next_slot(base: u32) -> [Instruction<'static>; 7] {
        [
            Instruction::LocalGet(base),
            Instruction::I32Const(SLOT_BYTES.cast_signed()),
            Instruction::I32Add,
            Instruction::LocalGet(base),
            Instruction::LocalGet(base),
            Instruction::I32Const(STACK_LIMIT.cast_signed()),
            Instruction::I32LtU,
        ]
    }
}

/// Gives every function that can lead to an allocation a frame.
pub(super) struct Stacks<'t, 'm, 'a> {
    sections: &'m Sections<'a>,
    reach: &'t Reach,
    added: Added,
    /// The function's first two added locals, and whether it catches exceptions.
    base: u32,
    catches: bool,
    /// Functions that got a frame.
    pub framed: u32,
}

impl<'t, 'm, 'a> Stacks<'t, 'm, 'a> {
    pub fn new(sections: &'m Sections<'a>, reach: &'t Reach, added: Added) -> Self {
        Self { sections, reach, added, base: 0, catches: false, framed: 0 }
    }

    /// What a call is, as far as frames are concerned; `None` if it leads to no allocation.
    fn call(&self, operator: &Operator<'_>) -> Option<Callee> {
        let indirect = |type_index: u32| {
            let ty = self.sections.func_type_at(type_index);
            self.reach.reaches_indirectly(ty).then_some(Callee::Unknown)
        };
        match *operator {
            Operator::Call { function_index } if self.reach.reaches(function_index) => {
                let is_import = function_index < self.sections.imported_funcs;
                Some(if is_import { Callee::Host } else { Callee::Own })
            }
            Operator::CallIndirect { type_index, .. } | Operator::CallRef { type_index } => {
                indirect(type_index)
            }
            _ => None,
        }
    }
}

/// Who is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Callee {
    /// A function of the module.
    Own,
    /// A function of the host.
    Host,
    /// One or the other.
    Unknown,
}

impl Instrument for Stacks<'_, '_, '_> {
    fn function(&mut self, function: &Subject<'_, '_>) -> Result<Option<Frame>, Error> {
        if !self.reach.reaches(function.index) {
            return Ok(None);
        }
        self.framed += 1;
        self.base = function.first_local;
        self.catches = self.reach.catches(function.index);
        let (base, next) = (self.base, self.base + 1);
        let mut entry = Code::default();
        entry.push(&Instruction::GlobalGet(self.added.sp)).push(&Instruction::LocalSet(base));
        for instruction in Added::next_slot(base) {
            entry.push(&instruction);
        }
        entry
            .push(&Instruction::Select)
            .push(&Instruction::LocalTee(next))
            .push(&Instruction::GlobalSet(self.added.sp));
        let exit = [Instruction::LocalGet(base), Instruction::GlobalSet(self.added.sp)];
        Ok(Some(Frame {
            locals: vec![ValType::I32, ValType::I32, ValType::I32],
            entry,
            exit: exit.into_iter().collect(),
        }))
    }

    fn instruction(&mut self, site: &Site<'_, '_>, splice: &mut Splice) -> Result<(), Error> {
        let Some(callee) = self.call(site.operator) else { return Ok(()) };
        let (base, next, host) = (self.base, self.base + 1, self.base + 2);
        let offset = i64::try_from(site.offset).unwrap_or(i64::MAX);
        splice
            .before(&Instruction::LocalGet(base))
            .before(&Instruction::I64Const(offset))
            .before(&Instruction::I64Store(self.added.at()));
        let reset = [Instruction::LocalGet(next), Instruction::GlobalSet(self.added.sp)];
        if self.catches {
            reset.iter().for_each(|instruction| {
                splice.before(instruction);
            });
        }
        if callee == Callee::Own {
            return Ok(());
        }
        splice
            .before(&Instruction::GlobalGet(self.added.host))
            .before(&Instruction::LocalSet(host))
            .before(&Instruction::LocalGet(next))
            .before(&Instruction::GlobalSet(self.added.host))
            .after(&Instruction::LocalGet(host))
            .after(&Instruction::GlobalSet(self.added.host));
        reset.iter().for_each(|instruction| {
            splice.after(instruction);
        });
        Ok(())
    }
}

/// An `if` without values.
pub(super) const IF: Instruction<'static> = Instruction::If(BlockType::Empty);
