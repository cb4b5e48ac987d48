//! Imports without a name: what their use proves, and what it does not.

use memgrove_rewrite::{Behaviour, DecidedBy, Decision, Options, Plan, RuntimeFunction, plan};

/// An Emscripten module with minified names: `a.a` grows memory; what is tested is `a.b`.
fn with(import: &str, code: &str) -> Plan {
    let text = format!(
        r#"(module
            (import "a" "a" (func $grow (param i32) (result i32)))
            (import "a" "b" (func $import {import}))
            (memory 1)
            (func $sbrk (param i32) (result i32)
                (local i32)
                (local.set 1 (i32.add (i32.load (i32.const 4000)) (local.get 0)))
                (if (i32.gt_u (local.get 1) (i32.shl (memory.size) (i32.const 16)))
                    (then (if (i32.eqz (call $grow (local.get 1))) (then (return (i32.const -1))))))
                (i32.store (i32.const 4000) (local.get 1))
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
        // Errno, but on the spot: a program may do that with what its own function returns.
        "(func (param i32) (result i32)
            (if (local.tee 0 (call $import (i32.const 1) (i32.const 2000)))
                (then (i32.store (i32.const 5000) (local.get 0)) (return (i32.const -1))))
            (i32.const 0))",
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
                (if (i32.eqz (i32.and (i32.xor (local.get 0) (local.get 1)) (i32.const 3))) (then nop))
                (loop
                    (i32.store8 (local.get 0) (i32.load8_u (local.get 1)))
                    (br_if 0 (local.tee 2 (i32.sub (local.get 2) (i32.const 1)))))
                (local.get 0))"
        )
    };
    let is_large = "(i32.ge_u (local.get 2) (i32.const 512))";
    for bound in
        [is_large, "(i32.gt_u (local.get 2) (i32.const 8191))", "(i32.ge_s (local.get 2) (i32.const 8192))"]
    {
        assert_eq!(
            behaviour(THREE, &copy(bound)),
            Behaviour::Computes(RuntimeFunction::EmscriptenMemcpyBig),
            "{bound}"
        );
    }
    for bound in [
        "(i32.ge_u (local.get 2) (i32.const 511))",
        "(i32.ge_u (local.get 0) (i32.const 512))",
        "(i32.eq (local.get 2) (i32.const 512))",
    ] {
        assert_eq!(behaviour(THREE, &copy(bound)), Behaviour::StaysFunction, "{bound}");
    }
    // What is not a copy below the threshold need not be one above it.
    let drawn = copy(is_large).replace("i32.load8_u (local.get 1)", "i32.const 7");
    assert_eq!(behaviour(THREE, &drawn), Behaviour::StaysFunction);
    let swapped = copy(is_large)
        .replace("(local.get 0) (local.get 1) (local.get 2))", "(local.get 1) (local.get 0) (local.get 2))");
    assert_eq!(behaviour(THREE, &swapped), Behaviour::StaysFunction);
}

/// The name by which `a.b` is recognised.
fn known(import: &str, code: &str) -> Option<String> {
    with(import, code).imports[1].known_as.clone()
}

