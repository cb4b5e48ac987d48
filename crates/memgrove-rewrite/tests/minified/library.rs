//! Functions of Emscripten's library, known by what only its code does around a call.

use super::*;

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
