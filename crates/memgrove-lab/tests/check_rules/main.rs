//! The rules of checking, on both engines: which accesses are reported, what becomes of blocks, what is refused.

use memgrove_lab::engine::{EngineId, Host, Instance, Memory, Value};
use memgrove_profile::{Misuse, MisuseKind, Profile};
use memgrove_rewrite::check::{CheckError, FINISH, NotShared, Options, check};
use memgrove_rewrite::swap::{Member, Role};

mod heaps;
mod leaks;
mod same;
mod sites;
#[path = "../trace_support/mod.rs"]
mod trace_support;
mod wide;
mod widths;

use trace_support::{ENGINES, call, profile, start_with};

/// An allocator that bumps, and reuses the block that was freed last if it is long enough: what `free` does shows. Its
/// functions come first: 0 malloc, 1 free.
const HEAP: &str = r#"
    (global $next (mut i32) (i32.const 1024)) (global $freed (mut i32) (i32.const 0))
    (func $malloc (export "malloc") (param $size i32) (result i32)
        (local $block i32)
        (if (i32.gt_u (local.get $size) (i32.const 100000)) (then (return (i32.const 0))))
        (local.set $size (i32.and (i32.add (local.get $size) (i32.const 7)) (i32.const -8)))
        (if (i32.ne (global.get $freed) (i32.const 0))
            (then (if (i32.ge_u (i32.load (global.get $freed)) (local.get $size))
                (then
                    (local.set $block (i32.add (global.get $freed) (i32.const 8)))
                    (global.set $freed (i32.const 0))
                    (return (local.get $block))))))
        (i32.store (global.get $next) (local.get $size))
        (local.set $block (i32.add (global.get $next) (i32.const 8)))
        (global.set $next (i32.add (local.get $block) (local.get $size)))
        (if (i32.ge_u (global.get $next) (i32.shl (memory.size) (i32.const 16)))
            (then (drop (memory.grow (i32.const 2)))))
        (local.get $block))
    (func $free (export "free") (param $block i32)
        (if (i32.ne (local.get $block) (i32.const 0))
            (then (global.set $freed (i32.sub (local.get $block) (i32.const 8))))))"#;
const MEMORY: &str = r#"(memory (export "memory") 1)"#;

fn module(memory: &str, rest: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {memory} {HEAP} {rest})")).unwrap_or_else(|error| panic!("{error}"))
}

fn member(func: u32, role: Role) -> Member {
    Member { func, role, has_heap: false, is_certain: true }
}

fn options(members: &[(u32, Role)]) -> Options {
    Options {
        members: members.iter().map(|(func, role)| member(*func, *role)).collect(),
        max_bytes: 1 << 24,
        ..Options::default()
    }
}

const C: &[(u32, Role)] = &[(0, Role::Malloc), (1, Role::Free)];

fn checked(wasm: &[u8], options: &Options) -> Vec<u8> {
    let facts = memgrove_module::facts(wasm).expect("it is valid");
    check(&facts, options).unwrap_or_else(|error| panic!("{error}")).wasm
}

fn refused(wasm: &[u8], members: &[(u32, Role)]) -> CheckError {
    let facts = memgrove_module::facts(wasm).expect("it is valid");
    check(&facts, &options(members)).expect_err("it cannot be checked")
}

fn finished(instance: &mut dyn Instance) -> Profile {
    instance.call(FINISH, &[]).expect("it is exported");
    profile(instance)
}

fn misuses(instance: &mut dyn Instance) -> Vec<Misuse> {
    finished(instance).findings.expect("it is a check's").misuses
}

/// What one call of an export leads to, in line and by calls, with sites and without, on every engine that has what it
/// needs.
#[track_caller]
fn expect(
    engines: &[EngineId],
    wasm: &[u8],
    members: &[(u32, Role)],
    export: &str,
    expected: &[(MisuseKind, u32)],
) {
    for (in_line, sites) in [(true, true), (false, true), (true, false)] {
        let wasm = checked(wasm, &Options { in_line, sites, ..options(members) });
        for engine in engines {
            let mut instance = start_with(*engine, &wasm, &Host::new());
            instance.call(export, &[]).unwrap_or_else(|error| panic!("{engine}: {error}"));
            let found: Vec<(MisuseKind, u32)> =
                misuses(&mut *instance).iter().map(|one| (one.kind, one.into_access)).collect();
            assert_eq!(found, expected, "{engine}, in line: {in_line}, sites: {sites}");
        }
    }
}