#[test]
fn growth_is_what_the_break_waits_for() {
    let grown = |code: &str| {
        let text = format!(
            r#"(module
                (import "a" "a" (func $import (param i32) (result i32)))
                (memory 1)
                (func $sink (param i32))
                (func $bytes (result i32) (i32.shl (memory.size) (i32.const 16)))
                {code})"#
        );
        let wasm = wat::parse_str(text).expect("the test's text is well-formed");
        plan(&wasm, &Options::default()).expect("it can be planned").imports[0].known_as.is_some()
    };
    let sbrk = "(func (param i32) (result i32)
        (local i32)
        (local.set 1 (i32.add (i32.load (i32.const 4000)) (local.get 0)))
        (if (i32.gt_u (local.get 1) (i32.shl (memory.size) (i32.const 16)))
            (then (if (i32.eqz (call $import (local.get 1))) (then (return (i32.const -1))))))
        (i32.store (i32.const 4000) (local.get 1))
        (i32.const 0))";
    assert!(grown(sbrk));
    let bytes = "(i32.shl (memory.size) (i32.const 16))";
    assert!(grown(&sbrk.replace(bytes, "(i32.mul (memory.size) (i32.const 65536))")));
    assert!(grown(&sbrk.replace(bytes, "(call $bytes)")));
    assert!(grown(&sbrk.replace(
        "(i32.store (i32.const 4000) (local.get 1))",
        "(i32.atomic.store (i32.const 4000) (local.get 1))"
    )));
    for (what, with) in [
        // Another size, or not compared with it.
        (bytes, "(memory.size)"),
        (bytes, "(i32.shl (memory.size) (i32.const 10))"),
        ("(i32.gt_u (local.get 1)", "(i32.gt_u (local.get 0)"),
        ("i32.gt_u", "i32.add"),
        // Another argument, or a result that is a number.
        ("(call $import (local.get 1))", "(call $import (local.get 0))"),
        ("(call $import (local.get 1))", "(call $import (i32.const 1))"),
        ("(i32.eqz (call $import (local.get 1)))", "(i32.gt_s (call $import (local.get 1)) (i32.const 9))"),
        // A break that does not move.
        ("(i32.store (i32.const 4000) (local.get 1))", "(call $sink (local.get 1))"),
        ("(i32.store (i32.const 4000) (local.get 1))", "(i32.store (i32.const 4000) (local.get 0))"),
    ] {
        assert!(!grown(&sbrk.replace(what, with)), "{with}");
    }
    // A function of the user's where memory.size is read, for something else.
    assert!(!grown("(func (param i32) (result i32) (drop (memory.size)) (call $import (local.get 0)))"));
}

#[test]
fn a_clock_is_known_by_what_its_milliseconds_become() {
    const CLOCK: Behaviour = Behaviour::Computes(RuntimeFunction::EmscriptenGetNow);
    let timespec = "(func (param i32) (result i32)
        (local f64 i64)
        (local.set 1 (call $import))
        (i64.store (local.get 0) (local.tee 2 (i64.trunc_sat_f64_s (f64.div (local.get 1) (f64.const 1000)))))
        (i32.store offset=8 (local.get 0)
            (i32.trunc_sat_f64_s
                (f64.mul
                    (f64.mul
                        (f64.sub (local.get 1) (f64.convert_i64_s (i64.mul (local.get 2) (i64.const 1000))))
                        (f64.const 1000))
                    (f64.const 1000))))
        (i32.const 0))";
    assert_eq!(behaviour("(result f64)", timespec), CLOCK);
    let waits = "(func (param i64 i32)
        (local f64)
        (local.set 2 (call $import))
        (loop
            (br_if 0
                (f64.lt
                    (f64.sub (call $import) (local.get 2))
                    (f64.add
                        (f64.mul (f64.convert_i64_s (local.get 0)) (f64.const 1000))
                        (f64.div (f64.convert_i32_s (local.get 1)) (f64.const 1000000)))))))";
    assert_eq!(behaviour("(result f64)", waits), CLOCK);
    for code in [
        // A price in cents, as euros.
        "(func (param i32) (i64.store (local.get 0) (i64.trunc_sat_f64_s (f64.div (call $import) (f64.const 1000)))))",
        "(func (result f64) (f64.mul (call $import) (f64.const 1000)))",
        "(func (result f64) (f64.sub (call $import) (call $import)))",
        &timespec.replace("i32.store offset=8 (local.get 0)", "i32.store offset=8 (i32.const 64)"),
        &timespec.replace("(f64.const 1000)", "(f64.const 100)"),
    ] {
        assert_eq!(behaviour("(result f64)", code), Behaviour::StaysFunction, "{code}");
    }
}

