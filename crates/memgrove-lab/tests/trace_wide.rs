//! Modules with 64-bit addresses are traced as others are: every role, on every engine that knows such memories.

use std::fs;
use std::process::Command;

use memgrove_lab::engine::{EngineId, Instance, Memory, Value};
use memgrove_profile::{Contradictions, Profile};
use memgrove_rewrite::trace::{NotShared, Options, Role, Sample, TraceError, trace};

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

/// A compiler's program, as it notes itself what it asked its allocator for.
#[test]
fn a_program_of_clangs_is_recorded_as_its_own_shadow_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = fix_support::root().join("crates/memgrove-lab/tests/trace_wide.c");
    let out = folder.path().join("program.wasm");
    let mut clang = Command::new("clang-22");
    clang.args(["--target=wasm64", "-nostdlib", "-ffreestanding", "-fno-builtin", "-O1", "--no-wasm-opt"]);
    clang.args(["-Wl,--no-entry", "-Wl,--export-memory"]).arg(source).arg("-o").arg(&out);
    let output = match clang.output() {
        Ok(output) => output,
        Err(error) => return fix_support::say(&format!("skipped: clang-22: {error}; `cargo xtask setup`")),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let wasm = fs::read(out).expect("it was written");
    let facts = memgrove_module::facts(&wasm).expect("it is valid");
    let func = |name: &str| facts.func_named(name).unwrap_or_else(|| panic!("no {name}"));
    let roles = [
        ("malloc", Role::Malloc),
        ("free", Role::Free),
        ("calloc", Role::Calloc),
        ("realloc", Role::Realloc),
    ];
    let functions = roles.map(|(name, role)| (func(name), role));
    let options = Options { functions: functions.into(), ..Options::default() };
    let traced = traced(&wasm, &options);
    for engine in ENGINES {
        let (mut before, mut after) = (start(engine, &wasm), start(engine, &traced.wasm));
        let run = |instance: &mut dyn Instance| {
            instance.call("run", &[Value::I32(4000)]).expect("it returns").values
        };
        assert_eq!(run(&mut *after), run(&mut *before), "{engine}");
        let number = |instance: &mut dyn Instance, name: &str| {
            let values = instance.call(name, &[]).expect("it returns").values;
            let [Value::I64(number)] = values[..] else { panic!("{values:?}") };
            number.cast_unsigned()
        };
        let (place, count) = (number(&mut *after, "shadow"), number(&mut *after, "shadow_count"));
        let bytes = after.read(Memory::Export("memory"), place, count * 24).expect("it can be read");
        let word = |at: usize| u64::from_le_bytes(bytes[8 * at..][..8].try_into().expect("8 bytes"));
        let stack = |name: &str| format!("!{run} {run} {}", func(name), run = func("run"));
        let profile = located(&mut *after, &wasm);
        let seen = events(&profile, &wasm);
        let seen = seen.iter().filter(|event| !event.contains("nested"));
        let mut kinds = [0; 6];
        // What is cleared and what is kept are allocated alike, and told apart by their stacks; the shadow does not say.
        let expected = (0..usize::try_from(count).expect("small")).map(|call| {
            let [what, block, size] = [0, 1, 2].map(|at| word(3 * call + at));
            kinds[usize::try_from(what).expect("small")] += 1;
            match what {
                1 => (format!("+{block}:{size}"), vec![stack("keep"), stack("clear")]),
                2 => (format!("-{block}"), vec![stack("drop")]),
                3 => (format!("{block}>"), vec![stack("resize")]),
                4 => (format!(">{block}:{size}"), vec![stack("resize")]),
                _ => (format!("!{size}"), vec![stack("keep"), stack("clear"), stack("resize")]),
            }
        });
        let expected: Vec<_> = expected.collect();
        assert_eq!(seen.clone().count(), expected.len(), "{engine}");
        for (seen, (what, stacks)) in seen.zip(&expected) {
            let is_so = stacks.iter().any(|stack| *seen == format!("{what} {stack}"));
            assert!(is_so, "{engine}: {seen} is not {what} by {stacks:?}");
        }
        assert!(kinds[1..].iter().all(|&count| count > 5), "{kinds:?}");
        assert_eq!(profile.summary().contradictions, Contradictions::default());
    }
}

