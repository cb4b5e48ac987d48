//! Names that a minifier took, recovered by structure.
//!
//! Emscripten's `-O3` renames imports and exports to letters. What remains is how the module
//! uses them: see `structure.rs` for signs around a call, `result_use.rs` for what becomes of its
//! result. Only a module that shows Emscripten's way of growing memory (or fastcomp's break) is
//! looked at like this, and what does not prove itself stays an import: an answer that is no
//! answer to the question corrupts the program.
//!
//! ```wat
//! ;; before
//! (import "a" "b" (func $b (param i32) (result i32)))
//! (import "a" "c" (func $c (param i32 i32) (result i32)))
//! (func $sbrk … (memory.size) … (call $b …))
//! (func $stat … (call $syscall_ret (call $c …)))
//! ;; after: $b is what grows memory, for sbrk asks it when there is too little; $c is a system
//! ;; call, for its result goes to where negated error numbers do
//! (func $b (param i32) (result i32) … memory.grow …)
//! (func $c (param i32 i32) (result i32) (i32.const -52))
//! ```

use std::collections::BTreeMap;

use wasmparser::TypeRef;

use crate::contract::{Answer, Does, Group, fit, lookup};
use crate::module::Module;
use crate::plan::Purpose;
use crate::result_use::{Errno, ResultUse, ResultUses};
use crate::runtime::Runtime;
use crate::structure::{self, has_type};

/// What an import turned out to be.
pub(super) struct Recovered {
    /// Its name in Emscripten's library, where use tells that much.
    pub name: Option<&'static str>,
    /// What it is known to promise, where it has no name.
    promise: Option<(Does, Purpose, Option<Group>, &'static str)>,
}

impl Recovered {
    fn named(name: &'static str) -> Self {
        Self { name: Some(name), promise: None }
    }

    fn like(does: Does, purpose: Purpose, stub: Option<Group>, why: &'static str) -> Self {
        Self { name: None, promise: Some((does, purpose, stub, why)) }
    }

    /// The stand-in for it.
    pub fn answer(&self, module: &Module<'_>, runtime: &Runtime, import: u32) -> Option<Answer> {
        if let Some(name) = self.name {
            return lookup(module, runtime, "env", name, import);
        }
        let (does, purpose, stub, why) = self.promise?;
        Some(Answer { stand_in: fit(module, runtime, does, import)?, purpose, stub, why })
    }
}

/// What the minified function imports are, by function index.
pub(super) fn recover(module: &Module<'_>) -> BTreeMap<u32, Recovered> {
    let mut found = BTreeMap::new();
    let minified: Vec<u32> = module
        .imports
        .iter()
        .filter(|entry| matches!(entry.import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)))
        .filter(|entry| matches!(entry.import.module, "a" | "env") && is_minified(entry.import.name))
        .map(|entry| entry.index)
        .collect();
    if minified.is_empty() {
        return found;
    }
    let Some(modern) = memory_functions(module, &minified, &mut found) else { return found };
    let errno = Errno::find(module);
    for import in minified {
        if found.contains_key(&import) {
            continue;
        }
        if let Some(recovered) = by_use(module, &errno, import, modern) {
            found.insert(import, recovered);
        }
    }
    found
}

/// One or two characters, as the minifier makes names.
fn is_minified(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 3
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$')
        && !matches!(name, "pow" | "exp" | "log" | "sin" | "cos" | "tan")
}

/// The functions that grow memory; `Some(true)` for today's back end, `Some(false)` for
/// fastcomp, `None` if the module shows neither.
fn memory_functions(
    module: &Module<'_>,
    minified: &[u32],
    found: &mut BTreeMap<u32, Recovered>,
) -> Option<bool> {
    if let Some(import) = structure::growth_import(module).filter(|import| minified.contains(import)) {
        found.insert(import, Recovered::named("emscripten_resize_heap"));
        return Some(true);
    }
    let (_, sbrk) = super::globals::break_pointer(module)?;
    for &import in minified {
        let called = module.scan.calls[import as usize].iter().any(|call| call.caller == sbrk);
        if !called {
            continue;
        }
        let recovered = if has_type(module, import, "-> i32") {
            // Asked for the size first; an `enlargeMemory` after it has the same type.
            if is_first_call(module, sbrk, import) {
                Recovered::named("emscripten_get_heap_size")
            } else {
                Recovered::named("enlargeMemory")
            }
        } else if has_type(module, import, "i32 -> i32") {
            // `abortOnCannotGrowMemory(bytes)` is of this type too and is asked about sizes
            // that cannot be had: growing answers those with 0, as is right.
            Recovered::named("emscripten_resize_heap")
        } else if has_type(module, import, "i32 ->") {
            Recovered::named("___setErrNo")
        } else {
            continue;
        };
        found.insert(import, recovered);
    }
    Some(false)
}

/// `import` is the first import without parameters that `function` calls.
fn is_first_call(module: &Module<'_>, function: u32, import: u32) -> bool {
    module.operators(function).iter().find_map(|operator| match operator {
        wasmparser::Operator::Call { function_index } if has_type(module, *function_index, "-> i32") => {
            Some(*function_index)
        }
        _ => None,
    }) == Some(import)
}

