//! Names that a minifier took: which they are, and what the imports under them are by their use.
//!
//! Emscripten's `-O3` renames imports and exports to letters. What remains is how the module uses them: see
//! `library.rs` and `growth.rs` for the code around a call, `errno.rs` for what becomes of its result. Only a module
//! that shows Emscripten's way of growing memory (or fastcomp's break) is looked at like this. Its minifier leaves the
//! names of modules alone unless it is told otherwise: what is imported from WASI's is a function of WASI, whatever it is called.

use std::collections::{BTreeMap, BTreeSet};

use super::errno::{ResultUse, ResultUses};
use super::growth::{self, Fastcomp};
use super::{Numbers, Role, library, table};
use crate::code::{Code, Flows};
use crate::facts::{ExternKind, Facts, Import, ValType};

/// Letters of the longest names that a minifier makes: it gives names of one character first, then of two.
const LONGEST: usize = 3;

/// Functions of WASI's first preview that have a type that no other has, also where 64 bits come in halves.
pub const ALONE_OF_ITS_TYPE: [(&str, &str); 4] = [
    ("i32 ->", "proc_exit"),
    ("-> i32", "sched_yield"),
    ("i32 i64 i32 -> i32", "clock_time_get"),
    ("i32 i64 i32 i32 -> i32", "fd_seek"),
];

/// Names of C's that are as short.
const OF_C: [&str; 17] = [
    "abs", "cos", "div", "dup", "erf", "exp", "fma", "j0", "j1", "jn", "log", "pow", "sin", "tan", "y0",
    "y1", "yn",
];

/// Whether a minifier may have made a name of up to so many characters.
fn is_short(name: &str, longest: usize) -> bool {
    (1..=longest).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$')
}

/// Whether a minifier may have made this name and C has not.
#[must_use]
pub fn is_minified_name(name: &str) -> bool {
    is_short(name, LONGEST) && !OF_C.contains(&name)
}

/// Whether an import may have its name from Emscripten's minifier: it leaves `env`, or calls it `a`.
#[must_use]
pub fn is_minified_import(import: &Import<'_>) -> bool {
    matches!(import.module, "a" | "env") && is_minified_name(import.name)
}

/// The same where C may have made the name as well.
pub(super) fn may_be_minified(import: &Import<'_>) -> bool {
    matches!(import.module, "a" | "env")
        && import.ty.kind() == ExternKind::Func
        && is_short(import.name, LONGEST)
}

/// Whether an import is a function of WASI whose name a minifier took: none of WASI's own is as short.
fn is_minified_wasi(import: &Import<'_>) -> bool {
    matches!(import.module, "wasi_snapshot_preview1" | "wasi_unstable")
        && import.ty.kind() == ExternKind::Func
        && is_short(import.name, LONGEST)
}

/// Whether functions are imported under names that a minifier made, so that the glue is not known. O(imports).
#[must_use]
pub fn is_minified(facts: &Facts<'_>) -> bool {
    func_imports(facts).any(|(_, import)| is_minified_import(import) && import.name.len() < LONGEST)
}

/// The one module that everything is imported from, where all names, exports too, are a minifier's. `memory` and
/// `table` are kept beside minified names of other imports in fastcomp's modules.
#[must_use]
pub fn minified_module<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let module = facts.imports.first()?.module;
    let imports = || facts.imports.iter();
    let all = is_short(module, 1)
        && facts.exports.iter().any(|export| export.kind == ExternKind::Func)
        && imports().all(|import| {
            import.module == module
                && (is_short(import.name, LONGEST - 1) || matches!(import.name, "memory" | "table"))
        })
        && facts.exports.iter().all(|export| is_short(export.name, LONGEST));
    all.then_some(module)
}

/// Whether all functions come from `env`, under a minifier's names.
#[must_use]
pub fn is_minified_env(facts: &Facts<'_>) -> bool {
    let mut functions = func_imports(facts).peekable();
    functions.peek().is_some()
        && functions.all(|(_, import)| import.module == "env" && is_short(import.name, LONGEST - 1))
}

/// The imported functions with their imports.
fn func_imports<'f, 'a>(facts: &'f Facts<'a>) -> impl Iterator<Item = (u32, &'f Import<'a>)> {
    let imports = facts.imported_funcs.iter().filter_map(|func| facts.imports.get(func.import as usize));
    (0..).zip(imports)
}

/// What the function imports with minified names are, by function index.
pub(super) fn recover(code: &Code<'_>) -> BTreeMap<u32, Role> {
    let facts = code.facts();
    let minified: Vec<u32> =
        func_imports(facts).filter(|(_, import)| is_minified_import(import)).map(|(func, _)| func).collect();
    let wasi: Vec<u32> =
        func_imports(facts).filter(|(_, import)| is_minified_wasi(import)).map(|(func, _)| func).collect();
    let mut found = BTreeMap::new();
    if minified.is_empty() && wasi.is_empty() {
        return found;
    }
    let flows = Flows::new(code);
    found.extend(wasi.iter().filter_map(|&import| Some((import, of_wasi(&flows, import)?))));
    if let Some(numbers) = memory_functions(&flows, &minified, &mut found) {
        for &import in &minified {
            if !found.contains_key(&import)
                && let Some(role) = by_use(&flows, import, numbers)
            {
                found.insert(import, role);
            }
        }
    }
    keep_unique(facts, &mut found);
    // All of WASI's functions return an error number, but the one that never returns.
    let returns = |import: &u32| facts.func_type(*import).is_some_and(|ty| ty.results() == [ValType::I32]);
    for import in wasi.into_iter().filter(returns) {
        found.entry(import).or_insert(Role::OfWasi);
    }
    found
}

