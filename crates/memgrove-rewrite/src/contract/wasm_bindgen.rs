//! wasm-bindgen's functions that need no JavaScript object: the error path, the table of objects, and what only its own
//! tool runs.

use std::collections::BTreeSet;

use memgrove_module::facts::ExternKind;

use super::{Answer, Does, Group, fit};
use crate::edits::{Op, StandIn};
use crate::module::Module;
use crate::runtime::RuntimeFunction;

/// Module names that wasm-bindgen's compiler writes and nobody else: `wbg` in what it generates for pages, the others in
/// what rustc leaves to it (<https://wasm-bindgen.github.io/wasm-bindgen/contributing/design/index.html>).
const RESERVED: [&str; 3] = ["wbg", "__wbindgen_placeholder__", "__wbindgen_externref_xform__"];

/// Whether wasm-bindgen's glue is imported from a module of that name. For bundlers and Node the name is that of a file beside
/// the module, which anybody may choose; there a function with a name of wasm-bindgen's must come from it, too.
pub(crate) fn is_glue_module(module: &Module<'_>, name: &str) -> bool {
    let glue = module.asked.glue_modules.get_or_init(|| {
        let named = module.imports.iter().filter(|entry| is_glue_name(entry.import.name));
        named.map(|entry| entry.import.module.to_owned()).collect()
    });
    let is_file = name.starts_with("./") || name.ends_with("_bg.js");
    RESERVED.contains(&name) || is_file && glue.contains(name)
}

/// What gives a range of memory back to the host, imported from `env`.
pub(crate) const DISCARD: &str = "__wbindgen_memory_discard";

/// The same as an instruction, where the module's memory has 32-bit addresses.
pub(crate) fn raised_discard(module: &Module<'_>) -> Option<Answer> {
    module.sections.memories.first().filter(|memory| !memory.memory64)?;
    Some(Answer {
        stand_in: StandIn::Operator(Op::MemoryDiscard),
        stub: None,
        why: "the host gets the pages back; drafts of the proposal disagree on ranges that are no whole pages",
    })
}

fn is_glue_name(name: &str) -> bool {
    name.starts_with("__wbindgen_") || stem(name).is_some()
}

/// The intrinsics that are known here. In releases of 2025 their names became `__wbg_wbindgenthrow_HASH`, then
/// `__wbg___wbindgen_throw_HASH`.
const INTRINSICS: [&str; 7] = [
    "__wbindgen_throw",
    "__wbindgen_rethrow",
    "__wbindgen_string_new",
    "__wbindgen_error_new",
    "__wbindgen_object_drop_ref",
    "__wbindgen_object_clone_ref",
    "__wbindgen_init_externref_table",
];

/// The promise of one function.
///
/// `new`, `stack` and `error` are the three that the panic hook uses: creating an error,
/// taking its stack as text, and printing it. Their names end in a hash.
pub(crate) fn lookup(module: &Module<'_>, name: &str, import: u32) -> Option<Answer> {
    let ty = module.sections.func_type(import).map(crate::structure::signature_text)?;
    let stem = intrinsic(name).or_else(|| stem(name)).unwrap_or(name);
    let (does, why) = match (stem, ty.as_str()) {
        ("__wbindgen_throw", "i32 i32 ->") | ("__wbindgen_rethrow", "i32 ->") => {
            (Does::Trap, "it must not return; a trap ends the call as an exception would")
        }
        ("__wbindgen_string_new", "i32 i32 -> i32") | ("__wbindgen_error_new", "i32 i32 -> i32") => {
            (Does::Run(RuntimeFunction::TwoToHandle), "a fresh handle for the error; its text is not kept")
        }
        ("__wbindgen_object_drop_ref", "i32 ->") => (Does::Return(0), "a handle owns nothing here"),
        ("__wbindgen_object_clone_ref", "i32 -> i32") => {
            (Does::Run(RuntimeFunction::SameHandle), "a handle is only a number here")
        }
        ("__wbg_new", "-> i32") if has_panic_hook(module) => {
            (Does::Run(RuntimeFunction::NewHandle), "a fresh handle for the panic's error object")
        }
        ("__wbg_stack", "i32 i32 ->") if has_panic_hook(module) => {
            (Does::Run(RuntimeFunction::EmptyString), "the panic's stack trace is empty")
        }
        ("__wbg_error", "i32 i32 ->") if has_panic_hook(module) => {
            (Does::Return(0), "the panic's message goes nowhere")
        }
        ("__wbindgen_init_externref_table", "->") => {
            return Some(Answer {
                stand_in: StandIn::GrowTable(objects(module)?),
                stub: Some(Group::Glue),
                why: "grows the table of JavaScript objects by four, as the glue does; the new entries are null",
            });
        }
        _ if is_for_the_tool(name, &ty) && tool_is_gone(module) => (
            Does::Trap,
            "only reached from exports that wasm-bindgen's tool runs or that nothing has an object for: the module never went through it",
        ),
        _ => return None,
    };
    Some(Answer { stand_in: fit(module, does, import)?, stub: Some(Group::Glue), why })
}

