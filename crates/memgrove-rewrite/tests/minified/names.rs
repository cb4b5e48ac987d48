//! What a module's imports tell of each other, and what a short name does not tell.

use super::*;

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
    let wasm = include_bytes!("../../../../tests/cases/own-js/minified.wasm");
    let plan = plan(wasm, &Options::default()).expect("it can be planned");
    let [beep, grow] = plan.imports.as_slice() else { panic!("{:#?}", plan.imports) };
    let Decision::Stays { why } = &beep.decision else { panic!("{beep:#?}") };
    assert!(why.contains("minified"), "{why}");
    assert_eq!(grow.known_as.as_deref(), Some("emscripten_resize_heap"));
    assert!(matches!(grow.decision, Decision::Inside { decided_by: DecidedBy::Use, .. }), "{grow:#?}");
}
