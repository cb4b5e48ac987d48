//! An import-free module that needs nothing is left byte for byte alone; growth is put inside only
//! where the code shows that it is missing.

use memgrove_rewrite::{Options, fix};

fn module(limits: &str, rest: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (memory (export "memory") {limits})
            (global (export "__heap_base") i32 (i32.const 70000))
            (data (i32.const 1024) "\70\11\01")
            (global $end i32 (i32.const 131072))
            {rest})"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The module is given back, and nothing is said to have changed.
fn is_left_alone(limits: &str, rest: &str) {
    let wasm = module(limits, rest);
    let fixed = fix(&wasm, &Options::default()).expect("it can be fixed");
    assert!(fixed.plan.is_empty() && fixed.plan.changes.is_empty(), "{rest}: {:?}", fixed.plan.changes);
    assert!(fixed.wasm == wasm, "{rest}");
}

fn grows(limits: &str, rest: &str) {
    let fixed = fix(&module(limits, rest), &Options::default()).expect("it can be fixed");
    assert_eq!(fixed.plan.changes.first().map(|change| change.subject.as_str()), Some("growth"), "{rest}");
}

/// A break in memory at 1024, moved by what `sum` computes; `check` runs before.
fn sbrk(check: &str, sum: &str) -> String {
    format!(
        r#"(func (export "sbrk") (param i32) (result i32) (local i32)
            (local.set 1 (i32.load (i32.const 1024)))
            {check}
            (i32.store (i32.const 1024) {sum})
            (local.get 1))"#
    )
}

#[test]
fn an_arena_of_the_host_is_the_hosts() {
    for limits in ["2", "2 10", "2 2"] {
        is_left_alone(limits, "");
        is_left_alone(limits, r#"(func (export "f") (result i32) (i32.load (i32.const 1024)))"#);
        // Somebody else's arena, behind the heap's begin.
        is_left_alone(limits, r#"(func (export "f") (i32.store (i32.const 70000) (i32.const 1)))"#);
    }
}

#[test]
fn what_starts_as_the_heaps_begin_is_not_yet_a_break() {
    // Read, set to a constant, counted, reset.
    is_left_alone("2", &sbrk("", "(local.get 0)"));
    is_left_alone("2", &sbrk("", "(i32.add (local.get 1) (i32.const 1))"));
    is_left_alone("2", &sbrk("", "(i32.const 70000)"));
    is_left_alone("2", &sbrk("", "(i32.sub (local.get 1) (local.get 0))"));
    // In a global.
    is_left_alone(
        "2",
        r#"(global $b (mut i32) (i32.const 70000))
           (func (export "f") (global.set $b (i32.add (global.get $b) (i32.const 1))))"#,
    );
}

#[test]
fn a_break_that_keeps_within_memory_is_left_alone() {
    let sum = "(i32.add (local.get 1) (local.get 0))";
    for check in [
        "(if (i32.gt_u (i32.add (local.get 1) (local.get 0)) (i32.const 131072)) (then (return (i32.const 0))))",
        "(if (i32.lt_u (i32.const 100000) (i32.add (local.get 1) (local.get 0))) (then (return (i32.const 0))))",
        "(if (i32.gt_u (i32.add (local.get 1) (local.get 0)) (i32.shl (memory.size) (i32.const 16))) (then unreachable))",
        "(if (i32.gt_u (i32.add (local.get 1) (local.get 0)) (global.get $end)) (then (return (i32.const 0))))",
    ] {
        is_left_alone("2", &sbrk(check, sum));
    }
}

#[test]
fn a_break_without_an_end_gets_memory() {
    grows("2", &sbrk("", "(i32.add (local.get 1) (local.get 0))"));
    grows("2 10", &sbrk("", "(local.tee 0 (i32.add (local.get 1) (local.get 0)))"));
    // It cannot grow.
    is_left_alone("2 2", &sbrk("", "(i32.add (local.get 1) (local.get 0))"));
    grows(
        "2",
        r#"(global $b (mut i32) (i32.const 70000))
           (func (export "f") (param i32) (global.set $b (i32.add (global.get $b) (local.get 0))))"#,
    );
}