use MisuseKind::{InvalidFree, NullOffset, Overflow, StackOverflow, UseAfterFree, WrongAlignment, WrongSize};

#[test]
fn a_freed_block_is_watched_until_it_leaves_the_quarantine() {
    // An eighth of 64 KiB is 8 KiB: of blocks of 2,000 bytes with what is beside them, 2,064, a fourth is one too many.
    let text = r#"
        (func (export "run") (param $more i32) (local $old i32)
            (local.set $old (call $malloc (i32.const 2000)))
            (call $free (local.get $old))
            (loop $again
                (if (local.get $more) (then
                    (call $free (call $malloc (i32.const 2000)))
                    (local.set $more (i32.sub (local.get $more) (i32.const 1)))
                    (br $again))))
            (i32.store (local.get $old) (i32.const 1)))"#;
    let wasm = checked(&module(MEMORY, text), &options(C));
    for engine in ENGINES {
        for (more, expected) in [(0, &[UseAfterFree][..]), (2, &[UseAfterFree]), (3, &[])] {
            let mut instance = start_with(engine, &wasm, &Host::new());
            call(&mut *instance, "run", &[more]);
            let found: Vec<MisuseKind> = misuses(&mut *instance).iter().map(|one| one.kind).collect();
            assert_eq!(found, expected, "{engine}, {more}");
        }
    }
}

/// A program may write over the header of a block before it frees it, or behind it: all else goes on as before.
#[test]
fn a_header_that_is_overwritten_does_no_more_harm() {
    for (when_live, value) in [(true, 0x7fff_fff0_u32), (true, 3), (false, 0x7fff_fff0), (false, 3)] {
        let overwrite =
            format!("(i32.store (i32.sub (local.get 0) (local.get 3)) (i32.const {}))", value.cast_signed());
        let (live, freed) = if when_live { (overwrite.as_str(), "") } else { ("", overwrite.as_str()) };
        // What stands in other blocks, while many leave the quarantine.
        let text = format!(
            r#"(func (export "run") (param i32) (result i32) (local i32 i32 i32)
                (local.set 3 (local.get 0))
                (local.set 1 (call $malloc (i32.const 8)))
                (local.set 0 (call $malloc (i32.const 100)))
                (local.set 2 (call $malloc (i32.const 8)))
                (i32.store (local.get 1) (i32.const 40)) (i32.store (local.get 2) (i32.const 2))
                {live} (call $free (local.get 0)) {freed}
                (local.set 0 (i32.const 60))
                (loop
                    (call $free (call $malloc (i32.const 900)))
                    (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                (i32.add (i32.load (local.get 1)) (i32.load (local.get 2))))"#
        );
        let wasm = checked(&module("(memory 8)", &text), &options(C));
        for engine in ENGINES {
            let mut instance = start_with(engine, &wasm, &Host::new());
            assert_eq!(call(&mut *instance, "run", &[16]), Some(42), "{engine}: {when_live} {value}");
            let found: Vec<MisuseKind> = misuses(&mut *instance).iter().map(|one| one.kind).collect();
            assert_eq!(found, [MisuseKind::Underflow], "{engine}: {when_live} {value}");
        }
    }
}

#[test]
fn the_shadow_grows_with_the_memory() {
    let text = r#"
        (func (export "run") (result i32) (local $block i32) (local $i i32)
            (loop $again
                (local.set $block (call $malloc (i32.const 60000)))
                (i32.store8 offset=59999 (local.get $block) (i32.const 1))
                (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20))))
            (i32.store8 offset=60000 (local.get $block) (i32.const 1))
            (memory.size))"#;
    let original = module(MEMORY, text);
    let wasm = checked(&original, &options(C));
    for engine in ENGINES {
        let mut instance = start_with(engine, &wasm, &Host::new());
        let mut before = start_with(engine, &original, &Host::new());
        assert_eq!(call(&mut *instance, "run", &[]), call(&mut *before, "run", &[]), "{engine}");
        let found = misuses(&mut *instance);
        assert_eq!(found.len(), 1, "{engine}: {found:?}");
    }
}

