//! The rules of tracing that need V8: exceptions of the host's that the program catches, the older form of exceptions,
//! and a host that puts functions of its own into the program's table.

use std::fs;
use std::process::Command;

use memgrove_profile::Profile;
use memgrove_rewrite::trace::{Options, Role};

mod fix_support;
mod own_js;
mod trace_support;

use own_js::Node;
use trace_support::{events, traced};

/// Runs `script` on the traced module, whose exports are `e`; returns its recording. `imports` is JavaScript, too.
fn run(
    name: &str,
    text: &str,
    functions: &[(u32, Role)],
    imports: &str,
    script: &str,
) -> Option<Vec<String>> {
    let Some(node) = Node::with_several_memories() else {
        fix_support::say("skipped: no Node knows several memories; `cargo xtask setup` gets one");
        return None;
    };
    let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let options = Options { functions: functions.iter().copied().collect(), ..Options::default() };
    let folder = std::env::temp_dir().join(format!("memgrove-trace-node-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("traced.wasm"), traced(&wasm, &options).wasm).expect("it can be written");
    let program = format!(
        "const fs = require('fs'), expect = (got, wanted) => {{ if (got !== wanted) throw Error(got + ' ' + wanted) }};
         const fails = f => {{ try {{ f() }} catch {{ return }} throw Error('it did not fail') }};
         let e; const imports = {imports};
         WebAssembly.instantiate(fs.readFileSync('traced.wasm'), imports).then(({{ instance }}) => {{
             e = instance.exports;
             {script}
             fs.writeFileSync('memory', Buffer.from(e.memgrove_profile.buffer));
         }})"
    );
    let output = Command::new(node.path()).arg("-e").arg(program).current_dir(&folder).output();
    let output = output.expect("node starts");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let memory = fs::read(folder.join("memory")).expect("it was written");
    fs::remove_dir_all(&folder).expect("it is there");
    let bytes = Profile::bytes_of_memory(&memory).expect("a recording");
    let mut profile = Profile::read(&bytes).expect("it is whole");
    assert!(!profile.are_stacks_mixed && !profile.are_stacks_cut);
    let facts = memgrove_module::facts(&wasm).expect("it is valid");
    memgrove_view::profile::locate(&mut profile, &facts);
    Some(events(&profile, &wasm))
}

const MALLOC: &str = r#"(global $next (mut i32) (i32.const 1024))
    (func $malloc (param i32) (result i32)
        (global.get $next) (global.set $next (i32.add (global.get $next) (i32.const 16))))"#;

#[test]
fn the_older_form_of_exceptions_is_followed() {
    // 0 the host's, 1 malloc, 2 throws after a frame of its own, 3 catches, 4 rethrows, 5 delegates.
    let text = format!(
        r#"(module (import "env" "host" (func $host (param i32))) (memory 1) (tag $e) {MALLOC}
        (func $throws (param i32)
            (drop (call $malloc (i32.const 9)))
            (if (local.get 0) (then (call $throws (i32.const 0))) (else (throw $e))))
        (func (export "catches")
            try i32.const 1 call $throws catch $e (drop (call $malloc (i32.const 1))) end
            try i32.const 1 call $host catch_all (drop (call $malloc (i32.const 2))) end
            (drop (call $malloc (i32.const 3))))
        (func $rethrows (export "rethrows")
            try i32.const 0 call $throws catch $e (drop (call $malloc (i32.const 4))) rethrow 0 end)
        (func (export "delegates")
            try
                try call $rethrows delegate 0
            catch_all
                (drop (call $malloc (i32.const 5)))
            end
            (drop (call $malloc (i32.const 6)))))"#
    );
    let imports = "{ env: { host: () => { throw Error('host') } } }";
    let script = "e.catches(); fails(() => e.rethrows()); e.delegates(); e.catches();";
    let Some(seen) = run("older", &text, &[(1, Role::Malloc)], imports, script) else { return };
    let seen: Vec<&str> = seen.iter().map(|event| event.split_once(':').expect("a size").1).collect();
    let catches = ["9 !3 3 2", "9 !3 3 2 2", "1 !3 3", "2 !3 3", "3 !3 3"];
    let rethrows = ["9 !4 4 2", "4 !4 4"];
    let delegates = ["9 !5 5 4 2", "4 !5 5 4", "5 !5 5", "6 !5 5"];
    assert_eq!(seen, [&catches[..], &rethrows, &delegates, &catches].concat());
}

#[test]
fn a_host_that_throws_leaves_no_frames_behind() {
    // 0 the host's, 1 `invoke_v`, 2 malloc, 3 calls the host, 4 `run`, 5 calls by `invoke_v`, 6 throws by the host.
    let text = format!(
        r#"(module (import "env" "host" (func $host (param i32))) (import "env" "invoke_v" (func $invoke (param i32)))
        (memory 1) (table (export "table") 4 funcref) (elem (i32.const 0) $ask $throws) {MALLOC}
        (func $ask (call $host (i32.const 0)))
        (func (export "run") (call $ask) (drop (call $malloc (i32.const 1))))
        (func (export "invokes")
            (call $invoke (i32.const 1))
            (drop (call $malloc (i32.const 3))))
        (func $throws (drop (call $malloc (i32.const 2))) (call $ask) (drop (call $malloc (i32.const 8))))
        (func (export "by_table") (param i32)
            (call_indirect (local.get 0))
            (drop (call $malloc (i32.const 5))))
        (func (export "small") (drop (call $malloc (i32.const 6)))))"#
    );
    let imports = "{ env: { host: () => host(), invoke_v: at => { try { e.table.get(at)() } catch {} } } }";
    let script = "
        globalThis.host = () => { throw Error('host') };
        for (let i = 0; i < 3; i++) fails(() => e.run());
        e.small();
        e.invokes();
        e.small();
        globalThis.host = () => e.small();
        e.run();
        // A function of the host's in the program's table, which calls the program.
        e.table.set(2, new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([
            0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 2, 7, 1, 1, 97, 1, 98, 0, 0, 7, 5, 1, 1, 99, 0, 0,
        ])), { a: { b: () => e.small() } }).exports.c);
        e.by_table(2);
        // The program's own function, called by the host through the table.
        globalThis.host = () => {};
        e.table.get(1)();
        e.small();";
    let Some(seen) = run("throws", &text, &[(2, Role::Malloc)], imports, script) else { return };
    let seen: Vec<&str> = seen.iter().map(|event| event.split_once(':').expect("a size").1).collect();
    let expected = [
        "6 !8 8",
        "2 !5 5 6",
        "3 !5 5",
        "6 !8 8",
        "6 !4 4 3? !8 8",
        "1 !4 4",
        "6 !7 7? !8 8",
        "5 !7 7",
        "2 !6 6",
        "8 !6 6",
        "6 !8 8",
    ];
    assert_eq!(seen, expected);
}
