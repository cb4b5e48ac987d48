//! Modules without sites: what is told of an access instead of where it lies.

use memgrove_lab::engine::Host;
use memgrove_profile::{AccessWithin, MisuseKind, Site};
use memgrove_rewrite::check::Options;

use crate::trace_support::{ENGINES, call, start_with};
use crate::{C, MEMORY, checked, finished, module, options, with_stack};

/// Kind, function, what is told of the access, and how many frames the stack has.
type Told = (MisuseKind, Option<u32>, Option<(Option<u32>, bool)>, usize);

#[track_caller]
fn expect(original: &[u8], options: &Options, expected: &[Told]) {
    for in_line in [true, false] {
        let wasm = checked(original, &Options { in_line, sites: false, ..options.clone() });
        for engine in ENGINES {
            let mut instance = start_with(engine, &wasm, &Host::new());
            call(&mut *instance, "run", &[]);
            let profile = finished(&mut *instance);
            let misuses = &profile.findings.as_ref().expect("it is a check's").misuses;
            let told: Vec<Told> = misuses
                .iter()
                .map(|misuse| {
                    let AccessWithin { func, access } = misuse.within.expect("it has no site");
                    assert_eq!(misuse.site, None);
                    assert_eq!(profile.misuse_stack(misuse).next(), func.map(Site::Within));
                    (misuse.kind, func, access, profile.misuse_stack(misuse).count())
                })
                .collect();
            assert_eq!(told, expected, "{engine}, in line: {in_line}");
        }
    }
}

use MisuseKind::{Overflow, StackOverflow, Underflow, UseAfterFree};

#[test]
fn each_function_width_and_kind_is_told_once() {
    // 2 is never on the way to the allocator; 3 calls it twice, and it misuses the block at several places.
    let text = r#"
        (func $leaf (param i32 i32)
            (i32.store8 offset=21 (local.get 0) (i32.const 1))
            (drop (i32.load8_u offset=22 (local.get 0)))
            (i32.store8 offset=24 (local.get 0) (i32.const 1))
            (i32.store16 offset=26 (local.get 0) (i32.const 1))
            (i32.store8 (i32.add (local.get 0) (local.get 1)) (i32.const 1)))
        (func (export "run") (local i32)
            (local.set 0 (call $malloc (i32.const 21)))
            (call $leaf (local.get 0) (i32.const -1))
            (call $leaf (local.get 0) (i32.const -1))
            (call $free (local.get 0))
            (memory.fill (local.get 0) (i32.const 0) (i32.const 4))
            (memory.copy (i32.const 64) (local.get 0) (i32.const 4))
            (drop (i64.load (local.get 0))))"#;
    let write = |bytes| Some((Some(bytes), true));
    let expected = [
        (Overflow, Some(2), write(1), 3),
        (Overflow, Some(2), Some((Some(1), false)), 3),
        (Overflow, Some(2), write(2), 3),
        (Underflow, Some(2), write(1), 3),
        (UseAfterFree, Some(3), Some((None, true)), 2),
        (UseAfterFree, Some(3), Some((None, false)), 2),
        (UseAfterFree, Some(3), Some((Some(8), false)), 2),
    ];
    expect(&module(MEMORY, text), &options(C), &expected);
}

#[test]
fn a_read_that_is_tested_to_the_byte_is_told_as_a_read() {
    let text = r#"(func (export "run") (local i32)
        (local.set 0 (call $malloc (i32.const 21)))
        (drop (i64.load offset=16 (local.get 0)))
        (loop (drop (i32.load offset=20 (local.get 0)))))"#;
    let exact = Options { exact: [2].into(), ..options(C) };
    let read = |bytes| Some((Some(bytes), false));
    let expected = [(Overflow, Some(2), read(8), 2), (Overflow, Some(2), read(4), 2)];
    expect(&module(MEMORY, text), &exact, &expected);
    expect(&module(MEMORY, text), &options(C), &[]);
}

#[test]
fn a_stack_that_overflows_is_told_by_its_function() {
    let text = r#"(func (export "run") (call $frame (i32.const 7926)))"#;
    let original = with_stack(9000, 1040, text);
    expect(&original, &options(C), &[(StackOverflow, Some(3), None, 4)]);
}
