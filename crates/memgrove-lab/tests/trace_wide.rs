//! Modules with 64-bit addresses are traced as others are: every role, on every engine that knows such memories.

use std::fs;
use std::process::Command;

use memgrove_lab::engine::{Instance, Value};
use memgrove_profile::{Contradictions, Profile};
use memgrove_rewrite::trace::{Options, Role, Sample, TraceError, trace};

mod fix_support;
mod own_js;
mod trace_support;

use trace_support::{ENGINES, events, located, start, traced};

/// An allocator that hands out addresses above 4 GiB, which nobody accesses, and every interface over it.
/// 0 malloc, 1 free, 2 calloc, 3 realloc, 4 memalign, 5 posix_memalign, 6 alloc, 7 dealloc, 8 realloc, 9 keep, 10 run.
const PROGRAM: &str = r#"(module
    (memory (export "memory") i64 1)
    (global $next (mut i64) (i64.const 0x1_0000_1000))
    (func $malloc (export "malloc") (param $size i64) (result i64)
        (if (i64.gt_u (local.get $size) (i64.const 0x1000_0000_0000)) (then (return (i64.const 0))))
        (global.get $next)
        (global.set $next (i64.add (global.get $next) (local.get $size))))
    (func $free (param i64))
    (func $calloc (param i64 i64) (result i64) (call $malloc (i64.mul (local.get 0) (local.get 1))))
    (func $realloc (param i64 i64) (result i64) (call $free (local.get 0)) (call $malloc (local.get 1)))
    (func $memalign (param i64 i64) (result i64) (call $malloc (local.get 1)))
    (func $posix_memalign (param i64 i64 i64) (result i32)
        (i64.store (local.get 0) (call $malloc (local.get 2)))
        (i32.const 0))
    (func $alloc (param i64 i64) (result i64) (call $malloc (local.get 0)))
    (func $dealloc (param i64 i64 i64) (call $free (local.get 0)))
    (func $resize (param i64 i64 i64 i64) (result i64) (call $malloc (local.get 3)))
    (func $keep (param i64) (result i64) (call $malloc (local.get 0)))
    (func (export "run") (result i64)
        (drop (call $keep (i64.const 8)))
        (call $free (i64.const 0))
        (drop (call $realloc (call $calloc (i64.const 3) (i64.const 8)) (i64.const 0x3_0000_0000)))
        (drop (call $keep (i64.const 0x2000_0000_0000)))
        (drop (call $memalign (i64.const 64) (i64.const 16)))
        (drop (call $posix_memalign (i64.const 128) (i64.const 32) (i64.const 16)))
        (call $dealloc
            (call $resize (call $alloc (i64.const 4) (i64.const 16)) (i64.const 4) (i64.const 16) (i64.const 40))
            (i64.const 40) (i64.const 16))
        (call $free (i64.load (i64.const 128)))
        (global.get $next)))"#;

fn options() -> Options {
    let functions = [
        (0, Role::Malloc),
        (1, Role::Free),
        (2, Role::Calloc),
        (3, Role::Realloc),
        (4, Role::Memalign),
        (5, Role::PosixMemalign),
        (6, Role::RustAlloc),
        (7, Role::RustDealloc),
        (8, Role::RustRealloc),
    ];
    Options { functions: functions.into(), ..Options::default() }
}

const FIRST: u64 = 0x1_0000_1000;
const LARGE: u64 = 0x3_0000_0000;

/// What [`PROGRAM`] does, with the stacks of its calls or without.
fn expected(stacks: bool) -> Vec<String> {
    let after = FIRST + 32 + LARGE;
    let at = |offset: u64| after + offset;
    let lines = [
        (format!("+{FIRST}:8"), "!10 10 9"),
        (format!("+{}:24 nested", FIRST + 8), "!10 10 2"),
        (format!("+{}:24", FIRST + 8), "!10 10"),
        (format!("{}>", FIRST + 8), "!10 10"),
        (format!("-{} nested", FIRST + 8), "!10 10 3"),
        (format!("+{}:{LARGE} nested", FIRST + 32), "!10 10 3"),
        (format!(">{}:{LARGE}", FIRST + 32), "!10 10"),
        (format!("!{}", 0x2000_0000_0000_u64), "!10 10 9"),
        (format!("+{}:16 nested", at(0)), "!10 10 4"),
        (format!("+{}:16", at(0)), "!10 10"),
        (format!("+{}:16 nested", at(16)), "!10 10 5"),
        (format!("+{}:16", at(16)), "!10 10"),
        (format!("+{}:4 nested", at(32)), "!10 10 6"),
        (format!("+{}:4", at(32)), "!10 10"),
        (format!("{}>", at(32)), "!10 10"),
        (format!("+{}:40 nested", at(36)), "!10 10 8"),
        (format!(">{}:40", at(36)), "!10 10"),
        (format!("-{}", at(36)), "!10 10"),
        (format!("-{} nested", at(36)), "!10 10 7"),
        (format!("-{}", at(16)), "!10 10"),
    ];
    lines.map(|(what, stack)| format!("{what} {}", if stacks { stack } else { "" })).to_vec()
}

