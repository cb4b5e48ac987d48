//! Calls that are suspended while the host calls others (JSPI), in V8: the stacks are right, or said not to be.

use std::fs;
use std::process::Command;

use memgrove_profile::Profile;
use memgrove_rewrite::trace::{Options, Role};

mod fix_support;
mod own_js;
mod trace_support;

use own_js::Node;
use trace_support::{events, traced};

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
