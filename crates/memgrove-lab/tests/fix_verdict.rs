//! What verification says of modules and of fixes that are wrong: a verdict follows from what was executed.

mod fix_support;

use std::fs;

use memgrove_lab::engine::{self, EngineId, Host, Settings, Value};
use memgrove_lab::verify::{GrownBy, Outcome, Question, Reason, Verdict, Verification, verify};
use memgrove_rewrite::{Options, fix};

/// A module given as text.
fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A file of `tests/cases`, assembled if it is text.
fn case(name: &str) -> Vec<u8> {
    let path = fix_support::root().join("tests/cases").join(name);
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if name.ends_with(".wat") { wat::parse_bytes(&bytes).expect("well-formed").into_owned() } else { bytes }
}

/// Fixes a module and verifies the result.
fn verified(wasm: &[u8], options: &Options) -> (Vec<u8>, Verification) {
    let fixed = fix(wasm, options).expect("it can be fixed");
    let verification = verify(wasm, &fixed.wasm, &fixed.plan).expect("both are valid");
    (fixed.wasm, verification)
}

fn reasons(verification: &Verification) -> Vec<Reason> {
    let mut reasons: Vec<_> = verification.not_run.iter().map(|not_run| not_run.gap.reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    reasons
}

#[test]
fn where_nothing_can_be_run_nothing_is_verified() {
    let (_, stay) = verified(&case("verified-nothing/stay.wat"), &Options::default());
    assert_eq!((stay.verdict, reasons(&stay)), (Verdict::NotVerified, vec![Reason::ImportsStay]));
    assert!(stay.evidence.iter().all(|evidence| !evidence.instantiated && evidence.calls_returned == 0));
    let (_, trap) = verified(&case("verified-nothing/trap.wat"), &Options::default());
    assert_eq!(trap.verdict, Verdict::NotVerified, "{trap:#?}");
    assert!(trap.evidence.iter().all(|evidence| evidence.calls_returned == 0));
    // The same with a trap that both sides share for a reason that can be compared.
    let traps = assemble(
        r#"(module (import "env" "abort" (func $abort))
            (func (export "f") (call $abort) unreachable)
            (func (export "g") (param i32) (result i32) (i32.div_u (i32.const 1) (i32.const 0))))"#,
    );
    let (_, traps) = verified(&traps, &Options::default());
    assert_eq!(traps.verdict, Verdict::NotVerified, "{traps:#?}");
    assert_eq!(reasons(&traps), [Reason::NothingReturned]);
}

