//! Which program it is where several languages are in a module, whose version is named, and what run-time it is.

use memgrove_inspect::report::Toolchain;
use memgrove_inspect::{Conclusion, conclude, facts};
use std::fmt::Write as _;

fn toolchain(text: &str) -> Conclusion<Toolchain> {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    conclude(&facts(&bytes).unwrap()).toolchain
}

/// Functions with these names, with a stack as LLVM has it.
fn functions(names: impl Iterator<Item = String>) -> String {
    let frame = "(local i32) global.get 0 i32.const 16 i32.sub local.tee 0 global.set 0 \
                 local.get 0 i32.const 16 i32.add global.set 0";
    names.fold(String::new(), |mut text, name| {
        let _ = write!(text, "(func $\"{name}\" {frame})");
        text
    })
}

fn rust(count: u32) -> impl Iterator<Item = String> {
    (0..count).map(|i| format!("_ZN4core3fmt5write17h{i:016x}E"))
}

fn c(count: u32) -> impl Iterator<Item = String> {
    (0..count).map(|i| format!("png_read_{i}"))
}

const BOTH: &str = "(@producers (language \"C11\" \"\") (language \"Rust\" \"\") \
                    (processed-by \"clang\" \"18.1.2\") (processed-by \"rustc\" \"1.80.0\"))";

#[test]
fn the_language_of_most_functions_is_the_programs() {
    let module = |functions: &str| {
        format!(
            "(module {BOTH} (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32))) \
             (memory (export \"memory\") 2) (global (mut i32) (i32.const 65536)) {functions})"
        )
    };
    let mostly_c = toolchain(&module(&functions(c(20).chain(rust(4)))));
    let value = mostly_c.value.as_ref().unwrap();
    assert_ne!(value.family, "rust", "{mostly_c:?}");
    assert_eq!(value.languages, ["C11", "Rust"]);
    let mostly_rust = toolchain(&module(&functions(c(4).chain(rust(20)))));
    assert_eq!(mostly_rust.value.as_ref().unwrap().family, "rust", "{mostly_rust:?}");
    // Without names the file does not say.
    let stripped = toolchain(&module("(func (export \"f\"))"));
    assert!(stripped.confidence.value() < 0.9, "{stripped:?}");
}

#[test]
fn emscriptens_imports_make_it_emscriptens_program() {
    let module = format!(
        "(module {BOTH} (import \"env\" \"emscripten_resize_heap\" (func (param i32) (result i32))) \
         (import \"env\" \"_emscripten_memcpy_js\" (func (param i32 i32 i32))) \
         (import \"env\" \"__syscall_openat\" (func (param i32 i32 i32 i32) (result i32))) \
         (memory (export \"memory\") 2) (global (mut i32) (i32.const 65536)) \
         (func (export \"stackSave\") (result i32) global.get 0) \
         (func (export \"stackAlloc\") (param i32) (result i32) local.get 0))"
    );
    let found = toolchain(&module);
    assert_eq!(found.value.as_ref().unwrap().family, "emscripten", "{found:?}");
}

#[test]
fn native_aot_is_not_mono_though_both_hold_the_core_library() {
    let library = "(memory 1) (data (i32.const 1024) \"System.Private.CoreLib\")";
    let variant = |text: &str| toolchain(text).value.and_then(|value| value.variant);
    let mono = variant(&format!(
        "(module (import \"env\" \"mono_wasm_bind_js_import\" (func)) \
         (func (export \"mono_wasm_load_runtime\")) {library})"
    ));
    let aot = variant(&format!("(module (import \"env\" \"RhpGetRuntimeHelperForType\" (func)) {library})"));
    assert_eq!(aot.as_deref(), Some("native-aot"));
    assert_ne!(mono, aot);
}

#[test]
fn a_version_says_whose_it_is() {
    let of = |text: &str| {
        let value = toolchain(text).value.unwrap();
        (value.version_of, value.version)
    };
    let both = |of: &str, version: &str| (Some(of.to_owned()), Some(version.to_owned()));
    let rustc = "(module (@producers (language \"Rust\" \"\") (processed-by \"rustc\" \"1.80.0\")))";
    assert_eq!(of(rustc), both("rustc", "1.80.0"));
    let zig = "(module (@producers (processed-by \"zig\" \"0.13.0\")))";
    assert_eq!(of(zig), both("zig", "0.13.0"));
}

/// An era says no more than what was seen of it: a run-time that is chosen by an option is no era.
#[test]
fn an_era_is_not_narrower_than_its_evidence() {
    let pages = toolchain(
        "(module (memory 1) (func (export \"__pin\") (param i32) (result i32) local.get 0) \
         (func (export \"__unpin\") (param i32)) (func (export \"__new\") (param i32 i32) (result i32) local.get 0) \
         (global (export \"__rtti_base\") i32 (i32.const 1024)))",
    );
    let name = pages.value.unwrap().name;
    assert!(!name.contains("incremental"), "{name}");
}
