//! Modules with 64-bit addresses: what is checked of others is checked of their first 4 GiB.

use memgrove_lab::engine::{EngineId, Host, Value};
use memgrove_profile::MisuseKind::{
    self, DoubleFree, InvalidFree, NullOffset, Overflow, ReallocAfterFree, StackOverflow, Underflow,
    UseAfterFree, WrongAlignment, WrongSize,
};
use memgrove_rewrite::check::{CheckError, Options, check};
use memgrove_rewrite::swap::Role;

use crate::trace_support::{ENGINES, start_with};
use crate::widths::expect_of_block_in;
use crate::{C, HEAP, checked, expect, finished, misuses, options, refused};

/// The heap of the others, and the rest as it would be with 32 bits, but for `i32` where that is meant: it is `int` here.
fn wide(rest: &str) -> Vec<u8> {
    let text = format!("{HEAP} {rest}").replace("i32", "i64").replace("int", "i32");
    let text = format!(r#"(module (memory (export "memory") i64 1) {text})"#);
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn every_width_is_tested_to_the_byte_there_too() {
    // Addresses and lengths are `i64`; what is stored keeps its type.
    let module = |_: &str, rest: &str| {
        let rest = rest
            .replace("(local i32 i32)", "(local i64 i64)")
            .replace("(param i32 i32)", "(param i64 i64)")
            .replace("(call $malloc (i32.const 21))", "(call $malloc (i64.const 21))")
            .replace("(i32.add (local.get 0) (local.get 1))", "(i64.add (local.get 0) (local.get 1))");
        let text =
            format!(r#"(module (memory (export "memory") i64 1) {} {rest})"#, HEAP.replace("i32", "i64"));
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
    };
    let cases = [
        ("(drop (i32.load8_u offset=20 (local.get 0)))", None),
        ("(drop (i32.load8_u offset=21 (local.get 0)))", Some(0)),
        ("(i32.store16 offset=20 (local.get 0) (i32.const 1))", Some(1)),
        ("(i32.store offset=20 (local.get 0) (i32.const 1))", Some(1)),
        ("(i64.store offset=16 (local.get 0) (i64.const 1))", Some(5)),
        ("(f64.store offset=16 (local.get 0) (f64.const 1))", Some(5)),
        ("(drop (i64.load offset=16 (local.get 0)))", None),
        ("(drop (i64.load offset=15 align=1 (local.get 0)))", Some(6)),
        ("(i64.store offset=12 align=1 (local.get 0) (i64.const 1))", None),
        ("(i64.store offset=14 align=1 (local.get 0) (i64.const 1))", Some(7)),
        ("(memory.fill (local.get 0) (i32.const 0) (i64.const 21))", None),
        ("(memory.fill (local.get 0) (i32.const 0) (i64.const 22))", Some(21)),
        ("(memory.copy (i64.const 64) (local.get 0) (i64.const 22))", Some(21)),
        ("(memory.copy (local.get 0) (i64.const 64) (i64.const 22))", Some(21)),
        ("(memory.fill (local.get 0) (i32.const 0) (i64.const 0))", None),
    ];
    expect_of_block_in(module, &ENGINES, &cases);
    let vectors = [
        ("(v128.store offset=16 (local.get 0) (v128.const i64x2 0 0))", Some(5)),
        ("(v128.store8_lane offset=21 3 (local.get 0) (v128.const i64x2 0 0))", Some(0)),
        ("(drop (i32.atomic.rmw.add offset=20 (local.get 0) (i32.const 1)))", Some(1)),
        ("(drop (i64.atomic.rmw.cmpxchg offset=16 (local.get 0) (i64.const 1) (i64.const 2)))", Some(5)),
    ];
    expect_of_block_in(module, &[EngineId::Wasmtime], &vectors);
}

/// Functions 2 and up: calloc, realloc, memalign, posix_memalign, malloc_usable_size. All but the last are built on malloc by
/// the wrappers, so that their own bodies are not run; they look at their alignment, as what nobody looks at is not told.
const ROLES: &str = r#"
    (func $calloc (param i32 i32) (result i32) (unreachable))
    (func $realloc (param i32 i32) (result i32) (unreachable))
    (func $memalign (param i32 i32) (result i32) (drop (local.get 0)) (unreachable))
    (func $posix_memalign (param i32 i32 i32) (result int) (drop (local.get 1)) (unreachable))
    (func $usable (param i32) (result i32) (i32.load (i32.sub (local.get 0) (i32.const 8))))"#;

fn members() -> Vec<(u32, Role)> {
    let more = [
        (2, Role::Calloc),
        (3, Role::Realloc),
        (4, Role::Memalign),
        (5, Role::PosixMemalign),
        (6, Role::UsableSize),
    ];
    C.iter().copied().chain(more).collect()
}

#[test]
fn every_role_makes_blocks_that_are_checked() {
    let mut cases: Vec<(&str, &[(MisuseKind, u32)])> = Vec::new();
    let mut of = |code, expected| cases.push((code, expected));
    of("(int.store8 offset=20 (call $calloc (i32.const 3) (i32.const 7)) (int.const 1))", &[]);
    of("(int.store8 offset=21 (call $calloc (i32.const 3) (i32.const 7)) (int.const 1))", &[(Overflow, 0)]);
    of(
        "(if (i32.ne (call $calloc (i32.const 0x100000001) (i32.const 0x100000001)) (i32.const 0)) (then (unreachable)))",
        &[],
    );
    of("(if (i32.ne (call $malloc (i32.const -1)) (i32.const 0)) (then (unreachable)))", &[]);
    of("(if (i32.ne (call $malloc (i32.const 0x100000010)) (i32.const 0)) (then (unreachable)))", &[]);
    of(
        "(local.set 0 (call $realloc (call $malloc (i32.const 8)) (i32.const 30)))
        (int.store8 offset=30 (local.get 0) (int.const 1))",
        &[(Overflow, 0)],
    );
    of(
        "(local.set 0 (call $malloc (i32.const 8))) (int.store8 (local.get 0) (int.const 7))
        (local.set 1 (call $realloc (local.get 0) (i32.const 30)))
        (if (int.ne (int.load8_u (local.get 1)) (int.const 7)) (then (unreachable)))
        (int.store8 (local.get 0) (int.const 1))",
        &[(UseAfterFree, 0)],
    );
    of(
        "(local.set 0 (call $malloc (i32.const 8))) (call $free (local.get 0))
        (drop (call $realloc (local.get 0) (i32.const 30)))",
        &[(ReallocAfterFree, 0)],
    );
    of(
        "(local.set 0 (call $memalign (i32.const 64) (i32.const 10)))
        (if (i32.ne (i32.and (local.get 0) (i32.const 63)) (i32.const 0)) (then (unreachable)))
        (int.store8 offset=10 (local.get 0) (int.const 1))",
        &[(Overflow, 0)],
    );
    of(
        "(if (call $posix_memalign (i32.const 512) (i32.const 32) (i32.const 10)) (then (unreachable)))
        (int.store8 offset=10 (i32.load (i32.const 512)) (int.const 1))",
        &[(Overflow, 0)],
    );
    of("(if (i32.ne (call $usable (call $malloc (i32.const 11))) (i32.const 11)) (then (unreachable)))", &[]);
    of(
        "(local.set 0 (call $malloc (i32.const 8))) (call $free (local.get 0)) (call $free (local.get 0))",
        &[(DoubleFree, 0)],
    );
    of("(call $free (i32.add (call $malloc (i32.const 30)) (i32.const 16)))", &[(InvalidFree, 0)]);
    of(
        "(call $free (i32.const -16)) (call $free (i32.const 0x500000000))",
        &[(InvalidFree, 0), (InvalidFree, 0)],
    );
    of("(drop (call $get (i32.sub (call $malloc (i32.const 30)) (i32.const 1))))", &[(Underflow, 0)]);
    let export = |(number, (code, _)): (usize, &(&str, _))| {
        format!(r#"(func (export "run {number}") (local i32 i32) {code})"#)
    };
    let exports: String = cases.iter().enumerate().map(export).collect();
    let get = "(func $get (param i32) (result int) (int.load8_u (local.get 0)))";
    let wasm = wide(&format!("{ROLES} {get} {exports}"));
    for (number, (_, expected)) in cases.iter().enumerate() {
        expect(&[EngineId::Wasmtime], &wasm, &members(), &format!("run {number}"), expected);
    }
}

#[test]
fn rusts_sizes_and_alignments_are_compared_there_too() {
    let module = |call: &str| {
        let looks = "(drop (i64.add (local.get 1) (local.get 2)))";
        let text = format!(
            r#"(module (memory i64 1) (global $next (mut i64) (i64.const 1024))
            (func $alloc (param i64 i64) (result i64)
                (drop (local.get 1)) (global.get $next) (global.set $next (i64.add (global.get $next) (local.get 0))))
            (func $dealloc (param i64 i64 i64) {looks})
            (func $realloc (param i64 i64 i64 i64) (result i64) {looks} (unreachable))
            (func (export "run") (local i64) (local.set 0 (call $alloc (i64.const 24) (i64.const 4))) {call}))"#
        );
        wat::parse_str(text).expect("well-formed")
    };
    let members = &[(0, Role::RustAlloc), (1, Role::RustDealloc), (2, Role::RustRealloc)];
    for (call, kind) in [
        ("(call $dealloc (local.get 0) (i64.const 24) (i64.const 4))", None),
        ("(call $dealloc (local.get 0) (i64.const 23) (i64.const 4))", Some(WrongSize)),
        ("(call $dealloc (local.get 0) (i64.const 24) (i64.const 8))", Some(WrongAlignment)),
        ("(drop (call $realloc (local.get 0) (i64.const 24) (i64.const 4) (i64.const 50)))", None),
        ("(drop (call $realloc (local.get 0) (i64.const 20) (i64.const 4) (i64.const 50)))", Some(WrongSize)),
    ] {
        let expected: Vec<_> = kind.into_iter().map(|kind| (kind, 0)).collect();
        expect(&ENGINES, &module(call), members, "run", &expected);
    }
}

/// A stack before the data, of which frames are 64-bit numbers.
#[test]
fn stack_and_null_are_known_there_too() {
    let module = |code: &str| {
        let heap = HEAP.replace("i32", "i64").replace("(i64.const 1024)", "(i64.const 70000)");
        let text = format!(
            r#"(module (memory (export "memory") i64 2) {heap}
            (global $sp (export "__stack_pointer") (mut i64) (i64.const 65536))
            (data (i64.const 66000) "data of the program")
            (func $frame (param $bytes i64) (local $top i64)
                (global.set $sp (local.tee $top (i64.sub (global.get $sp) (local.get $bytes))))
                (call $work)
                (global.set $sp (i64.add (local.get $top) (local.get $bytes))))
            (func $work (local i64)
                (global.set $sp (local.tee 0 (i64.sub (global.get $sp) (i64.const 16))))
                (i32.store (local.get 0) (i32.const 1))
                (global.set $sp (i64.add (local.get 0) (i64.const 16))))
            (func (export "run") (local i64) {code}))"#
        );
        wat::parse_str(text).expect("well-formed")
    };
    expect(&ENGINES, &module("(call $frame (i64.const 65520))"), C, "run", &[]);
    let wasm = checked(&module("(call $frame (i64.const 65552))"), &options(C));
    for engine in ENGINES {
        let mut instance = start_with(engine, &wasm, &Host::new());
        assert!(instance.call("run", &[]).is_err(), "{engine}: below 0 there is nothing");
        let found: Vec<_> = misuses(&mut *instance).iter().map(|one| one.kind).collect();
        assert!(!found.is_empty() && found.iter().all(|kind| *kind == StackOverflow), "{engine}: {found:?}");
    }
    let refused = "(drop (call $malloc (i64.const 200000)))";
    let touch = "(i32.store offset=8 (local.get 0) (i32.const 1))";
    expect(&ENGINES, &module(touch), C, "run", &[]);
    expect(&ENGINES, &module(&format!("{refused} {touch}")), C, "run", &[(NullOffset, 0)]);
}

#[test]
fn an_address_beyond_4_gib_is_none_of_the_first() {
    let text = r#"
        (func (export "far") (param i32) (local i32)
            (local.set 1 (call $malloc (i32.const 21))) (call $free (local.get 1))
            (drop (int.load (i32.add (local.get 1) (local.get 0)))))
        (func (export "range") (param i32)
            (memory.fill (call $malloc (i32.const 21)) (int.const 0) (local.get 0)))
        (func (export "offset") (param i32) (drop (int.load offset=0x100000000 (local.get 0))))"#;
    for (in_line, sites) in [(true, true), (false, true), (false, false)] {
        let wasm = checked(&wide(text), &Options { in_line, sites, ..options(C) });
        for engine in ENGINES {
            for (export, number) in [
                ("far", 0x1_0000_0000_i64),
                ("far", -0x1_0000_0000),
                ("far", i64::MIN),
                ("range", 0x1_0000_0016),
                ("range", -1),
                ("offset", 0),
            ] {
                let mut instance = start_with(engine, &wasm, &Host::new());
                assert!(
                    instance.call(export, &[Value::I64(number)]).is_err(),
                    "{engine}: {export} {number:x}"
                );
                assert_eq!(misuses(&mut *instance), [], "{engine}: {export} {number:x}");
            }
        }
    }
}

/// Memory beyond is refused, as it could not be checked, and the report says so.
#[test]
fn no_memory_is_given_beyond_4_gib() {
    let text = r#"
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export "size") (result i32) (memory.size))"#;
    let wasm = checked(&wide(text), &options(C));
    for engine in ENGINES {
        for (pages, result, was_cut) in
            [(3, 1, false), (0, 1, false), (0x1_0000, -1, true), (0x1_0000_0001, -1, true), (-1, -1, true)]
        {
            let mut instance = start_with(engine, &wasm, &Host::new());
            let grown = instance.call("grow", &[Value::I64(pages)]).expect("it returns").values;
            assert_eq!(grown, [Value::I64(result)], "{engine}: {pages}");
            let size = instance.call("size", &[]).expect("it returns").values;
            assert_eq!(size, [Value::I64(if was_cut { 1 } else { 1 + pages })], "{engine}: {pages}");
            let findings = finished(&mut *instance).findings.expect("it is a check's");
            assert_eq!((findings.was_cut, findings.misuses), (was_cut, Vec::new()), "{engine}: {pages}");
        }
    }
}