#[test]
fn one_call_that_returns_is_enough_and_no_export_to_call_is_judged_by_what_can_be_seen() {
    let returns = r#"(module (import "env" "abort" (func $abort))
        (func (export "f") (param i32) (result i32)
            (if (i32.gt_u (local.get 0) (i32.const 1000)) (then (call $abort) unreachable)) (local.get 0)))"#;
    let (_, returns) = verified(&assemble(returns), &Options::default());
    assert_eq!(returns.verdict, Verdict::Verified, "{returns:#?}");
    assert!(returns.evidence.iter().all(|evidence| evidence.calls_returned == 2));
    let silent = r#"(module (import "env" "memory" (memory 1)) (global (export "g") i32 (i32.const 5))
        (func $start (i32.store (i32.const 8) (i32.const 9))) (start $start))"#;
    let (_, silent) = verified(&assemble(silent), &Options::default());
    assert_eq!(silent.verdict, Verdict::Verified, "{silent:#?}");
    assert!(silent.evidence.iter().all(|evidence| evidence.memory_bytes_compared == 65536));
    assert!(silent.evidence.iter().all(|evidence| evidence.globals_compared == 1));
    let (_, unchanged) =
        verified(&assemble(r#"(module (func (export "f") (param externref)))"#), &Options::default());
    assert_eq!(
        (unchanged.verdict, reasons(&unchanged)),
        (Verdict::NotVerified, vec![Reason::CannotBeCalled])
    );
}

#[test]
fn what_was_not_run_makes_it_verified_in_part() {
    // An import that stays; an export that takes a reference; one that never ends; a shared memory.
    for (text, reason) in [
        (
            r#"(module (import "env" "glClear" (func $clear (param i32))) (import "env" "abort" (func $abort))
                (func (export "f") (result i32) (i32.const 1))
                (func (export "g") (call $clear (i32.const 1))))"#,
            Reason::ImportsStay,
        ),
        (
            r#"(module (import "env" "abort" (func $abort)) (func (export "f") (result i32) (i32.const 1))
                (func (export "g") (param externref)))"#,
            Reason::CannotBeCalled,
        ),
        (
            r#"(module (import "env" "abort" (func $abort)) (func (export "f") (result i32) (i32.const 1))
                (func (export "g") (loop (br 0))))"#,
            Reason::OutOfBudget,
        ),
        (
            r#"(module (import "env" "abort" (func $abort)) (func (export "f") (result i32) (i32.const 1))
                (func $g (export "g") (call $g)))"#,
            Reason::OutOfBudget,
        ),
        (
            r#"(module (import "env" "pow" (func $pow (param f64 f64) (result f64)))
                (func (export "f") (result i32) (i32.const 1))
                (func (export "g") (result f64) (call $pow (f64.const 2) (f64.const 2))))"#,
            Reason::NoSecondImplementation,
        ),
        (
            r#"(module (import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
                (memory (export "memory") 1 4 shared)
                (func (export "g") (result i32) (call $resize (i32.const 100000)))
                (func (export "f") (result i32) (i32.atomic.rmw.add (i32.const 8) (i32.const 1))))"#,
            Reason::OneThread,
        ),
    ] {
        let wasm = assemble(text);
        let fixed = fix(&wasm, &Options::default()).expect("it can be fixed");
        let verification = memgrove_lab::verify::verify_within(&wasm, &fixed.wasm, &fixed.plan, 100_000)
            .expect("both are valid");
        assert_eq!(verification.verdict, Verdict::VerifiedInPart, "{text}: {verification:#?}");
        assert!(reasons(&verification).contains(&reason), "{text}: {:#?}", verification.not_run);
        let mut evidence = verification.evidence.iter().filter(|evidence| evidence.instantiated);
        assert!(evidence.all(|evidence| evidence.calls_returned > 0), "{text}");
    }
}

#[test]
fn traps_agree_by_reason_and_not_by_being_traps() {
    let original = assemble(
        r#"(module (import "env" "abort" (func $abort)) (memory (export "memory") 1)
            (func (export "f") (result i32) (i32.const 1))
            (func (export "g") (result i32) (i32.load (i32.const -4))))"#,
    );
    let other = assemble(
        r#"(module (func $abort unreachable) (memory (export "memory") 1)
            (func (export "f") (result i32) (i32.const 1))
            (func (export "g") (result i32) (i32.div_u (i32.const 1) (i32.const 0))))"#,
    );
    let plan = memgrove_rewrite::plan(&original, &Options::default()).expect("it can be planned");
    let verification = verify(&original, &other, &plan).expect("both are valid");
    assert_eq!(verification.verdict, Verdict::Failed, "{verification:#?}");
}

/// An import with a stand-in, a call of it, and stand-ins that are wrong.
struct Import {
    declaration: &'static str,
    call: &'static str,
    wrong: &'static [&'static str],
}

