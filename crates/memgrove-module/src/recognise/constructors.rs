//! The export by which a program's glue runs constructors: once, before it calls any other.

use crate::Code;
use crate::facts::{ExternKind, Facts};

use super::table::RESIZE_HEAP;

/// Names of it: of WebAssembly's linker, of WASI, and of Emscripten's older compiler.
const NAMES: [&str; 3] = ["__wasm_call_ctors", "_initialize", "___wasm_call_ctors"];
/// Letters of a name that Emscripten minified: two are enough for some 3,000 exports.
const MOST_LETTERS: usize = 2;

/// An exported function that runs constructors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Constructor<'a> {
    /// Its index.
    pub func: u32,
    /// The name under which it is exported.
    pub export: &'a str,
}

/// The export that glue calls first, by its name, by the function's own, or by its place among minified ones.
#[must_use]
pub fn constructor<'a>(code: &Code<'a>) -> Option<Constructor<'a>> {
    let facts = code.facts();
    let callable = || functions(facts).filter(|constructor| code.has_type(constructor.func, "->"));
    let by_name = NAMES.iter().find_map(|name| callable().find(|known| known.export == *name));
    by_name
        .or_else(|| callable().find(|known| facts.func_name(known.func) == Some(NAMES[0])))
        .or_else(|| minified_constructor(code, grows_by_glue(code)))
}

/// Emscripten exports the memory first and the constructors right behind it, whatever the letters are. `grows`: the
/// module's glue is Emscripten's, as its growing of memory tells.
#[must_use]
pub fn minified_constructor<'a>(code: &Code<'a>, grows: bool) -> Option<Constructor<'a>> {
    let first = functions(code.facts()).next()?;
    // What the module itself calls is not left to the glue.
    let is_left_to_glue = code.has_type(first.func, "->") && code.callers(first.func).is_empty();
    (grows && first.export.len() <= MOST_LETTERS && is_left_to_glue).then_some(first)
}

fn functions<'f, 'a>(facts: &'f Facts<'a>) -> impl Iterator<Item = Constructor<'a>> + use<'f, 'a> {
    let exported = facts.exports.iter().filter(|export| export.kind == ExternKind::Func);
    exported.map(|export| Constructor { func: export.index, export: export.name })
}

fn grows_by_glue(code: &Code<'_>) -> bool {
    let facts = code.facts();
    (0..facts.imported_func_count()).any(|func| {
        let import = facts.imported_funcs.get(func as usize);
        let import = import.and_then(|import| facts.imports.get(import.import as usize));
        let told = code.imports().role(func).and_then(|role| role.name());
        told.or_else(|| import.map(|import| import.name)) == Some(RESIZE_HEAP)
    })
}