#[test]
fn an_access_outside_of_the_memory_traps_as_before() {
    let text = r#"
        (func (export "far") (param i32) (drop (i32.load offset=16 (local.get 0))))
        (func (export "wide") (param i32) (memory.fill (local.get 0) (i32.const 0) (i32.const 100)))"#;
    let wasm = checked(&module(MEMORY, text), &options(C));
    for engine in ENGINES {
        for (export, address) in
            [("far", -1), ("far", 65530), ("far", i32::MIN), ("wide", 65500), ("wide", -20)]
        {
            let mut instance = start_with(engine, &wasm, &Host::new());
            assert!(instance.call(export, &[Value::I32(address)]).is_err(), "{engine}: {export} {address}");
            assert_eq!(misuses(&mut *instance), []);
        }
    }
}

#[test]
fn a_refused_allocation_is_refused_still_and_the_old_block_stays() {
    // 2 is realloc.
    let text = r#"
        (func $realloc (export "realloc") (param i32 i32) (result i32) (unreachable))
        (func (export "run") (result i32) (local $block i32)
            (local.set $block (call $malloc (i32.const 10)))
            (i32.store8 offset=9 (local.get $block) (i32.const 42))
            (if (call $realloc (local.get $block) (i32.const 1000000)) (then (unreachable)))
            (if (call $malloc (i32.const -1)) (then (unreachable)))
            (local.set $block (call $realloc (local.get $block) (i32.const 20)))
            (i32.store8 offset=19 (local.get $block) (i32.const 1))
            (i32.load8_u offset=9 (local.get $block)))"#;
    let members = [C, &[(2, Role::Realloc)]].concat();
    let wasm = checked(&module(MEMORY, text), &options(&members));
    for engine in ENGINES {
        let mut instance = start_with(engine, &wasm, &Host::new());
        assert_eq!(call(&mut *instance, "run", &[]), Some(42), "{engine}");
        let profile = finished(&mut *instance);
        let findings = profile.findings.expect("it is a check's");
        assert_eq!(findings.misuses, [], "{engine}");
        assert_eq!(profile.nodes.iter().map(|node| node.bytes).sum::<u64>(), 20);
    }
}

/// A stack pointer as compilers use it: behind data at 1040, or before data at 66000.
fn with_stack(base: u32, data: u32, rest: &str) -> Vec<u8> {
    let more = format!(
        r#"(global $sp (export "__stack_pointer") (mut i32) (i32.const {base}))
        (data (i32.const {data}) "data of the program")
        (func $frame (param $bytes i32) (local $top i32)
            (global.set $sp (local.tee $top (i32.sub (global.get $sp) (local.get $bytes))))
            (call $work)
            (global.set $sp (i32.add (local.get $top) (local.get $bytes))))
        (func $work (local i32)
            (global.set $sp (local.tee 0 (i32.sub (global.get $sp) (i32.const 16))))
            (i32.store (local.get 0) (i32.const 1))
            (global.set $sp (i32.add (local.get 0) (i32.const 16))))
        {rest}"#
    );
    // The heap lies behind both.
    let heap = HEAP.replace("(i32.const 1024)", "(i32.const 70000)");
    wat::parse_str(format!("(module {TWO_PAGES} {heap} {more})")).unwrap_or_else(|error| panic!("{error}"))
}

const TWO_PAGES: &str = r#"(memory (export "memory") 2)"#;

