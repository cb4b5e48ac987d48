//! Wrappers that leave blocks where the allocator puts them: it is asked for what the program asks for, and the checker
//! notes what it gave.

use memgrove_module::Facts;
use memgrove_module::allocator::{Call, Param, Size};
use memgrove_module::facts::ValType;
use wasm_encoder::{Function, Instruction as I, MemArg, MemArgTarget};

use super::checker::{Checker, Same};
use super::width::{Width, low_or_most};
use super::wrap::Wrapper;
use crate::Error;
use crate::edit::Edits;
use crate::frames::IF;
use crate::swap::Role;

/// An alignment with which nothing is out of place.
const ALIGN: u32 = 16;

impl Wrapper<'_, Same> {
    /// Calls the wrapped function as a part of the allocator, with the arguments as they are.
    fn call(&mut self) {
        let inside = self.checker.inside;
        self.push(&[I::I32Const(1), I::GlobalSet(inside)]);
        self.as_it_was();
        self.push(&[I::I32Const(0), I::GlobalSet(inside)]);
    }

    /// Takes an address or a size from the stack into `result`: with 64 bits, it stays as it is in `far`.
    fn take(&mut self) {
        if self.family.width == Width::Wide {
            self.push(&[I::LocalSet(self.far)]);
            self.push(&low_or_most(self.far));
        }
        self.push(&[I::LocalSet(self.result)]);
    }

    /// Returns it as it was.
    fn give(&mut self) {
        self.push(&[match self.family.width {
            Width::Narrow => I::LocalGet(self.result),
            Width::Wide => I::LocalGet(self.far),
        }]);
    }

    /// Notes the block in a local. What lies beyond 4 GiB is none.
    fn keep(&mut self, block: u32, size: u32, align: Option<u32>) {
        let align = align.map_or(I::I32Const(0), |align| self.told(align, 0));
        let (frame, keep) = (self.frame, self.of.keep);
        let heap = I::I32Const(self.built.heap.cast_signed());
        self.push(&[I::LocalGet(block), I::LocalGet(size), align, I::LocalGet(frame), heap, I::Call(keep)]);
    }

    pub fn write(&mut self) {
        self.begin();
        match self.built.member.role.call() {
            Call::Allocate { size, align, out } => {
                let size = match size {
                    Size::Param(size) => self.param(size),
                    Size::Product(count, size) => {
                        self.product(self.param(count), self.param(size));
                        self.size
                    }
                };
                let align = align.map(|align| self.param(align));
                self.call();
                match out {
                    None => {
                        self.take();
                        self.keep(self.result, size, align);
                        self.give();
                    }
                    Some(out) => self.keep_written(self.own + out, size, align),
                }
            }
            Call::Free { .. } => self.release(),
            Call::Reallocate { block, size, align } => self.reallocate(block, size, align),
            Call::Measure { block } => {
                self.call();
                self.take();
                let extend = self.of.extend;
                self.push(&[I::LocalGet(self.param(block)), I::LocalGet(self.result), I::Call(extend)]);
                self.give();
            }
        }
        self.push(&[I::End]);
    }

    /// The status is on the stack; if it is 0, the address was written where this parameter says.
    fn keep_written(&mut self, out: u32, size: u32, align: Option<u32>) {
        let at = |align| MemArg { offset: 0, align, target: MemArgTarget::Memory(0), ordering: None };
        self.push(&[I::LocalTee(self.state), I::I32Eqz, IF, I::LocalGet(out)]);
        match self.family.width {
            Width::Narrow => self.push(&[I::I32Load(at(2))]),
            Width::Wide => self.push(&[I::I64Load(at(3))]),
        }
        self.take();
        self.keep(self.result, size, align);
        self.push(&[I::End, I::LocalGet(self.state)]);
    }

    /// Size and alignment, where they are told.
    fn told_of_block(&self) -> Option<(u32, u32)> {
        let role = self.built.member.role;
        (role.position(Param::OldSize).is_some() && role.position(Param::Align).is_some())
            .then(|| self.layout())
    }

    /// What must not be freed is not.
    fn release(&mut self) {
        let told = self.told_of_block();
        self.free(self.param(0), told);
        self.push(&[I::I32Const(1), I::I32Ne, IF]);
        self.call();
        self.push(&[I::End]);
    }

    fn reallocate(&mut self, block: u32, size: u32, align: Option<u32>) {
        let (block, size) = (self.param(block), self.param(size));
        let align = align.map(|align| self.param(align));
        let told = self.told_of_block();
        self.push(&[I::LocalGet(block), I::Call(self.checker.state_of), I::LocalSet(self.state)]);
        self.refuse_foreign(block);
        self.stale(block, size, align);
        let is_live = [I::LocalGet(self.state), I::I32Const(1), I::I32Eq];
        self.push(&is_live);
        self.push(&[IF, I::LocalGet(block), I::Call(self.checker.size_of), I::LocalSet(self.base), I::End]);
        self.call();
        self.take();
        self.push(&[I::LocalGet(self.result), IF]);
        // Where it was is free, and then, as far as it lies there, the block's again.
        self.push(&is_live);
        self.push(&[IF]);
        self.free(block, told);
        self.push(&[I::Drop, I::End]);
        self.keep(self.result, size, align);
        let shortened = self.of.shortened;
        self.push(&is_live);
        self.push(&[I::LocalGet(self.result), I::LocalGet(block), I::I32Eq, I::I32And, IF]);
        self.push(&[I::LocalGet(block), I::LocalGet(self.base), I::Call(shortened), I::End]);
        // Without a block it was refused, and the old one stays; or nothing was asked for, which may have freed it.
        self.push(&[I::Else, I::LocalGet(size), I::I32Eqz, IF]);
        if told.is_none() && self.family.manners.realloc_zero_frees {
            self.free(block, None);
            self.push(&[I::Drop]);
        } else {
            self.push(&[I::LocalGet(block), I::Call(self.of.forget)]);
        }
        self.push(&[I::Else]);
        self.keep(self.result, size, None);
        self.push(&[I::End, I::End]);
        self.give();
    }

    /// A block that was freed, or is of another heap, is not reallocated: the program gets another with what is in it.
    fn stale(&mut self, block: u32, size: u32, align: Option<u32>) {
        let Some(allocates) = self.built.allocates else { return };
        let width = self.family.width;
        let (frame, inside) = (self.frame, self.checker.inside);
        self.push(&[I::LocalGet(self.state), I::I32Const(2), I::I32Eq, IF]);
        self.push(&[I::LocalGet(block), I::LocalGet(frame), I::Call(self.checker.stale), I::End]);
        self.push(&[I::LocalGet(self.state), I::I32Const(2), I::I32GeU, IF]);
        self.push(&[I::I32Const(1), I::GlobalSet(inside)]);
        if allocates.has_heap {
            self.push(&[width.constant(self.family.heap.unwrap_or(0))]);
        }
        for param in allocates.role.params() {
            match (param, align) {
                (Param::Count, _) => self.push(&[width.constant(1)]),
                (Param::Align, Some(align)) if allocates.role != Role::Memalign => self.wide(align),
                (Param::Align, _) => self.push(&[width.constant(ALIGN)]),
                _ => self.wide(size),
            }
        }
        let inner = self.inner.get(&allocates.func).copied().unwrap_or(0);
        self.push(&[I::Call(inner), I::I32Const(0), I::GlobalSet(inside)]);
        self.take();
        self.push(&[I::LocalGet(self.result), IF]);
        self.give();
        self.wide(block);
        self.push(&[I::LocalGet(block), I::Call(self.checker.size_of), I::LocalTee(self.base)]);
        self.push(&[I::LocalGet(size), I::LocalGet(self.base), I::LocalGet(size), I::I32LtU, I::Select]);
        self.widen();
        self.push(&[I::MemoryCopy { src_mem: 0, dst_mem: 0 }, I::End]);
        self.keep(self.result, size, align);
        self.give();
        self.push(&[I::Return, I::End]);
    }
}

