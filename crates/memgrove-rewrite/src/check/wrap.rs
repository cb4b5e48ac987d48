//! The wrappers of the allocator's functions: what those of both layouts have.

use std::collections::BTreeMap;

use memgrove_module::allocator::Param;
use wasm_encoder::{Function, Instruction as I, ValType};

use super::CheckError;
use super::apart::Ways;
use super::checker::{Checker, OfLayout};
use super::family::{Built, Family};
use super::width::{Width, low_or_most};
use crate::edit::{Edits, count};
use crate::frames::IF;

impl Family {
    /// Wraps them.
    pub fn wrap(&self, edits: &mut Edits<'_, '_>, checker: &Checker) -> Result<(), CheckError> {
        // Each wrap adds one function, in this order, and one that takes blocks out of the quarantine follows.
        let first = edits.next_func();
        let inner: BTreeMap<u32, u32> =
            self.members.iter().map(|built| built.member.func).zip(first..).collect();
        let trim = first + count(self.members.len());
        // And where there are threads, one that sees to it that there is a shadow.
        let ready = checker.threads.map(|_| trim + 1);
        for built in &self.members {
            let func = built.member.func;
            edits.wrap(func, format!("memgrove.{}", built.member.role.name()), |_| {
                match checker.of_layout {
                    OfLayout::Apart(apart) => {
                        let mut wrapper = Wrapper::new(self, built, checker, &inner, Ways { apart, trim });
                        wrapper.ready = ready;
                        wrapper.write();
                        wrapper.body
                    }
                    OfLayout::Same(same) => {
                        let mut wrapper = Wrapper::new(self, built, checker, &inner, same);
                        wrapper.write();
                        wrapper.body
                    }
                }
            })?;
        }
        if let OfLayout::Apart(apart) = checker.of_layout {
            let ty = edits.add_type(vec![ValType::I32], vec![ValType::I32]);
            edits.add_func(ty, self.trim(apart, checker.inside, &inner), "memgrove.trim");
            if let Some((threads, shared)) = checker.threads {
                let of = |func: u32| inner.get(&func).copied().unwrap_or(0);
                let body = self.ready((threads, shared, checker.inside), of);
                let ty = edits.add_type(Vec::new(), vec![ValType::I32]);
                edits.add_func(ty, body, "memgrove.ready");
            }
        }
        Ok(())
    }
}

/// In place of what `state_of` says of a block: it is of another heap.
pub(super) const FOREIGN: i32 = 3;

/// A wrapper in the making: what those of both layouts have.
pub(super) struct Wrapper<'w, L> {
    pub body: Function,
    pub family: &'w Family,
    pub built: &'w Built,
    pub checker: &'w Checker,
    pub inner: &'w BTreeMap<u32, u32>,
    /// What those of one layout have.
    pub of: L,
    /// Where there are threads, the function that returns 0 if there is no shadow.
    pub ready: Option<u32>,
    /// Its parameters, with the heap.
    pub params: u32,
    /// Where its own parameters begin.
    pub own: u32,
    /// Locals behind them.
    pub result: u32,
    pub frame: u32,
    pub base: u32,
    pub size: u32,
    pub state: u32,
    pub total: u32,
    /// Where its own parameters are as numbers of 32 bits.
    pub narrow: u32,
    /// What the allocator gave, with 64 bits.
    pub far: u32,
}

impl<'w, L> Wrapper<'w, L> {
    fn new(
        family: &'w Family,
        built: &'w Built,
        checker: &'w Checker,
        inner: &'w BTreeMap<u32, u32>,
        of: L,
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
            of,
            ready: None,
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

    pub fn push(&mut self, instructions: &[I<'_>]) {
        for instruction in instructions {
            self.body.instruction(instruction);
        }
    }

    /// A parameter of its own, with 32 bits.
    pub fn param(&self, at: u32) -> u32 {
        self.narrow + at
    }

    /// Makes what is on the stack one of the program's addresses or sizes.
    pub fn widen(&mut self) {
        self.push(self.family.width.widen());
    }

    /// A local that holds an address or a size, for an instruction that has the program's.
    pub fn wide(&mut self, local: u32) {
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
    pub fn meaning(&self, param: Param) -> u32 {
        self.param(self.built.member.role.position(param).unwrap_or(0))
    }

    /// The parameters that tell a block's size and alignment.
    pub fn layout(&self) -> (u32, u32) {
        (self.meaning(Param::OldSize), self.meaning(Param::Align))
    }

    /// Calls the wrapped function with the arguments as they are.
    pub fn as_it_was(&mut self) {
        for param in 0..self.params {
            self.push(&[I::LocalGet(param)]);
        }
        let inner = self.inner.get(&self.built.member.func).copied().unwrap_or(0);
        self.push(&[I::Call(inner)]);
    }

    /// A parameter, or this number where the function itself does not use it: compilers then leave out what they hand.
    pub fn told(&self, param: u32, unknown: i32) -> I<'static> {
        match self.built.unused.contains(&(self.own + param - self.narrow)) {
            true => I::I32Const(unknown),
            false => I::LocalGet(param),
        }
    }

    /// Notes that a block (a local) is freed: what [`Checker::free`] says of it is left on the stack.
    pub fn free(&mut self, block: u32, told: Option<(u32, u32)>) {
        let number = self.built.frees.cast_signed();
        self.push(&[I::LocalGet(block), I::LocalGet(self.frame), I::I32Const(number)]);
        match told {
            Some((size, align)) => {
                let told = [self.told(size, -1), self.told(align, 0)];
                self.push(&told);
            }
            None => self.push(&[I::I32Const(-1), I::I32Const(0)]),
        }
        self.push(&[I::I32Const(self.built.heap.cast_signed()), I::Call(self.checker.free)]);
    }

    /// Bytes of so many of a size, or more than there can be.
    pub fn product(&mut self, number: u32, size: u32) {
        let product = [I::LocalGet(number), I::I64ExtendI32U, I::LocalGet(size), I::I64ExtendI32U, I::I64Mul];
        self.push(&[I::I32Const(-1)]);
        self.push(&[I::LocalGet(number), I::LocalGet(size), I::I32Mul]);
        self.push(&product);
        self.push(&[I::I64Const(32), I::I64ShrU, I::I64Eqz, I::I32Eqz, I::Select, I::LocalSet(self.size)]);
    }

    /// A block (a local) of another heap is reported: `state` says then that it is none to be freed here.
    pub fn refuse_foreign(&mut self, block: u32) {
        if self.built.heap != 0 {
            let heap = I::I32Const(self.built.heap.cast_signed());
            self.push(&[I::LocalGet(block), I::LocalGet(self.frame), heap, I::Call(self.checker.is_foreign)]);
            self.push(&[IF, I::I32Const(FOREIGN), I::LocalSet(self.state), I::End]);
        }
    }

    /// What every wrapper begins with: nothing, within the allocator; else it notes who calls.
    pub fn begin(&mut self) {
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
        if let Some(ready) = self.ready {
            self.push(&[I::Call(ready), I::I32Eqz, IF]);
            self.as_it_was();
            self.push(&[I::Return, I::End]);
        }
    }
}