/// A free list in front of what bumps, with nested calls and refusals, for addresses of one type or the other.
const CHURN: &str = r#"(module
    (memory (export "memory") ADDRESS 64)
    (global $next (mut ADDRESS) (ADDRESS.const 65536)) (global $list (mut ADDRESS) (ADDRESS.const 0))
    (func $malloc (param $size ADDRESS) (result ADDRESS) (local $block ADDRESS)
        (if (ADDRESS.gt_u (local.get $size) (ADDRESS.const 4000)) (then (return (ADDRESS.const 0))))
        (if (ADDRESS.ne (local.tee $block (global.get $list)) (ADDRESS.const 0))
            (then (global.set $list (ADDRESS.load (local.get $block))) (return (local.get $block))))
        (global.get $next)
        (global.set $next (ADDRESS.add (global.get $next) (ADDRESS.const 64))))
    (func $free (param $block ADDRESS)
        (ADDRESS.store (local.get $block) (global.get $list))
        (global.set $list (local.get $block)))
    (func $calloc (param ADDRESS ADDRESS) (result ADDRESS)
        (call $malloc (ADDRESS.mul (local.get 0) (local.get 1))))
    (func $realloc (param ADDRESS ADDRESS) (result ADDRESS) (local $new ADDRESS)
        (if (ADDRESS.ne (local.tee $new (call $malloc (local.get 1))) (ADDRESS.const 0))
            (then (call $free (local.get 0))))
        (local.get $new))
    (func $size (param $i ADDRESS) (result ADDRESS)
        (ADDRESS.and (ADDRESS.mul (local.get $i) (ADDRESS.const 0x9e37)) (ADDRESS.const 0xfff)))
    (func (export "run") (param $rounds i32) (local $i ADDRESS) (local $block ADDRESS)
        (loop $next
            (local.set $i (ADDRESS.add (local.get $i) (ADDRESS.const 1)))
            (local.set $block (call $calloc (call $size (local.get $i)) (ADDRESS.const 1)))
            (if (ADDRESS.ne (local.get $block) (ADDRESS.const 0))
                (then
                    (if (ADDRESS.eqz (ADDRESS.rem_u (local.get $i) (ADDRESS.const 5)))
                        (then (local.set $block
                            (call $realloc (local.get $block) (ADDRESS.rem_u (local.get $i) (ADDRESS.const 900))))))
                    (if (ADDRESS.ne (ADDRESS.rem_u (local.get $i) (ADDRESS.const 3)) (ADDRESS.const 0))
                        (then (call $free (local.get $block))))))
            (br_if $next (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))))"#;

/// The same seed hits the same blocks of the same program, whatever the length of its addresses; that these are no other
/// blocks than they should be is shown for 32 bits, in `trace_rules`.
#[test]
fn a_sample_is_the_same_with_64_bit_addresses() {
    let functions = [(0, Role::Malloc), (1, Role::Free), (2, Role::Calloc), (3, Role::Realloc)];
    let program = |address: &str| {
        let text = CHURN.replace("ADDRESS 64)", if address == "i64" { "i64 64)" } else { "64)" });
        wat::parse_str(text.replace("ADDRESS", address)).expect("well-formed")
    };
    let programs = ["i32", "i64"].map(program);
    for (seed, stacks) in (0..4).flat_map(|seed| [(seed, true), (seed, false)]) {
        let sample = Some(Sample { mean_bytes: 1500, seed });
        let options = Options { functions: functions.into(), sample, stacks, ..Options::default() };
        let [narrow, wide] = programs.each_ref().map(|wasm| {
            let mut instance = start(EngineId::Wasmi, &traced(wasm, &options).wasm);
            assert!(instance.call("run", &[Value::I32(2000)]).is_ok());
            let profile = located(&mut *instance, wasm);
            let summary = profile.summary();
            assert_eq!(summary.contradictions, Contradictions::default());
            (events(&profile, wasm), summary, profile.estimates(), profile.sample_bytes)
        });
        assert!(narrow.0.len() > 500 && narrow.1.final_blocks > 50, "{} {:?}", narrow.0.len(), narrow.1);
        assert_eq!(narrow, wide, "seed {seed}");
    }
}

/// Blocks whose addresses are the same but for their upper halves are others.
#[test]
fn a_sample_tells_apart_blocks_that_lie_4_gib_from_one_another() {
    let wasm = wat::parse_str(
        r#"(module (memory i64 1) (global $next (mut i64) (i64.const 64))
            (func $malloc (param i64) (result i64)
                (global.get $next) (global.set $next (i64.add (global.get $next) (i64.const 0x1_0000_0000))))
            (func $free (param i64))
            (func (export "run")
                (drop (call $malloc (i64.const 10))) (drop (call $malloc (i64.const 11)))
                (drop (call $malloc (i64.const 12)))
                (call $free (i64.const 0x1_0000_0040))
                (call $free (i64.const 0x9_0000_0040))))"#,
    );
    let wasm = wasm.expect("well-formed");
    // Every byte is hit.
    let sample = Some(Sample { mean_bytes: 1, seed: 1 });
    let functions = [(0, Role::Malloc), (1, Role::Free)].into();
    let options = Options { functions, sample, stacks: false, ..Options::default() };
    for engine in ENGINES {
        let mut instance = start(engine, &traced(&wasm, &options).wasm);
        assert!(instance.call("run", &[]).is_ok());
        let profile = located(&mut *instance, &wasm);
        let far = 0x1_0000_0040_u64;
        let expected = [
            "+64:10 ".to_owned(),
            format!("+{far}:11 "),
            format!("+{}:12 ", far + (1 << 32)),
            format!("-{far} "),
        ];
        assert_eq!(events(&profile, &wasm), expected, "{engine}");
    }
}

#[test]
fn what_is_not_recorded_of_them_is_refused() {
    let wasm = wat::parse_str(PROGRAM).expect("well-formed");
    let one_memory = Options { one_memory: true, ..options() };
    assert!(matches!(trace(&wasm, &one_memory), Err(TraceError::Memory64)));
    let several = Options { instances: true, ..options() };
    assert!(matches!(trace(&wasm, &several), Err(TraceError::Shared(NotShared::Wide))));
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
