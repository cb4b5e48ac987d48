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
    (role, has_heap): (Role, bool),
    place: Place,
    instead: Option<u32>,
    manner: Manner,
) -> Result<u32, Error> {
    let Manner { address, any_nests, added } = manner;
    let before = u32::from(has_heap);
    let params = before + role.param_count();
    let mut called = func;
    edits.wrap(func, format!("memgrove.{role}"), |inner| {
        let inner = instead.unwrap_or(inner);
        called = inner;
        let locals = Locals { result: params, saved: params + 1, frame: params + 2 };
        let result = locals.result;
        let result_type = if matches!(role, Role::PosixMemalign) { ValType::I32 } else { address };
        let body = match result_type {
            ValType::I32 => Function::new([(3, ValType::I32)]),
            other => Function::new([(1, other), (2, ValType::I32)]),
        };
        let numbers = Numbers::of(address);
        let mut wrapper = Wrapper { body, params, inner, place, locals, numbers, any_nests, added };
        wrapper.begin(func);
        match behind_heap(role.call(), before) {
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
                    let zero = [wrapper.numbers.zero.clone()];
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
                        let mul = wrapper.numbers.mul.clone();
                        vec![Instruction::LocalGet(count), Instruction::LocalGet(size), mul]
                    }
                };
                match out {
                    None => {
                        let block = [Instruction::LocalGet(result)];
                        wrapper.outcome(kind::ALLOCATED, align, &block, &size, None);
                    }
                    // 0 means that the block's address has been written.
                    Some(out) => {
                        let block = [Instruction::LocalGet(out), wrapper.numbers.load.clone()];
                        wrapper.push(&Instruction::LocalGet(result)).push(&Instruction::I32Eqz).push(&IF);
                        wrapper.record(kind::ALLOCATED, align, &block, &size);
                        wrapper.push(&Instruction::Else);
                        let none = [wrapper.numbers.zero.clone()];
                        wrapper.record(kind::REFUSED, align, &none, &size);
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

/// A call whose parameters come behind so many others.
fn behind_heap(call: Call, before: u32) -> Call {
    let moved = |at: Option<u32>| at.map(|at| at + before);
    match call {
        Call::Allocate { size, align, out } => {
            let size = match size {
                Size::Param(at) => Size::Param(at + before),
                Size::Product(count, size) => Size::Product(count + before, size + before),
            };
            Call::Allocate { size, align: moved(align), out: moved(out) }
        }
        Call::Reallocate { block, size, align } => {
            Call::Reallocate { block: block + before, size: size + before, align: moved(align) }
        }
        Call::Free { block, size } => Call::Free { block: block + before, size: moved(size) },
        Call::Measure { block } => Call::Measure { block: block + before },
    }
}

/// What all wrappers of a module have in common.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// The type of an address and of a size.
    pub address: ValType,
    /// A function of the allocator can be called by another; else nothing is nested.
    pub any_nests: bool,
    pub added: Added,
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

/// Instructions on addresses and sizes.
struct Numbers {
    zero: Instruction<'static>,
    eqz: Instruction<'static>,
    ne: Instruction<'static>,
    mul: Instruction<'static>,
    /// Of an address in the program's memory.
    load: Instruction<'static>,
    /// Of an alignment, as an i32.
    ctz: &'static [Instruction<'static>],
}

impl Numbers {
    fn of(address: ValType) -> Self {
        let at = |align| MemArg { offset: 0, align, target: MemArgTarget::Memory(0), ordering: None };
        match address {
            ValType::I64 => Self {
                zero: Instruction::I64Const(0),
                eqz: Instruction::I64Eqz,
                ne: Instruction::I64Ne,
                mul: Instruction::I64Mul,
                load: Instruction::I64Load(at(3)),
                ctz: &[Instruction::I64Ctz, Instruction::I32WrapI64],
            },
            _ => Self {
                zero: Instruction::I32Const(0),
                eqz: Instruction::I32Eqz,
                ne: Instruction::I32Ne,
                mul: Instruction::I32Mul,
                load: Instruction::I32Load(at(2)),
                ctz: &[Instruction::I32Ctz],
            },
        }
    }
}

/// A wrapper in the making.
struct Wrapper {
    body: Function,
    params: u32,
    inner: u32,
    place: Place,
    locals: Locals,
    numbers: Numbers,
    any_nests: bool,
    added: Added,
}

impl Wrapper {
    fn push(&mut self, instruction: &Instruction<'_>) -> &mut Self {
        self.body.instruction(instruction);
        self
    }

    fn size_or_0(&self, size: Option<u32>) -> [Instruction<'static>; 1] {
        [size.map_or_else(|| self.numbers.zero.clone(), Instruction::LocalGet)]
    }

    fn if_not_null(&mut self, block: u32, then: impl FnOnce(&mut Self)) {
        self.push(&Instruction::LocalGet(block));
        self.if_not_0();
        then(self);
        self.push(&Instruction::End);
    }

    /// The state may be another while the call is in progress.
    fn changes_state(&self) -> bool {
        self.any_nests || self.place == Place::Host
    }

    /// Opens an `if` on a number that is not 0.
    fn if_not_0(&mut self) {
        if matches!(self.numbers.zero, Instruction::I64Const(_)) {
            let (zero, ne) = (self.numbers.zero.clone(), self.numbers.ne.clone());
            self.push(&zero).push(&ne);
        }
        self.push(&IF);
    }

    /// Keeps what the call changes. The number of the call is left to the wrapped function, which may have a frame.
    fn begin(&mut self, func: u32) {
        let (state, Locals { saved, frame, .. }) = (self.added.state, self.locals);
        if self.changes_state() {
            self.push(&Instruction::GlobalGet(state)).push(&Instruction::LocalSet(saved));
        }
        if let Some(stack) = self.added.stack {
            self.push(&Instruction::I32Const(func.cast_signed()))
                .push(&Instruction::Call(stack.ask))
                .push(&Instruction::LocalSet(frame));
        }
        if let Some(begin) = self.added.begin {
            self.push(&Instruction::Call(begin)).push(&Instruction::Drop);
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
        if self.changes_state() {
            let saved = self.locals.saved;
            self.push(&Instruction::LocalGet(saved)).push(&state);
        }
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
        let [zero, ne, eqz] = [&self.numbers.zero, &self.numbers.ne, &self.numbers.eqz].map(Clone::clone);
        match freed_at_0 {
            Some(size) => {
                self.push(&zero).push(&ne);
                size.iter().for_each(|instruction| {
                    self.push(instruction);
                });
                self.push(&eqz).push(&Instruction::I32Or).push(&IF);
            }
            None => self.if_not_0(),
        }
        self.record(kind, align, block, size);
        self.push(&Instruction::Else);
        self.record(kind::REFUSED, align, &[zero], size);
        self.push(&Instruction::End);
    }

    /// Notes an event.
    fn record(&mut self, kind: u32, align: Option<u32>, block: &[Instruction<'_>], size: &[Instruction<'_>]) {
        if self.any_nests {
            let saved = self.locals.saved;
            self.push(&Instruction::I32Const((kind | NESTED).cast_signed()))
                .push(&Instruction::I32Const(kind.cast_signed()))
                .push(&Instruction::LocalGet(saved))
                .push(&Instruction::I32Const(1))
                .push(&Instruction::I32And)
                .push(&Instruction::Select);
        } else {
            self.push(&Instruction::I32Const(kind.cast_signed()));
        }
        if let Some(align) = align {
            self.push(&Instruction::LocalGet(align));
            let ctz = self.numbers.ctz;
            ctz.iter().for_each(|instruction| {
                self.push(instruction);
            });
            self.push(&Instruction::I32Const(ALIGN_SHIFT.cast_signed()))
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
