//! Traced modules behave as before, and record what they did: every block, its size, and who asked for it.

use std::collections::BTreeMap;

use memgrove_lab::engine::EngineId;
use memgrove_module::allocator::{Operation, Param, Returned};
use memgrove_module::facts::Facts;
use memgrove_profile::{Export, Frame, Metric, Names, Site, What};
use memgrove_rewrite::trace::{Options, ROLES, Role, Sample, TraceError, trace};

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

/// A module whose function 0 has a role: what it is given is told by constants, and it hands out the block at 4096, or none.
fn of_role(role: Role, has_heap: bool, is_wide: bool, is_refused: bool) -> Vec<u8> {
    let word = if is_wide { "i64" } else { "i32" };
    let mut params: Vec<(&str, u32)> = has_heap.then_some((word, 7)).into_iter().collect();
    params.extend(role.params().iter().map(|param| match param {
        Param::Size => (word, 24),
        Param::Count => (word, 3),
        Param::Align => (word, 16),
        Param::OldSize => (word, 8),
        Param::Pointer => (word, 2048),
        Param::OutPointer => (word, 64),
        Param::Class => ("i32", 5),
        other => panic!("{role} has {other:?}"),
    }));
    let types: String = params.iter().map(|(ty, _)| format!(" (param {ty})")).collect();
    let given: String = params.iter().map(|(ty, value)| format!(" ({ty}.const {value})")).collect();
    let block = if is_refused { 0 } else { 4096 };
    let (result, body, end) = match role.result() {
        Returned::Nothing => (String::new(), String::new(), ("", "")),
        Returned::Status => {
            let at = usize::from(has_heap);
            let status = if is_refused { 12 } else { 0 };
            let body = format!("({word}.store (local.get {at}) ({word}.const {block})) (i32.const {status})");
            (" (result i32)".to_owned(), body, ("(drop ", ")"))
        }
        _ => (format!(" (result {word})"), format!("({word}.const {block})"), ("(drop ", ")")),
    };
    let memory = if is_wide { "i64 1" } else { "1" };
    let (before, after) = end;
    let text = format!(
        "(module (memory (export \"memory\") {memory}) (func{types}{result} {body}) (func (export \"run\") {before}(call 0{given}){after}))"
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{role}: {error}\n{text}"))
}

/// What is recorded of it, by what the role's documentation says.
fn expected_of_role(role: Role, is_refused: bool) -> Vec<What> {
    let has = |param| role.params().contains(&param);
    let size = if has(Param::Count) { 3 * 24 } else { 24 };
    let align_log2 = if has(Param::Align) { 4 } else { 0 };
    let (old, block) = (2048, 4096);
    match (role.operation(), is_refused) {
        (Operation::Free, _) => {
            vec![What::Freed { block: old, size: if has(Param::OldSize) { 8 } else { 0 } }]
        }
        (Operation::UsableSize, _) => Vec::new(),
        (Operation::Realloc, false) => {
            vec![What::Moving { block: old }, What::Moved { block, size, align_log2 }]
        }
        (Operation::Realloc, true) => vec![What::Moving { block: old }, What::Refused { size }],
        (_, false) => vec![What::Allocated { block, size, align_log2 }],
        (_, true) => vec![What::Refused { size }],
    }
}

#[test]
fn every_role_is_recorded_as_a_function_and_as_a_method_with_addresses_of_32_and_64_bits() {
    let flags = [false, true];
    for &role in ROLES {
        for (has_heap, is_wide) in flags.into_iter().flat_map(|heap| flags.map(|wide| (heap, wide))) {
            for is_refused in flags {
                let wasm = of_role(role, has_heap, is_wide, is_refused);
                let options = Options {
                    functions: [(0, role)].into(),
                    methods: has_heap.then_some(0).into_iter().collect(),
                    ..Options::default()
                };
                let mut instance = start(EngineId::Wasmi, &traced(&wasm, &options).wasm);
                instance.call("run", &[]).expect("it returns");
                let profile = located(&mut *instance, &wasm);
                let seen: Vec<What> = profile.events.iter().map(|event| event.what).collect();
                let words = format!("{role}, heap: {has_heap}, wide: {is_wide}, refused: {is_refused}");
                assert_eq!(seen, expected_of_role(role, is_refused), "{words}");
                for event in &profile.events {
                    assert_eq!(stack(&profile, &wasm, event.node), "!1 1", "{words}");
                }
            }
        }
    }
}

/// The host sees the same module: its imports, and its exports in their order, behind which only what is ours stands.
#[test]
fn imports_stay_and_exports_are_only_added_to_and_the_same_is_made_each_time() {
    let imports = PROGRAM
        .replace("(memory (export \"memory\") 1)", "(import \"env\" \"memory\" (memory 1 200))")
        .replace("(module", "(module (import \"env\" \"tick\" (func $tick))");
    let numbered = |functions: [u32; 4]| {
        let roles = [Role::Malloc, Role::Free, Role::Calloc, Role::Realloc];
        Options { functions: functions.into_iter().zip(roles).collect(), ..Options::default() }
    };
    let sample = Some(Sample { mean_bytes: 64, seed: 3 });
    for (text, options) in [(PROGRAM.to_owned(), options()), (imports, numbered([1, 2, 3, 4]))] {
        let wasm = wat::parse_str(text).expect("well-formed");
        let before = memgrove_module::facts(&wasm).expect("it is valid");
        for options in [
            options.clone(),
            Options { stacks: false, ..options.clone() },
            Options { sample, ..options.clone() },
            Options { one_memory: true, max_bytes: 1 << 22, ..options.clone() },
            Options { instances: true, ..options.clone() },
        ] {
            let made = traced(&wasm, &options).wasm;
            assert_eq!(traced(&wasm, &options).wasm, made, "{options:?}");
            let after = memgrove_module::facts(&made).expect("it is valid");
            let imported = |facts: &Facts<'_>| -> Vec<String> {
                facts
                    .imports
                    .iter()
                    .map(|import| format!("{} {} {:?}", import.module, import.name, import.ty))
                    .collect()
            };
            assert_eq!(imported(&after), imported(&before), "{options:?}");
            let exported = |facts: &Facts<'_>| -> Vec<String> {
                facts.exports.iter().map(|export| format!("{} {:?}", export.name, export.kind)).collect()
            };
            let (old, all) = (exported(&before), exported(&after));
            assert_eq!(all[..old.len()], old, "{options:?}");
            assert!(all.len() > old.len());
            assert!(all[old.len()..].iter().all(|name| name.starts_with("memgrove_")), "{all:?}");
        }
    }
}
