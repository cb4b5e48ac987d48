//! Functions that are known by the allocator's functions that they call.

use std::collections::BTreeSet;

use super::{BY_CODE, FORWARDER_BYTES, MAX_FORWARDED, Shapes};
use crate::detect::functions::code::{Call, Value};
use crate::report::{
    Abi, AllocatorRole as Role, Convention,
    Param::{self, Align, Heap, OldSize, Pointer, Size},
    Returned,
};

impl Shapes<'_, '_> {
    /// Rust's run-time calls malloc with the size, or memalign with alignment and size.
    pub(super) fn rust_alloc(&mut self, malloc: u32) {
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
    pub(super) fn rust_dealloc(&mut self, free: u32) {
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
    /// calls the inner one in no other way. Else they may be the program's own. The heap, where there is one, may be a
    /// constant.
    pub(super) fn forwarders(&mut self) {
        for _ in 0..MAX_FORWARDED {
            let before = self.found.len();
            self.forwarders_once();
            if self.found.len() == before {
                break;
            }
        }
    }

    fn forwarders_once(&mut self) {
        let known: Vec<(Role, u32, Abi)> =
            self.found.iter().map(|found| (found.role, found.func, found.abi)).collect();
        let inside: BTreeSet<u32> = known.iter().map(|(_, func, _)| *func).collect();
        for (role, inner, abi) in known {
            let outside: Vec<u32> =
                self.callers_of(inner).into_iter().filter(|func| !inside.contains(func)).collect();
            let [func] = outside[..] else { continue };
            let short =
                self.facts.function(func).is_some_and(|function| function.body_len <= FORWARDER_BYTES);
            let Some(code) = self.code(func).filter(|_| short) else { continue };
            let [call] = &code.calls[..] else { continue };
            let own: Vec<Value> = (0..).take(code.params.len()).map(|at| Value::Param(at, 0)).collect();
            let same = self.facts.func_type(func) == self.facts.func_type(inner) && call.args == own;
            let without_heap = match (&call.args[..], abi.params) {
                ([Value::Const(_), args @ ..], [Heap, params @ ..]) if args == own => Some(params),
                _ => None,
            };
            let returns = abi.result == Returned::Nothing || code.returns == Some(inner);
            let params = if same { Some(abi.params) } else { without_heap };
            if let Some(params) =
                params.filter(|params| call.callee == inner && returns && self.is(func, params, abi.result))
            {
                let text = format!("does nothing but call function {inner} with its arguments");
                self.add(role, func, Abi { params, ..abi }, BY_CODE, &text);
            }
        }
    }
}
