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

/// V8's own stack of a trap in the instrumented module is, through the map, that of the same trap in the original.
#[test]
fn an_engines_stack_is_found_in_the_original() {
    let Some(node) = Node::with_several_memories() else {
        fix_support::say("skipped: no Node knows several memories; `cargo xtask setup` gets one");
        return;
    };
    let text = format!(
        r#"(module {MALLOC}
            (func $deep (param i32) (result i32)
                (drop (call $malloc (i32.const 8)))
                (if (i32.eqz (local.get 0)) (then (unreachable)))
                (call $deep (i32.sub (local.get 0) (i32.const 1))))
            (func (export "run") (result i32) (drop (call $malloc (i32.const 16))) (call $deep (i32.const 3))))"#
    );
    let wasm = wat::parse_str(text).expect("it is valid");
    let options = Options { functions: [(0, Role::Malloc)].into_iter().collect(), ..Options::default() };
    let traced = traced(&wasm, &options);
    let folder = tempfile::tempdir().expect("a folder");
    let places = |name: &str, wasm: &[u8]| -> Vec<(u32, u32)> {
        fs::write(folder.path().join(name), wasm).expect("it can be written");
        let program = format!(
            "const e = new WebAssembly.Instance(new WebAssembly.Module(require('fs').readFileSync('{name}'))).exports;
             try {{ e.run() }} catch (error) {{ console.log(error.stack) }}"
        );
        let output = Command::new(node.path()).arg("-e").arg(program).current_dir(folder.path()).output();
        let stack = String::from_utf8(output.expect("node starts").stdout).expect("it is UTF-8");
        let places = stack.split("wasm-function[").skip(1).map(|place| {
            let (index, rest) = place.split_once("]:0x").expect("an offset");
            let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next().expect("some digits");
            (index.parse().expect("a number"), u32::from_str_radix(digits, 16).expect("a number"))
        });
        places.collect()
    };
    let original = places("original.wasm", &wasm);
    assert_eq!(original.len(), 5, "{original:?}");
    let of_traced = places("traced.wasm", &traced.wasm);
    let found: Vec<(u32, u32)> = of_traced
        .iter()
        .filter_map(|(func, offset)| {
            Some((traced.map.original_function(*func)?, traced.map.original_offset(*offset)?))
        })
        .collect();
    assert_eq!(found, original, "{of_traced:?}");
    assert_ne!(of_traced, original, "nothing moved, so nothing was shown");
}

/// Recordings are read with the shipped reader: while the program goes on, of two instances, and of one that has trapped.
#[test]
fn a_recording_can_be_read_at_any_time_of_each_instance_and_after_a_trap() {
    let Some(node) = Node::with_several_memories() else {
        fix_support::say("skipped: no Node knows several memories; `cargo xtask setup` gets one");
        return;
    };
    let text = format!(
        r#"(module (import "host" "snapshot" (func $snapshot)) {MALLOC}
            (func $free (param i32))
            (func (export "run") (param i32) (result i32)
                (drop (call $malloc (local.get 0)))
                (call $snapshot)
                (call $malloc (i32.add (local.get 0) (i32.const 1))))
            (func (export "trap") (drop (call $malloc (i32.const 99))) unreachable)
            (func (export "free") (param i32) (call $free (local.get 0))))"#
    );
    let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    let options = Options {
        functions: [(1, Role::Malloc), (2, Role::Free)].into_iter().collect(),
        ..Options::default()
    };
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("traced.wasm"), traced(&wasm, &options).wasm).expect("it can be written");
    let reader = fix_support::root().join("crates/memgrove-profile/profile.mjs");
    let program = format!(
        "const {{ readFileSync, writeFileSync }} = require('fs');
         import({reader:?}).then(({{ readProfile }}) => {{
             const module = new WebAssembly.Module(readFileSync('traced.wasm'));
             const save = (name, e) => writeFileSync(name, readProfile(e.memgrove_profile));
             let first, live = 0;
             const host = {{ snapshot: () => {{ if (live++ === 0) save('live', first) }} }};
             first = new WebAssembly.Instance(module, {{ host }}).exports;
             const second = new WebAssembly.Instance(module, {{ host }}).exports;
             const block = first.run(10);
             second.run(20);
             save('before', first);
             first.free(block);
             try {{ first.trap(); throw Error('no trap') }} catch (error) {{
                 if (!(error instanceof WebAssembly.RuntimeError)) throw error;
             }}
             save('trapped', first);
             first.run(30);
             save('after', first);
             save('second', second);
         }})"
    );
    let output = Command::new(node.path()).arg("-e").arg(program).current_dir(folder.path()).output();
    let output = output.expect("node starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| {
        let bytes = fs::read(folder.path().join(name)).expect("it was written");
        let mut profile = Profile::read(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let facts = memgrove_module::facts(&wasm).expect("it is valid");
        memgrove_view::profile::locate(&mut profile, &facts);
        profile
    };
    let sizes = |name: &str| -> Vec<u64> {
        let mut sizes = Vec::new();
        read(name).replay(|step, _| match step {
            memgrove_profile::Step::Born(block) => sizes.push(block.size),
            memgrove_profile::Step::Died(block, _) => sizes.push(1000 + block.size),
            _ => {}
        });
        sizes
    };
    assert_eq!(sizes("live"), [10]);
    assert_eq!(sizes("before"), [10, 11]);
    assert_eq!(sizes("trapped"), [10, 11, 1011, 99]);
    assert_eq!(sizes("after"), [10, 11, 1011, 99, 30, 31]);
    assert_eq!(sizes("second"), [20, 21]);
    // The trap leaves no frame under what is called next.
    let after = read("after");
    let depths: Vec<usize> = after.events.iter().map(|event| after.stack(event.node).count()).collect();
    assert_eq!(depths[0], depths[4], "{depths:?}");
    // What grew between two.
    let [before, after] = [read("before"), after].map(|profile| profile.summary());
    assert_eq!(after.final_bytes - before.final_bytes, 99 + 30 + 31 - 11);
}
