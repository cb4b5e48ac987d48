//! The wrappers of the allocator's functions: they ask for more, put blocks where the checker wants them, and hand freed
//! ones to the quarantine.

use std::collections::BTreeMap;

use memgrove_module::allocator::Param;
use wasm_encoder::{Function, Instruction as I, MemArg, MemArgTarget, ValType};

use super::CheckError;
use super::checker::Checker;
use super::family::{ALIGN, Built, Family};
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
        let params = own + built.member.role.param_count();
        Self {
            body: Function::new([(5, ValType::I32)]),
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
        }
    }

    fn push(&mut self, instructions: &[I<'_>]) {
        for instruction in instructions {
            self.body.instruction(instruction);
        }
    }

    fn param(&self, at: u32) -> u32 {
        self.own + at
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
        match self.built.unused.contains(&param) {
            true => I::I32Const(unknown),
            false => I::LocalGet(param),
        }
    }

    /// Allocates `size` bytes (a local) into `result`.
    fn allocate(&mut self, size: u32, align: Option<u32>, clear: bool) {
        let Some(allocates) = self.built.allocates else { return };
        let align = align.map_or(I::I32Const(0), |align| self.told(align, 0));
        let total = [I::LocalGet(size), align.clone(), I::Call(self.checker.total)];
        let heap = self.family.heap.unwrap_or(0).cast_signed();
        let inner = self.inner.get(&allocates.func).copied().unwrap_or(0);
        let ask = |wrapper: &mut Self| {
            if allocates.has_heap {
                wrapper.push(&[I::I32Const(heap)]);
            }
            for param in allocates.role.params() {
                match param {
                    Param::Count => wrapper.push(&[I::I32Const(1)]),
                    Param::Align if allocates.role == Role::Memalign => wrapper.push(&[I::I32Const(16)]),
                    Param::Align => wrapper.push(&[I::I32Const(ALIGN)]),
                    _ => wrapper.push(&total),
                }
            }
            let inside = wrapper.checker.inside;
            wrapper.push(&[I::I32Const(1), I::GlobalSet(inside), I::Call(inner), I::LocalSet(wrapper.base)]);
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
            self.push(&[
                I::LocalGet(self.result),
                IF,
                I::LocalGet(self.result),
                I::I32Const(0),
                I::LocalGet(size),
                I::MemoryFill(0),
                I::End,
            ]);
        }
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
                    I::Return,
                    I::End,
                ]);
                self.as_it_was();
                self.push(&[I::End]);
                return;
            }
        }
        self.push(&[I::LocalGet(self.result), I::End]);
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
        let (out, align, size) = (self.param(0), self.param(1), self.param(2));
        self.if_no_alignment(align);
        self.push(&[I::LocalGet(align), I::I32Const(4), I::I32LtU, IF]);
        self.as_it_was();
        self.push(&[I::Return, I::End]);
        self.allocate(size, Some(align), false);
        let no_memory = self.family.manners.no_memory();
        let at = MemArg { offset: 0, align: 2, target: MemArgTarget::Memory(0), ordering: None };
        self.push(&[
            I::LocalGet(self.result),
            I::I32Eqz,
            IF,
            I::I32Const(no_memory),
            I::Return,
            I::End,
            I::LocalGet(out),
            I::LocalGet(self.result),
            I::I32Store(at),
            I::I32Const(0),
            I::End,
        ]);
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
        self.push(&[I::LocalGet(result), I::Return, I::End]);
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
            self.push(&[I::I32Const(0), I::Return, I::End]);
        }
        self.push(&[I::LocalGet(self.state), I::I32Const(2), I::I32Eq, IF]);
        self.push(&[I::LocalGet(block), I::LocalGet(self.frame), I::Call(self.checker.stale), I::End]);
        self.allocate(size, told.map(|(_, align)| align), false);
        self.push(&[I::LocalGet(result), I::I32Eqz, IF, I::I32Const(0), I::Return, I::End]);
        // The allocator may have asked for room: the block is still one, unless it was freed before.
        self.push(&[
            I::LocalGet(result),
            I::LocalGet(block),
            I::LocalGet(block),
            I::Call(self.checker.size_of),
            I::LocalTee(self.base),
            I::LocalGet(size),
            I::LocalGet(self.base),
            I::LocalGet(size),
            I::I32LtU,
            I::Select,
            I::MemoryCopy { src_mem: 0, dst_mem: 0 },
            I::LocalGet(self.state),
            I::I32Const(1),
            I::I32Eq,
            IF,
        ]);
        self.free(block, told);
        self.push(&[I::Drop]);
        self.trim();
        self.push(&[I::End, I::LocalGet(result), I::End]);
    }
}