/// Notes where memory begins that the program takes by the function that moves the end of the heap.
pub(super) fn watch_break(
    edits: &mut Edits<'_, '_>,
    facts: &Facts<'_>,
    sbrk: u32,
    checker: &Checker,
    taken: u32,
) -> Result<(), Error> {
    let width = checker.width;
    let word = match width {
        Width::Narrow => ValType::I32,
        Width::Wide => ValType::I64,
    };
    let is_break = facts.function(sbrk).is_some()
        && facts
            .func_type(sbrk)
            .is_some_and(|ty| matches!(ty.params(), [one] if *one == word) && ty.results() == ty.params());
    if !is_break {
        return Ok(());
    }
    edits.wrap(sbrk, "memgrove.sbrk".to_owned(), |inner| {
        let mut body = Function::new([(1, width.ty())]);
        let from = 1;
        for instruction in
            [I::LocalGet(0), I::Call(inner), I::LocalSet(from), I::GlobalGet(checker.inside), I::I32Eqz, IF]
        {
            body.instruction(&instruction);
        }
        match width {
            Width::Narrow => {
                body.instruction(&I::LocalGet(from));
            }
            Width::Wide => low_or_most(from).iter().for_each(|instruction| {
                body.instruction(instruction);
            }),
        }
        for instruction in [I::Call(taken), I::End, I::LocalGet(from), I::End] {
            body.instruction(&instruction);
        }
        body
    })?;
    Ok(())
}