#[test]
fn a_stack_that_leaves_its_place_is_reported_where_it_does() {
    let cases = [
        // Behind the data, which end at 1059; the function that is called takes 16 bytes more.
        (9000, 1040, 9000 - 1075, None),
        (9000, 1040, 9000 - 1074, Some(1058)),
        // Down to 0.
        (65536, 66000, 65536 - 16, None),
        (65536, 66000, 65536 + 16, Some(0_u32.wrapping_sub(16))),
    ];
    for (base, data, bytes, expected) in cases {
        let text = format!(r#"(func (export "run") (call $frame (i32.const {bytes})))"#);
        let wasm = checked(&with_stack(base, data, &text), &options(C));
        for engine in ENGINES {
            let mut instance = start_with(engine, &wasm, &Host::new());
            // Far below 0 the program traps, as it did.
            let result = instance.call("run", &[]);
            assert_eq!(result.is_err(), expected.is_some_and(|at| at > 70_000), "{engine}: {base} {bytes}");
            let found = misuses(&mut *instance);
            let addresses: Vec<u32> = found.iter().map(|misuse| misuse.address).collect();
            assert!(found.iter().all(|misuse| misuse.kind == StackOverflow), "{engine}: {found:?}");
            assert_eq!(addresses.first().copied(), expected, "{engine}: {base} {bytes}");
        }
    }
}

#[test]
fn null_is_no_block_once_an_allocation_was_refused() {
    let refuse = "(drop (call $malloc (i32.const 200000)))";
    let cases = [
        ("(i32.store offset=8 (local.get 0) (i32.const 1))", false, None),
        ("(i32.store offset=8 (local.get 0) (i32.const 1))", true, Some(8)),
        ("(drop (i32.load8_u offset=1023 (local.get 0)))", true, Some(1023)),
        ("(drop (i32.load8_u offset=1024 (local.get 0)))", true, None),
        ("(memory.fill (local.get 0) (i32.const 0) (i32.const 16))", true, Some(0)),
        ("(memory.fill (local.get 0) (i32.const 0) (i32.const 0))", true, None),
    ];
    for (base, data) in [(9000, 1040), (65536, 66000)] {
        for (code, is_refused, expected) in cases {
            let refuse = if is_refused { refuse } else { "" };
            let text = format!(r#"(func (export "run") (local i32) {refuse} {code})"#);
            let wasm = checked(&with_stack(base, data, &text), &options(C));
            for engine in ENGINES {
                let mut instance = start_with(engine, &wasm, &Host::new());
                call(&mut *instance, "run", &[]);
                let found: Vec<_> =
                    misuses(&mut *instance).iter().map(|one| (one.kind, one.address)).collect();
                let expected: Vec<_> = expected.map(|address| (NullOffset, address)).into_iter().collect();
                assert_eq!(found, expected, "{engine}: {base} {code}");
            }
        }
    }
    // The stack itself may reach so far down.
    let text = format!(
        r#"(func $deep (call $work))
        (func (export "run") {refuse} (call $frame (i32.const 65000)) (call $deep))"#
    );
    expect(&ENGINES, &with_stack(65536, 66000, &text), C, "run", &[]);
}

#[test]
fn functions_that_are_named_are_tested_to_the_byte() {
    let text = r#"(func (export "run") (local i32) (local.set 0 (call $malloc (i32.const 21)))
        (drop (i64.load offset=16 (local.get 0))))"#;
    let original = module(MEMORY, text);
    let run = memgrove_module::facts(&original).expect("valid").export("run").expect("it is there").index;
    for (exact, in_line, expected) in
        [(None, true, &[][..]), (Some(run), true, &[(Overflow, 5)]), (Some(run), false, &[(Overflow, 5)])]
    {
        let options = Options { exact: exact.into_iter().collect(), in_line, ..options(C) };
        let wasm = checked(&original, &options);
        for engine in ENGINES {
            let mut instance = start_with(engine, &wasm, &Host::new());
            call(&mut *instance, "run", &[]);
            let found: Vec<_> =
                misuses(&mut *instance).iter().map(|one| (one.kind, one.into_access)).collect();
            assert_eq!(found, expected, "{engine}: {exact:?}");
        }
    }
}

#[test]
fn what_is_freed_may_lie_outside_of_the_memory() {
    let text = r#"(func (export "run") (call $free (i32.const -16)) (call $free (i32.const 0x7fffff00)))"#;
    expect(&ENGINES, &module(MEMORY, text), C, "run", &[(InvalidFree, 0), (InvalidFree, 0)]);
}

/// What checking takes at most, but for the recording: an eighth of the memory and a page, 48 bytes a block, and what is
/// in quarantine.
#[test]
fn the_memory_that_checking_takes_is_bounded() {
    for (blocks, bytes) in [(1, 60_000), (1000, 1), (800, 16), (500, 100), (300, 700)] {
        let text = format!(
            r#"(func (export "run") (result i32) (local $i i32)
                (loop $again
                    (drop (call $malloc (i32.const {bytes})))
                    (br_if $again (i32.lt_u
                        (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {blocks}))))
                (global.get $next))
            (func (export "freed") (result i32) (local $i i32)
                (loop $again
                    (call $free (call $malloc (i32.const {bytes})))
                    (br_if $again (i32.lt_u
                        (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {blocks}))))
                (global.get $next))"#
        );
        let original = module(MEMORY, &text);
        let checked = checked(&original, &options(C));
        let shadow = memgrove_module::facts(&checked).expect("valid").memories.last().expect("it is").ty;
        assert!(shadow.min_pages <= 1_u64.div_ceil(8) + 1, "{shadow:?}");
        for engine in ENGINES {
            let run = |wasm: &[u8], export: &str| {
                let mut instance = start_with(engine, wasm, &Host::new());
                let end = call(&mut *instance, export, &[]).expect("a number");
                let pages = instance.memory_bytes(Memory::Export("memory")).expect("it is exported") >> 16;
                (i64::from(end), i64::try_from(pages).expect("few"))
            };
            let ((before, _), (after, _)) = (run(&original, "run"), run(&checked, "run"));
            assert!(after - before <= 48 * blocks, "{engine}: {blocks} of {bytes}: {before} -> {after}");
            // One block is live at a time; the rest is in quarantine.
            let ((before, _), (after, pages)) = (run(&original, "freed"), run(&checked, "freed"));
            let quarantine = (pages << 16) / 8;
            let most = before + 48 + quarantine + i64::from(bytes) + 48;
            assert!(after <= most, "{engine}: {blocks} of {bytes}: {before} -> {after}, {quarantine}");
        }
    }
}

