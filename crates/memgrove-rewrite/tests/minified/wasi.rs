//! Functions of WASI under minified names.

use super::*;

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
