//! Memories with 64-bit addresses, and several memories: fixed, or said clearly why not.

use memgrove_rewrite::{Decision, Fixed, Options, fix};

fn fixed(text: &str, options: &Options) -> (Fixed, String) {
    let wasm = wat::parse_str(text).expect("the test's text is well-formed");
    let fixed = fix(&wasm, options).expect("it can be fixed");
    let printed = wasmprinter::print_bytes(&fixed.wasm).expect("the output can be printed");
    (fixed, printed)
}

fn contains(printed: &str, parts: &[&str]) {
    for part in parts {
        assert!(printed.contains(part), "`{part}` is not in\n{printed}");
    }
}

#[test]
fn a_64_bit_memory_becomes_its_own_with_what_needs_no_addresses() {
    let (fixed, printed) = fixed(
        r#"(module
            (import "env" "memory" (memory i64 2 4))
            (import "env" "abort" (func))
            (import "wasi_snapshot_preview1" "sched_yield" (func (result i32))))"#,
        &Options::default(),
    );
    assert!(fixed.plan.is_complete());
    contains(&printed, &["(memory (;0;) i64 2 4)", r#"(export "memory" (memory 0))"#]);
}

#[test]
fn functions_over_a_64_bit_memory_stay_and_say_why() {
    let (fixed, printed) = fixed(
        r#"(module
            (import "env" "memory" (memory i64 2 4))
            (import "env" "emscripten_resize_heap" (func (param i64) (result i32)))
            (import "env" "sbrk" (func (param i64) (result i64))))"#,
        &Options::default(),
    );
    let remaining: Vec<_> = fixed.plan.remaining().collect();
    assert_eq!(remaining.len(), 2);
    for item in remaining {
        let Decision::Stays { why } = &item.decision else { panic!("{item:?}") };
        assert!(why.contains("64 bits"), "{}: {why}", item.name);
    }
    contains(&printed, &[r#"(import "env" "sbrk""#, "(memory (;0;) i64 2 4)"]);
}

#[test]
fn a_64_bit_memory_that_the_host_must_grow_is_left_alone() {
    let text =
        r#"(module (memory (export "memory") i64 2) (global (export "__heap_base") i64 (i64.const 70000)))"#;
    let wasm = wat::parse_str(text).unwrap();
    assert_eq!(fix(&wasm, &Options::default()).unwrap().wasm, wasm);
}

const SEVERAL: &str = r#"(module
    (import "a" "heap" (memory $heap 1 4))
    (import "b" "scratch" (memory $scratch 1))
    (import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
    (import "env" "sbrk" (func (param i32) (result i32)))
    (memory $third 7)
    (data (memory $heap) (i32.const 8) "heap")
    (data (memory $scratch) (i32.const 8) "scratch")
    (func (export "copy")
        (memory.copy $heap $scratch (i32.const 0) (i32.const 0) (i32.const 1))
        (drop (call $resize (memory.size $third)))))"#;

#[test]
fn several_memories_become_its_own_and_stand_ins_work_on_the_first() {
    let (fixed, printed) = fixed(SEVERAL, &Options::default());
    assert!(fixed.plan.is_complete());
    assert!(fixed.plan.notes.iter().any(|note| note.contains("several memories")), "{:?}", fixed.plan.notes);
    contains(
        &printed,
        &[
            "(memory $heap (;0;) 1 4)",
            "(memory $scratch (;1;) 1)",
            r#"(export "memory" (memory $heap))"#,
            r#"(export "memory_1" (memory $scratch))"#,
            "memory.copy $heap $scratch",
        ],
    );
    assert!(
        !printed.contains("memory.grow $scratch") && !printed.contains("memory.grow $third"),
        "{printed}"
    );
}

#[test]
fn a_memory_that_stays_takes_the_first_place_and_everything_follows() {
    let options = Options { provided: vec![("b".to_owned(), "scratch".to_owned())], ..Options::default() };
    let (fixed, printed) = fixed(SEVERAL, &options);
    assert_eq!(fixed.plan.remaining().count(), 1);
    // Imports come first in the index space, so the heap is memory 1 now.
    contains(
        &printed,
        &[
            r#"(import "b" "scratch" (memory $scratch (;0;) 1))"#,
            "(memory $heap (;1;) 1 4)",
            "memory.copy $heap $scratch",
            "memory.grow $heap",
            "(memory $heap) (i32.const 8) \"heap\"",
            // Memory 0, which needs no index.
            "(data (;1;) (i32.const 8) \"scratch\"",
        ],
    );
    assert!(!printed.contains("memory.grow $scratch"), "{printed}");
}

/// Where a stand-in that needs memory is over a memory it does not know: what stays, with its reason.
fn stays(text: &str) -> Vec<(String, String)> {
    let (fixed, _) = fixed(text, &Options::default());
    fixed
        .plan
        .remaining()
        .map(|item| {
            let Decision::Stays { why } = &item.decision else { panic!("{item:?}") };
            (item.name.clone(), why.clone())
        })
        .collect()
}

#[test]
fn no_break_is_written_into_a_64_bit_memory() {
    for text in [
        // Its address alone needs no memory, but is one.
        r#"(module (import "env" "emscripten_get_sbrk_ptr" (func (result i32))) (memory (export "memory") i64 2))"#,
        r#"(module (import "env" "DYNAMICTOP_PTR" (global i32)) (memory (export "memory") i64 2))"#,
        r#"(module (import "env" "STACKTOP" (global i32)) (import "env" "memory" (memory i64 2)))"#,
        r#"(module (import "env" "enlargeMemory" (func (result i32))) (memory (export "memory") i64 2))"#,
        r#"(module (import "env" "DYNAMICTOP_PTR" (global i32)) (memory (export "memory") 200 (pagesize 1)))"#,
        r#"(module (import "env" "sbrk" (func (param i32) (result i32))) (memory (export "memory") 200 (pagesize 1)))"#,
    ] {
        assert_eq!(stays(text).len(), 1, "{text}");
    }
    let paged = r#"(module (import "env" "sbrk" (func (param i32) (result i32))) (memory (export "memory") 200 (pagesize 1)))"#;
    assert!(stays(paged)[0].1.contains("pages of 64 KiB"), "{:?}", stays(paged));
}

#[test]
fn the_break_is_not_read_where_nothing_says_where_it_is() {
    for name in ["emscripten_get_sbrk_ptr", "enlargeMemory"] {
        // The memory stays its host's, and with it the break.
        let options =
            Options { provided: vec![("env".to_owned(), "memory".to_owned())], ..Options::default() };
        let text = format!(
            r#"(module (import "env" "memory" (memory 2)) (import "env" "{name}" (func (result i32))))"#
        );
        let (fixed, printed) = fixed(&text, &options);
        assert_eq!(fixed.plan.remaining().count(), 2, "{printed}");
    }
}

#[test]
fn the_largest_heap_is_what_the_memory_can_be_or_stays() {
    let heap_max = |ty: &str, memory: &str| {
        format!(
            r#"(module (import "env" "emscripten_get_heap_max" (func (result {ty}))) (memory (export "memory") {memory}))"#
        )
    };
    let is = |ty: &str, memory: &str, value: &str| {
        let (fixed, printed) = fixed(&heap_max(ty, memory), &Options::default());
        assert!(fixed.plan.is_complete(), "{memory}");
        contains(&printed, &[&format!("{ty}.const {value}\n")]);
    };
    is("i32", "1 256", "16777216");
    is("i32", "1", "-65536");
    is("i32", "1 65536", "-65536");
    is("i32", "300 1000 (pagesize 1)", "1000");
    is("i32", "0 4294967295 (pagesize 1)", "-65536");
    is("i64", "i64 1 131072", "8589934592");
    // 8 GiB are no i32, and an address space of 64 bits is no bound.
    assert_eq!(stays(&heap_max("i32", "i64 1 131072")).len(), 1);
    assert_eq!(stays(&heap_max("i64", "i64 1")).len(), 1);
}

/// The module's memory and table, printed.
fn printed(text: &str) -> String {
    fixed(text, &Options::default()).1
}

#[test]
fn a_memory_holds_its_active_segments() {
    let memory =
        |ty: &str, data: &str| printed(&format!(r#"(module (import "env" "memory" (memory {ty})) {data})"#));
    contains(&memory("0", r#"(data (i32.const 0) "a")"#), &["(memory (;0;) 1)"]);
    contains(&memory("1", r#"(data (i32.const 131080) "abcd")"#), &["(memory (;0;) 3)"]);
    contains(&memory("1", r#"(data (i32.const 65535) "a")"#), &["(memory (;0;) 1)"]);
    contains(&memory("1", r#"(data (i32.const 65536) "")"#), &["(memory (;0;) 1)"]);
    contains(&memory("1", r#"(data (i32.const 65537) "")"#), &["(memory (;0;) 2)"]);
    contains(&memory("2 32768", r#"(data (i32.const 65540) "hello")"#), &["(memory (;0;) 2 32768)"]);
    contains(&memory("1 3", r#"(data (i32.const 131080) "abcd")"#), &["(memory (;0;) 3 3)"]);
    contains(&memory("1", r#"(data (i32.const -1) "a")"#), &["(memory (;0;) 65536)"]);
    contains(&memory("i64 1", r#"(data (i64.const 131080) "abcd")"#), &["(memory (;0;) i64 3)"]);
    contains(
        &memory("10 (pagesize 1)", r#"(data (i32.const 10) "abcd")"#),
        &["(memory (;0;) 14 (pagesize 0x1))"],
    );
    // No memory that the module takes would hold it, so it is left as it is.
    contains(&memory("1 2", r#"(data (i32.const 131080) "abcd")"#), &["(memory (;0;) 1 2)"]);
    contains(&memory("1", r#"(data (i32.const -1) "ab")"#), &["(memory (;0;) 1)"]);
    // Passive segments lie nowhere yet.
    contains(&memory("0", r#"(data "abcd")"#), &["(memory (;0;) 0)"]);
}

#[test]
fn offsets_that_are_imported_or_computed_count_too() {
    let text = r#"(module
        (import "env" "memory" (memory 0))
        (import "env" "__memory_base" (global $base i32))
        (global $own i32 (i32.const 65530))
        (data (global.get $base) "a")
        (data (i32.add (global.get $base) (i32.const 65536)) "b")
        (data (global.get $own) "0123456"))"#;
    contains(&printed(text), &["(memory (;0;) 2)"]);
    let several = r#"(module
        (import "env" "memory" (memory $a 1))
        (import "env" "other" (memory $b 0 9))
        (data (memory $b) (i32.const 200000) "b"))"#;
    contains(&printed(several), &["(memory $a (;0;) 1)", "(memory $b (;1;) 4 9)"]);
}

#[test]
fn a_table_holds_its_active_segments() {
    let table = |ty: &str, elements: &str| {
        printed(&format!(r#"(module (import "env" "table" (table {ty} funcref)) {elements} (func $f))"#))
    };
    contains(&table("0", "(elem (i32.const 2) $f $f)"), &["(table (;0;) 4 funcref)"]);
    contains(&table("1 8", "(elem (i32.const 7) $f)"), &["(table (;0;) 8 8 funcref)"]);
    contains(&table("1 8", "(elem (i32.const 8) $f)"), &["(table (;0;) 1 8 funcref)"]);
    contains(
        &table("1", "(elem (i32.const 1) funcref (ref.func $f) (ref.null func))"),
        &["(table (;0;) 3 funcref)"],
    );
    contains(&table("1", "(elem (i32.const 100000000) $f)"), &["(table (;0;) 1 funcref)"]);
    contains(&table("1", "(elem func $f $f $f)"), &["(table (;0;) 1 funcref)"]);
    // A side module asks for more entries than its table may have: nothing is made invalid.
    let side = r#"(module
        (@custom "dylink" (before first) "\00\00\04\00\00")
        (import "env" "__indirect_function_table" (table 0 2 funcref)))"#;
    contains(&printed(side), &["(table (;0;) 2 2 funcref)"]);
}

#[test]
fn a_host_that_looks_for_a_memory_finds_one() {
    let options = |name: &str| Options {
        provided: vec![("wasi_snapshot_preview1".to_owned(), name.to_owned())],
        export_memory: true,
        ..Options::default()
    };
    let exit = |memory: &str| {
        format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) {memory}
                (func (export "_start") (call $exit (i32.const 42))))"#
        )
    };
    let of = |memory: &str| fixed(&exit(memory), &options("proc_exit"));
    contains(&of("").1, &["(memory (;0;) 0)", r#"(export "memory" (memory 0))"#]);
    contains(&of("(memory 1)").1, &["(memory (;0;) 1)", r#"(export "memory" (memory 0))"#]);
    contains(
        &of(r#"(memory (export "mem") 1)"#).1,
        &[r#"(export "mem" (memory 0))"#, r#"(export "memory" (memory 0))"#],
    );
    // It is there; the name is taken; which one it is about is not known.
    for memory in [
        r#"(memory (export "memory") 1)"#,
        r#"(memory 1) (global (export "memory") i32 (i32.const 0))"#,
        "(memory 1) (memory 2)",
    ] {
        assert!(of(memory).0.plan.is_empty(), "{memory}");
    }
    // Nothing more is added the second time.
    let (once, _) = of("");
    assert!(fix(&once.wasm, &options("proc_exit")).unwrap().wasm == once.wasm);
}

#[test]
fn only_a_function_of_a_component_makes_the_memory_anothers() {
    let is_own =
        |imports: &str| printed(&format!("(module {imports} (import \"env\" \"memory\" (memory 1)))"));
    for imports in [
        r#"(import "a:b" "t" (table 1 funcref))"#,
        r#"(import "a:b" "memory" (memory 1))"#,
        r#"(import "a:b" "DYNAMICTOP_PTR" (global i32))"#,
    ] {
        assert!(!is_own(imports).contains(r#"(import "env""#), "{imports}");
    }
    for imports in [
        r#"(import "wasi:io/streams@0.2.0" "[method]output-stream.check-write" (func (param i32 i32)))"#,
        r#"(import "__main_module__" "cabi_realloc" (func (param i32 i32 i32 i32) (result i32)))"#,
    ] {
        assert!(is_own(imports).contains(r#"(import "env""#), "{imports}");
    }
}

#[test]
fn the_largest_heap_that_a_program_is_told_follows_a_raised_maximum() {
    let module = r#"(module
        (import "env" "emscripten_get_heap_max" (func $max (result i32)))
        (memory (export "memory") 1 10)
        (func (export "max") (result i32) (call $max)))"#;
    for (asked, bytes) in [(None, "655360"), (Some(64 << 20), "67108864"), (Some(1), "655360")] {
        let (fixed, printed) = fixed(module, &Options { max_memory_bytes: asked, ..Options::default() });
        contains(&printed, &[&format!("i32.const {bytes}")]);
        let Decision::Inside { stand_in, .. } = &fixed.plan.imports[0].decision else {
            panic!("it is inside")
        };
        assert!(stand_in.contains(bytes), "{stand_in}");
    }
}