/// A function of WASI by its type, where no other has it, or by its use.
fn of_wasi(flows: &Flows<'_, '_>, import: u32) -> Option<Role> {
    let is_typed = |types: &[&str]| types.iter().any(|ty| flows.code.has_type(import, ty));
    if let Some((_, name)) = ALONE_OF_ITS_TYPE.iter().find(|(ty, _)| is_typed(&[ty])) {
        return Some(Role::Library(name));
    }
    if library::fills_entropy(flows, import) {
        return Some(Role::Library("random_get"));
    }
    if library::reads_environment(flows, import) {
        return Some(Role::Environment);
    }
    if !library::works_on_stream(flows, import) {
        return None;
    }
    let name = match () {
        () if is_typed(&["i32 i32 i32 i32 -> i32"]) && flows.code.called_in_loop(import) => "fd_write",
        () if is_typed(&["i32 i32 i32 i32 i32 -> i32"]) => "fd_seek",
        () if is_typed(&["i32 -> i32"]) => "fd_close",
        () => return None,
    };
    Some(Role::Library(name))
}

/// Two imports never are one function: where both look like it, one of them is something else.
fn keep_unique(facts: &Facts<'_>, found: &mut BTreeMap<u32, Role>) {
    let mut bearers: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for (func, import) in func_imports(facts) {
        let name = match found.get(&func) {
            Some(role) => role.name(),
            None => table::by_name(facts, import).map(|_| import.name),
        };
        if let Some(name) = name {
            bearers.entry(name.trim_start_matches('_')).or_default().insert((import.module, import.name));
        }
    }
    let is_only = |name: &str| bearers.get(name.trim_start_matches('_')).is_some_and(|all| all.len() == 1);
    found.retain(|_, role| role.name().is_none_or(is_only));
}

/// The functions that grow memory, and whose numbers for errors the program has; none if it shows neither today's way
/// nor fastcomp's.
fn memory_functions(
    flows: &Flows<'_, '_>,
    minified: &[u32],
    found: &mut BTreeMap<u32, Role>,
) -> Option<Numbers> {
    let growth = flows.code.growth_by_use();
    if !growth.is_empty() && growth.iter().all(|import| minified.contains(import)) {
        found.extend(growth.iter().map(|&import| (import, Role::Library(table::RESIZE_HEAP))));
        return Some(Numbers::Wasi);
    }
    let sbrk = flows.code.break_pointer()?.func;
    for &import in minified {
        let name = match growth::fastcomp(flows, sbrk, import) {
            Some(Fastcomp::TotalMemory) => "emscripten_get_heap_size",
            Some(Fastcomp::EnlargeMemory) => table::ENLARGE_MEMORY,
            Some(Fastcomp::ResizeHeap) => table::RESIZE_HEAP,
            Some(Fastcomp::CannotGrow) => "abortOnCannotGrowMemory",
            Some(Fastcomp::SetErrNo) => "___setErrNo",
            None => continue,
        };
        found.insert(import, Role::Library(name));
    }
    Some(Numbers::Linux)
}

/// One import by how it is called; `None` where its use does not tell.
fn by_use(flows: &Flows<'_, '_>, import: u32, numbers: Numbers) -> Option<Role> {
    if library::copies_memory(flows, import) {
        return Some(Role::Library("emscripten_memcpy_big"));
    }
    if library::is_clock(flows, import) {
        return Some(Role::Clock);
    }
    if library::sets_timer(flows, import) {
        return Some(Role::Library("_setitimer_js"));
    }
    if library::sets_time_zone(flows, import) {
        return Some(Role::Library("_tzset_js"));
    }
    if let Some(name) = library::fills_broken_down_time(flows, import) {
        return Some(Role::Library(name));
    }
    if numbers == Numbers::Wasi && library::fills_entropy(flows, import) {
        return Some(Role::Library("random_get"));
    }
    if library::reads_environment(flows, import) {
        return Some(Role::Environment);
    }
    if library::limits_heap(flows, import) {
        return Some(Role::Library("emscripten_get_heap_max"));
    }
    by_result(flows, import, numbers)
}

/// One import by what becomes of its results.
fn by_result(flows: &Flows<'_, '_>, import: u32, numbers: Numbers) -> Option<Role> {
    let code = flows.code;
    let uses = ResultUses::of(code, code.errno(), import);
    if uses.show(ResultUse::NegativeErrno) {
        return Some(Role::SystemCall(numbers));
    }
    let by_function = uses.show(ResultUse::Errno);
    if !by_function && !library::sets_errno_for_stream(flows, import) {
        return library::closes_stream(flows, import).then_some(Role::Library("fd_close"));
    }
    let is_typed = |types: &[&str]| types.iter().any(|ty| code.has_type(import, ty));
    let in_loop = code.called_in_loop(import);
    let named = match () {
        () if !in_loop && is_typed(&["i32 i64 i32 i32 -> i32", "i32 i32 i32 i32 i32 -> i32"]) => {
            Some("fd_seek")
        }
        () if is_typed(&["i32 i32 i32 i32 -> i32"]) && library::works_on_stream(flows, import) => {
            Some(if in_loop { "fd_write" } else { "fd_read" })
        }
        () if is_typed(&["i32 -> i32"]) && library::works_on_stream(flows, import) => Some("fd_close"),
        () => None,
    };
    named.map(Role::Library).or_else(|| by_function.then_some(Role::WasiCall))
}