#[test]
fn times_and_sizes_are_known_by_what_surrounds_the_call() {
    let max = "(func (param i32) (result i32)
        (if (i32.eq (local.get 0) (i32.const 85)) (then (return (i32.shr_u (call $import) (i32.const 16)))))
        (if (i32.eqz (local.get 0)) (then (return (i32.const 131072))))
        (if (i32.eq (local.get 0) (i32.const 30)) (then (return (i32.const 65536))))
        (i32.const 2147483647))";
    assert_eq!(known("(result i32)", max).as_deref(), Some("emscripten_get_heap_max"));
    // The red of a colour.
    assert_eq!(known("(result i32)", "(func (result i32) (i32.shr_u (call $import) (i32.const 16)))"), None);
    let zone = "(func (call $import (i32.const 2000) (i32.const 2004) (i32.const 2008) (i32.const 2032))
        (i32.store (i32.const 2060) (i32.const 2008)) (i32.store (i32.const 2064) (i32.const 2032)))";
    assert_eq!(known("(param i32 i32 i32 i32)", zone).as_deref(), Some("_tzset_js"));
    // Four variables of a rectangle.
    let rectangle =
        "(func (call $import (i32.const 2000) (i32.const 2004) (i32.const 2008) (i32.const 2032)))";
    assert_eq!(known("(param i32 i32 i32 i32)", rectangle), None);
    let local = "(func (param i32)
        (call $import (i64.load (local.get 0)) (i32.const 3000))
        (i32.store (i32.const 3040)
            (i32.load (i32.add (i32.const 2060) (i32.shl (i32.load (i32.const 3032)) (i32.const 2))))))";
    assert_eq!(known("(param i64 i32)", local).as_deref(), Some("_localtime_js"));
    let utc = "(data (i32.const 1024) \"GMT\\00\") (func (param i32 i32)
        (call $import (i64.load (local.get 0)) (local.get 1))
        (i32.store offset=40 (local.get 1) (i32.const 1024)))";
    assert_eq!(known("(param i64 i32)", utc).as_deref(), Some("_gmtime_js"));
    for other in [
        "(func (param i32) (call $import (i64.load (local.get 0)) (i32.const 3000)))",
        "(func (param i32) (call $import (i64.load (local.get 0)) (i32.const 3000)) (i32.store (i32.const 3040) (i32.const 1)))",
    ] {
        assert_eq!(known("(param i64 i32)", other), None, "{other}");
    }
    let timer = "(func (param i32)
        (drop (call $import (local.get 0) (f64.const 0)))
        (i32.store (i32.const 3000)
            (select (i32.const 27)
                (select (i32.const 26) (i32.const 14) (i32.eq (local.get 0) (i32.const 1)))
                (i32.eq (local.get 0) (i32.const 2)))))";
    assert_eq!(known("(param i32 f64) (result i32)", timer).as_deref(), Some("_setitimer_js"));
    let play = "(func (param i32) (drop (call $import (local.get 0) (f64.const 0))))";
    assert_eq!(known("(param i32 f64) (result i32)", play), None);
}

#[test]
fn entropy_and_environment_are_known_by_the_library_around_them() {
    let entropy = "(func (param i32 i32) (result i32)
        (local i32)
        (if (i32.gt_u (local.get 1) (i32.const 256))
            (then (i32.store (i32.const 5000) (i32.const 29)) (return (i32.const -1))))
        (if (local.tee 2 (call $import (local.get 0) (local.get 1)))
            (then (i32.store (i32.const 5000) (local.get 2)) (return (i32.const -1))))
        (i32.const 0))";
    assert_eq!(known(TWO, entropy).as_deref(), Some("random_get"));
    for (what, with) in
        [("256", "100"), ("29", "3"), ("(i32.const 5000) (local.get 2)", "(i32.const 5004) (local.get 2)")]
    {
        assert_eq!(known(TWO, &entropy.replace(what, with)), None, "{with}");
    }
    // A function of the user's that fills a buffer of at most 256 bytes.
    let fills = "(func (param i32 i32) (result i32)
        (if (i32.gt_u (local.get 1) (i32.const 256)) (then (return (i32.const -1))))
        (call $import (local.get 0) (local.get 1)))";
    assert_eq!(known(TWO, fills), None);
}

