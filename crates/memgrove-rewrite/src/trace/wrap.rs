//! The wrappers of the allocator's functions, which note what was asked and given.

use wasm_encoder::{Function, Instruction, MemArg, MemArgTarget, ValType};

use crate::Error;
use crate::edit::Edits;
use crate::frames::{Added, IF};
use memgrove_module::allocator::{Call, Role, Size};
use memgrove_profile::layout::{ALIGN_SHIFT, NESTED, kind};

/// Puts a wrapper before a function of the allocator.
///
/// Its event is noted when the call has returned, as only then the block is known, and that of `free` before, as
/// its block may be handed out again from then on. What the call itself allocates or frees is marked as nested:
/// whether it is about the same block shows when the log is read.
///
/// `instead` is the code to call in place of the function's own. Returns the edit index of the code that is called.
pub(super) fn allocator(
    edits: &mut Edits<'_, '_>,
    func: u32,
    role: Role,
    place: Place,
    instead: Option<u32>,
    added: Added,
) -> Result<u32, Error> {
    let params = role.param_count();
    let mut called = func;
    edits.wrap(func, format!("memgrove.{role}"), |inner| {
        let inner = instead.unwrap_or(inner);
        called = inner;
        let locals = Locals { result: params, saved: params + 1, frame: params + 2 };
        let result = locals.result;
        let mut wrapper =
            Wrapper { body: Function::new([(3, ValType::I32)]), params, inner, place, locals, added };
        wrapper.begin(func);
        match role.call() {
            Call::Free { block, size } => {
                wrapper.if_not_null(block, |wrapper| {
                    wrapper.record(
                        kind::FREED,
                        None,
                        &[Instruction::LocalGet(block)],
                        &wrapper.size_or_0(size),
                    );
                });
                wrapper.call(None);
            }
            Call::Reallocate { block, size, align } => {
                wrapper.if_not_null(block, |wrapper| {
                    let zero = [Instruction::I32Const(0)];
                    wrapper.record(kind::MOVING, None, &[Instruction::LocalGet(block)], &zero);
                });
                wrapper.call(Some(result));
                let size = [Instruction::LocalGet(size)];
                wrapper.outcome(kind::MOVED, align, &[Instruction::LocalGet(result)], &size, Some(&size));
                wrapper.push(&Instruction::LocalGet(result));
            }
            // Nothing is asked for, and nothing is given back.
            Call::Measure { .. } => {
                wrapper.call(Some(result));
                wrapper.push(&Instruction::LocalGet(result));
            }
            Call::Allocate { size, align, out } => {
                wrapper.call(Some(result));
                let size = match size {
                    Size::Param(size) => vec![Instruction::LocalGet(size)],
                    Size::Product(count, size) => {
                        vec![Instruction::LocalGet(count), Instruction::LocalGet(size), Instruction::I32Mul]
                    }
                };
                match out {
                    None => {
                        let block = [Instruction::LocalGet(result)];
                        wrapper.outcome(kind::ALLOCATED, align, &block, &size, None);
                    }
                    // 0 means that the block's address has been written.
                    Some(out) => {
                        let at =
                            MemArg { offset: 0, align: 2, target: MemArgTarget::Memory(0), ordering: None };
                        let block = [Instruction::LocalGet(out), Instruction::I32Load(at)];
                        wrapper.push(&Instruction::LocalGet(result)).push(&Instruction::I32Eqz).push(&IF);
                        wrapper.record(kind::ALLOCATED, align, &block, &size);
                        wrapper.push(&Instruction::Else);
                        wrapper.record(kind::REFUSED, align, &[Instruction::I32Const(0)], &size);
                        wrapper.push(&Instruction::End);
                    }
                }
                wrapper.push(&Instruction::LocalGet(result));
            }
        }
        wrapper.push(&Instruction::End);
        wrapper.body
    })?;
    Ok(called)
}

/// Where a function of the allocator is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the module.
    Inside {
        /// It calls itself or another function of the allocator.
        nests: bool,
    },
    /// In the host.
    Host,
}

/// The locals of a wrapper, behind its parameters.
#[derive(Clone, Copy)]
struct Locals {
    result: u32,
    /// What the state was.
    saved: u32,
    /// The frame of the wrapped function.
    frame: u32,
}

/// A wrapper in the making.
struct Wrapper {
    body: Function,
    params: u32,
    inner: u32,
    place: Place,
    locals: Locals,
    added: Added,
}

