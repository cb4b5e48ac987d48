//! Allocators with a header before each block, such as dlmalloc.

use std::collections::BTreeSet;

use super::{BY_CODE, BY_LESS_CODE, FREE_BYTES, MIN_SHARED, Shapes};
use crate::detect::functions::code::{Code, Value, read};
use crate::detect::functions::names::is;
use crate::report::{
    Abi, AllocatorRole as Role, Convention,
    Param::{self, Align, Count, Heap, Increment, OldSize, OutPointer, Pointer, Size},
    Returned,
};

impl Shapes<'_, '_> {
    /// dlmalloc and its kind.
    pub(super) fn headers(&mut self) {
        let malloc = self.malloc_with_headers();
        let free = self.free_with_headers(malloc.map(|(func, _)| func));
        if let Some((malloc, heap)) = malloc {
            self.sbrk(malloc);
            self.memalign(malloc, heap);
            self.realloc(malloc, free, heap);
            if !heap {
                self.calloc(malloc);
                self.rust_alloc(malloc);
            }
        }
        if let Some(free) = free {
            self.rust_dealloc(free);
        }
        self.forwarders();
    }

    /// Returns whether its first parameter is the heap.
    fn malloc_with_headers(&mut self) -> Option<(u32, bool)> {
        let size = |code: &Code, at: usize| {
            let param = code.params[at];
            !param.at && !param.before && param.rounded
        };
        let fits = |this: &Self, func: u32, code: &Code| {
            let grows = this.growers.is_empty() || this.reaches_growth(func);
            let shape = (this.is(func, &[Size], Returned::Pointer) && size(code, 0))
                || (this.is(func, &[Heap, Size], Returned::Pointer)
                    && code.params[0].at
                    && !code.params[0].before
                    && size(code, 1));
            grows && shape
        };
        let (func, share) = self.best(fits)?;
        // With all of it in one place the function could be one of the program's with the allocator inlined.
        let heap = self.is(func, &[Heap, Size], Returned::Pointer);
        let reached = !self.callers.of(func).is_empty() || self.exported(func);
        if !reached {
            return None;
        }
        let params: &'static [Param] = if heap { &[Heap, Size] } else { &[Size] };
        let (params, convention) = (params, if heap { Convention::Rust } else { Convention::C });
        let confidence = if share >= 0.3 && !self.growers.is_empty() { BY_CODE } else { BY_LESS_CODE };
        let abi = Abi { convention, params, result: Returned::Pointer };
        self.add(
            Role::Malloc,
            func,
            abi,
            confidence,
            "holds most of the allocator, rounds its argument up, reaches the growth and returns a block",
        );
        Some((func, heap))
    }

    fn exported(&self, func: u32) -> bool {
        self.facts.exports_of(crate::facts::ExternKind::Func, func).next().is_some()
    }