#[test]
fn rusts_dealloc_is_told_what_alloc_was() {
    // 0 alloc(size, align), 1 dealloc(block, size, align), 2 realloc(block, old, align, new).
    // They look at all that they are told, as compilers hand nothing certain else.
    let looks = "(drop (i32.add (local.get 1) (local.get 2)))";
    let module = |looks: &str, call: &str| {
        format!(
            r#"(module (memory 1) (global $next (mut i32) (i32.const 1024))
            (func $alloc (param i32 i32) (result i32)
                (drop (local.get 1)) (global.get $next) (global.set $next (i32.add (global.get $next) (local.get 0))))
            (func $dealloc (param i32 i32 i32) {looks})
            (func $realloc (param i32 i32 i32 i32) (result i32) {looks} (unreachable))
            (func (export "run") (local i32) (local.set 0 (call $alloc (i32.const 24) (i32.const 4))) {call}))"#
        )
    };
    let text = |call: &str| module(looks, call);
    let members = &[(0, Role::RustAlloc), (1, Role::RustDealloc), (2, Role::RustRealloc)];
    for (looks, kinds) in [
        ("", &[][..]),
        ("(drop (local.get 1))", &[(WrongSize, 0)]),
        ("(drop (local.get 2))", &[(WrongAlignment, 0)]),
    ] {
        let call = "(call $dealloc (local.get 0) (i32.const 20) (i32.const 64))";
        let call = match kinds {
            // The size is told first.
            [(WrongAlignment, _)] => "(call $dealloc (local.get 0) (i32.const 24) (i32.const 64))",
            _ => call,
        };
        let wasm = wat::parse_str(module(looks, call)).expect("well-formed");
        expect(&ENGINES, &wasm, members, "run", kinds);
    }
    let cases = [
        ("(call $dealloc (local.get 0) (i32.const 24) (i32.const 4))", None),
        ("(call $dealloc (local.get 0) (i32.const 23) (i32.const 4))", Some(WrongSize)),
        ("(call $dealloc (local.get 0) (i32.const 24) (i32.const 8))", Some(WrongAlignment)),
        ("(drop (call $realloc (local.get 0) (i32.const 24) (i32.const 4) (i32.const 50)))", None),
        ("(drop (call $realloc (local.get 0) (i32.const 20) (i32.const 4) (i32.const 50)))", Some(WrongSize)),
    ];
    for (call, kind) in cases {
        let wasm = wat::parse_str(text(call)).expect("well-formed");
        let expected: Vec<_> = kind.into_iter().map(|kind| (kind, 0)).collect();
        expect(&ENGINES, &wasm, members, "run", &expected);
    }
    // Blocks are aligned as they were asked for.
    let aligned = text(
        "(if (i32.and (call $alloc (i32.const 5) (i32.const 256)) (i32.const 255)) (then (unreachable)))",
    );
    expect(&ENGINES, &wat::parse_str(aligned).expect("well-formed"), members, "run", &[]);
}

