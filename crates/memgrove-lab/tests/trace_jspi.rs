//! Calls that are suspended while the host calls others, by V8 (JSPI) or by the module itself (Asyncify): the stacks are right, or
//! said not to be.

use std::fs;
use std::process::Command;

use memgrove_lab::engine::{Host, Value};
use memgrove_profile::Profile;
use memgrove_rewrite::trace::{Options, Role};

mod fix_support;
mod own_js;
mod trace_support;

use own_js::Node;
use trace_support::{ENGINES, call, events, located, start_with, traced};

/// 0 the host's, which suspends, 1 malloc, 2 keeps, 3 waits, 4 `run`, 5 `small`.
const PROGRAM: &str = r#"(module
    (import "env" "wait" (func $wait (param i32)))
    (memory 1) (global $next (mut i32) (i32.const 1024))
    (func $malloc (param i32) (result i32)
        (global.get $next) (global.set $next (i32.add (global.get $next) (i32.const 16))))
    (func $keep (param i32) (drop (call $malloc (local.get 0))))
    (func $waits (param i32)
        (call $keep (i32.add (local.get 0) (i32.const 1)))
        (call $wait (local.get 0))
        (call $keep (i32.add (local.get 0) (i32.const 2))))
    (func (export "run") (param i32)
        (call $waits (local.get 0))
        (call $keep (i32.add (local.get 0) (i32.const 3))))
    (func (export "small") (call $keep (i32.const 99))))"#;

/// Runs `script` with `run`, whose promise ends after `go[n]()` if it was called with n. `None`: no Node for it.
fn recorded(script: &str) -> Option<(Vec<u8>, Profile)> {
    let Some(node) = Node::with_several_memories() else {
        fix_support::say("skipped: no Node knows several memories; `cargo xtask setup` gets one");
        return None;
    };
    let wasm = wat::parse_str(PROGRAM).expect("well-formed");
    let options = Options { functions: [(1, Role::Malloc)].into(), ..Options::default() };
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("traced.wasm"), traced(&wasm, &options).wasm).expect("it can be written");
    let program = format!(
        "const fs = require('fs');
         if (!WebAssembly.Suspending) process.exit(9);
         const go = {{}}, wait = n => new Promise(done => {{ go[n] = done }});
         const env = {{ wait: new WebAssembly.Suspending(wait) }};
         const e = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync('traced.wasm')), {{ env }}).exports;
         const run = WebAssembly.promising(e.run);
         (async () => {{
             {script}
             fs.writeFileSync('memory', Buffer.from(e.memgrove_profile.buffer));
         }})().catch(error => {{ console.error(error); process.exit(1) }})"
    );
    let mut command = Command::new(node.path());
    command.args(["--experimental-wasm-jspi", "-e"]).arg(program).current_dir(folder.path());
    let output = command.output().expect("node starts");
    if output.status.code() == Some(9) {
        fix_support::say("skipped: this Node suspends no calls");
        return None;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let memory = fs::read(folder.path().join("memory")).expect("it was written");
    let bytes = Profile::bytes_of_memory(&memory).expect("a recording");
    let mut profile = Profile::read(&bytes).expect("it is whole");
    let facts = memgrove_module::facts(&wasm).expect("it is valid");
    memgrove_view::profile::locate(&mut profile, &facts);
    Some((wasm, profile))
}

fn seen(wasm: &[u8], profile: &Profile) -> Vec<String> {
    events(profile, wasm).iter().map(|event| event.split_once(':').expect("a size").1.to_owned()).collect()
}

#[test]
fn a_suspended_call_goes_on_with_its_own_stack() {
    let script = "const first = run(10); e.small(); await null; e.small(); go[10](); await first; e.small();";
    let Some((wasm, profile)) = recorded(script) else { return };
    assert!(!profile.are_stacks_mixed);
    // What the host calls meanwhile interrupts the call, as far as the module can see.
    let expected =
        ["11 !4 4 3 2", "99 !4 4 3? !5 5 2", "99 !4 4 3? !5 5 2", "12 !4 4 3 2", "13 !4 4 2", "99 !5 5 2"];
    assert_eq!(seen(&wasm, &profile), expected);
}

#[test]
fn the_last_that_was_suspended_may_go_on_first() {
    let script = "const first = run(10), second = run(20);
        go[20](); await second; go[10](); await first; e.small();";
    let Some((wasm, profile)) = recorded(script) else { return };
    assert!(!profile.are_stacks_mixed);
    let expected = [
        "11 !4 4 3 2",
        "21 !4 4 3? !4 4 3 2",
        "22 !4 4 3? !4 4 3 2",
        "23 !4 4 3? !4 4 2",
        "12 !4 4 3 2",
        "13 !4 4 2",
        "99 !5 5 2",
    ];
    assert_eq!(seen(&wasm, &profile), expected);
}

