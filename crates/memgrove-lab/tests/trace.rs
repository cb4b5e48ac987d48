//! Traced modules behave as before, and record what they did: every block, its size, and who asked for it.

use std::collections::BTreeMap;

use memgrove_lab::engine::EngineId;
use memgrove_profile::{Export, Frame, Metric, Names, Site, What};
use memgrove_rewrite::trace::{Options, Role, TraceError, trace};

mod trace_support;

use trace_support::{ENGINES, call, located, stack, start, traced};

/// An allocator that bumps and never takes back, and a program over it. Functions are numbered as they stand.
const PROGRAM: &str = r#"(module
    (type $size (func (param i32) (result i32)))
    (memory (export "memory") 1)
    (table 1 funcref) (elem (i32.const 0) $malloc)
    (global $next (mut i32) (i32.const 1024))
    (func $malloc (export "malloc") (param $size i32) (result i32)                          ;; 0
        (if (i32.gt_u (local.get $size) (i32.const 4096)) (then (return (i32.const 0))))
        (global.get $next)
        (global.set $next (i32.add (global.get $next) (local.get $size))))
    (func $free (export "free") (param i32))                                                 ;; 1
    (func $calloc (export "calloc") (param i32 i32) (result i32)                             ;; 2
        (call $malloc (i32.mul (local.get 0) (local.get 1))))
    (func $realloc (export "realloc") (param $block i32) (param $size i32) (result i32)      ;; 3
        (local $new i32)
        (local.set $new (call $malloc (local.get $size)))
        (if (local.get $new) (then (call $free (local.get $block))))
        (local.get $new))
    (func $inner (param i32) (result i32) (call $malloc (local.get 0)))                      ;; 4
    (func $outer (export "outer") (param i32) (result i32)                                   ;; 5
        (call $idle)
        (call $inner (local.get 0)))
    (func $idle)                                                                             ;; 6
    (func $deep (export "deep") (param $depth i32) (result i32)                              ;; 7
        (if (result i32) (local.get $depth)
            (then (call $deep (i32.sub (local.get $depth) (i32.const 1))))
            (else (call_indirect (type $size) (i32.const 8) (i32.const 0)))))
    (func $tail (export "tail") (param i32) (result i32) (return_call $inner (local.get 0))) ;; 8
    (func (export "trap") (drop (call $outer (i32.const 1))) unreachable))                   ;; 9"#;

fn options() -> Options {
    let functions = [(0, Role::Malloc), (1, Role::Free), (2, Role::Calloc), (3, Role::Realloc)];
    Options { functions: functions.into(), ..Options::default() }
}

fn program() -> Vec<u8> {
    wat::parse_str(PROGRAM).expect("well-formed")
}

#[test]
fn every_block_is_recorded_with_its_stack() {
    let wasm = program();
    let traced = traced(&wasm, &options());
    for engine in ENGINES {
        let (mut before, mut after) = (start(engine, &wasm), start(engine, &traced.wasm));
        let calls: [(&str, &[i32]); 6] = [
            ("outer", &[24]),
            ("deep", &[2]),
            ("tail", &[40]),
            ("malloc", &[5000]),
            ("calloc", &[3, 4]),
            ("realloc", &[1024, 32]),
        ];
        for (name, arguments) in calls {
            let result = call(&mut *before, name, arguments);
            assert!(result.is_some(), "{name}");
            assert_eq!(call(&mut *after, name, arguments), result, "{name} on {engine}");
        }
        let profile = located(&mut *after, &wasm);
        let seen: Vec<(What, bool, String)> = profile
            .events
            .iter()
            .map(|event| (event.what, event.is_nested, stack(&profile, &wasm, event.node)))
            .collect();
        let allocated = |block, size| What::Allocated { block, size, align_log2: 0 };
        let expected = [
            (allocated(1024, 24), false, "!5 5 4"),
            (allocated(1048, 8), false, "!7 7 7 7"),
            // A tail call leaves its caller: the host has called 4, as far as can be seen.
            (allocated(1056, 40), false, "!4 4"),
            (What::Refused { size: 5000 }, false, "!0"),
            (allocated(1096, 12), true, "!2 2"),
            (allocated(1096, 12), false, "!2"),
            (What::Moving { block: 1024 }, false, "!3"),
            (allocated(1108, 32), true, "!3 3"),
            (What::Freed { block: 1024, size: 0 }, true, "!3 3"),
            (What::Moved { block: 1108, size: 32, align_log2: 0 }, false, "!3"),
        ]
        .map(|(what, nested, stack)| (what, nested, stack.to_owned()));
        assert_eq!(seen, expected, "{engine}");
        assert_eq!(profile.event_count, 10);

        let summary = profile.summary();
        assert_eq!(summary.contradictions, memgrove_profile::Contradictions::default());
        assert_eq!((summary.allocations, summary.reallocations, summary.refused), (4, 1, 1));
        assert_eq!((summary.final_bytes, summary.final_blocks), (8 + 40 + 12 + 32, 4));
        assert_eq!(summary.peak_bytes, 8 + 40 + 12 + 32);
    }
}

