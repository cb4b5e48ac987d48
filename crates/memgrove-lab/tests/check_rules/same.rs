//! Blocks that lie where they do without a check: what is seen then, and that addresses are the original's.

use memgrove_lab::engine::{self, EngineId, Host, Instance, Memory, Settings, Value};
use memgrove_profile::Misuse;
use memgrove_profile::MisuseKind::{
    self, DoubleFree, InvalidFree, Overflow, ReallocAfterFree, Underflow, UseAfterFree, WrongSize,
};
use memgrove_rewrite::check::{CheckError, Layout, Options, check};
use memgrove_rewrite::swap::Role;

use crate::trace_support::{ENGINES, start_with};
use crate::{C, HEAP, MEMORY, checked, finished, misuses, module, options};

fn same(members: &[(u32, Role)]) -> Options {
    Options { layout: Layout::Same, ..options(members) }
}

/// [`HEAP`] with a `free` that looks at the length before the block, which shows that it is the allocator's; and functions
/// by which accesses are made.
fn heap_with_header() -> String {
    let heap = HEAP.replace(
        "(if (i32.ne (local.get $block) (i32.const 0))\n            (then (global.set $freed",
        "(if (i32.ne (local.get $block) (i32.const 0))\n            (then \
         (if (i32.eqz (i32.load (i32.sub (local.get $block) (i32.const 4)))) (then (nop))) (global.set $freed",
    );
    assert!(heap.contains("nop"), "the heap has changed");
    format!("{MEMORY} {heap} {ACCESSES}")
}

fn with_header(rest: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {} {rest})", heap_with_header()))
        .unwrap_or_else(|error| panic!("{error}"))
}

const ACCESSES: &str = r#"
    (func $get (param i32) (drop (i32.load8_u (local.get 0))))
    (func $put (param i32) (i32.store8 (local.get 0) (i32.const 1)))"#;

/// Kinds, and where the first byte of each misuse lies in its block.
fn seen(instance: &mut dyn Instance) -> Vec<(MisuseKind, i64)> {
    let place = |one: &Misuse| {
        let at = i64::from(one.address) + i64::from(one.into_access);
        (one.kind, one.block.map_or(-1000, |block| at - i64::from(block.address)))
    };
    misuses(instance).iter().map(place).collect()
}

/// What each of these codes leads to, as a function of a module.
#[track_caller]
fn expect_each(module: &str, members: &[(u32, Role)], cases: &[(String, &[(MisuseKind, i64)])]) {
    let export = |(number, (code, _)): (usize, &(String, _))| {
        format!(r#"(func (export "run {number}") (local i32 i32 i32) {code})"#)
    };
    let exports: String = cases.iter().enumerate().map(export).collect();
    let wasm =
        wat::parse_str(format!("(module {module} {exports})")).unwrap_or_else(|error| panic!("{error}"));
    for (in_line, sites) in [(true, true), (false, true), (true, false)] {
        let checked = checked(&wasm, &Options { in_line, sites, ..same(members) });
        for engine in ENGINES {
            let compiled =
                engine::open(engine, &Settings::default()).and_then(|engine| engine.compile(&checked));
            let compiled = compiled.expect("it compiles");
            for (number, (code, expected)) in cases.iter().enumerate() {
                let mut instance = compiled.instantiate(&Host::new()).expect("it instantiates");
                let result = instance.call(&format!("run {number}"), &[]);
                result.unwrap_or_else(|error| panic!("{engine}: {code}: {error}"));
                assert_eq!(
                    seen(&mut *instance),
                    *expected,
                    "{engine}, in line: {in_line}, sites: {sites}: {code}"
                );
            }
        }
    }
}

/// Three blocks of so many bytes, and an access so far from the beginning of the second.
const BESIDE: &str = r#"(func (export "run") (param $bytes i32) (param $distance i32) (local i32 i32)
    (local.set 2 (call $malloc (local.get $bytes)))
    (local.set 2 (call $malloc (local.get $bytes)))
    (local.set 3 (call $malloc (local.get $bytes)))
    (call $get (i32.add (local.get 2) (local.get $distance))))"#;

