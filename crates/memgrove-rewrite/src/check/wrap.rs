//! The wrappers of the allocator's functions: they ask for more, put blocks where the checker wants them, and hand freed
//! ones to the quarantine.

use std::collections::BTreeMap;

use memgrove_module::allocator::Param;
use wasm_encoder::{Function, Instruction as I, MemArg, MemArgTarget, ValType};

use super::CheckError;
use super::checker::Checker;
use super::family::{ALIGN, Built, Family};
use super::width::{Width, low_or_most};
use crate::edit::{Edits, count};
use crate::frames::IF;
use crate::swap::Role;

impl Family {
    /// Wraps them.
    pub fn wrap(&self, edits: &mut Edits<'_, '_>, checker: &Checker) -> Result<(), CheckError> {
        // Each wrap adds one function, in this order, and one that takes blocks out of the quarantine follows.
        let first = edits.next_func();
        let inner: BTreeMap<u32, u32> =
            self.members.iter().map(|built| built.member.func).zip(first..).collect();
        let trim = first + count(self.members.len());
        for built in &self.members {
            let func = built.member.func;
            edits.wrap(func, format!("memgrove.{}", built.member.role.name()), |_| {
                let mut wrapper = Wrapper::new(self, built, checker, &inner, trim);
                wrapper.write();
                wrapper.body
            })?;
        }
        let ty = edits.add_type(vec![ValType::I32], vec![ValType::I32]);
        edits.add_func(ty, self.trim(checker, &inner), "memgrove.trim");
        Ok(())
    }
}

/// A wrapper in the making.
struct Wrapper<'w> {
    body: Function,
    family: &'w Family,
    built: &'w Built,
    checker: &'w Checker,
    inner: &'w BTreeMap<u32, u32>,
    trim: u32,
    /// Its parameters, with the heap.
    params: u32,
    /// Where its own parameters begin.
    own: u32,
    /// Locals behind them.
    result: u32,
    frame: u32,
    base: u32,
    size: u32,
    state: u32,
    total: u32,
    /// Where its own parameters are as numbers of 32 bits.
    narrow: u32,
    /// What the allocator gave, with 64 bits.
    far: u32,
}

impl<'w> Wrapper<'w> {
    fn new(
        family: &'w Family,
        built: &'w Built,
        checker: &'w Checker,
        inner: &'w BTreeMap<u32, u32>,
        trim: u32,
    ) -> Self {
        let own = u32::from(built.member.has_heap);
        let count = built.member.role.param_count();
        let params = own + count;
        let (locals, narrow) = match family.width {
            Width::Narrow => (vec![(5, ValType::I32)], own),
            Width::Wide => (vec![(6 + count, ValType::I32), (1, ValType::I64)], params + 6),
        };
        Self {
            body: Function::new(locals),
            family,
            built,
            checker,
            inner,
            trim,
            params,
            own,
            result: params,
            frame: params + 1,
            base: params + 2,
            size: params + 3,
            state: params + 4,
            total: params + 5,
            narrow,
            far: params + 6 + count,
        }
    }

    fn push(&mut self, instructions: &[I<'_>]) {
        for instruction in instructions {
            self.body.instruction(instruction);
        }
    }

    /// A parameter of its own, with 32 bits.
    fn param(&self, at: u32) -> u32 {
        self.narrow + at
    }

    /// Makes what is on the stack one of the program's addresses or sizes.
    fn widen(&mut self) {
        self.push(self.family.width.widen());
    }

    /// A local that holds an address or a size, for an instruction that has the program's.
    fn wide(&mut self, local: u32) {
        self.push(&[I::LocalGet(local)]);
        self.widen();
    }

    /// Parameters with 64 bits as numbers of 32: what is greater than these is no block, and more than there can be.
    fn shorten(&mut self) {
        if self.family.width == Width::Wide {
            for at in 0..self.built.member.role.param_count() {
                self.push(&low_or_most(self.own + at));
                self.push(&[I::LocalSet(self.param(at))]);
            }
        }
    }

    /// The parameter with this meaning, which the role has.
    fn meaning(&self, param: Param) -> u32 {
        self.param(self.built.member.role.position(param).unwrap_or(0))
    }

    /// The parameters that tell a block's size and alignment.
    fn layout(&self) -> (u32, u32) {
        (self.meaning(Param::OldSize), self.meaning(Param::Align))
    }

    /// Calls the wrapped function with the arguments as they are.
    fn as_it_was(&mut self) {
        for param in 0..self.params {
            self.push(&[I::LocalGet(param)]);
        }
        let inner = self.inner.get(&self.built.member.func).copied().unwrap_or(0);
        self.push(&[I::Call(inner)]);
    }

    /// A parameter, or this number where the function itself does not use it: compilers then leave out what they hand.
    fn told(&self, param: u32, unknown: i32) -> I<'static> {
        match self.built.unused.contains(&(self.own + param - self.narrow)) {
            true => I::I32Const(unknown),
            false => I::LocalGet(param),
        }
    }

