//! wasm-bindgen's error path: the only part of it that needs no JavaScript object.

use super::{Answer, Does, Group, fit};
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

fn is_glue_name(name: &str) -> bool {
    name.starts_with("__wbindgen_") || stem(name).is_some()
}

/// The promise of one function.
///
/// `new`, `stack` and `error` are the three that the panic hook uses: creating an error,
/// taking its stack as text, and printing it. Their names end in a hash.
pub(crate) fn lookup(module: &Module<'_>, name: &str, import: u32) -> Option<Answer> {
    let ty = module.func_type(import).map(crate::structure::signature_text)?;
    let stem = stem(name).unwrap_or(name);
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
        _ => return None,
    };
    Some(Answer { stand_in: fit(module, does, import)?, stub: Some(Group::Glue), why })
}

/// A name of the glue without its hash: `__wbg_new` of `__wbg_new_693216e109162396`.
fn stem(name: &str) -> Option<&str> {
    let (stem, hash) = name.rsplit_once('_')?;
    let is_hash = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hash && stem.starts_with("__wbg_")).then_some(stem)
}

/// The module imports all three functions of the panic hook.
fn has_panic_hook(module: &Module<'_>) -> bool {
    *module.asked.has_panic_hook.get_or_init(|| {
        let count =
            |wanted| module.imports.iter().filter(|entry| stem(entry.import.name) == Some(wanted)).count();
        ["__wbg_new", "__wbg_stack", "__wbg_error"].into_iter().all(|stem| count(stem) == 1)
    })
}