/// What [`BESIDE`] leads to, for lengths and distances.
#[track_caller]
fn expect_beside(wasm: &[u8], cases: impl Iterator<Item = (u32, i32, Option<(MisuseKind, i64)>)>) {
    let checked = checked(wasm, &same(C));
    let modules = ENGINES.map(|engine| {
        engine::open(engine, &Settings::default())
            .and_then(|engine| engine.compile(&checked))
            .expect("it compiles")
    });
    for (bytes, distance, expected) in cases {
        for module in &modules {
            let mut instance = module.instantiate(&Host::new()).expect("it instantiates");
            let arguments = [Value::I32(bytes.cast_signed()), Value::I32(distance)];
            instance.call("run", &arguments).expect("it returns");
            let found = seen(&mut *instance);
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{bytes}: {distance}");
        }
    }
}

#[test]
fn beside_a_block_what_is_no_others_is_watched() {
    let cases = (1..=40_u32).flat_map(|bytes| {
        let end = bytes.cast_signed();
        [
            (bytes, end - 1, None),
            (bytes, end, Some((Overflow, i64::from(end)))),
            (bytes, -1, Some((Underflow, -1))),
            (bytes, -4, Some((Underflow, -4))),
            (bytes, 0, None),
        ]
    });
    // It is not known whose the rest of a header is.
    let more = [(8, -5, Some((Overflow, 11))), (16, -8, Some((Overflow, 16)))];
    expect_beside(&with_header(BESIDE), cases.chain(more));
}

/// A `free` that shows no header: nothing is known of the granule behind a block's end, nor of what is before it.
#[test]
fn without_a_header_only_the_rest_of_the_last_granule_is_watched() {
    let cases = (1..=40_u32).flat_map(|bytes| {
        let end = bytes.cast_signed();
        let behind = (bytes % 8 != 0).then_some((Overflow, i64::from(end)));
        [(bytes, end - 1, None), (bytes, end, behind), (bytes, -1, None), (bytes, 0, None)]
    });
    expect_beside(&module(MEMORY, &format!("{ACCESSES} {BESIDE}")), cases);
}

#[test]
fn a_freed_block_is_watched_until_it_is_handed_out_again() {
    let mut cases: Vec<(String, &[(MisuseKind, i64)])> = Vec::new();
    let mut of = |code: &str, expected| cases.push((code.to_owned(), expected));
    let taken = "(local.set 0 (call $malloc (i32.const 20))) (call $free (local.get 0))";
    of(&format!("{taken} (call $get (i32.add (local.get 0) (i32.const 3)))"), &[(UseAfterFree, 3)]);
    of(&format!("{taken} (call $put (i32.add (local.get 0) (i32.const 19)))"), &[(UseAfterFree, 19)]);
    of(&format!("{taken} (call $free (local.get 0))"), &[(DoubleFree, 0)]);
    let again = "(drop (call $malloc (i32.const 10)))";
    of(&format!("{taken} {again} (call $get (i32.add (local.get 0) (i32.const 3)))"), &[]);
    of(&format!("{taken} {again} (call $get (i32.add (local.get 0) (i32.const 10)))"), &[(Overflow, 10)]);
    // What is left of the old block behind the new one is still free.
    of(&format!("{taken} {again} (call $get (i32.add (local.get 0) (i32.const 17)))"), &[(Overflow, 17)]);
    of(&format!("{taken} {again} (call $free (local.get 0)) (call $free (local.get 0))"), &[(DoubleFree, 0)]);
    of("(call $free (i32.add (call $malloc (i32.const 30)) (i32.const 8)))", &[(InvalidFree, 8)]);
    of("(call $free (i32.add (call $malloc (i32.const 30)) (i32.const 5)))", &[(InvalidFree, 5)]);
    of("(drop (call $malloc (i32.const 8))) (call $free (i32.const 16))", &[(InvalidFree, -1000)]);
    of("(call $free (i32.const 0)) (call $get (call $malloc (i32.const 0)))", &[(Overflow, 0)]);
    expect_each(&heap_with_header(), C, &cases);
}