#[test]
fn memory_that_the_host_grows_is_allowed() {
    let text = r#"
        (func (export "run") (result i32) (call $grow) (i32.store (i32.const 65536) (i32.const 7)) (local.get 0))"#;
    let text = text.replace("(result i32)", "(param i32) (result i32)");
    let imports = r#"(import "env" "grow" (func $grow)) (memory (export "memory") 1)"#;
    let wasm =
        module(imports, &text.replace("(i32.const 65536)", "(i32.mul (local.get 0) (i32.const 65536))"));
    let wasm = checked(&wasm, &options(&[(1, Role::Malloc), (2, Role::Free)]));
    for engine in ENGINES {
        let host = Host::new().function("env", "grow", |caller, _| {
            caller.grow(40).expect("there is room");
            Ok(Vec::new())
        });
        let mut instance = start_with(engine, &wasm, &host);
        assert_eq!(call(&mut *instance, "run", &[40]), Some(40), "{engine}");
        assert_eq!(misuses(&mut *instance), []);
    }
}

#[test]
fn what_cannot_be_checked_is_refused_by_its_name() {
    let wasm = module("(memory 1 2 shared)", "");
    assert!(matches!(refused(&wasm, C), CheckError::Shared(NotShared::NoWord)));
    let text =
        r#"(module (memory i64 65537) (func (param i64) (result i64) (local.get 0)) (func (param i64)))"#;
    assert!(matches!(refused(&wat::parse_str(text).expect("well-formed"), C), CheckError::TooLong));
    // Types of 32 bits are no addresses there.
    let text = "(module (memory i64 1) (func (param i32) (result i32) (local.get 0)) (func (param i32)))";
    assert!(matches!(refused(&wat::parse_str(text).expect("well-formed"), C), CheckError::Refused(_)));
    let imported =
        r#"(module (import "env" "malloc" (func (param i32) (result i32))) (memory 1) (func (param i32)))"#;
    assert!(matches!(
        refused(&wat::parse_str(imported).expect("well-formed"), C),
        CheckError::Imported { func: 0 }
    ));
    assert!(matches!(refused(&module(MEMORY, ""), &C[..1]), CheckError::NothingFrees));
    let twice = checked(&module(MEMORY, ""), &options(C));
    assert!(matches!(refused(&twice, C), CheckError::Already { .. }));
    // A function that looks before a block that it is given, for anything but whether it must be cleared.
    let text = r#"
        (func $length (param i32) (result i32) (i32.load (i32.sub (local.get 0) (i32.const 8))))
        (func (export "run") (result i32) (call $length (call $malloc (i32.const 8))))"#;
    assert!(matches!(refused(&module(MEMORY, text), C), CheckError::Header { func: 2 }));
}
