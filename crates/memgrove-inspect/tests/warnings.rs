//! Warnings with their cures, tables, and when there are none.

use memgrove_inspect::report::{TableGrower, Warning, WarningId};
use memgrove_inspect::{Report, conclude, facts};
use std::path::Path;

fn inspect(text: &str) -> Report {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    conclude(&facts(&bytes).unwrap())
}

fn case(name: &str) -> Report {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases").join(name);
    let bytes = wat::parse_file(&path).unwrap_or_else(|error| panic!("{error}"));
    conclude(&facts(&bytes).unwrap())
}

#[track_caller]
fn only(report: &Report, id: WarningId, text: &str, cure: &str) {
    let [warning] = report.warnings.as_slice() else { panic!("{:?}", report.warnings) };
    is(warning, id, text, cure);
}

#[track_caller]
fn is(warning: &Warning, id: WarningId, text: &str, cure: &str) {
    assert_eq!(warning.id, id, "{warning:?}");
    assert!(warning.text.contains(text) && warning.cure.contains(cure), "{warning:?}");
    assert!(!warning.evidence.is_empty(), "{warning:?}");
}

#[track_caller]
fn none(report: &Report) {
    assert_eq!(report.warnings, [], "{:?}", report.warnings);
}

/// Functions with prologues that lower global 0, which starts at `base`; static data at `data`.
fn with_stack(base: u32, data: u32, more: &str) -> String {
    let frame = "(func (local i32) (global.set $sp (local.tee 0 (i32.sub (global.get $sp) (i32.const 16)))))";
    format!(
        "(module (memory (export \"memory\") 17) (global $sp (mut i32) (i32.const {base}))
           {frame}{frame}{frame}{frame} (data (i32.const {data}) \"static\") {more})"
    )
}

#[test]
fn a_stack_above_data_overwrites_it() {
    only(
        &inspect(&with_stack(66592, 1024, "")),
        WarningId::StackAboveData,
        "overwrites data at 0x406 and below, silently",
        "-Wl,--stack-first",
    );
    none(&inspect(&with_stack(65536, 65536, "")));
    none(&inspect(&with_stack(66592, 1024, "(func (export \"__set_stack_limits\") (param i32 i32))")));
}

/// C of clang with a single function that has a frame.
#[test]
fn one_frame_is_enough_where_it_is_left_as_it_was_entered() {
    let deep = case("stack-overflow/deep.wasm");
    only(&deep, WarningId::StackAboveData, "overwrites data at 0x401 and below", "-Wl,--stack-first");
    none(&case("stack-overflow/first.wasm"));
    // A counter is no stack.
    none(&inspect(
        "(module (memory (export \"memory\") 2) (global $n (mut i32) (i32.const 66592)) (data (i32.const 1024) \"x\") \
           (func (export \"f\") (global.set $n (i32.sub (global.get $n) (i32.const 16)))))",
    ));
}

#[test]
fn memory_that_the_host_passes() {
    only(
        &case("memory-limits/min1data3.wat"),
        WarningId::MemoryThatTheHostPasses,
        "a memory of at least 3 pages: the import says 1, but a data segment ends at 0x2000c",
        "new WebAssembly.Memory({ initial: 3 }); or link with --initial-memory=196608",
    );
    only(
        &case("memory-limits/maxsmall.wat"),
        WarningId::MemoryThatTheHostPasses,
        "at least 2 pages that declares a maximum of at most 32768",
        "{ initial: 2, maximum: 32768 }",
    );
    only(
        &inspect("(module (import \"env\" \"memory\" (memory 1 2 shared)))"),
        WarningId::MemoryThatTheHostPasses,
        "",
        "{ initial: 1, maximum: 2, shared: true }",
    );
    none(&inspect("(module (import \"env\" \"memory\" (memory 1)) (data (i32.const 65530) \"abcdef\"))"));
}

#[test]
fn threads_share_a_memory_only_if_it_is_imported() {
    only(
        &case("threads/own.wat"),
        WarningId::ThreadsWithoutSharedMemory,
        "each thread runs in an instance with a memory of its own",
        "--import-memory --export-memory --shared-memory",
    );
    let spawn = "(import \"wasi\" \"thread-spawn\" (func (param i32) (result i32)))";
    let shared = inspect(&format!("(module {spawn} (import \"env\" \"memory\" (memory 1 2 shared)))"));
    only(&shared, WarningId::MemoryThatTheHostPasses, "", "shared: true");
    let not_shared = inspect(&format!("(module {spawn} (import \"env\" \"memory\" (memory 1)))"));
    only(&not_shared, WarningId::ThreadsWithoutSharedMemory, "", "");
}

#[test]
fn tables_that_cannot_grow() {
    let report = case("bindgen/table.wat");
    only(
        &report,
        WarningId::TableCannotGrow,
        "table 1 (externref) has minimum and maximum 128",
        "without a maximum",
    );
    assert_eq!((report.tables[1].grown_by, report.tables[1].grow_sites), (TableGrower::Nobody, 1));
    assert_eq!(report.tables[0].grown_by, TableGrower::Nobody);
    none(&case("bindgen/numeric.wat"));
    let init = "(import \"wbg\" \"__wbg___wbindgen_init_externref_table_0123\" (func))";
    let fixed = "(table (export \"__wbindgen_externrefs\") 128 128 externref)";
    only(
        &inspect(&format!("(module {init} {fixed})")),
        WarningId::TableCannotGrow,
        "wasm-bindgen's JavaScript",
        "",
    );
    none(&inspect(&format!("(module {fixed})")));
    let grow = "(func (drop (table.grow $t (ref.null func) (i32.const 1))))";
    only(
        &inspect(&format!("(module (table $t 4 4 funcref) {grow})")),
        WarningId::TableCannotGrow,
        "fails each time",
        "",
    );
    none(&inspect(&format!("(module (table $t 4 5 funcref) {grow})")));
}

#[test]
fn who_grows_a_table() {
    let report = inspect(
        "(module (import \"env\" \"t\" (table 1 funcref)) (table 2 9 externref) (table (export \"x\") 3 funcref)
           (func (drop (table.grow 1 (ref.null extern) (i32.const 1)))))",
    );
    let found: Vec<_> =
        report.tables.iter().map(|table| (table.grown_by, table.element, table.max)).collect();
    assert_eq!(
        found,
        [
            (TableGrower::Host, "funcref", None),
            (TableGrower::Module, "externref", Some(9)),
            (TableGrower::Host, "funcref", None)
        ]
    );
    assert_eq!(report.tables[0].imported.as_ref().unwrap().to_string(), "env.t");
    assert_eq!(report.tables[2].exported_as, ["x"]);
}