#[test]
fn a_trap_leaves_no_frames_behind() {
    let wasm = program();
    let traced = traced(&wasm, &options());
    for engine in ENGINES {
        let mut instance = start(engine, &traced.wasm);
        for _ in 0..3 {
            assert!(instance.call("trap", &[]).is_err());
        }
        call(&mut *instance, "outer", &[8]);
        let profile = located(&mut *instance, &wasm);
        let last = profile.events.last().expect("there are events");
        assert_eq!(stack(&profile, &wasm, last.node), "!5 5 4", "{engine}");
        assert!(profile.events.iter().all(|event| !event.is_nested), "{engine}");
    }
}

#[test]
fn deep_recursion_shares_the_last_slot_and_goes_on() {
    let wasm = program();
    let traced = traced(&wasm, &options());
    // wasmtime's stack ends sooner.
    let mut instance = start(EngineId::Wasmtime, &traced.wasm);
    let result = call(&mut *instance, "deep", &[3000]);
    assert_eq!(result, Some(1024));
    let profile = located(&mut *instance, &wasm);
    assert_eq!(profile.stack(profile.events[0].node).count(), 3002);
}

#[test]
fn the_log_ends_at_its_limit_and_counts_go_on() {
    let wasm = program();
    // The least that is allowed: one growth of 16 pages does not fit, so there is no log at all.
    let few = traced(&wasm, &Options { max_bytes: 0, ..options() });
    let mut instance = start(EngineId::Wasmtime, &few.wasm);
    for _ in 0..5 {
        call(&mut *instance, "outer", &[8]);
    }
    let profile = located(&mut *instance, &wasm);
    assert!(profile.is_log_cut);
    assert!(profile.events.is_empty());
    assert_eq!((profile.event_count, profile.allocated_bytes), (5, 40));
    let counted: Vec<(u64, u64)> =
        profile.nodes.iter().map(|node| (node.count, node.bytes)).filter(|&(count, _)| count > 0).collect();
    assert_eq!(counted, [(5, 40)]);

    // It is said before, with the least that would do.
    let [note] = &few.notes[..] else { panic!("{:?}", few.notes) };
    let least = note.split_whitespace().rev().nth(4).and_then(|word| word.parse().ok());
    let least: u64 = least.unwrap_or_else(|| panic!("{note}"));
    for (max_bytes, has_log) in [(least, true), (least - 1, false)] {
        let traced = traced(&wasm, &Options { max_bytes, ..options() });
        let mut instance = start(EngineId::Wasmtime, &traced.wasm);
        call(&mut *instance, "outer", &[8]);
        let profile = located(&mut *instance, &wasm);
        assert_eq!((traced.notes.is_empty(), !profile.events.is_empty()), (has_log, has_log), "{max_bytes}");
    }
}

#[test]
fn without_stacks_only_events_are_noted() {
    let wasm = program();
    let plain = traced(&wasm, &Options { stacks: false, ..options() });
    assert_eq!(plain.framed, 0);
    let mut instance = start(EngineId::Wasmtime, &plain.wasm);
    call(&mut *instance, "outer", &[8]);
    let profile = located(&mut *instance, &wasm);
    assert_eq!(profile.events[0].node, 0);
}

#[test]
fn stacks_collapse_into_lines() {
    let wasm = program();
    let traced = traced(&wasm, &options());
    let mut instance = start(EngineId::Wasmtime, &traced.wasm);
    call(&mut *instance, "outer", &[24]);
    let profile = located(&mut *instance, &wasm);
    let names = |site| {
        let function = match site {
            Site::Entry(func) => format!("export;{func}"),
            Site::Call(_) | Site::Within(_) => "call".to_owned(),
        };
        vec![Frame { function, ..Frame::default() }]
    };
    let (names, summary): (&dyn Names, _) = (&names, profile.summary());
    let text = Export { profile: &profile, summary: &summary, names, module: "" }.collapsed(Metric::Peak);
    assert_eq!(text, "export_5;call;call 24\n");
}

#[test]
fn what_cannot_be_traced_is_refused_with_the_reason() {
    let wasm = program();
    let role = |func, role| Options { functions: BTreeMap::from([(func, role)]), ..Options::default() };
    assert!(matches!(trace(&wasm, &Options::default()), Err(TraceError::NoFunctions)));
    assert!(matches!(trace(&wasm, &role(99, Role::Malloc)), Err(TraceError::NoFunction { func: 99 })));
    assert!(matches!(trace(&wasm, &role(6, Role::Malloc)), Err(TraceError::Role { func: 6, .. })));
    let once = traced(&wasm, &options());
    assert!(matches!(trace(&once.wasm, &options()), Err(TraceError::Already { .. })));
    assert!(matches!(trace(b"\0asm", &options()), Err(TraceError::Module(_))));
}
