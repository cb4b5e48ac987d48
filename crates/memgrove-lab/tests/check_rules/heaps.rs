//! Two heaps in one module: a block that goes to the other one's function is reported, and nothing where they may be one.

use memgrove_lab::engine::Host;
use memgrove_profile::MisuseKind::{self, DoubleFree, Underflow, UseAfterFree, WrongHeap};
use memgrove_rewrite::check::{Layout, Options};
use memgrove_rewrite::swap::Role;

use crate::trace_support::{ENGINES, start_with};
use crate::{checked, misuses, options};

/// C's: 0 malloc, 1 free, 2 realloc; Rust's: 3 alloc, 4 dealloc. `FREE` and `DEALLOC` are what those that free do at their
/// beginning; each keeps its last freed block where `OWN` and `OTHER` say.
const TWO: &str = r#"(module (memory (export "memory") 2) (global $next (mut i32) (i32.const 4096)) (global $more (mut i32) (i32.const 66000))
    (func $malloc (export "malloc") (param i32) (result i32) (local i32)
        (if (local.tee 1 (i32.load (i32.const OWN))) (then
            (if (i32.le_u (local.get 0) (i32.const 16)) (then (i32.store (i32.const OWN) (i32.const 0)) (return (local.get 1))))))
        (local.set 1 (i32.add (global.get $next) (i32.const 8)))
        (global.set $next (i32.and (i32.add (local.get 1) (i32.add (local.get 0) (i32.const 7))) (i32.const -8)))
        (local.get 1))
    (func $free (export "free") (param i32) FREE)
    (func $realloc (param i32 i32) (result i32) (local i32)
        (if (i32.eqz (local.get 0)) (then (return (call $malloc (local.get 1)))))
        (local.set 2 (call $malloc (local.get 1)))
        (memory.copy (local.get 2) (local.get 0) (i32.const 8))
        (call $free (local.get 0))
        (local.get 2))
    (func $alloc (param i32 i32) (result i32) (local i32)
        (drop (local.get 1))
        (if (local.tee 2 (i32.load (i32.const OTHER))) (then
            (if (i32.le_u (local.get 0) (i32.const 16)) (then (i32.store (i32.const OTHER) (i32.const 0)) (return (local.get 2))))))
        (local.set 2 (i32.add (global.get $more) (i32.const 8)))
        (global.set $more (i32.and (i32.add (local.get 2) (i32.add (local.get 0) (i32.const 7))) (i32.const -8)))
        (local.get 2))
    (func $dealloc (param i32 i32 i32) (drop (local.get 1)) (drop (local.get 2)) DEALLOC)
    (func $put (param i32) (i32.store8 (local.get 0) (i32.const 9)))
    (func (export "run") (local i32 i32) CODE))"#;

const MEMBERS: &[(u32, Role)] =
    &[(0, Role::Malloc), (1, Role::Free), (2, Role::Realloc), (3, Role::RustAlloc), (4, Role::RustDealloc)];

/// What is kept where, and what those that free do.
#[derive(Clone, Copy)]
struct Kept<'k> {
    own: &'k str,
    other: &'k str,
    free: &'k str,
    dealloc: &'k str,
}

const APART: Kept<'_> = Kept {
    own: "2048",
    other: "3072",
    free: "(i32.store (i32.const 2048) (local.get 0))",
    dealloc: "(i32.store (i32.const 3072) (local.get 0))",
};

#[track_caller]
fn expect(kept: Kept<'_>, code: &str, expected: &[MisuseKind]) {
    expect_in(&Layout::ALL, kept, code, expected);
}

