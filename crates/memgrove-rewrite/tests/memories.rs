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
