//! Functions of allocators by their code, in modules without names.
//!
//! The fingerprint says in which functions the allocator's code is; what such a function does with its parameters and
//! whom it calls says which one it is. A parameter that is rounded up is a size, one before which memory is read is a
//! block, since its header is there. Whatever could be two things is left out.

use std::collections::{BTreeMap, BTreeSet};

use super::MAX_CALLS_TO_GROWTH;
use super::code::{Call, Code, Value, read};
use super::names::{is, word};
use crate::facts::{Callers, Facts, ValType};
use crate::fingerprint::{Searched, library};
use crate::report::{
    Abi, AllocatorRole as Role, Confidence, Convention, Evidence,
    Param::{self, Align, Count, Heap, Increment, OldSize, OutPointer, Pointer, Size},
    Returned,
};

/// Code that is recognised, with types and calls that leave one reading.
const BY_CODE: Confidence = Confidence::new_const(0.85);
/// The same, where less supports it.
const BY_LESS_CODE: Confidence = Confidence::new_const(0.7);

/// A function that holds less of a fingerprint than this proves nothing by it.
const MIN_SHARE: f32 = 0.04;
/// Another function that holds half as much could be what the first is taken for.
const RIVAL: f32 = 0.5;
/// Callers looked at for each function; the interface is a few of them, near the allocator in the file or not.
const MAX_CALLERS: usize = 256;
/// A function this short in bytes does nothing but pass its parameters on.
const FORWARDER_BYTES: u32 = 24;

/// Bytes of a free that merges blocks.
const FREE_BYTES: std::ops::RangeInclusive<u32> = 128..=8192;
/// Variables that such a free has in common with malloc.
const MIN_SHARED: usize = 4;

/// What was found.
pub(super) struct ByCode {
    pub(super) role: Role,
    pub(super) func: u32,
    pub(super) abi: Abi,
    pub(super) confidence: Confidence,
    pub(super) evidence: Evidence,
}

/// Designs whose functions are told by these rules; of others the code says too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Design {
    /// A header before each block; free and realloc need no size.
    Headers,
    /// Whoever frees says the size.
    Sized,
    /// Headers, and a collector above.
    Collected,
}

fn design(family: &str) -> Option<Design> {
    match family {
        "dlmalloc" | "emmalloc" => Some(Design::Headers),
        "wee_alloc" => Some(Design::Sized),
        "assemblyscript" => Some(Design::Collected),
        _ => None,
    }
}

/// Whether the functions of a design can be told by code.
pub(super) fn has_rules(family: &str) -> bool {
    design(family).is_some()
}

/// Finds functions by code. O(operators of the functions near the allocator).
pub(super) fn by_code(
    facts: &Facts<'_>,
    allocators: &BTreeSet<&str>,
    family: &str,
    searched: &Searched,
    growers: &[u32],
    callers: &Callers,
) -> Vec<ByCode> {
    let Some(design) = design(family) else { return Vec::new() };
    let mut shares: BTreeMap<u32, f32> = BTreeMap::new();
    for found in &searched.matches {
        let profile = library().profiles.get(found.profile);
        if profile.is_some_and(|profile| allocators.contains(profile.allocator.as_str())) {
            for (&func, &share) in found.funcs.iter().zip(&found.shares) {
                let best = shares.entry(func).or_default();
                *best = best.max(share);
            }
        }
    }
    let mut holders: Vec<(u32, f32)> = shares.into_iter().filter(|(_, share)| *share >= MIN_SHARE).collect();
    holders.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut search = Shapes {
        facts,
        word: word(facts),
        holders,
        growers,
        callers,
        codes: BTreeMap::new(),
        found: Vec::new(),
    };
    match design {
        Design::Headers => search.headers(),
        Design::Sized => search.sized(),
        Design::Collected => search.collected(),
    }
    search.found
}

struct Shapes<'f, 'a> {
    facts: &'f Facts<'a>,
    word: ValType,
    /// Functions with the allocator's code, most first.
    holders: Vec<(u32, f32)>,
    growers: &'f [u32],
    callers: &'f Callers,
    codes: BTreeMap<u32, Option<Code>>,
    found: Vec<ByCode>,
}

impl Shapes<'_, '_> {
    fn code(&mut self, func: u32) -> Option<Code> {
        let facts = self.facts;
        self.codes.entry(func).or_insert_with(|| read(facts, func)).clone()
    }

    fn is(&self, func: u32, params: &'static [Param], returns: Returned) -> bool {
        self.facts.func_type(func).is_some_and(|ty| is(ty, params, returns, self.word))
    }

    fn add(&mut self, role: Role, func: u32, abi: Abi, confidence: Confidence, text: &str) {
        if self.found.iter().any(|found| found.func == func && found.role == role) {
            return;
        }
        let evidence = Evidence {
            text: format!("code: {text}"),
            offset: self.facts.function(func).map(|function| function.body_offset),
            func: Some(func),
        };
        self.found.push(ByCode { role, func, abi, confidence, evidence });
    }

    /// The function that fits and holds most, unless another that fits comes near.
    fn best(&mut self, fits: impl Fn(&Self, u32, &Code) -> bool) -> Option<(u32, f32)> {
        let mut best: Option<(u32, f32)> = None;
        for (func, share) in self.holders.clone() {
            if best.is_some_and(|(_, most)| share < most * RIVAL) {
                break;
            }
            if self.code(func).is_some_and(|code| fits(self, func, &code)) {
                if best.is_some() {
                    return None;
                }
                best = Some((func, share));
            }
        }
        best
    }