const IMPORTS: [Import; 8] = [
    Import {
        declaration: r#""env" "emscripten_resize_heap" (func $f (param i32) (result i32))"#,
        call: "(call $f (i32.const 200000))",
        wrong: &[
            // Grows nothing; grows and denies it; too little.
            "(func $f (param i32) (result i32) (i32.const 1))",
            "(func $f (param i32) (result i32) (drop (memory.grow (i32.const 16))) (i32.const 0))",
            "(func $f (param i32) (result i32) (drop (memory.grow (i32.const 1))) (i32.const 1))",
        ],
    },
    Import {
        declaration: r#""env" "sbrk" (func $f (param i32) (result i32))"#,
        call: "(call $f (i32.const 100000))",
        wrong: &[
            "(func $f (param i32) (result i32) (i32.const -1))",
            "(func $f (param i32) (result i32) (i32.const 65536))",
        ],
    },
    Import {
        declaration: r#""env" "emscripten_memcpy_big" (func $f (param i32 i32 i32) (result i32))"#,
        call: "(call $f (i32.const 32) (i32.const 1024) (i32.const 16))",
        wrong: &[
            "(func $f (param i32 i32 i32) (result i32) (local.get 0))",
            "(func $f (param i32 i32 i32) (result i32)
                (memory.fill (local.get 0) (i32.const 0) (local.get 2)) (local.get 0))",
            "(func $f (param i32 i32 i32) (result i32)
                (memory.copy (local.get 0) (local.get 1) (local.get 2)) (local.get 1))",
        ],
    },
    Import {
        declaration: r#""env" "emscripten_get_now" (func $f (result f64))"#,
        call: "(i32.trunc_f64_s (f64.add (call $f) (call $f)))",
        wrong: &["(func $f (result f64) (f64.const 1))", "(func $f (result f64) (f64.const 0))"],
    },
    Import {
        declaration: r#""wasi_snapshot_preview1" "clock_time_get" (func $f (param i32 i64 i32) (result i32))"#,
        call: "(call $f (i32.const 0) (i64.const 0) (i32.const 32))",
        wrong: &[
            "(func $f (param i32 i64 i32) (result i32) (i64.store (local.get 2) (i64.const 1000000)) (i32.const 0))",
            "(func $f (param i32 i64 i32) (result i32) (i32.const 0))",
        ],
    },
    Import {
        declaration: r#""wasi_snapshot_preview1" "fd_write" (func $f (param i32 i32 i32 i32) (result i32))"#,
        call: "(call $f (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 48))",
        wrong: &[
            "(func $f (param i32 i32 i32 i32) (result i32) (i32.const 0))",
            "(func $f (param i32 i32 i32 i32) (result i32) (i32.const 52))",
            "(func $f (param i32 i32 i32 i32) (result i32) unreachable)",
        ],
    },
    Import {
        declaration: r#""wasi_snapshot_preview1" "random_get" (func $f (param i32 i32) (result i32))"#,
        call: "(call $f (i32.const 32) (i32.const 16))",
        wrong: &["(func $f (param i32 i32) (result i32) (i32.const 0))"],
    },
    Import {
        declaration: r#""env" "abort" (func $f)"#,
        call: "(call $f) (i32.const 1)",
        wrong: &["(func $f)", "(func $f (drop (i32.div_u (i32.const 1) (i32.const 0))))"],
    },
];

#[test]
fn a_wrong_stand_in_is_seen_whether_an_export_reaches_it_or_not() {
    for import in &IMPORTS {
        for is_reached in [true, false] {
            let module = |first: &str, func: &str| {
                let call = if is_reached { import.call } else { "(i32.const 5)" };
                assemble(&format!(
                    r#"(module {first} {func} (memory (export "memory") 1 100)
                        (data (i32.const 1024) "abcdefghijklmnopqrstuvwxyz")
                        (func (export "use") (result i32) {call})
                        (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"#
                ))
            };
            let original = module(&format!("(import {})", import.declaration), "");
            let fixed = fix(&original, &Options::default()).expect("it can be fixed");
            assert!(fixed.plan.is_complete(), "{}: {:#?}", import.declaration, fixed.plan.imports);
            let right = verify(&original, &fixed.wasm, &fixed.plan).expect("both are valid");
            assert_eq!(right.verdict, Verdict::Verified, "{}: {right:#?}", import.declaration);
            for wrong in import.wrong {
                let verification =
                    verify(&original, &module("", wrong), &fixed.plan).expect("both are valid");
                assert_eq!(
                    verification.verdict,
                    Verdict::Failed,
                    "{}, reached: {is_reached}: {wrong}: {verification:#?}",
                    import.declaration
                );
            }
        }
    }
}

#[test]
fn a_module_that_is_not_what_the_plan_makes_of_it_is_seen() {
    // Data, a global, a constant in code: nothing to do with an import.
    let module = |first: &str, data: &str, global: u32, number: u32| {
        assemble(&format!(
            r#"(module {first} (memory (export "memory") 1)
                (global (export "g") (mut i32) (i32.const {global})) (data (i32.const 8) "{data}")
                (func (export "f") (result i32) (i32.const {number})))"#
        ))
    };
    let import = r#"(import "env" "abort" (func $abort))"#;
    let original = module(import, "x", 1, 2);
    let fixed = fix(&original, &Options::default()).expect("it can be fixed");
    assert_eq!(
        verify(&original, &fixed.wasm, &fixed.plan).expect("both are valid").verdict,
        Verdict::Verified
    );
    let abort = "(func $abort unreachable)";
    for wrong in [module(abort, "y", 1, 2), module(abort, "x", 3, 2), module(abort, "x", 1, 4)] {
        assert_eq!(verify(&original, &wrong, &fixed.plan).expect("both are valid").verdict, Verdict::Failed);
    }
}