/// A module with two imports of one type, which one function calls one after the other.
fn pair(code: &str) -> [Behaviour; 2] {
    let text = format!(
        r#"(module
            (import "a" "a" (func $grow (param i32) (result i32)))
            (import "a" "b" (func $sizes {TWO}))
            (import "a" "c" (func $contents {TWO}))
            (memory 1)
            (func $malloc (param i32) (result i32) (i32.const 9000))
            (func (param i32) (result i32)
                (if (i32.gt_u (local.get 0) (i32.shl (memory.size) (i32.const 16)))
                    (then (if (i32.eqz (call $grow (local.get 0))) (then (return (i32.const -1))))))
                (i32.store (i32.const 4000) (local.get 0))
                (i32.const 0))
            (func (param $sp i32) (local $list i32) {code}))"#
    );
    let wasm = wat::parse_str(text).expect("the test's text is well-formed");
    let plan = plan(&wasm, &Options::default()).expect("it can be planned");
    assert_eq!(plan.imports[0].known_as.as_deref(), Some("emscripten_resize_heap"));
    [plan.imports[1].behaviour, plan.imports[2].behaviour]
}

#[test]
fn the_environment_is_a_list_with_a_null_at_its_end() {
    let reads = "(block $none
        (br_if $none (call $sizes (i32.add (local.get $sp) (i32.const 12)) (i32.add (local.get $sp) (i32.const 8))))
        (local.set $list (call $malloc (i32.add (i32.shl (i32.load offset=12 (local.get $sp)) (i32.const 2)) (i32.const 4))))
        (i32.store (i32.add (local.get $list) (i32.shl (i32.load offset=12 (local.get $sp)) (i32.const 2))) (i32.const 0))
        (br_if $none (i32.eqz (call $contents (local.get $list) (i32.const 9100))))
        (i32.store (i32.const 4004) (i32.const 0)))";
    assert_eq!(pair(reads), [POSITIVE; 2]);
    let end = "(i32.store (i32.add (local.get $list) (i32.shl (i32.load offset=12 (local.get $sp)) (i32.const 2))) (i32.const 0))";
    for (what, with) in [
        // Nothing ends the list, or not where it ends.
        (end, "nop"),
        (end, "(i32.store (local.get $list) (i32.const 0))"),
        (end, &end.replace("offset=12", "offset=8")),
        // A result that is a number.
        (
            "(i32.eqz (call $contents (local.get $list) (i32.const 9100)))",
            "(i32.lt_s (call $contents (local.get $list) (i32.const 9100)) (i32.const 7))",
        ),
    ] {
        let code = reads.replace(what, with);
        assert_ne!(code, reads);
        assert_eq!(pair(&code), [Behaviour::StaysFunction; 2], "{with}");
    }
    let two = "(if (call $sizes (i32.const 1) (i32.const 2)) (then (if (call $contents (i32.const 3) (i32.const 4)) (then))))";
    assert_eq!(pair(two), [Behaviour::StaysFunction; 2]);
}

#[test]
fn two_imports_never_are_one_function() {
    // Both stand where only `emscripten_resize_heap` does.
    let sbrk = |name: &str| {
        format!(
            "(func (param i32) (result i32)
                (if (i32.gt_u (local.get 0) (i32.shl (memory.size) (i32.const 16)))
                    (then (if (i32.eqz (call ${name} (local.get 0))) (then (return (i32.const -1))))))
                (i32.store (i32.const 4000) (local.get 0))
                (i32.const 0))"
        )
    };
    let behaviours = |second: &str| {
        let text = format!(
            r#"(module
                (import "a" "a" (func $one (param i32) (result i32)))
                (import "a" "{second}" (func $two (param i32) (result i32)))
                (memory 1) {} {})"#,
            sbrk("one"),
            sbrk("two")
        );
        let plan = plan(&wat::parse_str(text).unwrap(), &Options::default()).unwrap();
        [plan.imports[0].behaviour, plan.imports[1].behaviour]
    };
    assert_eq!(behaviours("b"), [Behaviour::StaysFunction; 2]);
    // Listed twice, it is one.
    assert_eq!(behaviours("a"), [Behaviour::Computes(RuntimeFunction::EmscriptenResizeHeap); 2]);
    // `fd_close` by its name, and one that looks like it.
    let text = r#"(module
        (import "a" "a" (func $grow (param i32) (result i32)))
        (import "a" "b" (func $import (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))
        (memory 1)
        SBRK
        (func (param i32) (result i32)
            (if (local.tee 0 (call $import (i32.load offset=60 (local.get 0))))
                (then (i32.store (i32.const 5000) (local.get 0)) (return (i32.const -1))))
            (i32.const 0)))"#;
    let text = text.replace("SBRK", &sbrk("grow"));
    let behaviour =
        |text: &str| plan(&wat::parse_str(text).unwrap(), &Options::default()).unwrap().imports[1].behaviour;
    assert_eq!(behaviour(&text), Behaviour::StaysFunction);
    assert_eq!(
        behaviour(&text.replace("fd_close", "fd_sync")),
        Behaviour::Computes(RuntimeFunction::FdStandard)
    );
}