/// The intrinsic that a name has stood for in some release, without its hash.
fn intrinsic(name: &str) -> Option<&'static str> {
    let squashed = |name: &str| name.replace('_', "");
    let renamed = stem(name)?.strip_prefix("__wbg_")?;
    let wanted = squashed(renamed);
    INTRINSICS.into_iter().find(|known| squashed(known) == wanted)
}

/// A name of the glue without its hash: `__wbg_new` of `__wbg_new_693216e109162396`.
fn stem(name: &str) -> Option<&str> {
    let (stem, hash) = name.rsplit_once('_')?;
    let is_hash = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hash && stem.starts_with("__wbg_")).then_some(stem)
}

/// The module's one table of JavaScript objects.
fn objects(module: &Module<'_>) -> Option<u32> {
    let is_for_objects = |table: &wasmparser::TableType| {
        table.element_type == wasmparser::RefType::EXTERNREF && !table.table64
    };
    let mut tables =
        (0..).zip(&module.sections.tables).filter(|(_, table)| is_for_objects(table)).map(|(at, _)| at);
    tables.next().filter(|_| tables.next().is_none())
}

/// What wasm-bindgen's tool replaces or runs while it makes the glue.
pub(crate) fn is_for_the_tool(name: &str, ty: &str) -> bool {
    match name {
        "__wbindgen_describe" => ty == "i32 ->",
        "__wbindgen_describe_closure" => ty == "i32 i32 i32 -> i32",
        "__wbindgen_externref_table_grow" => ty == "i32 -> i32",
        "__wbindgen_externref_table_set_null" => ty == "i32 ->",
        _ => false,
    }
}

/// All that reaches a function of the tool, by whatever ways, is exported for the tool, or for objects that nothing has.
/// Linear in the calls, once.
fn tool_is_gone(module: &Module<'_>) -> bool {
    *module.asked.tool_is_gone.get_or_init(|| {
        let is_for_nobody = |name: &str| is_description(name) || name.starts_with("__externref_");
        let taken: BTreeSet<u32> = module.facts.address_taken().into_iter().collect();
        let of_tool = module.imports.iter().filter(|entry| {
            let ty = module.sections.func_type(entry.index).map(crate::structure::signature_text);
            is_func_import(&entry.import) && ty.is_some_and(|ty| is_for_the_tool(entry.import.name, &ty))
        });
        let mut seen: BTreeSet<u32> = of_tool.map(|entry| entry.index).collect();
        let mut open: Vec<u32> = seen.iter().copied().collect();
        while let Some(func) = open.pop() {
            let mut exports = module.facts.exports_of(ExternKind::Func, func);
            if taken.contains(&func)
                || module.sections.start == Some(func)
                || !exports.all(|export| is_for_nobody(export.name))
            {
                return false;
            }
            open.extend(module.code.callers(func).iter().filter(|&&caller| seen.insert(caller)));
        }
        true
    })
}

fn is_func_import(import: &wasmparser::Import<'_>) -> bool {
    matches!(import.ty, wasmparser::TypeRef::Func(_) | wasmparser::TypeRef::FuncExact(_))
}

/// An export that says nothing but what the glue of another export has to be.
pub(crate) fn is_description(name: &str) -> bool {
    name.starts_with("__wbindgen_describe_")
}

/// The module imports all three functions of the panic hook.
fn has_panic_hook(module: &Module<'_>) -> bool {
    *module.asked.has_panic_hook.get_or_init(|| {
        let count =
            |wanted| module.imports.iter().filter(|entry| stem(entry.import.name) == Some(wanted)).count();
        ["__wbg_new", "__wbg_stack", "__wbg_error"].into_iter().all(|stem| count(stem) == 1)
    })
}
