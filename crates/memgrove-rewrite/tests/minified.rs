//! Imports without a name: what their use proves, and what it does not.

use memgrove_rewrite::{Behaviour, Decision, Options, Plan, plan};

/// An Emscripten module with minified names: `a.a` grows memory; what is tested is `a.b`.
fn with(import: &str, code: &str) -> Plan {
    let text = format!(
        r#"(module
            (import "a" "a" (func $grow (param i32) (result i32)))
            (import "a" "b" (func $import {import}))
            (memory 1)
            (func $sbrk (param i32) (result i32)
                (if (i32.gt_u (local.get 0) (i32.shl (memory.size) (i32.const 16)))
                    (then (return (call $grow (local.get 0)))))
                (i32.const 0))
            ;; musl's, and WASI's way to errno at 5000.
            (func $syscall_ret (param i32) (result i32)
                (if (result i32) (i32.ge_u (local.get 0) (i32.const -4095))
                    (then
                        (i32.store (i32.const 5000) (i32.sub (i32.const 0) (local.get 0)))
                        (i32.const -1))
                    (else (local.get 0))))
            (func $wasi_ret (param i32) (result i32)
                (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
                (i32.store (i32.const 5000) (local.get 0))
                (i32.const -1))
            {code})"#
    );
    let wasm = wat::parse_str(text).expect("the test's text is well-formed");
    plan(&wasm, &Options::default()).expect("it can be planned")
}

/// What becomes of `a.b`.
fn behaviour(import: &str, code: &str) -> Behaviour {
    let plan = with(import, code);
    assert_eq!(plan.imports[0].known_as.as_deref(), Some("emscripten_resize_heap"));
    plan.imports[1].behaviour
}

const NEGATIVE: Behaviour = Behaviour::Answers(-52);
const POSITIVE: Behaviour = Behaviour::Answers(52);
const TWO: &str = "(param i32 i32) (result i32)";

#[test]
fn a_result_is_followed_through_blocks_branches_and_locals() {
    for code in [
        "(func (result i32) (call $syscall_ret (call $import (i32.const 1) (i32.const 2))))",
        // Out of two blocks at once.
        "(func (param i32) (result i32)
            (call $syscall_ret
                (block $out (result i32)
                    (block $middle
                        (br_if $middle (local.get 0))
                        (br $out (call $import (i32.const 1) (i32.const 2))))
                    (i32.const -8))))",
        // The value of one arm of an if.
        "(func (param i32) (result i32)
            (call $syscall_ret
                (if (result i32) (local.get 0)
                    (then (call $import (i32.const 1) (i32.const 2)))
                    (else (i32.const 0)))))",
        // Kept in a local, and tested for something else first.
        "(func (param i32) (result i32)
            (if (i32.ne (local.tee 0 (call $import (i32.const 1) (i32.const 2))) (i32.const -8))
                (then (return (call $syscall_ret (local.get 0)))))
            (i32.const 0))",
        // One of two values.
        "(func (param i32) (result i32)
            (local.set 0 (call $import (i32.const 1) (i32.const 2)))
            (call $syscall_ret (select (i32.const 0) (local.get 0) (i32.eq (local.get 0) (i32.const -4)))))",
        // Compared on the spot.
        "(func (result i32) (i32.gt_u (call $import (i32.const 1) (i32.const 2)) (i32.const -4096)))",
        // One call that proves it is enough; another ignores the result.
        "(func (result i32)
            (drop (call $import (i32.const 1) (i32.const 2)))
            (call $syscall_ret (call $import (i32.const 1) (i32.const 2))))",
    ] {
        assert_eq!(behaviour(TWO, code), NEGATIVE, "{code}");
    }
    for code in [
        "(func (result i32) (call $wasi_ret (call $import (i32.const 1) (i32.const 2000))))",
        "(func (param i32) (result i32)
            (call $wasi_ret
                (select
                    (local.tee 0 (call $import (i32.const 1) (i32.const 2000)))
                    (i32.const 0)
                    (i32.ne (local.get 0) (i32.const 27)))))",
        "(func (param i32) (result i32)
            (if (local.tee 0 (call $import (i32.const 1) (i32.const 2000)))
                (then (i32.store (i32.const 5000) (local.get 0)) (return (i32.const -1))))
            (i32.const 0))",
    ] {
        assert_eq!(behaviour(TWO, code), POSITIVE, "{code}");
    }
}