#[track_caller]
fn expect_in(layouts: &[Layout], kept: Kept<'_>, code: &str, expected: &[MisuseKind]) {
    let text = [
        ("OWN", kept.own),
        ("OTHER", kept.other),
        ("FREE", kept.free),
        ("DEALLOC", kept.dealloc),
        ("CODE", code),
    ];
    let text = text.iter().fold(TWO.to_owned(), |text, (place, words)| text.replace(place, words));
    let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    for &layout in layouts {
        let checked = checked(&wasm, &Options { layout, ..options(MEMBERS) });
        for engine in ENGINES {
            let mut instance = start_with(engine, &checked, &Host::new());
            instance.call("run", &[]).unwrap_or_else(|error| panic!("{engine}, {layout:?}: {error}"));
            let found: Vec<MisuseKind> = misuses(&mut *instance).iter().map(|one| one.kind).collect();
            assert_eq!(found, expected, "{engine}, {layout:?}: {code}");
        }
    }
}

const OF_C: &str = "(local.set 0 (call $malloc (i32.const 16)))";
const OF_RUST: &str = "(local.set 0 (call $alloc (i32.const 16) (i32.const 4)))";
const FREE: &str = "(call $free (local.get 0))";
const DEALLOC: &str = "(call $dealloc (local.get 0) (i32.const 16) (i32.const 4))";
const REALLOC: &str = "(local.set 1 (call $realloc (local.get 0) (i32.const 40)))";

#[test]
fn a_block_goes_back_to_the_heap_that_it_is_of() {
    for (made, freed, expected) in [
        (OF_C, FREE, &[][..]),
        (OF_RUST, DEALLOC, &[]),
        (OF_C, DEALLOC, &[WrongHeap]),
        (OF_RUST, FREE, &[WrongHeap]),
        (OF_C, REALLOC, &[]),
    ] {
        expect(APART, &format!("{made} {freed}"), expected);
    }
    // It stays with its own heap, which takes it back.
    expect(
        APART,
        &format!("{OF_C} {DEALLOC} (call $put (local.get 0)) {FREE} (call $put (local.get 0))"),
        &[WrongHeap, UseAfterFree],
    );
    expect(APART, &format!("{OF_RUST} {DEALLOC} {FREE}"), &[DoubleFree]);
    // What is in it is handed on.
    let handed = "(if (i32.ne (i32.load8_u (local.get 1)) (i32.const 9)) (then (unreachable)))
        (if (i32.ne (i32.load8_u (local.get 0)) (i32.const 9)) (then (unreachable)))";
    expect(APART, &format!("{OF_RUST} (call $put (local.get 0)) {REALLOC} {handed} {DEALLOC}"), &[WrongHeap]);
}

/// Many blocks of both go through the quarantine, and back to where they are from.
#[test]
fn blocks_of_both_are_reused() {
    let code = format!(
        "(loop $again {OF_C} {FREE} {OF_RUST} {DEALLOC} {OF_C} {REALLOC} (call $free (local.get 1))
            (br_if $again (i32.lt_u (local.get 0) (i32.const 5000))))"
    );
    expect(APART, &code, &[]);
}

#[test]
fn a_header_that_is_overwritten_is_of_no_heap() {
    let before = |bytes: u32| format!("(call $put (i32.sub (local.get 0) (i32.const {bytes})))");
    // With red zones only: in the same layout what lies before is the program's.
    for bytes in 1..=4 {
        expect_in(&[Layout::Apart], APART, &format!("{OF_C} {} {FREE}", before(bytes)), &[Underflow]);
    }
}

/// Where it is not certain that they are two, it is none.
#[test]
fn heaps_that_may_be_one_are_one() {
    let crossed = [(OF_C, DEALLOC), (OF_RUST, FREE)];
    let kept = [
        // One variable.
        Kept { other: "2048", dealloc: "(i32.store (i32.const 2048) (local.get 0))", ..APART },
        // One that frees shows nothing that it keeps: whose blocks it takes is not known.
        Kept { dealloc: "(i32.store (local.get 0) (i32.const 1))", ..APART },
        Kept { free: "(i32.store (local.get 0) (i32.const 1))", ..APART },
        // It frees for the other, too.
        Kept { dealloc: "(call $free (local.get 0))", ..APART },
    ];
    for kept in kept {
        for (made, freed) in crossed {
            expect(kept, &format!("{made} {freed}"), &[]);
        }
    }
}
