//! Names that a minifier took, recovered by structure.
//!
//! Emscripten's `-O3` renames imports and exports to letters. What remains is how the module
//! uses them; see `structure.rs` for each sign. Only a module that shows Emscripten's way of
//! growing memory (or fastcomp's break) is looked at like this.

use std::collections::BTreeMap;

use wasmparser::TypeRef;

use crate::contract::{Answer, Does, Group, fit, lookup};
use crate::module::Module;
use crate::plan::Purpose;
use crate::runtime::Runtime;
use crate::structure::{self, ErrorStyle, has_type};

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
    for import in minified {
        if found.contains_key(&import) {
            continue;
        }
        if let Some(recovered) = by_use(module, import, modern) {
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

/// One import by how it is called.
fn by_use(module: &Module<'_>, import: u32, modern: bool) -> Option<Recovered> {
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
    let failing =
        |answer, why| Some(Recovered::like(Does::Return(answer), Purpose::Libc, Some(Group::Libc), why));
    match ty.as_str() {
        // No other function of the library takes a number of milliseconds and answers one.
        "i32 f64 -> i32" => Some(Recovered::named("_setitimer_js")),
        "i32 i64 i32 i32 -> i32" | "i32 i32 i32 i32 i32 -> i32"
            if structure::called_in_loop(module, import) =>
        {
            None
        }
        "i32 i64 i32 i32 -> i32" if reads_positive(module, import) => Some(Recovered::named("fd_seek")),
        "i32 i32 i32 i32 i32 -> i32" if reads_positive(module, import) => Some(Recovered::named("fd_seek")),
        "i32 i32 i32 i32 -> i32" if structure::works_on_stream(module, import) => {
            Some(Recovered::named(if structure::called_in_loop(module, import) {
                "fd_write"
            } else {
                "fd_read"
            }))
        }
        "i32 -> i32" if structure::works_on_stream(module, import) => Some(Recovered::named("fd_close")),
        "->" => Some(Recovered::like(
            Does::Return(0),
            Purpose::Libc,
            Some(Group::Libc),
            "takes nothing and answers nothing: bookkeeping of the glue",
        )),
        "i32 i32 -> i32"
            if reads_positive(module, import) && structure::takes_address_and_length(module, import) =>
        {
            Some(Recovered::named("random_get"))
        }
        // The library's only functions of this type tell the time.
        "-> f64" => Some(Recovered::named("emscripten_get_now")),
        // Two pointers and no error checked against −4096: the sizes of the environment, then
        // the environment itself; both may answer that there is none.
        "i32 i32 -> i32" if reads_positive(module, import) => {
            failing(52, "its callers take any number but 0 as an error: ENOSYS (52)")
        }
        _ if ty.ends_with("-> i32") => match structure::error_style(module, import) {
            Some(ErrorStyle::NegativeErrno) => failing(
                if modern { -52 } else { -38 },
                "its callers compare the result with −4096, so it is a system call: −ENOSYS",
            ),
            _ => None,
        },
        _ => None,
    }
}

fn reads_positive(module: &Module<'_>, import: u32) -> bool {
    structure::error_style(module, import) == Some(ErrorStyle::PositiveErrno)
}
