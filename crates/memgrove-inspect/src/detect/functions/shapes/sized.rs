//! Allocators that are told the size of what is freed, such as wee_alloc.

use std::collections::BTreeSet;

use super::{BY_CODE, BY_LESS_CODE, Shapes};
use crate::detect::functions::code::{Call, Code, Value};
use crate::report::{
    Abi, AllocatorRole as Role, Convention,
    Param::{self, Align, Heap, OldSize, Pointer, Size},
    Returned,
};

impl Shapes<'_, '_> {
    /// wee_alloc: sizes are rounded up to words; the order of size and alignment is the compiler's.
    pub(super) fn sized(&mut self) {
        let two = |this: &Self, func: u32, code: &Code| {
            this.is(func, &[Size, Align], Returned::Pointer)
                && code.params.iter().filter(|param| param.rounded).count() == 1
                && code.params.iter().all(|param| !param.at && !param.before)
                && code.statics.len() + code.globals.len() > 0
        };
        if let Some((func, _)) = self.best_of_rest(two)
            && let Some(code) = self.code(func)
        {
            let params: &'static [Param] =
                if code.params[0].rounded { &[Size, Align] } else { &[Align, Size] };
            let abi = Abi { convention: Convention::Rust, params, result: Returned::Pointer };
            let text = "holds code of the allocator and rounds one of two numbers up to words";
            self.add(Role::Malloc, func, abi, BY_LESS_CODE, text);
        }
        let three = |this: &Self, func: u32, code: &Code| {
            this.is(func, &[Pointer, Size, Align], Returned::Nothing)
                && !code.params[0].rounded
                && code.params[1..].iter().filter(|param| param.rounded).count() == 1
                && code.params[1..].iter().all(|param| !param.at && !param.before)
                && !code.statics.is_empty()
        };
        if let Some((func, _)) = self.best_of_rest(three)
            && let Some(code) = self.code(func)
        {
            let params: &'static [Param] =
                if code.params[1].rounded { &[Pointer, OldSize, Align] } else { &[Pointer, Align, OldSize] };
            let abi = Abi { convention: Convention::Rust, params, result: Returned::Nothing };
            let text =
                "holds code of the allocator; of two numbers passed with a block one is rounded up to words";
            self.add(Role::Free, func, abi, BY_LESS_CODE, text);
        }
        if self.found.is_empty() {
            self.sized_methods();
        }
        self.forwarders();
    }

    /// The same where the compiler left the methods of the heap as they are: it is their first parameter.
    fn sized_methods(&mut self) {
        let alloc = |this: &Self, func: u32, code: &Code| {
            this.is(func, &[Heap, Size, Align], Returned::Pointer) && is_method(code, 1)
        };
        let Some((alloc, _)) = self.best_of_rest(alloc) else { return };
        // What frees may hold nothing but calls of what does the work.
        let holders: Vec<u32> = self.holders.iter().map(|(func, _)| *func).collect();
        let callers = holders.iter().flat_map(|&func| self.callers_of(func));
        let near: BTreeSet<u32> = holders.iter().copied().chain(callers).collect();
        let frees = |this: &mut Self, func: u32| {
            this.is(func, &[Heap, Pointer, Size, Align], Returned::Nothing)
                && this.code(func).is_some_and(|code| is_method(&code, 2))
        };
        let fitting: Vec<u32> = near.into_iter().filter(|&func| frees(self, func)).collect();
        let [free] = fitting[..] else { return };
        let abi = |params, result| Abi { convention: Convention::Rust, params, result };
        let text = "holds code of the allocator, reads the heap, and rounds one of two numbers up to words";
        self.add(Role::Malloc, alloc, abi(&[Heap, Size, Align], Returned::Pointer), BY_LESS_CODE, text);
        let text = "calls code of the allocator, reads the heap; of two numbers passed with a block one is rounded up";
        self.add(
            Role::Free,
            free,
            abi(&[Heap, Pointer, OldSize, Align], Returned::Nothing),
            BY_LESS_CODE,
            text,
        );

        let param = |at| Value::Param(at, 0);
        for func in self.callers_of(alloc) {
            let Some(code) = self.code(func) else { continue };
            let calls = |callee: u32, args: &[Value]| {
                code.calls.iter().any(|call| call.callee == callee && call.args == args)
            };
            let moves = calls(alloc, &[param(0), param(4), param(3)])
                && calls(free, &[param(0), param(1), param(2), param(3)]);
            if moves && self.is(func, &[Heap, Pointer, OldSize, Align, Size], Returned::Pointer) {
                let abi = abi(&[Heap, Pointer, OldSize, Align, Size], Returned::Pointer);
                let text = "allocates a block of its last argument, and frees its second";
                self.add(Role::Realloc, func, abi, BY_CODE, text);
            }
            let clears = |call: &Call| matches!(call.args[..], [Value::Result(of, 0), Value::Const(0), Value::Param(1, 0)] if of == alloc);
            if calls(alloc, &[param(0), param(1), param(2)])
                && code.calls.iter().any(clears)
                && self.is(func, &[Heap, Size, Align], Returned::Pointer)
            {
                let abi = abi(&[Heap, Size, Align], Returned::Pointer);
                self.add(Role::Calloc, func, abi, BY_CODE, "allocates, and fills the block with zeros");
            }
        }
    }
}

/// The first parameter is read, the one at `size` is rounded up to words, and the alignment behind it is not; both are
/// numbers.
fn is_method(code: &Code, size: usize) -> bool {
    let is_number = |at: usize| code.params.get(at).is_some_and(|param| !param.at && !param.before);
    let is_rounded = |at: usize| code.params.get(at).is_some_and(|param| param.rounded);
    code.params[0].at && is_number(size) && is_number(size + 1) && is_rounded(size) && !is_rounded(size + 1)
}