#[test]
fn a_call_before_unreachable_is_a_trap_where_nothing_catches() {
    let stops = |rest: &str| {
        let text = format!(
            r#"(module
                (import "a" "t" (func $import (param i32)))
                {rest}
                (func (export "f") (call $import (i32.const 1)) unreachable))"#
        );
        let wasm = wat::parse_str(text).expect("the test's text is well-formed");
        plan(&wasm, &Options::default()).expect("it can be planned").imports[0].behaviour
    };
    let other = |rest: &str| format!("(import \"a\" \"o\" (func (param i32))) {rest}");
    for rest in ["", "(memory 1) (table 1 funcref)", &other("")] {
        assert_eq!(stops(rest), Behaviour::Traps, "{rest}");
    }
    for rest in [
        "(import \"env\" \"invoke_v\" (func (param i32))) (table 1 funcref)",
        "(import \"env\" \"saveSetjmp\" (func (param i32)))",
        "(import \"env\" \"emscripten_longjmp\" (func (param i32 i32)))",
        "(func (try_table))",
        "(func (block (try_table (catch_all 0))))",
        // It may be called in other ways, and be expected to return.
        "(export \"e\" (func $import))",
        "(table funcref (elem $import))",
        "(elem declare func $import) (func (drop (ref.func $import)))",
        "(global funcref (ref.func $import))",
        // It may be `invoke_v` under a minified name.
        &other("(table 1 funcref)"),
    ] {
        assert_eq!(stops(rest), Behaviour::StaysFunction, "{rest}");
    }
}

#[test]
fn a_short_name_of_cs_proves_nothing_among_minified_ones() {
    let log = |others: &str| {
        let text = format!(r#"(module (import "env" "log" (func (param f64) (result f64))) {others})"#);
        plan(&wat::parse_str(text).unwrap(), &Options::default()).unwrap().imports[0].behaviour
    };
    for others in [
        "",
        r#"(import "env" "sin" (func (param f64) (result f64)))"#,
        r#"(import "env" "put" (func (param i32)))"#,
        r#"(import "host" "b" (func (param i32)))"#,
    ] {
        assert_eq!(log(others), Behaviour::Computes(RuntimeFunction::Log), "{others}");
    }
    for others in [
        r#"(import "env" "b" (func (param i32)))"#,
        r#"(import "env" "Xc" (func (param i32)))"#,
        r#"(import "a" "b" (func (param i32)))"#,
    ] {
        assert_eq!(log(others), Behaviour::StaysFunction, "{others}");
    }
}

#[test]
fn a_function_of_the_users_stays_and_growth_does_not() {
    let wasm = include_bytes!("../../../tests/cases/own-js/minified.wasm");
    let plan = plan(wasm, &Options::default()).expect("it can be planned");
    let [beep, grow] = plan.imports.as_slice() else { panic!("{:#?}", plan.imports) };
    let Decision::Stays { why } = &beep.decision else { panic!("{beep:#?}") };
    assert!(why.contains("minified"), "{why}");
    assert_eq!(grow.known_as.as_deref(), Some("emscripten_resize_heap"));
    assert!(matches!(grow.decision, Decision::Inside { decided_by: DecidedBy::Use, .. }), "{grow:#?}");
}

/// What becomes of a function of WASI's called `x`, by its type and this code.
fn of_wasi(ty: &str, code: &str) -> memgrove_rewrite::Item {
    let text =
        format!(r#"(module (import "wasi_snapshot_preview1" "x" (func $import {ty})) (memory 1) {code})"#);
    plan(&wat::parse_str(text).unwrap(), &Options::default()).unwrap().imports.remove(0)
}

#[test]
fn a_function_of_wasi_is_one_whatever_its_name() {
    let write = "(func (param i32 i32) (loop
        (br_if 0 (call $import (i32.load offset=60 (local.get 0)) (local.get 1) (i32.const 2) (i32.const 8)))))";
    let seek = "(func (param i32) (drop
        (call $import (i32.load offset=60 (local.get 0)) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))))";
    let close = "(func (param i32) (result i32) (call $import (i32.load offset=60 (local.get 0))))";
    let (four, five) = ("(param i32 i32 i32 i32) (result i32)", "(param i32 i32 i32 i32 i32) (result i32)");
    for (ty, code, known, behaviour) in [
        ("(param i32)", "", Some("proc_exit"), Behaviour::Exits),
        (
            "(param i32 i64 i32) (result i32)",
            "",
            Some("clock_time_get"),
            Behaviour::Computes(RuntimeFunction::ClockTimeGet),
        ),
        (
            "(param i32 i64 i32 i32) (result i32)",
            "",
            Some("fd_seek"),
            Behaviour::Computes(RuntimeFunction::FdSeek),
        ),
        (four, write, Some("fd_write"), Behaviour::Computes(RuntimeFunction::FdWrite)),
        (five, seek, Some("fd_seek"), Behaviour::Computes(RuntimeFunction::FdSeekLegal)),
        (
            "(param i32) (result i32)",
            close,
            Some("fd_close"),
            Behaviour::Computes(RuntimeFunction::FdStandard),
        ),
        // Neither type nor use tells which: an error that any may return.
        (four, "", None, Behaviour::Answers(52)),
        ("(param i32 i32) (result i32)", "", None, Behaviour::Answers(52)),
    ] {
        let item = of_wasi(ty, code);
        assert_eq!((item.known_as.as_deref(), item.behaviour), (known, behaviour), "{ty} {code}");
        let Decision::Inside { decided_by: DecidedBy::Use, exact: false, .. } = item.decision else {
            panic!("{item:#?}")
        };
    }
    // None of WASI's has no result and two parameters.
    assert_eq!(of_wasi("(param i32 i32)", "").behaviour, Behaviour::StaysFunction);
}