/// Everything that a program sees is as without a check: addresses, lengths, growth, and what it writes before its blocks.
#[test]
fn addresses_and_growth_are_the_originals() {
    let text = r#"(func (export "work") (param $seed i32) (result i32) (local $i i32) (local $sum i32) (local $block i32)
        (loop $again
            (local.set $seed (i32.add (i32.mul (local.get $seed) (i32.const 1103515245)) (i32.const 12345)))
            (local.set $block (call $malloc (i32.and (i32.shr_u (local.get $seed) (i32.const 16)) (i32.const 1023))))
            (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (local.get $block)))
            (if (i32.and (local.get $seed) (i32.const 0x100000)) (then (call $free (local.get $block))))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 2000))))
        (local.get $sum))"#;
    let original = with_header(text);
    let after = checked(&original, &same(C));
    for engine in ENGINES {
        for seed in 0..5 {
            let run = |wasm: &[u8]| {
                let mut instance = start_with(engine, wasm, &Host::new());
                let sum = instance.call("work", &[Value::I32(seed)]).expect("it returns").values;
                (sum, instance.memory_bytes(Memory::Export("memory")).expect("it is exported"), instance)
            };
            let (sum, bytes, _) = run(&original);
            let (checked_sum, checked_bytes, mut instance) = run(&after);
            assert_eq!((checked_sum, checked_bytes), (sum, bytes), "{engine}: {seed}");
            assert_eq!(misuses(&mut *instance), [], "{engine}: {seed}");
        }
    }
}

/// Functions of the allocator that are run here, as they were: 2 calloc, 3 realloc in place or by a copy, 4 posix_memalign,
/// 5 malloc_usable_size; what they use of the program's own (a copy of memory) may touch what is free.
const FAMILY: &str = r#"
    (func $calloc (param i32 i32) (result i32) (local i32)
        (local.set 2 (call $malloc (i32.mul (local.get 0) (local.get 1))))
        (call $fill (local.get 2) (i32.mul (local.get 0) (local.get 1)))
        (local.get 2))
    (func $realloc (param i32 i32) (result i32) (local i32)
        (if (i32.eqz (local.get 0)) (then (return (call $malloc (local.get 1)))))
        (if (i32.le_u (local.get 1) (i32.load (i32.sub (local.get 0) (i32.const 8)))) (then (return (local.get 0))))
        (local.set 2 (call $malloc (local.get 1)))
        (if (i32.eqz (local.get 2)) (then (return (i32.const 0))))
        (memory.copy (local.get 2) (local.get 0) (i32.load (i32.sub (local.get 0) (i32.const 8))))
        (call $free (local.get 0))
        (local.get 2))
    (func $posix_memalign (param i32 i32 i32) (result i32)
        (i32.store (local.get 0) (call $malloc (local.get 2))) (i32.const 0))
    (func $usable (param i32) (result i32) (i32.load (i32.sub (local.get 0) (i32.const 8))))
    (func $fill (param i32 i32) (memory.fill (local.get 0) (i32.const 0) (local.get 1)))"#;

#[test]
fn every_role_is_watched_where_its_blocks_lie() {
    let mut cases: Vec<(String, &[(MisuseKind, i64)])> = Vec::new();
    let mut of_family = |code: &str, expected| cases.push((code.to_owned(), expected));
    let at = |distance: u32| format!("(call $get (i32.add (local.get 0) (i32.const {distance})))");
    let calloc = "(local.set 0 (call $calloc (i32.const 3) (i32.const 7)))";
    of_family(&format!("{calloc} {}", at(20)), &[]);
    of_family(&format!("{calloc} {}", at(21)), &[(Overflow, 21)]);
    // It clears a block that was free, by a function that the program has, too.
    of_family(
        &format!(
            "(call $free (call $malloc (i32.const 21))) {calloc} (call $fill (local.get 0) (i32.const 22))"
        ),
        &[(Overflow, 21)],
    );
    let grown = "(local.set 1 (call $malloc (i32.const 8))) (local.set 0 (call $realloc (local.get 1) (i32.const 30)))";
    of_family(&format!("{grown} {}", at(29)), &[]);
    of_family(&format!("{grown} {}", at(30)), &[(Overflow, 30)]);
    of_family(&format!("{grown} (call $get (local.get 1))"), &[(UseAfterFree, 0)]);
    of_family(&format!("{grown} (call $free (local.get 0)) (call $free (local.get 0))"), &[(DoubleFree, 0)]);
    // Shorter where it was, and longer again.
    let shorter = "(local.set 0 (call $realloc (call $malloc (i32.const 40)) (i32.const 9)))";
    of_family(&format!("{shorter} {}", at(8)), &[]);
    of_family(&format!("{shorter} {}", at(9)), &[(Overflow, 9)]);
    of_family(&format!("{shorter} {}", at(39)), &[(Overflow, 39)]);
    of_family(
        &format!("{shorter} (local.set 0 (call $realloc (local.get 0) (i32.const 38))) {}", at(37)),
        &[],
    );
    // A block that was freed is given another.
    of_family(
        "(local.set 0 (call $malloc (i32.const 8))) (i32.store8 (local.get 0) (i32.const 7)) (call $free (local.get 0))
        (drop (call $malloc (i32.const 60)))
        (local.set 1 (call $realloc (local.get 0) (i32.const 30)))
        (if (i32.ne (i32.load8_u (local.get 1)) (i32.const 7)) (then (unreachable)))",
        &[(ReallocAfterFree, 0)],
    );
    // Refused: the old one stays.
    of_family(
        "(local.set 0 (call $malloc (i32.const 8))) (drop (call $realloc (local.get 0) (i32.const 200000)))
        (call $get (i32.add (local.get 0) (i32.const 7))) (call $free (local.get 0))",
        &[],
    );
    of_family(
        "(drop (call $posix_memalign (i32.const 512) (i32.const 8) (i32.const 10)))
        (local.set 0 (i32.load (i32.const 512))) (call $get (i32.add (local.get 0) (i32.const 10)))",
        &[(Overflow, 10)],
    );
    // A program that asks how much it may use may use it.
    let usable = "(local.set 0 (call $malloc (i32.const 9)))
        (if (i32.ne (call $usable (local.get 0)) (i32.const 16)) (then (unreachable)))";
    of_family(&format!("{usable} {}", at(15)), &[]);
    of_family(&format!("{usable} {}", at(16)), &[(Overflow, 16)]);
    // The accesses come behind the family, which is known by its indices.
    let heap = HEAP.replace(
        "(then (global.set $freed",
        "(then (drop (i32.load (i32.sub (local.get $block) (i32.const 4)))) (global.set $freed",
    );
    let more = [(2, Role::Calloc), (3, Role::Realloc), (4, Role::PosixMemalign), (5, Role::UsableSize)];
    expect_each(&format!("{MEMORY} {heap} {FAMILY} {ACCESSES}"), &[C, &more].concat(), &cases);
}