#[test]
fn blocks_of_a_collected_heap_are_pinned_or_not_held() {
    let (_, seed) = verified(&case("assemblyscript/seed.wasm"), &Options::default());
    assert_eq!(seed.verdict, Verdict::Verified, "{seed:#?}");
    for evidence in &seed.evidence {
        let growth = evidence.growth.as_ref().expect("memory grows");
        assert_eq!((growth.by, growth.name.as_str(), growth.collected), (GrownBy::Allocator, "__new", true));
        assert!(growth.blocks > 1 && growth.to_bytes > growth.from_bytes);
    }
    // Without `__pin` a collector may give the same block again: here it always does.
    for (extra, verdict) in [
        (r#"(func (export "__collect"))"#, Verdict::Verified),
        // Not a collector, but an allocator that gives what is in use; so does the original.
        ("", Verdict::Verified),
    ] {
        let text = format!(
            r#"(module (import "env" "abort" (func $abort)) (memory (export "memory") 1)
                (func (export "__new") (param i32 i32) (result i32)
                    (local $end i32)
                    (local.set $end (i32.add (i32.const 1024) (local.get 0)))
                    (if (i32.gt_u (local.get $end) (i32.mul (memory.size) (i32.const 65536)))
                        (then (drop (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $end) (i32.const 16)))))))
                    (i32.const 1024))
                {extra})"#
        );
        let (_, verification) = verified(&assemble(&text), &Options::default());
        assert_eq!(verification.verdict, verdict, "{verification:#?}");
    }
}

#[test]
fn a_declared_maximum_is_kept_unless_more_is_asked_for() {
    let lift = case("lifted-maximum/lift.wat");
    let init = |wasm: &[u8]| {
        let engine = engine::open(EngineId::Wasmtime, &Settings::default()).expect("a linked engine");
        let mut instance = engine.compile(wasm).expect("valid").instantiate(&Host::new()).expect("it starts");
        instance.call("init", &[]).expect("it returns").values
    };
    let (kept, verification) = verified(&lift, &Options::default());
    assert_eq!(verification.verdict, Verdict::Verified, "{verification:#?}");
    assert_eq!(init(&kept), [Value::I32(0)], "as before");
    let growth = verification.evidence[0].growth.as_ref().expect("seen in a copy");
    assert!(growth.with_larger_maximum && growth.by == GrownBy::StandIn, "{growth:?}");
    for (bytes, answer) in [(256 << 20, 1), (4_194_304, 1), (2 << 20, 0), (1 << 20, 0), (u64::MAX, 1)] {
        let options = Options { max_memory_bytes: Some(bytes), ..Options::default() };
        let (raised, verification) = verified(&lift, &options);
        assert_eq!(verification.verdict, Verdict::Verified, "{bytes}: {verification:#?}");
        assert_eq!(init(&raised), [Value::I32(answer)], "{bytes}");
        let again = fix(&raised, &options).expect("it can be fixed");
        assert!(again.wasm == raised, "{bytes}: fixing twice changes nothing more");
    }
    // An imported memory of a fixed size, the same in both.
    let imported = assemble(
        r#"(module (import "env" "memory" (memory 2 2))
            (import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
            (func (export "init") (result i32) (call $resize (i32.const 4194304))))"#,
    );
    let (kept, verification) = verified(&imported, &Options::default());
    assert_eq!(
        (verification.verdict, init(&kept)),
        (Verdict::Verified, vec![Value::I32(0)]),
        "{verification:#?}"
    );
    let options = Options { max_memory_bytes: Some(256 << 20), ..Options::default() };
    let (raised, verification) = verified(&imported, &options);
    assert_eq!(
        (verification.verdict, init(&raised)),
        (Verdict::Verified, vec![Value::I32(1)]),
        "{verification:#?}"
    );
}