    fn reaches_growth(&self, func: u32) -> bool {
        let mut level = BTreeSet::from([func]);
        for _ in 0..=MAX_CALLS_TO_GROWTH {
            if level.iter().any(|func| self.growers.contains(func)) {
                return true;
            }
            level = level
                .iter()
                .flat_map(|&func| self.facts.call_graph.callees(func).iter().take(MAX_CALLERS).copied())
                .take(MAX_CALLERS)
                .collect();
        }
        false
    }

    fn callers_of(&self, func: u32) -> Vec<u32> {
        self.callers.of(func).iter().take(MAX_CALLERS).copied().collect()
    }

    /// dlmalloc and its kind.
    fn headers(&mut self) {
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

    /// The only function that fits, however much it holds.
    fn best_of_rest(&mut self, fits: impl Fn(&Self, u32, &Code) -> bool) -> Option<(u32, f32)> {
        let holders = self.holders.clone();
        let mut fitting = holders
            .into_iter()
            .filter(|&(func, _)| self.code(func).is_some_and(|code| fits(self, func, &code)));
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first)
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

    /// Rust's run-time calls malloc with the size, or memalign with alignment and size.
    fn rust_alloc(&mut self, malloc: u32) {
        let memalign = self.found.iter().find(|found| found.role == Role::Memalign);
        let Some(memalign) = memalign.map(|found| (found.func, found.abi.params)) else { return };
        let (memalign, order) = memalign;
        if order != [Align, Size] {
            return;
        }
        for func in self.callers_of(memalign) {
            let Some(code) = self.code(func) else { continue };
            let calls = |callee: u32, args: &[Value]| {
                code.calls.iter().any(|call| call.callee == callee && call.args == args)
            };
            if self.is(func, &[Size, Align], Returned::Pointer)
                && calls(malloc, &[Value::Param(0, 0)])
                && calls(memalign, &[Value::Param(1, 0), Value::Param(0, 0)])
            {
                // Clearing means reading the header, and a third call or writing.
                let clears = |call: &Call| matches!(call.args[..], [_, Value::Const(0), Value::Param(0, 0)]);
                let role = match (code.calls.len(), code.touches) {
                    (2, false) => Role::Malloc,
                    (3, true) if code.calls.iter().any(clears) => Role::Calloc,
                    _ => continue,
                };
                let params: &'static [Param] = &[Size, Align];
                let abi = Abi { convention: Convention::Rust, params, result: Returned::Pointer };
                let text = "passes its first argument to malloc, or both to memalign";
                self.add(role, func, abi, BY_CODE, text);
            }
        }
    }

    /// Checks the header against the size that it is given, then frees.
    fn rust_dealloc(&mut self, free: u32) {
        for func in self.callers_of(free) {
            let Some(code) = self.code(func) else { continue };
            let frees =
                code.calls.iter().any(|call| call.callee == free && call.args == [Value::Param(0, 0)]);
            if self.is(func, &[Pointer, Size, Align], Returned::Nothing) && frees && code.params[0].before {
                let params: &'static [Param] = &[Pointer, OldSize, Align];
                let abi = Abi { convention: Convention::Rust, params, result: Returned::Nothing };
                let text = "reads the header before its first argument, then frees it";
                self.add(Role::Free, func, abi, BY_CODE, text);
            }
        }
    }

    /// Functions that do nothing but call one that is known with their own parameters: what the program calls, if it
    /// calls the inner one in no other way. Else they may be the program's own.
    fn forwarders(&mut self) {
        let known: Vec<(Role, u32, Abi)> =
            self.found.iter().map(|found| (found.role, found.func, found.abi)).collect();
        let inside: BTreeSet<u32> = known.iter().map(|(_, func, _)| *func).collect();
        for (role, inner, abi) in known {
            let outside: Vec<u32> =
                self.callers_of(inner).into_iter().filter(|func| !inside.contains(func)).collect();
            let [func] = outside[..] else { continue };
            let short =
                self.facts.function(func).is_some_and(|function| function.body_len <= FORWARDER_BYTES);
            let same = self.facts.func_type(func) == self.facts.func_type(inner);
            let passes = |code: &Code| {
                let args: Vec<Value> = (0..).take(code.params.len()).map(|at| Value::Param(at, 0)).collect();
                matches!(&code.calls[..], [call] if call.callee == inner && call.args == args)
                    && (abi.result == Returned::Nothing || code.returns == Some(inner))
            };
            if short && same && self.code(func).is_some_and(|code| passes(&code)) {
                let text = format!("does nothing but call function {inner} with its arguments");
                self.add(role, func, abi, BY_CODE, &text);
            }
        }
    }

    /// wee_alloc: sizes are rounded up to words; the order of size and alignment is the compiler's.
    fn sized(&mut self) {
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
                "holds code of the allocator; of two numbers beside a block one is rounded up to words";
            self.add(Role::Free, func, abi, BY_LESS_CODE, text);
        }
        self.forwarders();
    }

    /// AssemblyScript: the inner allocation, below the collector.
    fn collected(&mut self) {
        let fits = |this: &Self, func: u32, code: &Code| {
            let size = |at: usize| {
                let param = code.params[at];
                param.rounded && !param.at && !param.before
            };
            this.reaches_growth(func)
                && ((this.is(func, &[Heap, Size], Returned::Pointer) && code.params[0].at && size(1))
                    || (this.is(func, &[Size], Returned::Pointer) && size(0)))
        };
        if let Some((func, _)) = self.best_of_rest(fits) {
            let heap = self.is(func, &[Heap, Size], Returned::Pointer);
            let params: &'static [Param] = if heap { &[Heap, Size] } else { &[Size] };
            let abi = Abi { convention: Convention::AssemblyScript, params, result: Returned::Pointer };
            let text = "holds code of the allocator, rounds the size up and reaches the growth";
            self.add(Role::Malloc, func, abi, BY_LESS_CODE, text);
        }
    }
}