/// Allocators without headers hand out blocks that touch each other, and begin anywhere.
#[test]
fn blocks_that_touch_each_other_are_no_misuse() {
    for align in [1, 2, 4, 8] {
        for bytes in 1..=20_u32 {
            let text = format!(
                r#"(module (memory 1) (global $next (mut i32) (i32.const 1024))
                (func $alloc (param i32 i32) (result i32)
                    (drop (local.get 1))
                    (global.set $next (i32.and
                        (i32.add (global.get $next) (i32.const {})) (i32.const -{align})))
                    (global.get $next)
                    (global.set $next (i32.add (global.get $next) (local.get 0))))
                (func $dealloc (param i32 i32 i32) (drop (local.get 1)) (drop (local.get 2)))
                {ACCESSES}
                (func (export "run") (local i32 i32 i32 i32)
                    (loop $again
                        (local.set 0 (call $alloc (i32.const {bytes}) (i32.const {align})))
                        (local.set 1 (call $alloc (i32.const {bytes}) (i32.const {align})))
                        (local.set 2 (call $alloc (i32.const {bytes}) (i32.const {align})))
                        (memory.fill (local.get 1) (i32.const 1) (i32.const {bytes}))
                        (call $dealloc (local.get 1) (i32.const {bytes}) (i32.const {align}))
                        (memory.fill (local.get 0) (i32.const 1) (i32.const {bytes}))
                        (memory.fill (local.get 2) (i32.const 1) (i32.const {bytes}))
                        (br_if $again (i32.lt_u (local.tee 3 (i32.add (local.get 3) (i32.const 1))) (i32.const 20))))
                    (call $dealloc (local.get 2) (i32.const {}) (i32.const {align}))))"#,
                align - 1,
                bytes + 1,
            );
            let wasm = wat::parse_str(text).expect("well-formed");
            let checked = checked(&wasm, &same(&[(0, Role::RustAlloc), (1, Role::RustDealloc)]));
            let mut instance = start_with(EngineId::Wasmi, &checked, &Host::new());
            instance.call("run", &[]).expect("it returns");
            let found: Vec<MisuseKind> = misuses(&mut *instance).iter().map(|one| one.kind).collect();
            // Of a block at an odd address nothing is kept; of two in eight bytes, of the first.
            assert!(found.is_empty() || found == [WrongSize], "{align}, {bytes}: {found:?}");
            assert!(align < 4 || bytes < 8 || found == [WrongSize], "{align}, {bytes}: {found:?}");
        }
    }
}