/// One import by how it is called; `None` where its use does not tell.
fn by_use(module: &Module<'_>, errno: &Errno, import: u32, modern: bool) -> Option<Recovered> {
    let ty = structure::signature_text(module.func_type(import)?);
    if structure::is_memcpy(module, import) {
        return Some(Recovered::named("emscripten_memcpy_big"));
    }
    if module.never_returns(import) {
        return Some(Recovered::like(
            Does::Trap,
            Purpose::Abort,
            None,
            "every call of it is followed by `unreachable`, so it never returns",
        ));
    }
    match ty.as_str() {
        // No other function of the library takes a number of milliseconds and answers one.
        "i32 f64 -> i32" => return Some(Recovered::named("_setitimer_js")),
        // The library's only functions of this type tell the time.
        "-> f64" => return Some(Recovered::named("emscripten_get_now")),
        "->" => {
            return Some(Recovered::like(
                Does::Return(0),
                Purpose::Libc,
                Some(Group::Libc),
                "takes nothing and answers nothing: bookkeeping of the glue",
            ));
        }
        // Length, protection, flags, file, offset, and where two results go.
        "i32 i32 i32 i32 i64 i32 i32 -> i32" => return Some(Recovered::named("_mmap_js")),
        "i32 i32 i32 i32 ->" if structure::sets_time_zone(module, import) => {
            return Some(Recovered::named("_tzset_js"));
        }
        "i64 i32 ->" | "i64 i32 -> i32" if structure::fills_broken_down_time(module, import) => {
            return Some(Recovered::named("_localtime_js"));
        }
        "i32 i32 -> i32" if modern && structure::is_behind_getentropy(module, import) => {
            return Some(Recovered::named("random_get"));
        }
        "i32 i32 -> i32" if structure::reads_environment(module, import) => {
            return Some(Recovered::like(
                Does::Return(52),
                Purpose::Wasi,
                Some(Group::Wasi),
                "one of the two calls that copy the environment: ENOSYS (52), so there is none",
            ));
        }
        _ => {}
    }
    by_result(module, errno, import, &ty, modern)
}

/// One import by what becomes of its results.
fn by_result(module: &Module<'_>, errno: &Errno, import: u32, ty: &str, modern: bool) -> Option<Recovered> {
    let uses = ResultUses::of(module, errno, import);
    if uses.show(ResultUse::NegativeErrno) {
        return Some(Recovered::like(
            Does::Return(if modern { -52 } else { -38 }),
            Purpose::Libc,
            Some(Group::Libc),
            "its callers compare the result with −4096, so it is a system call: −ENOSYS",
        ));
    }
    if uses.show(ResultUse::Errno) {
        let in_loop = structure::called_in_loop(module, import);
        return Some(match ty {
            "i32 i64 i32 i32 -> i32" | "i32 i32 i32 i32 i32 -> i32" if !in_loop => {
                Recovered::named("fd_seek")
            }
            "i32 i32 i32 i32 -> i32" if structure::works_on_stream(module, import) => {
                Recovered::named(if in_loop { "fd_write" } else { "fd_read" })
            }
            // Of WASI's calls that Emscripten's library makes, the only one of this type whose second
            // argument is no address.
            "i32 i32 -> i32" if structure::takes_small_length(module, import) => {
                Recovered::named("random_get")
            }
            "i32 -> i32" if structure::works_on_stream(module, import) => Recovered::named("fd_close"),
            _ => Recovered::like(
                Does::Return(52),
                Purpose::Wasi,
                Some(Group::Wasi),
                "its callers store any result but 0 to errno, so it is a call of WASI: ENOSYS (52)",
            ),
        });
    }
    match ty {
        "-> i32" if uses.are_all(ResultUse::Bytes) => Some(Recovered::named("emscripten_get_heap_max")),
        // Unmapping what mapping has refused.
        "i32 i32 i32 i32 i32 i64 -> i32" if uses.are_all(ResultUse::Ignored) => {
            Some(Recovered::named("_munmap_js"))
        }
        _ => None,
    }
}

/// What is known of an import that stays, for who has to decide about it.
pub(super) fn why_unknown(module: &Module<'_>, import: u32) -> Option<&'static str> {
    let entry = module.imports.iter().find(|entry| {
        entry.index == import && matches!(entry.import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_))
    })?;
    if !matches!(entry.import.module, "a" | "env") || !is_minified(entry.import.name) {
        return None;
    }
    let ty = module.func_type(import)?;
    Some(if module.scan.calls[import as usize].is_empty() {
        "its name is minified, and it is only called through the table, so that its use tells nothing"
    } else if ty.results().is_empty() {
        "its name is minified, and a function without result is called for what it does, which the call does not tell"
    } else {
        "its name is minified, and its results are used in a way that more than one function of the glue would fit; a wrong guess would corrupt the program"
    })
}
