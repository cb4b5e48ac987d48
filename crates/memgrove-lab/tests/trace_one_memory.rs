//! Modules traced for engines that know one memory: they run there, and record what they record with two.

use std::collections::HashMap;
use std::fs;
use std::process::Command;

use memgrove_lab::engine::{self, EngineId, Host, HostTrap, Instance, Settings, Value};
use memgrove_profile::{Profile, What};
use memgrove_rewrite::trace::{Options, Role, Sample, TraceError, trace};

mod fix_support;
mod trace_support;

use trace_support::{ENGINES, located, stack, start_as, start_with, traced};

/// A free list in front of a bump allocator, and a program that allocates by frames, a table, nested calls, a host that
/// calls back or fails, and a trap. Functions: 0 the host's, 1 malloc, 2 free, 3 calloc, 4 realloc, 5 keep, 6 run, 7 deep,
/// 8 trap.
const PROGRAM: &str = r#"(module
    (import "env" "host" (func $host (param i32)))
    (type $size (func (param i32) (result i32)))
    (memory (export "memory") 64) (table 1 funcref) (elem (i32.const 0) $malloc)
    (global $next (mut i32) (i32.const 65536)) (global $list (mut i32) (i32.const 0))
    (func $malloc (export "malloc") (param $size i32) (result i32) (local $block i32)
        (if (i32.and (i32.ne (global.get $list) (i32.const 0)) (i32.le_u (local.get $size) (i32.const 1024)))
            (then
                (local.set $block (global.get $list))
                (global.set $list (i32.load (local.get $block)))
                (return (local.get $block))))
        (if (i32.gt_u (local.get $size) (i32.sub (i32.const 4194304) (global.get $next)))
            (then (return (i32.const 0))))
        (local.set $block (global.get $next))
        (global.set $next (i32.add (global.get $next) (i32.and
            (i32.add (local.get $size) (i32.const 1023)) (i32.const -1024))))
        ;; What it hands out is not clear.
        (i64.store (local.get $block) (i64.const -1))
        (i64.store offset=504 (local.get $block) (i64.const -1))
        (local.get $block))
    (func $free (export "free") (param $block i32)
        (if (local.get $block) (then
            (i32.store (local.get $block) (global.get $list))
            (global.set $list (local.get $block)))))
    (func $calloc (param i32 i32) (result i32) (call $malloc (i32.mul (local.get 0) (local.get 1))))
    (func $realloc (param $old i32) (param $size i32) (result i32)
        (call $malloc (local.get $size)) (call $free (local.get $old)))
    (func $keep (export "keep") (param i32) (result i32) (call $malloc (local.get 0)))
    (func (export "run") (param $what i32)
        (call $free (call $keep (i32.const 24)))
        (drop (call $realloc (call $calloc (i32.const 3) (i32.const 5)) (i32.const 99)))
        (call $host (local.get $what))
        (drop (call $malloc (i32.const 8000000)))
        (drop (call_indirect (type $size) (i32.const 7) (i32.const 0))))
    (func $deep (export "deep") (param $depth i32)
        (if (local.get $depth) (then (call $deep (i32.sub (local.get $depth) (i32.const 1)))))
        (drop (call $keep (local.get $depth))))
    (func (export "trap") (drop (call $keep (i32.const 1))) unreachable))"#;

fn host() -> Host {
    Host::new().function("env", "host", |caller, arguments| match arguments {
        [Value::I32(1)] => Err(HostTrap("it fails".to_owned())),
        [Value::I32(2)] => Ok(caller.call("keep", &[Value::I32(16)]).map(|_| Vec::new())?),
        _ => Ok(Vec::new()),
    })
}

fn options() -> Options {
    let functions = [(1, Role::Malloc), (2, Role::Free), (3, Role::Calloc), (4, Role::Realloc)];
    Options { functions: functions.into(), ..Options::default() }
}

/// The same in a block of 1 MiB.
fn in_block(options: &Options) -> Options {
    Options { one_memory: true, max_bytes: 1 << 20, ..options.clone() }
}

fn work(instance: &mut dyn Instance) {
    for what in [0, 1, 2, 0] {
        assert_eq!(instance.call("run", &[Value::I32(what)]).is_ok(), what != 1);
    }
    assert!(instance.call("trap", &[]).is_err());
    assert!(instance.call("deep", &[Value::I32(20)]).is_ok());
}

/// Each event in words, with blocks by the order in which they were first seen, as the recording takes one of them.
fn events(profile: &Profile, wasm: &[u8]) -> Vec<String> {
    let mut known = HashMap::new();
    let mut block = |address: u64| {
        let next = known.len();
        *known.entry(address).or_insert(next)
    };
    let words = profile.events.iter().map(|event| {
        let what = match event.what {
            What::Allocated { block: at, size, .. } => format!("+{}:{size}", block(at)),
            What::Freed { block: at, .. } => format!("-{}", block(at)),
            What::Moving { block: at } => format!("{}>", block(at)),
            What::Moved { block: at, size, .. } => format!(">{}:{size}", block(at)),
            What::Refused { size } => format!("!{size}"),
        };
        format!("{what} {} {}", event.is_nested, stack(profile, wasm, event.node))
    });
    words.collect()
}