#[test]
fn a_stream_is_closed_by_what_stands_beside_what_writes() {
    // A FILE at 2048: close at 12, write at 36, the descriptor at 60.
    let text = |data: &str| {
        format!(
            r#"(module
            (import "a" "a" (func $grow (param i32) (result i32)))
            (import "a" "b" (func $close (param i32) (result i32)))
            (import "a" "c" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory 1)
            (table 3 3 funcref) (elem (i32.const 1) $stdio_close $stdio_write)
            {data}
            (func $sbrk (param i32) (result i32)
                (if (i32.gt_u (local.get 0) (i32.shl (memory.size) (i32.const 16)))
                    (then (if (i32.eqz (call $grow (local.get 0))) (then (return (i32.const -1))))))
                (i32.store (i32.const 4000) (local.get 0))
                (i32.const 0))
            (func $stdio_close (param i32) (result i32) (call $close (i32.load offset=60 (local.get 0))))
            (func $stdio_write (param i32 i32 i32) (result i32)
                (loop
                    (if (call $write (i32.load offset=60 (local.get 0)) (local.get 1) (i32.const 2) (local.get 2))
                        (then (br 1))))
                (local.get 2)))"#
        )
    };
    let stdout = |close: u8, write: u8, fd: u8| {
        format!(
            r#"(data (i32.const 2060) "\{close:02x}") (data (i32.const 2084) "\{write:02x}") (data (i32.const 2108) "\{fd:02x}")"#
        )
    };
    let known = |data: &str| {
        let plan = plan(&wat::parse_str(text(data)).unwrap(), &Options::default()).unwrap();
        plan.imports[1].known_as.clone()
    };
    assert_eq!(known(&stdout(1, 2, 1)).as_deref(), Some("fd_close"));
    // Beside nothing, beside something else, of a descriptor that is not a standard stream's.
    for other in [String::new(), stdout(1, 1, 1), stdout(2, 2, 1), stdout(1, 0, 1), stdout(1, 2, 7)] {
        assert_eq!(known(&other), None, "{other}");
    }
}