/// Memory that the program takes beside the allocator lies where a block ends: it is the program's.
#[test]
fn memory_that_the_program_takes_itself_is_allowed() {
    // 2 is sbrk; malloc takes by it what it hands out, to the byte.
    let text = r#"(module (memory (export "memory") 1) (global $end (mut i32) (i32.const 2048))
        (func $malloc (param i32) (result i32) (local i32)
            (local.set 1 (call $sbrk (i32.and (i32.add (local.get 0) (i32.const 11)) (i32.const -4))))
            (i32.add (local.get 1) (i32.const 8)))
        (func $free (param i32) (drop (i32.load (i32.sub (local.get 0) (i32.const 8)))))
        (func $sbrk (export "sbrk") (param i32) (result i32)
            (global.get $end) (global.set $end (i32.add (global.get $end) (local.get 0))))
        (func (export "run") (local i32 i32)
            (loop $again
                (local.set 0 (call $malloc (local.get 1)))
                (memory.fill (call $sbrk (i32.const 12)) (i32.const 1) (i32.const 12))
                (memory.fill (local.get 0) (i32.const 1) (local.get 1))
                (br_if $again (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 60))))))"#;
    let wasm = wat::parse_str(text).expect("well-formed");
    for sbrk in [Some(2), None] {
        let checked = checked(&wasm, &Options { sbrk, ..same(C) });
        for engine in ENGINES {
            let mut instance = start_with(engine, &checked, &Host::new());
            instance.call("run", &[]).expect("it returns");
            let found = misuses(&mut *instance);
            assert!(sbrk.is_none() || found.is_empty(), "{engine}: {found:?}");
        }
    }
}

#[test]
fn lost_blocks_are_found_where_they_lie() {
    let wasm = with_header(
        r#"(global $kept (mut i32) (i32.const 0))
        (func (export "run")
            (global.set $kept (call $malloc (i32.const 12)))
            (i32.store offset=8 (global.get $kept) (call $malloc (i32.const 20)))
            (i32.store (i32.const 512) (call $malloc (i32.const 16)))
            (call $free (call $malloc (i32.const 30)))
            (i32.store (call $malloc (i32.const 100)) (call $malloc (i32.const 5))))"#,
    );
    let wasm = checked(&wasm, &same(C));
    for engine in ENGINES {
        let mut instance = start_with(engine, &wasm, &Host::new());
        instance.call("run", &[]).expect("it returns");
        let profile = finished(&mut *instance);
        let findings = profile.findings.expect("it is a check's");
        assert!(findings.same_layout);
        let lost: Vec<_> = findings.lost.iter().map(|one| (one.is_indirect, one.blocks, one.bytes)).collect();
        assert_eq!(lost, [(false, 1, 100), (true, 1, 5)], "{engine}");
        assert_eq!(profile.nodes.iter().map(|node| node.bytes).sum::<u64>(), 153, "{engine}");
    }
}

#[test]
fn addresses_of_64_bits_stay_as_they_are() {
    let heap = HEAP
        .replace(
            "(then (global.set $freed",
            "(then (drop (i32.load (i32.sub (local.get $block) (i32.const 8)))) (global.set $freed",
        )
        .replace("i32", "i64");
    let text = format!(
        r#"(module (memory (export "memory") i64 1) {heap}
        (func $get (param i64) (drop (i32.load8_u (local.get 0))))
        (func (export "run") (param i64) (result i64) (local i64)
            (local.set 1 (call $malloc (i64.const 21)))
            (drop (call $malloc (i64.const 8)))
            (call $get (i64.add (local.get 1) (local.get 0)))
            (call $free (local.get 1))
            (local.get 1)))"#
    );
    let original = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    let wasm = checked(&original, &same(C));
    for engine in ENGINES {
        for (distance, expected) in [(20, None), (21, Some(Overflow)), (-1, Some(Underflow)), (0, None)] {
            let mut instance = start_with(engine, &wasm, &Host::new());
            let values = instance.call("run", &[Value::I64(distance)]).expect("it returns").values;
            assert_eq!(values, [Value::I64(1032)], "{engine}");
            let found: Vec<_> = misuses(&mut *instance).iter().map(|one| one.kind).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{engine}: {distance}");
        }
    }
}