#[test]
fn one_memory_records_what_two_do() {
    let wasm = wat::parse_str(PROGRAM).expect("well-formed");
    let sample = Some(Sample { mean_bytes: 64, seed: 5 });
    let kinds = [
        options(),
        Options { stacks: false, ..options() },
        Options { sample, ..options() },
        Options { sample, stacks: false, ..options() },
    ];
    for (kind, engine) in kinds.iter().flat_map(|kind| ENGINES.map(|engine| (kind, engine))) {
        let two = traced(&wasm, kind);
        let one = traced(&wasm, &in_block(kind));
        let settings = Settings { one_memory: true, ..Settings::default() };
        let refused = engine::open(engine, &settings).expect("it is linked in").compile(&two.wasm);
        assert!(refused.is_err(), "{engine} knows several memories, so nothing is shown");
        let mut before = start_with(engine, &two.wasm, &host());
        let mut after = start_as(engine, &settings, &one.wasm, &host());
        work(&mut *before);
        work(&mut *after);
        let (two, one) = (located(&mut *before, &wasm), located(&mut *after, &wasm));
        let seen = events(&one, &wasm);
        assert_eq!(seen, events(&two, &wasm), "{engine}");
        assert!(seen.len() > if kind.sample.is_some() { 5 } else { 50 }, "{seen:?}");
        assert_eq!(one.nodes, two.nodes, "{engine}");
        assert_eq!((one.event_count, one.allocated_bytes), (two.event_count, two.allocated_bytes));
        assert!(!one.is_log_cut && !one.are_nodes_full && !one.are_stacks_cut && !one.are_stacks_mixed);
        assert_eq!(one.summary().contradictions, two.summary().contradictions);
    }
}

#[test]
fn what_does_not_fit_into_the_block_is_told_and_the_program_goes_on() {
    let wasm = wat::parse_str(PROGRAM).expect("well-formed");
    let settings = Settings { one_memory: true, ..Settings::default() };
    let start = |max_bytes: u64| {
        let one = traced(&wasm, &Options { one_memory: true, max_bytes, ..options() });
        start_as(EngineId::Wasmtime, &settings, &one.wasm, &host())
    };
    // The least: a log of one event.
    let mut instance = start(0);
    work(&mut *instance);
    let profile = located(&mut *instance, &wasm);
    assert!(profile.is_log_cut && profile.events.len() == 1 && profile.event_count > 40);
    // More functions in progress than the stack has slots.
    assert!(instance.call("deep", &[Value::I32(5000)]).is_ok());
    assert!(located(&mut *instance, &wasm).are_stacks_cut);
    // More than the allocator has: it is asked once, and nothing is recorded.
    let mut instance = start(64 << 20);
    work(&mut *instance);
    let place = instance.call("memgrove_profile_place", &[]).expect("it is exported");
    assert_eq!(place.values, [Value::I32(0)]);
    let mut plain = start_with(EngineId::Wasmtime, &wasm, &host());
    work(&mut *plain);
    let next = |instance: &mut dyn Instance| {
        instance.call("malloc", &[Value::I32(2000)]).expect("it is there").values
    };
    assert_eq!(next(&mut *instance), next(&mut *plain), "the program's blocks are where they were");
}

#[test]
fn a_heap_that_cannot_be_asked_is_refused() {
    let wasm = wat::parse_str(PROGRAM).expect("well-formed");
    let only = |func, role| Options { functions: [(func, role)].into(), one_memory: true, ..options() };
    assert!(matches!(trace(&wasm, &only(2, Role::Free)), Err(TraceError::NoBlock { .. })));
    let new = trace(&wasm, &only(3, Role::New)).expect_err("it is collected");
    assert!(new.to_string().contains("collected"), "{new}");
}

/// Node 20 and older know one memory; the shipped reader reads the block.
#[test]
fn an_older_node_runs_it() {
    let wasm = wat::parse_str(PROGRAM).expect("well-formed");
    let two = traced(&wasm, &options());
    let one = traced(&wasm, &in_block(&options()));
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("two.wasm"), two.wasm).expect("it can be written");
    fs::write(folder.path().join("one.wasm"), one.wasm).expect("it can be written");
    let reader = fix_support::root().join("crates/memgrove-profile/profile.mjs");
    let program = format!(
        "const fs = require('fs');
         if (WebAssembly.validate(fs.readFileSync('two.wasm'))) process.exit(9);
         import({reader:?}).then(({{ readProfile }}) => {{
             let e;
             const host = what => {{ if (what === 1) throw Error('it fails'); if (what === 2) e.keep(16) }};
             e = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync('one.wasm')), {{ env: {{ host }} }}).exports;
             for (const what of [0, 1, 2, 0]) try {{ e.run(what) }} catch {{}}
             try {{ e.trap() }} catch {{}}
             e.deep(20);
             fs.writeFileSync('profile', readProfile(e.memgrove_profile, e.memgrove_profile_place()));
         }})"
    );
    let Ok(output) = Command::new("node").arg("-e").arg(program).current_dir(folder.path()).output() else {
        fix_support::say("skipped: there is no `node`");
        return;
    };
    if output.status.code() == Some(9) {
        fix_support::say("skipped: this Node knows several memories");
        return;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let profile = fs::read(folder.path().join("profile")).expect("it was written");
    let mut profile = Profile::read(&profile).expect("it is whole");
    let facts = memgrove_module::facts(&wasm).expect("it is valid");
    memgrove_view::profile::locate(&mut profile, &facts);
    let mut instance = start_with(EngineId::Wasmi, &traced(&wasm, &options()).wasm, &host());
    work(&mut *instance);
    assert_eq!(events(&profile, &wasm), events(&located(&mut *instance, &wasm), &wasm));
}