impl Wrapper {
    fn push(&mut self, instruction: &Instruction<'_>) -> &mut Self {
        self.body.instruction(instruction);
        self
    }

    fn size_or_0(&self, size: Option<u32>) -> [Instruction<'static>; 1] {
        [size.map_or(Instruction::I32Const(0), Instruction::LocalGet)]
    }

    fn if_not_null(&mut self, block: u32, then: impl FnOnce(&mut Self)) {
        self.push(&Instruction::LocalGet(block)).push(&IF);
        then(self);
        self.push(&Instruction::End);
    }

    /// Keeps what the call changes. The number of the call is left to the wrapped function, which may have a frame.
    fn begin(&mut self, func: u32) {
        let (state, Locals { saved, frame, .. }) = (self.added.state, self.locals);
        self.push(&Instruction::GlobalGet(state)).push(&Instruction::LocalSet(saved));
        if let Some(stack) = self.added.stack {
            self.push(&Instruction::I32Const(func.cast_signed()))
                .push(&Instruction::Call(stack.ask))
                .push(&Instruction::LocalSet(frame));
        }
    }

    /// Calls the wrapped function with the wrapper's own arguments.
    fn call(&mut self, result: Option<u32>) {
        let Self { params, inner, place, added, .. } = *self;
        let state = Instruction::GlobalSet(added.state);
        match (place, added.stack) {
            (Place::Inside { nests: true }, _) => {
                let saved = self.locals.saved;
                self.push(&Instruction::LocalGet(saved))
                    .push(&Instruction::I32Const(1))
                    .push(&Instruction::I32Or)
                    .push(&state);
            }
            (Place::Host, Some(stack)) => {
                self.push(&Instruction::I32Const(0)).push(&Instruction::Call(stack.out));
            }
            _ => {}
        }
        for param in 0..params {
            self.push(&Instruction::LocalGet(param));
        }
        self.push(&Instruction::Call(inner));
        if let Some(result) = result {
            self.push(&Instruction::LocalSet(result));
        }
        let saved = self.locals.saved;
        self.push(&Instruction::LocalGet(saved)).push(&state);
        if added.stack.is_some() {
            self.push(&Instruction::I32Const(0)).push(&Instruction::GlobalSet(added.site));
        }
    }

    /// Notes the block, or that there is none: with a size of 0, where `freed_at_0` tells that it means a free.
    fn outcome(
        &mut self,
        kind: u32,
        align: Option<u32>,
        block: &[Instruction<'_>],
        size: &[Instruction<'_>],
        freed_at_0: Option<&[Instruction<'_>]>,
    ) {
        block.iter().for_each(|instruction| {
            self.push(instruction);
        });
        if let Some(size) = freed_at_0 {
            self.push(&Instruction::I32Const(0)).push(&Instruction::I32Ne);
            size.iter().for_each(|instruction| {
                self.push(instruction);
            });
            self.push(&Instruction::I32Eqz).push(&Instruction::I32Or);
        }
        self.push(&IF);
        self.record(kind, align, block, size);
        self.push(&Instruction::Else);
        self.record(kind::REFUSED, align, &[Instruction::I32Const(0)], size);
        self.push(&Instruction::End);
    }

    /// Notes an event.
    fn record(&mut self, kind: u32, align: Option<u32>, block: &[Instruction<'_>], size: &[Instruction<'_>]) {
        let saved = self.locals.saved;
        self.push(&Instruction::I32Const((kind | NESTED).cast_signed()))
            .push(&Instruction::I32Const(kind.cast_signed()))
            .push(&Instruction::LocalGet(saved))
            .push(&Instruction::I32Const(1))
            .push(&Instruction::I32And)
            .push(&Instruction::Select);
        if let Some(align) = align {
            self.push(&Instruction::LocalGet(align))
                .push(&Instruction::I32Ctz)
                .push(&Instruction::I32Const(ALIGN_SHIFT.cast_signed()))
                .push(&Instruction::I32Shl)
                .push(&Instruction::I32Or);
        }
        block.iter().chain(size).for_each(|instruction| {
            self.push(instruction);
        });
        let frame = self.locals.frame;
        if self.added.stack.is_some() {
            self.push(&Instruction::LocalGet(frame));
        }
        let record = self.added.record;
        self.push(&Instruction::Call(record));
    }
}