#[test]
fn growth_is_found_without_an_allocator_of_a_known_name() {
    let body = "(local $old i32)
        (local.set $old (global.get $top))
        (global.set $top (i32.add (local.get $old) (local.get 0)))
        (if (i32.gt_u (global.get $top) (i32.shl (memory.size) (i32.const 16)))
            (then (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1)
                (i32.shr_u (local.get 0) (i32.const 16))))) (then (return (i32.const 0))))))
        (local.get $old)";
    for (export, by) in [(r#"(export "get_some")"#, GrownBy::Export), ("", GrownBy::InnerFunction)] {
        let text = format!(
            r#"(module (import "env" "memory" (memory 1)) (global $top (mut i32) (i32.const 1024))
                (func $get {export} (param i32) (result i32) {body})
                (func (export "small") (result i32) (call $get (i32.const 8))))"#
        );
        let (_, verification) = verified(&assemble(&text), &Options::default());
        assert_eq!(verification.verdict, Verdict::Verified, "{verification:#?}");
        for evidence in &verification.evidence {
            assert_eq!(evidence.growth.as_ref().map(|growth| growth.by), Some(by), "{evidence:?}");
        }
    }
    let (_, none) = verified(
        &assemble(
            r#"(module (import "env" "memory" (memory 1)) (func (export "f") (result i32) (i32.const 1)))"#,
        ),
        &Options::default(),
    );
    let grows = none.checks.iter().find(|check| check.question == Question::Grows).expect("it is asked");
    assert!(matches!(grows.outcome, Outcome::NotNeeded(_)), "{grows:?}");
    assert_eq!(none.verdict, Verdict::Verified);
}

#[test]
fn what_only_use_says_has_no_witness() {
    // The plan takes a minified import for what it is by use; nothing independent says so.
    let Some(modules) = fix_support::corpus() else { return };
    let mut seen = 0;
    for (id, wasm) in modules.iter().filter(|(_, wasm)| wasm.len() < 100_000) {
        let fixed = fix(wasm, &Options::default()).expect("it can be fixed");
        let is_guessed = |item: &memgrove_rewrite::Item| {
            let by_use = memgrove_rewrite::DecidedBy::Use;
            matches!(item.decision, memgrove_rewrite::Decision::Inside { decided_by, .. } if decided_by == by_use)
                && item.ty.starts_with("func")
        };
        if fixed.plan.is_complete() && fixed.plan.imports.iter().any(is_guessed) {
            seen += 1;
            let verdict = verify(wasm, &fixed.wasm, &fixed.plan).expect("both are valid").verdict;
            assert_eq!(verdict, Verdict::VerifiedInPart, "{id}");
        }
    }
    fix_support::say(&format!("{seen} modules with an import that is known by its use"));
}

#[test]
fn constructors_that_register_with_the_host_do_not_stop_growth_from_being_seen() {
    let (_, verification) = verified(
        &assemble(
            r#"(module
            (import "app" "register" (func $register (param i32)))
            (import "env" "emscripten_resize_heap" (func $grow (param i32) (result i32)))
            (memory (export "memory") 1)
            (global $break (mut i32) (i32.const 1024))
            (func (export "__wasm_call_ctors") (call $register (i32.const 7)))
            (func (export "malloc") (param $size i32) (result i32)
                (local $at i32)
                (local.set $at (global.get $break))
                (local.set $size (i32.and (i32.add (local.get $size) (i32.const 15)) (i32.const -16)))
                (global.set $break (i32.add (local.get $at) (local.get $size)))
                (if (i32.gt_u (global.get $break) (i32.shl (memory.size) (i32.const 16)))
                    (then (if (i32.eqz (call $grow (global.get $break))) (then (return (i32.const 0))))))
                (local.get $at))
            (func (export "free") (param i32)))"#,
        ),
        &Options::default(),
    );
    assert_eq!(verification.verdict, Verdict::VerifiedInPart, "{verification:#?}");
    assert_eq!(reasons(&verification), [Reason::ImportsStay]);
    assert!(verification.evidence.iter().all(|evidence| evidence.growth.is_some()), "{verification:#?}");
}

#[test]
fn what_opens_files_is_verified_in_part() {
    let module = |name: &str, ty: &str| {
        let text = format!(
            r#"(module (import "wasi_snapshot_preview1" "{name}" (func (param {ty}) (result i32)))
                (memory (export "memory") 1) (func (export "f") (param i32) (result i32) (local.get 0)))"#
        );
        verified(&assemble(&text), &Options::default()).1
    };
    let opens = module("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32");
    assert_eq!((opens.verdict, reasons(&opens)), (Verdict::VerifiedInPart, vec![Reason::NoFiles]));
    assert_eq!(module("fd_write", "i32 i32 i32 i32").verdict, Verdict::Verified);
}