#[test]
fn a_use_that_proves_nothing_leaves_the_import_to_its_host() {
    for code in [
        // A pointer, as from `localtime`: 52 would be an address.
        "(func (result i32) (i32.load (call $import (i32.const 1) (i32.const 2))))",
        // A truth value.
        "(func (if (call $import (i32.const 1) (i32.const 2)) (then)))",
        "(func (param i32) (br_if 0 (i32.eqz (call $import (i32.const 1) (i32.const 2)))))",
        // Another variable than errno.
        "(func (param i32)
            (local.set 0 (call $import (i32.const 1) (i32.const 2)))
            (i32.store (i32.const 6000) (local.get 0)))",
        // The local is set to something else before it gets there.
        "(func (param i32) (result i32)
            (local.set 0 (call $import (i32.const 1) (i32.const 2)))
            (local.set 0 (i32.const 3))
            (call $syscall_ret (local.get 0)))",
        // Only the condition of what gets there.
        "(func (result i32)
            (call $syscall_ret (select (i32.const 0) (i32.const 1) (call $import (i32.const 1) (i32.const 2)))))",
        // Around a loop.
        "(func (param i32) (loop (br_if 0 (call $import (i32.const 1) (i32.const 2)))))",
        "(func (drop (call $import (i32.const 1) (i32.const 2))))",
        "",
    ] {
        assert_eq!(behaviour(TWO, code), Behaviour::StaysFunction, "{code}");
    }
    // Both conventions cannot be true of one function.
    let both = "(func (result i32)
        (drop (call $wasi_ret (call $import (i32.const 1) (i32.const 2))))
        (call $syscall_ret (call $import (i32.const 1) (i32.const 2))))";
    assert_eq!(behaviour(TWO, both), Behaviour::StaysFunction);
}

#[test]
fn the_reason_for_staying_says_what_was_missing() {
    for (import, code, part) in [
        (TWO, "(func (result i32) (i32.load (call $import (i32.const 1) (i32.const 2))))", "wrong guess"),
        ("(param i32)", "(func (call $import (i32.const 1)))", "without result"),
        (TWO, "(table funcref (elem $import))", "through the table"),
    ] {
        let plan = with(import, code);
        let Decision::Stays { why } = &plan.imports[1].decision else { panic!("{:?}", plan.imports[1]) };
        assert!(why.contains("minified") && why.contains(part), "{why}");
    }
}

#[test]
fn a_copy_is_known_by_the_length_that_is_compared() {
    const THREE: &str = "(param i32 i32 i32) (result i32)";
    let copy = |bound: &str| {
        format!(
            "(func (param i32 i32 i32) (result i32)
                (if {bound} (then (return (call $import (local.get 0) (local.get 1) (local.get 2)))))
                (local.get 0))"
        )
    };
    for bound in ["(i32.ge_u (local.get 2) (i32.const 512))", "(i32.gt_u (local.get 2) (i32.const 8191))"] {
        assert_eq!(behaviour(THREE, &copy(bound)), Behaviour::Computes("emscripten_memcpy_big"), "{bound}");
    }
    for bound in [
        "(i32.ge_u (local.get 2) (i32.const 511))",
        "(i32.ge_u (local.get 0) (i32.const 512))",
        "(i32.eq (local.get 2) (i32.const 512))",
    ] {
        assert_eq!(behaviour(THREE, &copy(bound)), Behaviour::StaysFunction, "{bound}");
    }
}

#[test]
fn times_and_sizes_are_known_by_what_surrounds_the_call() {
    let known = |import: &str, code: &str| with(import, code).imports[1].known_as.clone();
    let max = "(func (result i32) (i32.shr_u (call $import) (i32.const 16)))";
    assert_eq!(known("(result i32)", max).as_deref(), Some("emscripten_get_heap_max"));
    let zone = "(func (call $import (i32.const 2000) (i32.const 2004) (i32.const 2008) (i32.const 2032)))";
    assert_eq!(known("(param i32 i32 i32 i32)", zone).as_deref(), Some("_tzset_js"));
    // Something is there already: a message, not room for a name.
    let message = format!("{zone} (data (i32.const 2008) \"assertion\")");
    assert_eq!(known("(param i32 i32 i32 i32)", &message), None);
    let time = "(func (param i32)
        (call $import (i64.load (local.get 0)) (i32.const 3000))
        (i32.store (i32.const 3040) (i32.const 1)))";
    assert_eq!(known("(param i64 i32)", time).as_deref(), Some("_localtime_js"));
    let entropy = "(func (param i32 i32) (result i32)
        (if (i32.gt_u (local.get 1) (i32.const 256)) (then (return (i32.const -1))))
        (call $import (local.get 0) (local.get 1)))";
    assert_eq!(known(TWO, entropy).as_deref(), Some("random_get"));
    assert_eq!(known(TWO, &entropy.replace("256", "100")), None);
    // Inlined: WASI's way to errno, and a length that is a constant.
    let inlined =
        "(func (param i32) (result i32) (call $wasi_ret (call $import (local.get 0) (i32.const 4))))";
    assert_eq!(known(TWO, inlined).as_deref(), Some("random_get"));
    assert_eq!(known(TWO, &inlined.replace("$wasi_ret", "$syscall_ret")), None);
    let other = "(func (param i32) (call $import (i64.load (local.get 0)) (i32.const 3000)))";
    assert_eq!(known("(param i64 i32)", other), None);
}