#[test]
fn an_export_that_names_the_wrong_table() {
    let module = |function: u32, references: u32| {
        inspect(&format!(
            "(module (table 1 funcref) (table 1 externref) (export \"__indirect_function_table\" (table {function}))
               (export \"__wbindgen_externrefs\" (table {references})))"
        ))
    };
    none(&module(0, 1));
    let swapped = module(1, 0);
    assert_eq!(swapped.warnings.len(), 2, "{:?}", swapped.warnings);
    is(
        &swapped.warnings[0],
        WarningId::WrongTableExported,
        "`__wbindgen_externrefs` is table 0, of funcref",
        "table 1",
    );
    is(
        &swapped.warnings[1],
        WarningId::WrongTableExported,
        "expect funcref",
        "export table 0 under this name",
    );
}

#[test]
fn what_never_went_through_the_next_tool() {
    only(
        &case("bindgen/dead.wat"),
        WarningId::NotBound,
        "never went through wasm-bindgen",
        "run wasm-bindgen",
    );
    only(
        &inspect("(module (func (export \"__wbindgen_describe_add\")))"),
        WarningId::NotBound,
        "",
        "switch off the dependency's feature",
    );
    only(
        &inspect(
            "(module (import \"wasi:io/streams@0.2.0\" \"[method]output-stream.write\" (func (param i32 i32 i32 i32))))",
        ),
        WarningId::PartOfAComponent,
        "core module of a component",
        "wasm-tools component new",
    );
    only(
        &inspect("(module (func (export \"wasi:cli/run@0.2.0#run\") (result i32) i32.const 0))"),
        WarningId::PartOfAComponent,
        "",
        "",
    );
    none(&inspect(
        "(module (import \"a:b/c\" \"d\" (func)) (import \"extism:host/env\" \"alloc\" (func (param i64) (result i64))))",
    ));
    // The component itself is what it should be.
    none(&inspect("(component (import \"wasi:cli/stdout@0.2.0\" (instance)))"));
}

#[test]
fn go_and_emscripten() {
    let go = "(module (import \"gojs\" \"runtime.wasmExit\" (func (param i32))) (import \"gojs\" \"runtime.wasmWrite\" (func (param i32)))
                (func (export \"run\") (param i32 i32)) (func (export \"resume\")) (func (export \"getsp\") (result i32) i32.const 0)
                (memory (export \"mem\") 1))";
    only(&inspect(go), WarningId::GoForJs, "GOOS=js", "GOOS=wasip1 GOARCH=wasm");
    let minified = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/own-js/minified.wasm");
    let report = conclude(&facts(&std::fs::read(minified).unwrap()).unwrap());
    let warning = report.warnings.iter().find(|warning| warning.id == WarningId::MinifiedImports).unwrap();
    is(
        warning,
        WarningId::MinifiedImports,
        "only the JavaScript file that belongs to it knows",
        "-sSTANDALONE_WASM",
    );
}

#[test]
fn a_stack_of_the_default_size() {
    let rust = "(@producers (language \"Rust\" \"\") (processed-by \"rustc\" \"1.90.0\"))";
    only(
        &inspect(&with_stack(1_048_576, 1_048_576, rust)),
        WarningId::DefaultStack,
        "16 of the 17 pages of its initial memory are a stack of Rust's default size",
        "-zstack-size=65536",
    );
    none(&inspect(&with_stack(65_536, 65_536, rust)));
    none(&inspect(&with_stack(1_048_576, 1_048_576, "")));
}

#[test]
fn wasm_bindgen_with_threads_takes_the_first_addresses_of_the_heap() {
    let module = |version: &str, memory: &str| {
        format!(
            "(module (memory {memory}) (func $_RNvCs_8memgrove8dlmalloc4heap)
               (@producers (language \"Rust\" \"\") (processed-by \"rustc\" \"1.90.0\") (processed-by \"wasm-bindgen\" \"{version}\"))
               (func $<memgrove::dlmalloc::Dlmalloc_as_core::alloc::global::GlobalAlloc>::alloc))"
        )
    };
    let report = inspect(&module("0.2.126 (1234abcd)", "1 2 shared"));
    let family = report.allocator.identity.value.as_ref().map(|allocator| allocator.family.as_str());
    assert_eq!(family, Some("memgrove"), "the test's module is to be recognised: {:?}", report.allocator);
    only(
        &report,
        WarningId::BindgenThreadsAtHeapBase,
        "0.2.126 keeps its thread counter",
        "0.2.127 or newer",
    );
    none(&inspect(&module("0.2.127 (1234abcd)", "1 2 shared")));
    none(&inspect(&module("0.2.126 (1234abcd)", "1 2")));
}
