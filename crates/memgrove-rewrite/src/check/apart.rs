//! Wrappers that keep blocks apart: they ask for more, put blocks where the checker wants them, and hand freed ones to the
//! quarantine.

use memgrove_module::allocator::Param;
use wasm_encoder::{Instruction as I, MemArg, MemArgTarget};

use super::checker::Apart;
use super::width::Width;
use super::wrap::Wrapper;
use crate::frames::IF;
use crate::swap::Role;

/// What such wrappers call.
#[derive(Clone, Copy)]
pub(super) struct Ways {
    pub apart: Apart,
    /// The function that takes blocks out of the quarantine.
    pub trim: u32,
}

impl Wrapper<'_, Ways> {
    /// Allocates `size` bytes (a local) into `result`.
    fn allocate(&mut self, size: u32, align: Option<u32>, clear: bool) {
        let Some(allocates) = self.built.allocates else { return };
        let align = align.map_or(I::I32Const(0), |align| self.told(align, 0));
        let total = [I::LocalGet(size), align.clone(), I::Call(self.of.apart.total)];
        let arguments = self.family.arguments(allocates, &self.total(&total));
        let inner = self.inner.get(&allocates.func).copied().unwrap_or(0);
        let ask = |wrapper: &mut Self| {
            wrapper.push(&arguments);
            let inside = wrapper.checker.inside;
            wrapper.push(&[I::I32Const(1), I::GlobalSet(inside), I::Call(inner)]);
            wrapper.take_given();
            wrapper.push(&[I::I32Const(0), I::GlobalSet(inside), I::LocalGet(wrapper.base)]);
        };
        ask(self);
        // Freed blocks are given up before the program gets none.
        self.push(&[I::I32Eqz, IF, I::I32Const(0), I::Call(self.of.trim), IF]);
        ask(self);
        self.push(&[I::Drop, I::End, I::End]);
        self.push(&[
            I::LocalGet(self.base),
            I::LocalGet(size),
            align,
            I::LocalGet(self.frame),
            I::I32Const(self.family.heap_of(allocates.func).cast_signed()),
            I::Call(self.of.apart.place),
            I::LocalSet(self.result),
        ]);
        if clear && !allocates.role.clears() {
            self.push(&[I::LocalGet(self.result), IF]);
            self.wide(self.result);
            self.push(&[I::I32Const(0)]);
            self.wide(size);
            self.push(&[I::MemoryFill(0), I::End]);
        }
    }

    /// How many bytes the allocator is asked for: more than there can be stay so.
    fn total(&self, total: &[I<'static>]) -> Vec<I<'static>> {
        match self.family.width {
            Width::Narrow => total.to_vec(),
            Width::Wide => {
                let mut code = vec![I::I64Const(-1)];
                code.extend(total.iter().cloned());
                code.extend([I::LocalTee(self.total), I::I64ExtendI32U]);
                code.extend([I::LocalGet(self.total), I::I32Const(-1), I::I32Eq, I::Select]);
                code
            }
        }
    }

    /// Takes what the allocator gave from the stack: nothing, if it ends beyond 4 GiB.
    fn take_given(&mut self) {
        if self.family.width == Width::Wide {
            self.push(&[
                I::LocalTee(self.far),
                I::LocalGet(self.total),
                I::I64ExtendI32U,
                I::I64Add,
                I::I64Const(1 << 32),
                I::I64GtU,
                IF,
                I::Call(self.checker.beyond),
                I::Drop,
                I::I64Const(0),
                I::LocalSet(self.far),
                I::End,
                I::LocalGet(self.far),
                I::I32WrapI64,
            ]);
        }
        self.push(&[I::LocalSet(self.base)]);
    }

    fn trim(&mut self) {
        self.push(&[I::Call(self.of.apart.room), I::Call(self.of.trim), I::Drop]);
    }

    /// Leaves it to the allocator what becomes of an alignment that is none.
    fn if_no_alignment(&mut self, align: u32) {
        self.push(&[I::LocalGet(align), I::I32Popcnt, I::I32Const(1), I::I32Ne, IF]);
        self.as_it_was();
        self.push(&[I::Return, I::End]);
    }

    pub fn write(&mut self) {
        self.begin();
        match self.built.member.role {
            Role::Malloc => self.allocate(self.param(0), None, false),
            Role::Calloc => {
                self.product(self.param(0), self.param(1));
                self.allocate(self.size, None, true);
            }
            Role::Memalign => {
                self.if_no_alignment(self.param(0));
                self.allocate(self.param(1), Some(self.param(0)), false);
            }
            Role::PosixMemalign => return self.posix_memalign(),
            role @ (Role::RustAlloc | Role::RustAllocAlignFirst | Role::RustAllocZeroed) => {
                self.allocate(self.meaning(Param::Size), Some(self.meaning(Param::Align)), role.clears());
            }
            Role::Free => return self.release(None),
            Role::RustDealloc | Role::RustDeallocAlignFirst => return self.release(Some(self.layout())),
            Role::Realloc => return self.reallocate(self.param(1), None),
            Role::RustRealloc | Role::RustReallocAlignFirst => {
                return self.reallocate(self.meaning(Param::Size), Some(self.layout()));
            }
            // Refused before (`swap::is_replaceable`).
            Role::SizedFree | Role::SizedRealloc | Role::BindgenRealloc | Role::CabiRealloc | Role::New => {
                self.push(&[I::Unreachable, I::End]);
                return;
            }
            Role::UsableSize => {
                let block = self.param(0);
                self.push(&[
                    I::LocalGet(block),
                    I::Call(self.checker.state_of),
                    IF,
                    I::LocalGet(block),
                    I::Call(self.checker.size_of),
                ]);
                self.widen();
                self.push(&[I::Return, I::End]);
                self.as_it_was();
                self.push(&[I::End]);
                return;
            }
        }
        self.wide(self.result);
        self.push(&[I::End]);
    }

    fn posix_memalign(&mut self) {
        // Where the address goes is not looked at.
        let (out, align, size) = (self.own, self.param(1), self.param(2));
        self.if_no_alignment(align);
        let least = match self.family.width {
            Width::Narrow => 4,
            Width::Wide => 8,
        };
        self.push(&[I::LocalGet(align), I::I32Const(least), I::I32LtU, IF]);
        self.as_it_was();
        self.push(&[I::Return, I::End]);
        self.allocate(size, Some(align), false);
        let no_memory = self.family.manners.no_memory();
        let at = MemArg { offset: 0, align: 0, target: MemArgTarget::Memory(0), ordering: None };
        self.push(&[
            I::LocalGet(self.result),
            I::I32Eqz,
            IF,
            I::I32Const(no_memory),
            I::Return,
            I::End,
            I::LocalGet(out),
        ]);
        self.wide(self.result);
        self.push(&[self.family.width.store(at), I::I32Const(0), I::End]);
    }

    fn release(&mut self, told: Option<(u32, u32)>) {
        self.free(self.param(0), told);
        self.push(&[IF]);
        self.trim();
        self.push(&[I::Else]);
        self.as_it_was();
        self.push(&[I::End, I::End]);
    }

    fn reallocate(&mut self, size: u32, told: Option<(u32, u32)>) {
        let block = self.param(0);
        let result = self.result;
        // Of no block it is an allocation.
        self.push(&[I::LocalGet(block), I::I32Eqz, IF]);
        self.allocate(size, told.map(|(_, align)| align), false);
        self.wide(result);
        self.push(&[I::Return, I::End]);
        self.push(&[
            I::LocalGet(block),
            I::Call(self.checker.state_of),
            I::LocalTee(self.state),
            I::I32Eqz,
            IF,
        ]);
        self.as_it_was();
        self.push(&[I::Return, I::End]);
        self.refuse_foreign(block);
        if told.is_none() && self.family.manners.realloc_zero_frees {
            self.push(&[I::LocalGet(size), I::I32Eqz, IF]);
            self.free(block, None);
            self.push(&[I::Drop]);
            self.trim();
            self.push(&[self.family.width.constant(0), I::Return, I::End]);
        }
        self.push(&[I::LocalGet(self.state), I::I32Const(2), I::I32Eq, IF]);
        self.push(&[I::LocalGet(block), I::LocalGet(self.frame), I::Call(self.checker.stale), I::End]);
        self.allocate(size, told.map(|(_, align)| align), false);
        let nothing = self.family.width.constant(0);
        self.push(&[I::LocalGet(result), I::I32Eqz, IF, nothing, I::Return, I::End]);
        // The allocator may have asked for room: the block is still one, unless it was freed before.
        self.wide(result);
        self.wide(block);
        self.push(&[
            I::LocalGet(block),
            I::Call(self.checker.size_of),
            I::LocalTee(self.base),
            I::LocalGet(size),
            I::LocalGet(self.base),
            I::LocalGet(size),
            I::I32LtU,
            I::Select,
        ]);
        self.widen();
        self.push(&[
            I::MemoryCopy { src_mem: 0, dst_mem: 0 },
            I::LocalGet(self.state),
            I::I32Const(1),
            I::I32Eq,
            IF,
        ]);
        self.free(block, told);
        self.push(&[I::Drop]);
        self.trim();
        self.push(&[I::End]);
        self.wide(result);
        self.push(&[I::End]);
    }
}