fn check(profile: &Profile, wasm: &[u8], stacks: bool) {
    assert_eq!(events(profile, wasm), expected(stacks));
    let bytes = 8 + 24 + LARGE + 16 + 16 + 4 + 40;
    assert_eq!(profile.allocated_bytes, bytes);
    assert_eq!(profile.nodes.iter().map(|node| node.bytes).sum::<u64>(), bytes);
    let summary = profile.summary();
    assert_eq!(summary.contradictions, Contradictions::default());
    assert_eq!((summary.final_bytes, summary.final_blocks), (8 + LARGE + 16, 3));
    let aligned: Vec<u8> = profile.replay(|_, _| ()).live().map(|block| block.align_log2).collect();
    assert_eq!(aligned.iter().max(), Some(&6));
}

#[test]
fn every_role_is_recorded_with_64_bit_addresses() {
    let wasm = wat::parse_str(PROGRAM).expect("well-formed");
    for stacks in [true, false] {
        let traced = traced(&wasm, &Options { stacks, ..options() });
        for engine in ENGINES {
            let (mut before, mut after) = (start(engine, &wasm), start(engine, &traced.wasm));
            let run = |instance: &mut dyn Instance| instance.call("run", &[]).expect("it returns").values;
            let result = run(&mut *before);
            assert!(matches!(result[..], [Value::I64(next)] if next > 0x4_0000_0000), "{result:?}");
            assert_eq!(run(&mut *after), result, "{engine}");
            check(&located(&mut *after, &wasm), &wasm, stacks);
        }
    }
}

#[test]
fn what_is_not_recorded_of_them_is_refused() {
    let wasm = wat::parse_str(PROGRAM).expect("well-formed");
    let sample = Some(Sample { mean_bytes: 64, seed: 0 });
    for options in [Options { sample, ..options() }, Options { one_memory: true, ..options() }] {
        assert!(matches!(trace(&wasm, &options), Err(TraceError::Memory64 { .. })));
    }
    // Types of 32 bits are no addresses there.
    let narrow = r#"(module (memory i64 1) (func (export "malloc") (param i32) (result i32) local.get 0))"#;
    let narrow = wat::parse_str(narrow).expect("well-formed");
    let options = Options { functions: [(0, Role::Malloc)].into(), ..Options::default() };
    assert!(matches!(trace(&narrow, &options), Err(TraceError::Role { .. })));
}

/// V8, with the shipped reader.
#[test]
fn node_records_them_too() {
    let Some(node) = own_js::Node::with_several_memories() else {
        fix_support::say("skipped: no Node knows several memories; `cargo xtask setup` gets one");
        return;
    };
    let wasm = wat::parse_str(PROGRAM).expect("well-formed");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("traced.wasm"), traced(&wasm, &options()).wasm).expect("it can be written");
    let reader = fix_support::root().join("crates/memgrove-profile/profile.mjs");
    let program = format!(
        "const fs = require('fs'), wasm = fs.readFileSync('traced.wasm');
         if (!WebAssembly.validate(wasm)) process.exit(9);
         import({reader:?}).then(({{ readProfile }}) => {{
             const e = new WebAssembly.Instance(new WebAssembly.Module(wasm)).exports;
             e.run();
             fs.writeFileSync('profile', readProfile(e.memgrove_profile));
         }})"
    );
    let output = Command::new(node.path()).arg("-e").arg(program).current_dir(folder.path()).output();
    let output = output.expect("node starts");
    if output.status.code() == Some(9) {
        fix_support::say("skipped: this Node knows no memory with 64-bit addresses");
        return;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut profile = Profile::read(&fs::read(folder.path().join("profile")).expect("it was written"))
        .expect("it is whole");
    let facts = memgrove_module::facts(&wasm).expect("it is valid");
    memgrove_view::profile::locate(&mut profile, &facts);
    check(&profile, &wasm, true);
}