    /// Allocates `size` bytes (a local) into `result`.
    fn allocate(&mut self, size: u32, align: Option<u32>, clear: bool) {
        let Some(allocates) = self.built.allocates else { return };
        let align = align.map_or(I::I32Const(0), |align| self.told(align, 0));
        let total = [I::LocalGet(size), align.clone(), I::Call(self.checker.total)];
        let width = self.family.width;
        let heap = width.constant(self.family.heap.unwrap_or(0));
        let inner = self.inner.get(&allocates.func).copied().unwrap_or(0);
        let ask = |wrapper: &mut Self| {
            if allocates.has_heap {
                wrapper.push(std::slice::from_ref(&heap));
            }
            for param in allocates.role.params() {
                match param {
                    Param::Count => wrapper.push(&[width.constant(1)]),
                    Param::Align if allocates.role == Role::Memalign => wrapper.push(&[width.constant(16)]),
                    Param::Align => wrapper.push(&[width.constant(ALIGN)]),
                    _ => wrapper.total(&total),
                }
            }
            let inside = wrapper.checker.inside;
            wrapper.push(&[I::I32Const(1), I::GlobalSet(inside), I::Call(inner)]);
            wrapper.take_given();
            wrapper.push(&[I::I32Const(0), I::GlobalSet(inside), I::LocalGet(wrapper.base)]);
        };
        ask(self);
        // Freed blocks are given up before the program gets none.
        self.push(&[I::I32Eqz, IF, I::I32Const(0), I::Call(self.trim), IF]);
        ask(self);
        self.push(&[I::Drop, I::End, I::End]);
        self.push(&[
            I::LocalGet(self.base),
            I::LocalGet(size),
            align,
            I::LocalGet(self.frame),
            I::Call(self.checker.place),
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
    fn total(&mut self, total: &[I<'_>]) {
        match self.family.width {
            Width::Narrow => self.push(total),
            Width::Wide => {
                self.push(&[I::I64Const(-1)]);
                self.push(total);
                self.push(&[I::LocalTee(self.total), I::I64ExtendI32U]);
                self.push(&[I::LocalGet(self.total), I::I32Const(-1), I::I32Eq, I::Select]);
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

    /// Frees a block (a local): 1 is left on the stack if it was one of those made here.
    fn free(&mut self, block: u32, told: Option<(u32, u32)>) {
        let number = self.built.frees.cast_signed();
        self.push(&[I::LocalGet(block), I::LocalGet(self.frame), I::I32Const(number)]);
        match told {
            Some((size, align)) => {
                let told = [self.told(size, -1), self.told(align, 0)];
                self.push(&told);
            }
            None => self.push(&[I::I32Const(-1), I::I32Const(0)]),
        }
        self.push(&[I::Call(self.checker.free)]);
    }

    fn trim(&mut self) {
        self.push(&[I::Call(self.checker.room), I::Call(self.trim), I::Drop]);
    }

    /// Leaves it to the allocator what becomes of an alignment that is none.
    fn if_no_alignment(&mut self, align: u32) {
        self.push(&[I::LocalGet(align), I::I32Popcnt, I::I32Const(1), I::I32Ne, IF]);
        self.as_it_was();
        self.push(&[I::Return, I::End]);
    }

    fn write(&mut self) {
        let func = self.built.member.func;
        self.push(&[I::GlobalGet(self.checker.inside), IF]);
        self.as_it_was();
        self.push(&[I::Return, I::End]);
        self.shorten();
        self.push(&[
            I::I32Const(func.cast_signed()),
            I::Call(self.checker.ask),
            I::LocalSet(self.frame),
            I::I32Const(0),
            I::GlobalSet(self.checker.site),
        ]);
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

    /// Bytes of so many of a size, or more than there can be.
    fn product(&mut self, number: u32, size: u32) {
        let product = [I::LocalGet(number), I::I64ExtendI32U, I::LocalGet(size), I::I64ExtendI32U, I::I64Mul];
        self.push(&[I::I32Const(-1)]);
        self.push(&[I::LocalGet(number), I::LocalGet(size), I::I32Mul]);
        self.push(&product);
        self.push(&[I::I64Const(32), I::I64ShrU, I::I64Eqz, I::I32Eqz, I::Select, I::LocalSet(self.size)]);
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