/// Pointers have 64 bits, in memory and in globals.
#[test]
fn lost_blocks_are_found_there_too() {
    let text = r#"
        (global $kept (mut i32) (i32.const 0))
        (func (export "run")
            (global.set $kept (call $malloc (i32.const 40)))
            (i32.store offset=8 (global.get $kept) (call $malloc (i32.const 24)))
            (i32.store (i32.const 512) (call $malloc (i32.const 16)))
            (drop (call $malloc (i32.const 100))))"#;
    let wasm = checked(&wide(text), &options(C));
    for engine in ENGINES {
        let mut instance = start_with(engine, &wasm, &Host::new());
        instance.call("run", &[]).expect("it returns");
        let findings = finished(&mut *instance).findings.expect("it is a check's");
        let lost: Vec<_> = findings.lost.iter().map(|lost| (lost.blocks, lost.bytes)).collect();
        assert_eq!(lost, [(1, 100)], "{engine}");
    }
}

/// Who looks at a header of 64-bit words is seen, too: a question whether a new block must be cleared is answered, anything
/// else is refused.
#[test]
fn who_looks_at_a_header_is_seen_there_too() {
    // In a module of its own: the block is cleared if it was not mapped, as one is that says so.
    let asks = |load: &str, and: &str| {
        format!(
            r#"(func (export "run") (result int) (local i32)
                (if (i32.ne (local.tee 0 (call $malloc (i32.const 24))) (i32.const 0)) (then
                    (if ({and} ({load} (i32.sub (local.get 0) (i32.const 8))) ({and_type}.const 3)) (then
                        (memory.fill (local.get 0) (int.const 0) (i32.const 24))))))
                (int.load8_u (local.get 0)))"#,
            and_type = &and[..3],
        )
    };
    let asks_whole = asks("i32.load", "i32.and")
        .replace("(if (i32.and", "(if (i32.ne (i32.const 0) (i32.and")
        .replace("(i32.const 3)) (then", "(i32.const 3))) (then");
    for text in [asks_whole, asks("int.load8_u", "int.and")] {
        let wasm = checked(&wide(&text), &options(C));
        for engine in ENGINES {
            let mut instance = start_with(engine, &wasm, &Host::new());
            assert_eq!(instance.call("run", &[]).expect("it returns").values, [Value::I32(0)], "{engine}");
            assert_eq!(misuses(&mut *instance), [], "{engine}");
        }
    }
    let length = "(func $length (param i32) (result i32) (i32.load (i32.sub (local.get 0) (i32.const 16))))";
    let text =
        format!(r#"{length} (func (export "run") (result i32) (call $length (call $malloc (i32.const 8))))"#);
    assert!(matches!(refused(&wide(&text), C), CheckError::Header { func: 2 }));
    // The allocator's variable: here an address that both its functions use.
    let heap = r#"(module (memory (export "memory") i64 1)
        (func $malloc (param i64) (result i64)
            (i64.add (i64.load (i64.const 2048)) (i64.const 4096))
            (i64.store (i64.const 2048) (i64.add (i64.load (i64.const 2048)) (local.get 0))))
        (func $free (param i64))
        (func (export "run") (result i64) CODE))"#;
    for (code, is_refused) in [
        ("(i64.load (i64.const 2056))", false),
        ("(i64.load (i64.const 2048))", true),
        ("(i64.load32_u (i64.const 2052))", true),
        ("(i64.load offset=2000 (i64.const 48))", true),
    ] {
        let wasm = wat::parse_str(heap.replace("CODE", code)).expect("well-formed");
        let facts = memgrove_module::facts(&wasm).expect("it is valid");
        assert_eq!(check(&facts, &options(C)).is_err(), is_refused, "{code}");
    }
}
