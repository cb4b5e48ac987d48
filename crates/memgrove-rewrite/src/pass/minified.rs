//! Names that a minifier took, recovered by structure.
//!
//! Emscripten's `-O3` renames imports and exports to letters. What remains is how the module
//! uses them: see `proof` for the code around a call, `result_use.rs` for what becomes of its
//! result. Only a module that shows Emscripten's way of growing memory (or fastcomp's break) is
//! looked at like this, and what is not proven stays an import: a wrong guess corrupts the program.
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

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::{Answer, Does, Group, fit, is_minified_name, lookup};
use crate::module::Module;
use crate::plan::Purpose;
use crate::proof::{self, Fastcomp, Flows};
use crate::result_use::{Errno, ResultUse, ResultUses};
use crate::runtime::RuntimeFunction;
use crate::structure;

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
    pub fn answer(&self, module: &Module<'_>, import: u32) -> Option<Answer> {
        if let Some(name) = self.name {
            return lookup(module, "env", name, import);
        }
        let (does, purpose, stub, why) = self.promise?;
        Some(Answer { stand_in: fit(module, does, import)?, purpose, stub, why })
    }
}

/// What the function imports with minified names are, by function index.
pub(super) fn recover(module: &Module<'_>) -> BTreeMap<u32, Recovered> {
    let minified: Vec<u32> =
        (0..module.imported_funcs).filter(|&import| has_minified_name(module, import)).collect();
    let mut found = BTreeMap::new();
    if minified.is_empty() {
        return found;
    }
    let flows = Flows::new(module);
    if let Some(modern) = memory_functions(&flows, &minified, &mut found) {
        let errno = Errno::find(module);
        for &import in &minified {
            if !found.contains_key(&import)
                && let Some(recovered) = by_use(&flows, &errno, import, modern)
            {
                found.insert(import, recovered);
            }
        }
    }
    keep_unique(module, &mut found);
    found
}

/// Whether an import that stays unknown may call back into the module and catch what is thrown there.
pub(super) fn may_catch(module: &Module<'_>, recovered: &BTreeMap<u32, Recovered>) -> bool {
    (0..module.imported_funcs)
        .filter(|import| !recovered.contains_key(import) && has_minified_name(module, *import))
        .any(|import| !module.never_returns(import) && proof::may_invoke(module, import))
}

fn has_minified_name(module: &Module<'_>, import: u32) -> bool {
    module
        .func_import(import)
        .is_some_and(|(from, name)| matches!(from, "a" | "env") && is_minified_name(name))
}

/// Two imports never are one function: where both look like it, one of them is something else.
fn keep_unique(module: &Module<'_>, found: &mut BTreeMap<u32, Recovered>) {
    let mut bearers: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for import in 0..module.imported_funcs {
        let Some(from) = module.func_import(import) else { continue };
        let name = match found.get(&import) {
            Some(recovered) => recovered.name,
            None => lookup(module, from.0, from.1, import).map(|_| from.1),
        };
        if let Some(name) = name {
            bearers.entry(name.trim_start_matches('_')).or_default().insert(from);
        }
    }
    found.retain(|_, recovered| {
        recovered.name.is_none_or(|name| bearers[name.trim_start_matches('_')].len() == 1)
    });
}

/// The functions that grow memory; `Some(true)` for today's back end, `Some(false)` for
/// fastcomp, `None` if the module shows neither.
fn memory_functions(
    flows: &Flows<'_, '_>,
    minified: &[u32],
    found: &mut BTreeMap<u32, Recovered>,
) -> Option<bool> {
    let growth = proof::growth_imports(flows);
    if !growth.is_empty() && growth.iter().all(|import| minified.contains(import)) {
        for import in growth {
            found.insert(import, Recovered::named("emscripten_resize_heap"));
        }
        return Some(true);
    }
    let (_, sbrk) = super::globals::break_pointer(flows.module)?;
    for &import in minified {
        let name = match proof::fastcomp(flows, sbrk, import) {
            Some(Fastcomp::TotalMemory) => "emscripten_get_heap_size",
            Some(Fastcomp::EnlargeMemory) => "enlargeMemory",
            Some(Fastcomp::ResizeHeap) => "emscripten_resize_heap",
            Some(Fastcomp::CannotGrow) => "abortOnCannotGrowMemory",
            Some(Fastcomp::SetErrNo) => "___setErrNo",
            None => continue,
        };
        found.insert(import, Recovered::named(name));
    }
    Some(false)
}