    fn free_with_headers(&mut self, malloc: Option<u32>) -> Option<u32> {
        let state: BTreeSet<u64> =
            malloc.and_then(|func| self.code(func)).map(|code| code.statics).unwrap_or_default();
        let fits = |this: &Self, func: u32, code: &Code| {
            let plain = this.is(func, &[Pointer], Returned::Nothing) && code.params[0].before;
            let method = this.is(func, &[Heap, Pointer], Returned::Nothing)
                && code.params[0].at
                && !code.params[0].before
                && code.params[1].before;
            let shared = code.statics.iter().any(|address| *address >= 1024 && state.contains(address));
            (plain && (state.is_empty() || shared)) || method
        };
        let func = match self.best(fits) {
            Some((func, _)) => func,
            None => self.free_by_state(&state)?,
        };
        let heap = self.is(func, &[Heap, Pointer], Returned::Nothing);
        let (params, convention): (&'static [Param], _) =
            if heap { (&[Heap, Pointer], Convention::Rust) } else { (&[Pointer], Convention::C) };
        let abi = Abi { convention, params, result: Returned::Nothing };
        self.add(
            Role::Free,
            func,
            abi,
            if malloc.is_some() { BY_CODE } else { BY_LESS_CODE },
            "reads the header before its argument; holds code of the allocator or shares malloc's state",
        );
        Some(func)
    }

    /// Nothing leads from the growth to free but the state that it shares with malloc.
    fn free_by_state(&mut self, state: &BTreeSet<u64>) -> Option<u32> {
        let facts = self.facts;
        let types = facts.functions.iter().zip(facts.imported_func_count()..).filter(|(function, _)| {
            FREE_BYTES.contains(&function.body_len)
                && facts
                    .func_type_at(function.type_index)
                    .is_some_and(|ty| is(ty, &[Pointer], Returned::Nothing, self.word))
        });
        let mut only = None;
        for (_, func) in types {
            let Some(code) = read(facts, func).filter(|code| code.params[0].before) else { continue };
            let shared = code.statics.iter().filter(|address| **address >= 1024 && state.contains(address));
            if shared.count() >= MIN_SHARED && only.replace(func).is_some() {
                return None;
            }
        }
        only
    }

    /// Only a function that moves the end of the heap is asked for no bytes: that tells where the end is.
    fn sbrk(&mut self, malloc: u32) {
        let Some(code) = self.code(malloc) else { return };
        let asked_for_nothing = code
            .calls
            .iter()
            .find(|call| call.args == [Value::Const(0)] && self.growers.contains(&call.callee))
            .map(|call| call.callee);
        if let Some(func) = asked_for_nothing
            && self.is(func, &[Increment], Returned::Pointer)
        {
            let params: &'static [Param] = &[Increment];
            let abi = Abi { convention: Convention::C, params, result: Returned::Pointer };
            self.add(Role::Sbrk, func, abi, BY_CODE, "grows the memory; malloc also calls it with 0");
        }
    }

    /// The parameter that is rounded up is the size; the other is the alignment.
    fn memalign(&mut self, malloc: u32, heap: bool) {
        let fits = |this: &Self, func: u32, code: &Code| {
            let two = this.is(func, &[Align, Size], Returned::Pointer);
            // A heap of which the function reads, or the place for the block.
            let three = this.is(func, &[Heap, Align, Size], Returned::Pointer) && code.params[0].at;
            let own = if two {
                &code.params[..]
            } else if three {
                &code.params[1..]
            } else {
                return false;
            };
            func != malloc
                && own.iter().all(|param| !param.at && !param.before)
                && own.iter().filter(|param| param.rounded).count() == 1
                && !own.iter().any(|param| param.multiplied)
                && code.calls.iter().any(|call| call.callee == malloc)
        };
        let Some((func, _)) = self.best_of_rest(fits) else { return };
        let Some(code) = self.code(func) else { return };
        let first_rounded = |from: usize| code.params.get(from).is_some_and(|param| param.rounded);
        let is_first = first_rounded(code.params.len() - 2);
        let params: &'static [Param] = match (code.params.len(), heap, is_first) {
            (2, _, false) => &[Align, Size],
            (2, _, true) => &[Size, Align],
            (_, true, false) => &[Heap, Align, Size],
            (_, true, true) => &[Heap, Size, Align],
            // Where malloc is not given the heap, neither is this one: it is posix_memalign.
            (_, false, false) => &[OutPointer, Align, Size],
            (_, false, true) => return,
        };
        let convention = if heap { Convention::Rust } else { Convention::C };
        let is_posix = params.first() == Some(&OutPointer);
        let result = if is_posix { Returned::Status } else { Returned::Pointer };
        let abi = Abi { convention, params, result };
        self.add(
            Role::Memalign,
            func,
            abi,
            BY_LESS_CODE,
            "holds code of the allocator, rounds one of two numbers up and calls malloc with room to align",
        );
    }

    /// Reads the header of a block and asks malloc for another size.
    fn realloc(&mut self, malloc: u32, free: Option<u32>, heap: bool) {
        let mut fitting = Vec::new();
        for func in self.callers_of(malloc) {
            let Some(code) = self.code(func) else { continue };
            let (params, convention): (&'static [Param], _) =
                if self.is(func, &[Pointer, Size], Returned::Pointer) {
                    (&[Pointer, Size], Convention::C)
                } else if heap && self.is(func, &[Heap, Pointer, Size], Returned::Pointer) {
                    (&[Heap, Pointer, Size], Convention::Rust)
                } else if self.is(func, &[Pointer, OldSize, Align, Size], Returned::Pointer) {
                    (&[Pointer, OldSize, Align, Size], Convention::Rust)
                } else {
                    continue;
                };
            let block = usize::from(params[0] == Heap);
            let size = u32::try_from(params.len() - 1).unwrap_or(0);
            let asks = code.calls.iter().any(|call| {
                call.callee == malloc && matches!(call.args.last(), Some(Value::Param(at, 0)) if *at == size)
            });
            let frees = code.calls.iter().any(|call| Some(call.callee) == free);
            let own = code.params[block].before && !code.params[size as usize].at;
            if own && asks && (frees || self.holders.iter().any(|&(holder, _)| holder == func)) {
                fitting.push((func, params, convention));
            }
        }
        for (func, params, convention) in fitting.iter().copied() {
            // One for each convention.
            if fitting.iter().filter(|other| other.1.len() == params.len()).count() == 1 {
                let abi = Abi { convention, params, result: Returned::Pointer };
                self.add(
                    Role::Realloc,
                    func,
                    abi,
                    BY_CODE,
                    "reads the header before its first argument and calls malloc with its last",
                );
            }
        }
    }

    /// Multiplies its arguments and reads the header of what malloc returned: whether it must be cleared.
    fn calloc(&mut self, malloc: u32) {
        let mut fitting = Vec::new();
        for func in self.callers_of(malloc) {
            if self.is(func, &[Count, Size], Returned::Pointer)
                && self.code(func).is_some_and(|code| {
                    code.params.iter().all(|param| param.multiplied) && code.before_results.contains(&malloc)
                })
            {
                fitting.push(func);
            }
        }
        if let [func] = fitting[..] {
            let params: &'static [Param] = &[Count, Size];
            let abi = Abi { convention: Convention::C, params, result: Returned::Pointer };
            self.add(
                Role::Calloc,
                func,
                abi,
                BY_CODE,
                "multiplies its arguments, calls malloc and reads the header of the block",
            );
        }
    }
}
