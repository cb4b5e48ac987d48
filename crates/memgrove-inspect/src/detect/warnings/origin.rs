//! Warnings about how a module was made.

use memgrove_module::recognise::is_interface;

use super::{Known, warning};
use crate::detect::structure::Structure;
use crate::facts::{ExternKind, Import};
use crate::report::{Evidence, Warning, WarningId, short};

/// What rustc wrote for wasm-bindgen, which has not been run. (Module `__wbindgen_placeholder__` alone is no sign: for
/// Node the tool keeps that name.)
pub(super) fn not_bound(known: &Known<'_, '_>) -> Option<Warning> {
    let facts = known.facts;
    let is_note = |import: &Import<'_>| {
        import.module == "__wbindgen_externref_xform__" || import.name.starts_with("__wbindgen_describe")
    };
    let import = facts.imports.iter().find(|import| is_note(import));
    let describes = |name: &str| name.starts_with("__wbindgen_describe_");
    let export =
        facts.exports.iter().find(|export| export.kind == ExternKind::Func && describes(export.name));
    let section =
        facts.sections.iter().find(|section| section.custom && section.name == "__wasm_bindgen_unstable");
    let evidence = match (import, export, section) {
        (Some(import), ..) => {
            Evidence::at(import.offset, format!("it imports {}.{}", short(import.module), short(import.name)))
        }
        (_, Some(export), _) => Evidence::at(export.offset, format!("it exports {}", short(export.name))),
        (.., Some(section)) => Evidence::at(section.offset, "custom section \"__wasm_bindgen_unstable\""),
        (None, None, None) => return None,
    };
    Some(warning(
        WarningId::NotBound,
        "it never went through wasm-bindgen: its `describe` imports and exports are notes for that tool, and no host has them",
        "run wasm-bindgen (or wasm-pack) of the version in Cargo.lock on it; where no JavaScript is meant, switch off the \
         dependency's feature that brings wasm-bindgen in (getrandom, chrono and uuid have one)",
        [evidence],
    ))
}

/// A core module whose imports or exports have the names of WASI preview 2.
pub(super) fn part_of_a_component(known: &Known<'_, '_>) -> Option<Warning> {
    let facts = known.facts;
    let import = facts.imports.iter().find(|import| is_versioned_interface(import.module));
    let export = facts.exports.iter().find(|export| {
        export.name.split_once('#').is_some_and(|(interface, _)| is_versioned_interface(interface))
    });
    let evidence = match (import, export) {
        (Some(import), _) => Evidence::at(import.offset, format!("it imports from {}", short(import.module))),
        (None, Some(export)) => Evidence::at(export.offset, format!("it exports {}", short(export.name))),
        (None, None) => return None,
    };
    Some(warning(
        WarningId::PartOfAComponent,
        "it is the core module of a component: hosts of WASI preview 2 take the component, and hosts of modules have none of \
         these functions",
        "wasm-tools component new FILE -o OUT (cargo: --target wasm32-wasip2 does it); or build it for wasm32-wasip1",
        [evidence],
    ))
}

/// `wasi:io/streams@0.2.0`: a package's interface with a version, without which a file's name looks like one.
fn is_versioned_interface(name: &str) -> bool {
    name.contains('@') && is_interface(name)
}

/// Go's run-time for JavaScript, which asks a page or Node for everything.
pub(super) fn go_for_javascript(known: &Known<'_, '_>) -> Option<Warning> {
    let facts = known.facts;
    let import = facts.imports.iter().find(|import| matches!(import.module, "go" | "gojs"))?;
    if !known.is_made_by("go") {
        return None;
    }
    Some(warning(
        WarningId::GoForJs,
        "it was built for GOOS=js, which runs only with wasm_exec.js of the same release",
        "a program that does not use syscall/js itself: GOOS=wasip1 GOARCH=wasm (Go 1.21 and newer), which hosts of WASI run",
        [Evidence::at(import.offset, format!("it imports from {}", import.module))],
    ))
}

/// Emscripten's minified imports: which letter is which function stands in its JavaScript only.
pub(super) fn minified_imports(known: &Known<'_, '_>) -> Option<Warning> {
    if !known.is_made_by("emscripten") {
        return None;
    }
    let code = known.code;
    let evidence = Structure::MinifiedNames.check(code).or_else(|| Structure::MinifiedEnv.check(code))?;
    Some(warning(
        WarningId::MinifiedImports,
        "the names of its imports are minified: only the JavaScript file that belongs to it knows which function is which",
        "link with -o NAME.wasm or -sSTANDALONE_WASM for a module that stands alone, or with -g1 for readable names; \
         `memgrove fix --glue NAME.js` reads the names out of the JavaScript",
        [evidence],
    ))
}