#[test]
fn another_order_is_told() {
    let script = "const first = run(10), second = run(20);
        go[10](); await first; go[20](); await second; e.small();";
    let Some((wasm, profile)) = recorded(script) else { return };
    assert!(profile.are_stacks_mixed);
    // Blocks and sizes are right in any case, and each stack's own functions at the time of the call.
    let seen = seen(&wasm, &profile);
    let sizes: Vec<&str> = seen.iter().filter_map(|event| event.split(' ').next()).collect();
    assert_eq!(sizes, ["11", "21", "12", "13", "22", "23", "99"]);
    assert_eq!(profile.summary().final_blocks, 7);
    assert!(seen.last().is_some_and(|last| last.ends_with("!5 5 2")), "{seen:?}");
}

/// A program that sleeps twice, in a function that allocates before and behind that, two calls below the host.
const SLEEPS: &str = r#"(module
    (import "env" "sleep" (func $sleep))
    (memory (export "memory") 1)
    (data (i32.const 16) "\18\00\00\00\00\04\00\00")
    (global $next (mut i32) (i32.const 4096))
    (func $malloc (export "malloc") (param $size i32) (result i32)
        (global.get $next) (global.set $next (i32.add (global.get $next) (i32.const 64))))
    (func $free (export "free") (param i32))
    (func $inner (param $i i32)
        (drop (call $malloc (local.get $i)))
        (call $sleep)
        (drop (call $malloc (i32.add (local.get $i) (i32.const 100)))))
    (func $outer (param $i i32)
        (call $inner (local.get $i))
        (drop (call $malloc (i32.const 7)))
        (call $inner (i32.add (local.get $i) (i32.const 1))))
    (func (export "run") (param $i i32)
        (call $outer (local.get $i))
        (drop (call $malloc (i32.const 9)))))"#;

/// Where the program's stack is kept meanwhile, as the data segment says.
const KEPT: Value = Value::I32(16);

/// Binaryen's Asyncify suspends by returning from every function, and goes on by calling them all again.
#[test]
fn what_asyncify_suspends_has_the_stacks_of_a_program_that_is_not() {
    let wasm_opt = fix_support::root().join("out/tools/node_modules/.bin/wasm-opt");
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, out) = (wat::parse_str(SLEEPS).expect("well-formed"), folder.path().join("out.wasm"));
    fs::write(folder.path().join("in.wasm"), &plain).expect("it can be written");
    let mut command = Command::new(wasm_opt);
    command.arg(folder.path().join("in.wasm")).args(["--asyncify", "-O1", "-o"]).arg(&out);
    match command.status() {
        Ok(status) => assert!(status.success(), "wasm-opt"),
        Err(error) => {
            return fix_support::say(&format!("skipped: wasm-opt: {error}; `cargo xtask setup` gets it"));
        }
    }
    let asyncified = fs::read(out).expect("it was written");
    let options = Options { functions: [(1, Role::Malloc), (2, Role::Free)].into(), ..Options::default() };
    for engine in ENGINES {
        let idle = Host::new().function("env", "sleep", |_, _| Ok(Vec::new()));
        let mut instance = start_with(engine, &traced(&plain, &options).wasm, &idle);
        assert!(instance.call("run", &[Value::I32(1)]).is_ok());
        let expected = events(&located(&mut *instance, &plain), &plain);
        assert_eq!(expected.len(), 6);

        let sleeps = Host::new().function("env", "sleep", |caller, _| {
            let is_awake = caller.call("asyncify_get_state", &[])? == [Value::I32(0)];
            match is_awake {
                true => caller.call("asyncify_start_unwind", &[KEPT])?,
                false => caller.call("asyncify_stop_rewind", &[])?,
            };
            Ok(Vec::new())
        });
        let mut instance = start_with(engine, &traced(&asyncified, &options).wasm, &sleeps);
        let mut slept = 0;
        loop {
            assert!(instance.call("run", &[Value::I32(1)]).is_ok());
            if call(&mut *instance, "asyncify_get_state", &[]) == Some(0) {
                break;
            }
            slept += 1;
            assert!(instance.call("asyncify_stop_unwind", &[]).is_ok());
            assert!(instance.call("asyncify_start_rewind", &[KEPT]).is_ok());
        }
        assert_eq!(slept, 2);
        let profile = located(&mut *instance, &asyncified);
        assert_eq!(events(&profile, &asyncified), expected, "{engine}");
        assert!(!profile.are_stacks_mixed && !profile.are_stacks_cut, "{engine}");
    }
}