/// One import by how it is called; `None` where its use does not tell.
fn by_use(flows: &Flows<'_, '_>, errno: &Errno, import: u32, modern: bool) -> Option<Recovered> {
    if proof::copies_memory(flows, import) {
        return Some(Recovered::named("emscripten_memcpy_big"));
    }
    if proof::is_clock(flows, import) {
        return Some(Recovered::like(
            Does::Run(RuntimeFunction::EmscriptenGetNow),
            Purpose::Clock,
            Some(Group::Clock),
            "its result is taken for milliseconds and split into seconds and a fraction, or waited for: a clock that starts at 0 and advances a millisecond at each question",
        ));
    }
    if proof::sets_timer(flows, import) {
        return Some(Recovered::named("_setitimer_js"));
    }
    if proof::sets_time_zone(flows, import) {
        return Some(Recovered::named("_tzset_js"));
    }
    if let Some(name) = proof::fills_broken_down_time(flows, import) {
        return Some(Recovered::named(name));
    }
    if modern && proof::fills_entropy(flows, import) {
        return Some(Recovered::named("random_get"));
    }
    if proof::reads_environment(flows, import) {
        return Some(Recovered::like(
            Does::Return(52),
            Purpose::Wasi,
            Some(Group::Wasi),
            "one of the two calls that copy the environment: ENOSYS (52), so there is none",
        ));
    }
    if proof::limits_heap(flows, import) {
        return Some(Recovered::named("emscripten_get_heap_max"));
    }
    by_result(flows, errno, import, modern)
}

/// One import by what becomes of its results.
fn by_result(flows: &Flows<'_, '_>, errno: &Errno, import: u32, modern: bool) -> Option<Recovered> {
    let module = flows.module;
    let ty = structure::signature_text(module.func_type(import)?);
    let uses = ResultUses::of(module, errno, import);
    if uses.show(ResultUse::NegativeErrno) {
        return Some(Recovered::like(
            Does::Return(if modern { -52 } else { -38 }),
            Purpose::Libc,
            Some(Group::Libc),
            "its callers compare the result with −4096, so it is a system call: −ENOSYS",
        ));
    }
    let by_function = uses.show(ResultUse::Errno);
    if !by_function && !proof::sets_errno_for_stream(flows, import) {
        return None;
    }
    let in_loop = structure::called_in_loop(module, import);
    Some(match ty.as_str() {
        "i32 i64 i32 i32 -> i32" | "i32 i32 i32 i32 i32 -> i32" if !in_loop => Recovered::named("fd_seek"),
        "i32 i32 i32 i32 -> i32" if proof::works_on_stream(flows, import) => {
            Recovered::named(if in_loop { "fd_write" } else { "fd_read" })
        }
        "i32 -> i32" if proof::works_on_stream(flows, import) => Recovered::named("fd_close"),
        _ if !by_function => return None,
        _ => Recovered::like(
            Does::Return(52),
            Purpose::Wasi,
            Some(Group::Wasi),
            "its callers hand any result but 0 to the function that stores errno, so it is a call of WASI: ENOSYS (52)",
        ),
    })
}

/// What is known of an import that stays, for who has to decide about it.
pub(super) fn why_unknown(module: &Module<'_>, import: u32) -> Option<&'static str> {
    if !has_minified_name(module, import) {
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