#[test]
fn who_looks_at_a_header_is_refused_there_too() {
    let text = r#"
        (func $length (param i32) (result i32) (i32.load (i32.sub (local.get 0) (i32.const 8))))
        (func (export "run") (result i32) (call $length (call $malloc (i32.const 8))))"#;
    let wasm = module(MEMORY, text);
    let facts = memgrove_module::facts(&wasm).expect("it is valid");
    assert!(matches!(check(&facts, &same(C)), Err(CheckError::Header { func: 2 })));
}

/// An allocator below the one that is known hands out what that frees, also to others.
#[test]
fn memory_that_others_may_hand_out_is_refused() {
    let shared = r#"(module (memory 1) (table 1 funcref) (global $freed (mut i32) (i32.const 0))
        (func $malloc (export "malloc") (param i32) (result i32) (call $take))
        (func $free (export "free") (param i32) FREE)
        (func $take (result i32) (i32.load (i32.const 2048)) (i32.store (i32.const 2048) (i32.const 0)))
        (func $give (param i32) (i32.store (i32.const 2048) (local.get 0)))
        (func $give_to (param i32 i32) (i32.store (local.get 0) (local.get 1)))
        (func $clear (param i32) (i32.store (local.get 0) (i32.const 0)))
        (func $fail (param i32) (i32.store (i32.const 4096) (local.get 0)) (unreachable))
        (func (export "other") (param i32)
            (call $give (local.get 0)) (call $give_to (i32.const 2048) (local.get 0)) (call $clear (local.get 0))
            (call $fail (local.get 0))))"#;
    for (free, is_refused) in [
        ("(call $give (i32.mul (local.get 0) (i32.const 1)))", true),
        ("(call $give_to (i32.const 2048) (i32.mul (local.get 0) (i32.const 1)))", true),
        ("(call_indirect (param i32) (local.get 0) (i32.const 0))", true),
        ("(call $clear (local.get 0))", false),
        ("(if (i32.eqz (local.get 0)) (then (call $fail (local.get 0)) (unreachable)))", false),
    ] {
        let wasm = wat::parse_str(shared.replace("FREE", free)).expect("well-formed");
        let facts = memgrove_module::facts(&wasm).expect("it is valid");
        let result = check(&facts, &same(C));
        let result = result.map(|_| ());
        assert_eq!(matches!(result, Err(CheckError::SharedHeap { .. })), is_refused, "{free}: {result:?}");
    }
}

/// A word before a block that all functions look at which free it, and which is yet the end of the block below, as the length
/// of a free one is: blocks touch each other, which shows it.
#[test]
fn a_word_before_a_block_may_be_the_end_of_another() {
    for (first, step) in [(4096, 16), (60000, -16)] {
        let text = format!(
            r#"(module (memory 1) (global $next (mut i32) (i32.const {first})) (global $freed (mut i32) (i32.const 0))
            (func $malloc (export "malloc") (param i32) (result i32) (local i32)
                (if (local.tee 1 (global.get $freed)) (then (global.set $freed (i32.const 0)) (return (local.get 1))))
                (global.set $next (i32.add (global.get $next) (i32.const {step})))
                (global.get $next))
            (func $free (export "free") (param i32)
                (if (i32.load (i32.sub (local.get 0) (i32.const 4))) (then (nop)))
                (global.set $freed (local.get 0)))
            (func $fill (param i32) (memory.fill (local.get 0) (i32.const 1) (i32.const 16)))
            (func (export "run") (local i32 i32 i32 i32)
                (loop $again
                    (local.set 0 (call $malloc (i32.const 16))) (local.set 1 (call $malloc (i32.const 16)))
                    (local.set 2 (call $malloc (i32.const 16)))
                    (call $fill (local.get 0)) (call $fill (local.get 1)) (call $fill (local.get 2))
                    (call $free (local.get 1)) (call $fill (local.get 0)) (call $fill (local.get 2))
                    (local.set 1 (call $malloc (i32.const 16)))
                    (call $fill (local.get 0)) (call $fill (local.get 1)) (call $fill (local.get 2))
                    (call $free (local.get 0)) (call $fill (local.get 1)) (call $fill (local.get 2))
                    (br_if $again (i32.lt_u (local.tee 3 (i32.add (local.get 3) (i32.const 1))) (i32.const 50))))))"#
        );
        let checked = checked(&wat::parse_str(text).expect("well-formed"), &same(C));
        for engine in ENGINES {
            let mut instance = start_with(engine, &checked, &Host::new());
            instance.call("run", &[]).expect("it returns");
            assert_eq!(misuses(&mut *instance), [], "{engine}: {step}");
        }
    }
}
