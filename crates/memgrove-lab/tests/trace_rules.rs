//! The rules of tracing, each on the engines that can run its module: nesting, stacks, exceptions, calls by the host.

use memgrove_lab::engine::{EngineId, Host, HostTrap, Instance, Value};
use memgrove_profile::{Contradictions, Estimate};
use memgrove_rewrite::trace::{Options, Role, Sample, trace};

mod trace_support;

use trace_support::{ENGINES, call, events, located, stack, start, start_with, traced};

/// An allocator that bumps, in blocks of 16 bytes; `free` does nothing. Its functions come first.
const BUMP: &str = r#"
    (global $next (mut i32) (i32.const 1024))
    (func $malloc (export "malloc") (param $size i32) (result i32)
        (global.get $next)
        (global.set $next (i32.add (global.get $next)
            (i32.and (i32.add (local.get $size) (i32.const 15)) (i32.const -16)))))
    (func $free (export "free") (param i32))"#;

fn module(imports: &str, rest: &str) -> Vec<u8> {
    let text = format!("(module {imports} (memory (export \"memory\") 1) {BUMP} {rest})");
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn roles(functions: &[(u32, Role)]) -> Options {
    Options { functions: functions.iter().copied().collect(), ..Options::default() }
}

/// A host whose function `env.host` does what its argument says: 1 fails, 2 calls `alloc`, 3 does both, 4 calls `run`
/// with 2, 5 calls the function 0 of the table.
fn host() -> Host {
    Host::new().function("env", "host", |caller, arguments| {
        let what = match arguments {
            [Value::I32(what)] => *what,
            _ => 0,
        };
        match what {
            2 | 3 => drop(caller.call("alloc", &[Value::I32(16)])?),
            4 => drop(caller.call("run", &[Value::I32(2)])?),
            5 => drop(caller.call_table(0, &[Value::I32(16)])?),
            _ => {}
        }
        if what == 1 || what == 3 {
            return Err(HostTrap("it fails".to_owned()));
        }
        Ok(Vec::new())
    })
}

/// Functions: 0 the host's, 1 malloc, 2 free, 3 `alloc`, 4 calls the host, 5 `run`.
const ASKS: &str = r#"
    (table (export "table") 1 funcref) (elem (i32.const 0) $alloc)
    (func $alloc (export "alloc") (param i32) (result i32) (call $malloc (local.get 0)))
    (func $ask (param i32) (call $host (local.get 0)))
    (func $run (export "run") (param i32)
        (call $ask (local.get 0))
        (drop (call $malloc (i32.const 8))))"#;
const HOST: &str = r#"(import "env" "host" (func $host (param i32)))"#;

fn run(instance: &mut dyn Instance, what: i32) -> bool {
    instance.call("run", &[Value::I32(what)]).is_ok()
}

#[test]
fn what_the_host_calls_has_a_stack_of_its_own_joined_where_it_is_proven() {
    let wasm = module(HOST, ASKS);
    let traced = traced(&wasm, &roles(&[(1, Role::Malloc), (2, Role::Free)]));
    for engine in ENGINES {
        let mut instance = start_with(engine, &traced.wasm, &host());
        assert!(run(&mut *instance, 0));
        assert!(run(&mut *instance, 2));
        // The host fails: the frames that had called it are gone, and the program is not told.
        assert!(!run(&mut *instance, 1));
        call(&mut *instance, "alloc", &[16]);
        // Whether `alloc` was called before or after those frames ended is not known: it stands alone.
        assert!(!run(&mut *instance, 3));
        call(&mut *instance, "alloc", &[16]);
        assert!(run(&mut *instance, 4));
        assert!(run(&mut *instance, 5));
        let profile = located(&mut *instance, &wasm);
        let expected = [
            "+1024:8 !5 5",
            "+1040:16 !5 5 4? !3 3",
            "+1056:8 !5 5",
            "+1072:16 !3 3",
            "+1088:16 !3 3",
            "+1104:16 !3 3",
            "+1120:16 !5 5 4? !5 5 4? !3 3",
            "+1136:8 !5 5 4? !5 5",
            "+1152:8 !5 5",
            "+1168:16 !5 5 4? !3 3",
            "+1184:8 !5 5",
        ];
        assert_eq!(events(&profile, &wasm), expected, "{engine}");
        assert!(!profile.are_stacks_mixed && !profile.are_stacks_cut, "{engine}");
    }
}

#[test]
fn calls_that_never_return_do_not_use_up_the_stack() {
    let wasm = module(HOST, ASKS);
    let traced = traced(&wasm, &roles(&[(1, Role::Malloc), (2, Role::Free)]));
    let mut instance = start_with(EngineId::Wasmtime, &traced.wasm, &host());
    // Each leaves two slots; the stack has 131,072.
    for _ in 0..80_000 {
        assert!(!run(&mut *instance, 1));
    }
    assert!(run(&mut *instance, 2));
    let profile = located(&mut *instance, &wasm);
    assert_eq!(events(&profile, &wasm), ["+1024:16 !5 5 4? !3 3", "+1040:8 !5 5"]);
    assert!(!profile.are_stacks_mixed && !profile.are_stacks_cut);
}

#[test]
fn who_catches_an_exception_finds_its_own_frame_again() {
    // 0 malloc, 1 free, 2 throws after two frames, 3 catches and goes on, 4 calls 3 and goes on, 5 catches in a loop.
    let text = r#"(tag $e)
        (func $throws (param i32)
            (if (local.get 0)
                (then (call $throws (i32.sub (local.get 0) (i32.const 1))))
                (else (throw $e))))
        (func $catches (export "catches")
            (block $caught
                (try_table (catch_all $caught) (call $throws (i32.const 1))))
            (drop (call $malloc (i32.const 1)))
            (block $caught
                (try_table (catch $e $caught)
                    (drop (call $malloc (i32.const 2)))
                    (call $throws (i32.const 3))))
            (drop (call $malloc (i32.const 3))))
        (func (export "outer") (call $catches) (drop (call $malloc (i32.const 4))))
        (func (export "loops") (local $i i32)
            (loop $again
                (if (i32.lt_u (local.get $i) (i32.const 3))
                    (then
                        (local.set $i (i32.add (local.get $i) (i32.const 1)))
                        (drop (call $malloc (i32.const 5)))
                        (try_table (catch_all $again) (call $throws (i32.const 2)))))))"#;
    // `throws` leads to no allocation as it stands; when it does, it has frames, and leaves them behind.
    let with_frames = text.replace("(throw $e)", "(drop (call $malloc (i32.const 7))) (throw $e)");
    for wasm in [module("", text), module("", &with_frames)] {
        let traced = traced(&wasm, &roles(&[(0, Role::Malloc), (1, Role::Free)]));
        let mut instance = start(EngineId::Wasmtime, &traced.wasm);
        for name in ["outer", "loops", "outer"] {
            assert!(instance.call(name, &[]).is_ok(), "{name}");
        }
        let profile = located(&mut *instance, &wasm);
        let stacks: Vec<String> = events(&profile, &wasm)
            .iter()
            .map(|event| event.split_once(':').expect("a size").1.to_owned())
            .filter(|event| !event.starts_with('7'))
            .collect();
        let outer = ["1 !4 4 3", "2 !4 4 3", "3 !4 4 3", "4 !4 4"];
        let expected = [&outer[..], &["5 !5 5"; 3], &outer].concat();
        assert_eq!(stacks, expected);
    }
}

#[test]
fn an_exception_through_the_allocator_silences_nothing() {
    // 0 malloc: calls a handler that allocates by 1 and throws; 3 catches.
    let text = r#"(module (memory 1) (tag $e) (global $next (mut i32) (i32.const 1024))
        (func $malloc (param i32) (result i32)
            (if (i32.eq (local.get 0) (i32.const 99)) (then (call $handler)))
            (call $bump (local.get 0)))
        (func $bump (param i32) (result i32)
            (global.get $next) (global.set $next (i32.add (global.get $next) (i32.const 16))))
        (func $handler (drop (call $malloc (i32.const 5))) (throw $e))
        (func (export "run")
            (block $caught (try_table (catch_all $caught) (drop (call $malloc (i32.const 99)))))
            (drop (call $malloc (i32.const 6)))))"#;
    let wasm = wat::parse_str(text).expect("well-formed");
    for stacks in [true, false] {
        let options = Options { stacks, ..roles(&[(0, Role::Malloc)]) };
        let mut instance = start(EngineId::Wasmtime, &traced(&wasm, &options).wasm);
        assert!(instance.call("run", &[]).is_ok());
        assert!(instance.call("run", &[]).is_ok());
        let summary = located(&mut *instance, &wasm).summary();
        assert_eq!((summary.allocations, summary.final_bytes), (4, 22), "stacks: {stacks}");
        assert_eq!(summary.contradictions, Contradictions::default());
        if stacks {
            let profile = located(&mut *instance, &wasm);
            let expected =
                ["+1024:5 nested !3 3 0 2", "+1040:6 !3 3", "+1056:5 nested !3 3 0 2", "+1072:6 !3 3"];
            assert_eq!(events(&profile, &wasm), expected);
        }
    }
}

#[test]
fn a_collector_that_frees_inside_of_an_allocation_is_seen() {
    // AssemblyScript's order: 0 `__new` collects now and then, 1 frees, 2 the collector, 3 the program.
    let text = r#"(module (memory 1) (global $next (mut i32) (i32.const 1024))
        (func $new (export "__new") (param i32 i32) (result i32)
            (if (i32.eq (global.get $next) (i32.const 1056)) (then (call $collect)))
            (global.get $next) (global.set $next (i32.add (global.get $next) (i32.const 16))))
        (func $free (param i32))
        (func $collect (call $free (i32.const 1024)) (call $free (i32.const 1040)))
        (func (export "run") (drop (call $new (i32.const 10) (i32.const 1)))))"#;
    let wasm = wat::parse_str(text).expect("well-formed");
    let traced = traced(&wasm, &roles(&[(0, Role::New), (1, Role::Free)]));
    assert!(
        traced.notes.iter().any(|note| note.contains("when the collector sweeps it")),
        "{:?}",
        traced.notes
    );
    for engine in ENGINES {
        let mut instance = start(engine, &traced.wasm);
        for _ in 0..3 {
            assert!(instance.call("run", &[]).is_ok());
        }
        let profile = located(&mut *instance, &wasm);
        let expected = [
            "+1024:10 !3 3",
            "+1040:10 !3 3",
            "-1024 nested !3 3 0 2",
            "-1040 nested !3 3 0 2",
            "+1056:10 !3 3",
        ];
        assert_eq!(events(&profile, &wasm), expected, "{engine}");
        let summary = profile.summary();
        assert_eq!((summary.frees, summary.final_blocks), (2, 1));
    }
}

/// `malloc` that passes on to what does the work, over two functions, in both forms: each block is noted once, with the
/// stack of who called the outermost.
#[test]
fn functions_that_pass_on_note_nothing_of_their_own() {
    let wasm = module(
        "",
        r#"(func $middle (param i32) (result i32) (call $malloc (local.get 0)))
        (func $outer (param i32) (result i32) (call $middle (local.get 0)))
        (func $release (param i32) (call $free (local.get 0)))
        (func $twice (param i32) (result i32) (call $malloc (i32.add (local.get 0) (i32.const 1))))
        (func (export "run")
            (call $release (call $outer (i32.const 24)))
            (drop (call $twice (i32.const 8))))"#,
    );
    let malloc = Role::Malloc;
    let functions = [(0, malloc), (1, Role::Free), (2, malloc), (3, malloc), (4, Role::Free), (5, malloc)];
    let traced = traced(&wasm, &roles(&functions));
    for engine in ENGINES {
        let mut instance = start(engine, &traced.wasm);
        assert!(instance.call("run", &[]).is_ok());
        let profile = located(&mut *instance, &wasm);
        // The last one asks for another size, so both say what they were asked for.
        let expected = ["+1024:24 !6 6", "-1024 !6 6", "+1056:9 nested !6 6 5", "+1056:8 !6 6"];
        assert_eq!(events(&profile, &wasm), expected, "{engine}");
    }
}

#[test]
fn one_function_may_serve_two_interfaces() {
    // Rust's functions over C's: 2 alloc, 3 dealloc; free is dealloc's whole body.
    let wasm = module(
        "",
        r#"(func $alloc (param i32 i32) (result i32) (call $malloc (local.get 0)))
        (func $dealloc (param i32 i32 i32) (call $free (local.get 0)))
        (func (export "run")
            (call $dealloc (call $alloc (i32.const 24) (i32.const 8)) (i32.const 24) (i32.const 8))
            (call $free (call $malloc (i32.const 8))))"#,
    );
    let functions = [(0, Role::Malloc), (1, Role::Free), (2, Role::RustAlloc), (3, Role::RustDealloc)];
    let traced = traced(&wasm, &roles(&functions));
    for engine in ENGINES {
        let mut instance = start(engine, &traced.wasm);
        assert!(instance.call("run", &[]).is_ok());
        let profile = located(&mut *instance, &wasm);
        let expected = [
            "+1024:24 nested !4 4 2",
            "+1024:24 !4 4",
            "-1024 !4 4",
            "-1024 nested !4 4 3",
            "+1056:8 !4 4",
            "-1056 !4 4",
        ];
        assert_eq!(events(&profile, &wasm), expected, "{engine}");
        let summary = profile.summary();
        assert_eq!((summary.allocations, summary.frees, summary.final_blocks), (2, 2, 0));
        assert_eq!(summary.contradictions, Contradictions::default());
    }
}

#[test]
fn calls_of_one_function_by_another_are_told_apart() {
    // Three direct calls, one through a table between them, and a tail call.
    let wasm = module(
        "",
        r#"(type $size (func (param i32) (result i32)))
        (table 1 funcref) (elem (i32.const 0) $inner)
        (func $inner (param i32) (result i32) (call $malloc (local.get 0)))
        (func $outer (export "outer") (result i32)
            (drop (call $inner (i32.const 1)))
            (drop (call $inner (i32.const 2)))
            (drop (call_indirect (type $size) (i32.const 3) (i32.const 0)))
            (drop (call $inner (i32.const 4)))
            (return_call $inner (i32.const 5)))
        (func (export "run") (drop (call $outer)))"#,
    );
    let plain = traced(&wasm, &roles(&[(0, Role::Malloc), (1, Role::Free)]));
    let facts = memgrove_module::facts(&wasm).expect("it is valid");
    let calls: Vec<u32> = facts
        .operators(3)
        .expect("it is defined")
        .into_iter_with_offsets()
        .map_while(Result::ok)
        .filter(|(operator, _)| {
            matches!(operator, wasmparser::Operator::Call { .. } | wasmparser::Operator::CallIndirect { .. })
        })
        .filter_map(|(_, offset)| u32::try_from(offset).ok())
        .collect();
    assert_eq!(calls.len(), 4);
    for engine in ENGINES {
        let mut instance = start(engine, &plain.wasm);
        assert!(instance.call("run", &[]).is_ok());
        let profile = located(&mut *instance, &wasm);
        let sites: Vec<Option<memgrove_profile::Site>> =
            profile.events.iter().map(|event| profile.stack(event.node).nth(1)).collect();
        let mut expected: Vec<_> =
            calls.iter().map(|offset| Some(memgrove_profile::Site::Call(*offset))).collect();
        // The tail call's caller is gone; its own caller called something, nobody knows by which call.
        expected.push(Some(memgrove_profile::Site::Within(4)));
        assert_eq!(sites, expected, "{engine}");
    }
    let coarse =
        traced(&wasm, &Options { call_sites: false, ..roles(&[(0, Role::Malloc), (1, Role::Free)]) });
    let mut instance = start(EngineId::Wasmi, &coarse.wasm);
    assert!(instance.call("run", &[]).is_ok());
    let profile = located(&mut *instance, &wasm);
    let nodes: Vec<u32> = profile.events.iter().map(|event| event.node).collect();
    assert_eq!(nodes[0], nodes[1]);
    assert_eq!(nodes[0], nodes[3]);
}

#[test]
fn every_way_out_of_a_function_takes_its_frame_along() {
    // 0 malloc, 1 free; 2 leaves by `return`, by `br`, by a table of branches, with two results; 3 is one of the
    // allocator's with branches of its own, over 0; 4 calls both.
    let body = r#"(block $one (result i32 i64) (block $zero (result i32 i64)
            (local.get $how) (i64.const 7) (local.get $how) (br_table $zero $one 2))
            (drop) (drop) (local.get $how) (i64.const 8) (return))
        (drop) (drop)
        (if (i32.eq (local.get $how) (i32.const 1)) (then (local.get $how) (i64.const 9) (br 1)))
        (local.get $how) (i64.const 10)"#;
    let wasm = module(
        "",
        &format!(
            r#"(func $leaves (param $how i32) (result i32 i64) (drop (call $malloc (i32.const 1))) {body})
        (func $outer (param $size i32) (result i32)
            (if (i32.gt_u (local.get $size) (i32.const 100)) (then (br 1 (i32.const 0))))
            (if (i32.eq (local.get $size) (i32.const 100)) (then (return (i32.const 4))))
            (call $malloc (local.get $size)))
        (func (export "run") (param $how i32) (result i64) (local $result i64)
            (call $leaves (local.get $how)) (local.set $result) (drop)
            (drop (call $outer (i32.add (i32.const 98) (local.get $how))))
            (local.get $result))"#
        ),
    );
    let functions = [(0, Role::Malloc), (1, Role::Free), (3, Role::Malloc)];
    let traced = traced(&wasm, &roles(&functions));
    for engine in ENGINES {
        let (mut before, mut after) = (start(engine, &wasm), start(engine, &traced.wasm));
        for how in 0..4 {
            let run = |instance: &mut dyn Instance| {
                instance.call("run", &[Value::I32(how)]).expect("it returns").values
            };
            assert_eq!(run(&mut *after), run(&mut *before), "{how} on {engine}");
        }
        let profile = located(&mut *after, &wasm);
        let expected = [
            "+1024:1 !4 4 2",
            "+1040:98 nested !4 4 3",
            "+1040:98 !4 4",
            "+1152:1 !4 4 2",
            "+1168:99 nested !4 4 3",
            "+1168:99 !4 4",
            "+1280:1 !4 4 2",
            "+4:100 !4 4",
            "+1296:1 !4 4 2",
            "!101 !4 4",
        ];
        assert_eq!(events(&profile, &wasm), expected, "{engine}");
    }
}

#[test]
fn methods_of_a_heap_are_traced_as_functions_are() {
    // 0 malloc, 1 free, 2 realloc, 3 calloc, 4 posix_memalign, each behind the heap's address; 5 the program.
    let text = r#"(module (memory 1)
        (func $malloc (param $heap i32) (param $size i32) (result i32)
            (i32.load (local.get $heap))
            (i32.store (local.get $heap) (i32.add (i32.load (local.get $heap)) (i32.const 16))))
        (func $free (param i32 i32))
        (func $realloc (param $heap i32) (param i32 i32) (result i32) (call $malloc (local.get $heap) (local.get 2)))
        (func $calloc (param $heap i32) (param i32 i32) (result i32)
            (call $malloc (local.get $heap) (i32.mul (local.get 1) (local.get 2))))
        (func $posix_memalign (param $heap i32) (param i32 i32 i32) (result i32)
            (i32.store (local.get 1) (call $malloc (local.get $heap) (local.get 3)))
            (i32.const 0))
        (func (export "run") (local $heap i32)
            (local.set $heap (i32.const 8))
            (i32.store (local.get $heap) (i32.const 1024))
            (drop (call $realloc (local.get $heap) (call $malloc (local.get $heap) (i32.const 3)) (i32.const 5)))
            (drop (call $posix_memalign (local.get $heap) (i32.const 16) (i32.const 32) (i32.const 7)))
            (call $free (local.get $heap) (call $calloc (local.get $heap) (i32.const 2) (i32.const 4)))))"#;
    let wasm = wat::parse_str(text).expect("well-formed");
    let functions =
        [(0, Role::Malloc), (1, Role::Free), (2, Role::Realloc), (3, Role::Calloc), (4, Role::PosixMemalign)];
    let options = Options { methods: (0..5).collect(), ..roles(&functions) };
    let methods = traced(&wasm, &options);
    for engine in ENGINES {
        let mut instance = start(engine, &methods.wasm);
        assert!(instance.call("run", &[]).is_ok());
        let profile = located(&mut *instance, &wasm);
        let expected = [
            "+1024:3 !5 5",
            "1024> !5 5",
            "+1040:5 nested !5 5 2",
            ">1040:5 !5 5",
            "+1056:7 nested !5 5 4",
            "+1056:7 !5 5",
            "+1072:8 nested !5 5 3",
            "+1072:8 !5 5",
            "-1072 !5 5",
        ];
        assert_eq!(events(&profile, &wasm), expected, "{engine}");
    }
    // Which heap a block for the recording would be of, nobody knows; and as plain functions they have other types.
    assert!(trace(&wasm, &Options { one_memory: true, ..options }).is_err());
    assert!(trace(&wasm, &roles(&functions)).is_err());
}

#[test]
fn memories_of_its_own_stay_the_programs() {
    // Two memories, of which the second is written to by every call; the recording becomes the third.
    let text = r#"(module (memory (export "memory") 1) (memory $other (export "other") 1)
        (global $next (mut i32) (i32.const 1024))
        (func $malloc (param i32) (result i32)
            (i32.store $other (i32.const 0) (i32.add (i32.load $other (i32.const 0)) (i32.const 1)))
            (global.get $next) (global.set $next (i32.add (global.get $next) (i32.const 16))))
        (func (export "run") (result i32)
            (drop (call $malloc (i32.const 8)))
            (i32.load $other (i32.const 0))))"#;
    let wasm = wat::parse_str(text).expect("well-formed");
    let traced = traced(&wasm, &roles(&[(0, Role::Malloc)]));
    for engine in ENGINES {
        let mut instance = start(engine, &traced.wasm);
        assert_eq!(call(&mut *instance, "run", &[]), Some(1), "{engine}");
        assert_eq!(call(&mut *instance, "run", &[]), Some(2), "{engine}");
        let profile = located(&mut *instance, &wasm);
        assert_eq!(events(&profile, &wasm), ["+1024:8 !1 1", "+1040:8 !1 1"], "{engine}");
    }
}

#[test]
fn an_allocator_of_the_hosts_is_traced_at_the_import() {
    // 0 and 1 are the host's; `start` allocates already.
    let text = r#"(module
        (import "env" "malloc" (func $malloc (param i32) (result i32)))
        (import "env" "free" (func $free (param i32)))
        (memory (export "memory") 1)
        (start $start)
        (func $start (drop (call $malloc (i32.const 1))))
        (func $keep (param i32) (result i32) (call $malloc (local.get 0)))
        (func (export "run")
            (drop (call $keep (i32.const 2)))
            (drop (call $malloc (i32.const 3)))
            (call $free (call $malloc (i32.const 4)))))"#;
    let wasm = wat::parse_str(text).expect("well-formed");
    let traced = traced(&wasm, &roles(&[(0, Role::Malloc), (1, Role::Free)]));
    for engine in ENGINES {
        let next = std::sync::atomic::AtomicI32::new(1024);
        let host = Host::new()
            .function("env", "malloc", move |_, _| {
                Ok(vec![Value::I32(next.fetch_add(16, std::sync::atomic::Ordering::Relaxed))])
            })
            .function("env", "free", |_, _| Ok(Vec::new()));
        let mut instance = start_with(engine, &traced.wasm, &host);
        assert!(instance.call("run", &[]).is_ok());
        let profile = located(&mut *instance, &wasm);
        let expected = ["+1024:1 !2 2", "+1040:2 !4 4 3", "+1056:3 !4 4", "+1072:4 !4 4", "-1072 !4 4"];
        assert_eq!(events(&profile, &wasm), expected, "{engine}");
    }
}

#[test]
fn more_stacks_than_nodes_count_for_their_callers() {
    // Two functions that call one or the other, by the bits of a number: 2^17 stacks of 17 frames and one of malloc's.
    let text = r#"(module (memory 1) (global $next (mut i32) (i32.const 1024))
        (func $malloc (param i32) (result i32) (global.get $next))
        (func $zero (param $bits i32) (param $left i32) (call $go (local.get 0) (local.get 1)))
        (func $one (param $bits i32) (param $left i32) (call $go (local.get 0) (local.get 1)))
        (func $go (param $bits i32) (param $left i32)
            (if (i32.eqz (local.get $left)) (then (drop (call $malloc (i32.const 3))) (return)))
            (if (i32.and (local.get $bits) (i32.const 1))
                (then (call $one (i32.shr_u (local.get $bits) (i32.const 1)) (i32.sub (local.get $left) (i32.const 1))))
                (else (call $zero (i32.shr_u (local.get $bits) (i32.const 1)) (i32.sub (local.get $left) (i32.const 1))))))
        (func (export "run") (local $i i32)
            (loop $next
                (call $go (local.get $i) (i32.const 17))
                (br_if $next (i32.lt_u
                    (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                    (i32.const 131072))))))"#;
    let wasm = wat::parse_str(text).expect("well-formed");
    let traced = traced(&wasm, &roles(&[(0, Role::Malloc)]));
    let mut instance = start(EngineId::Wasmtime, &traced.wasm);
    assert!(instance.call("run", &[]).is_ok());
    let profile = located(&mut *instance, &wasm);
    assert!(profile.are_nodes_full && !profile.is_log_cut);
    assert_eq!(profile.nodes.len(), 65_536);
    assert_eq!(profile.events.len(), 131_072);
    let counted: u64 = profile.nodes.iter().map(|node| node.count).sum();
    assert_eq!((counted, profile.allocated_bytes), (131_072, 3 * 131_072));
    // Every event is at a node of its own stack: each frame from the host on is what it was, as far as it goes.
    for (event, bits) in profile.events.iter().zip(0_u32..) {
        let mut funcs: Vec<String> =
            stack(&profile, &wasm, event.node).split(' ').map(str::to_owned).collect();
        let mut expected = vec!["!4".to_owned(), "4".to_owned()];
        for bit in 0..17 {
            expected.push("3".to_owned());
            expected.push(if bits >> bit & 1 == 1 { "2" } else { "1" }.to_owned());
        }
        expected.push("3".to_owned());
        expected.truncate(funcs.len());
        assert_eq!(funcs, expected);
        funcs.clear();
    }
}

#[test]
fn a_sample_tells_the_truth_on_average_and_its_interval_mostly() {
    const SEEDS: u64 = 200;
    const BLOCKS: i32 = 1500;
    // Sizes of 8 to 8,199 bytes, most of them small; two blocks in three are freed, some reallocated.
    let wasm = module(
        "",
        r#"(func $realloc (param i32 i32) (result i32) (call $malloc (local.get 1)))
        (func $calloc (param i32 i32) (result i32) (call $malloc (i32.mul (local.get 0) (local.get 1))))
        (func $size (param $i i32) (result i32)
            (local.set $i (i32.mul (local.get $i) (i32.const 0x9e3779b1)))
            (i32.add (i32.const 8)
                (i32.shr_u (i32.and (local.get $i) (i32.const 0x1fff))
                    (i32.shr_u (local.get $i) (i32.const 29)))))
        (func (export "run") (param $blocks i32) (local $i i32) (local $block i32)
            (loop $next
                (local.set $block (call $calloc (call $size (local.get $i)) (i32.const 1)))
                (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 5)))
                    (then (local.set $block
                        (call $realloc (local.get $block) (call $size (i32.add (local.get $i) (i32.const 1)))))))
                (if (i32.rem_u (local.get $i) (i32.const 3)) (then (call $free (local.get $block))))
                (br_if $next (i32.lt_u
                    (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                    (local.get $blocks)))))"#,
    );
    let functions = [(0, Role::Malloc), (1, Role::Free), (2, Role::Realloc), (3, Role::Calloc)];
    let run = |sample: Option<Sample>| {
        let options = Options { sample, stacks: false, ..roles(&functions) };
        let mut instance = start(EngineId::Wasmi, &traced(&wasm, &options).wasm);
        assert!(instance.call("run", &[Value::I32(BLOCKS)]).is_ok());
        located(&mut *instance, &wasm)
    };
    let truth = run(None).summary();
    assert_eq!(truth.contradictions, Contradictions::default());
    let live = truth.final_bytes as f64;
    let (mut sum, mut sum_of_squares, mut held, mut blocks) = (0.0, 0.0, 0, 0.0);
    for seed in 0..SEEDS {
        let profile = run(Some(Sample { mean_bytes: 2048, seed }));
        let mut estimate = Estimate::new(profile.sample_bytes.expect("it was sampled"));
        let heap = profile.replay(|_, _| ());
        assert_eq!(heap.contradictions(), Contradictions::default());
        heap.live().for_each(|block| estimate.add(block.size));
        let (low, high) = estimate.bytes_interval();
        held += u64::from(low <= live && live <= high);
        let error = estimate.bytes() / live - 1.0;
        (sum, sum_of_squares) = (sum + error, sum_of_squares + error * error);
        blocks += estimate.blocks() / truth.final_blocks as f64 - 1.0;
    }
    let seeds = SEEDS as f64;
    let deviation = (sum_of_squares / seeds).sqrt();
    // The mean of so many errors lies within four of its own deviations from 0, if nothing is biased.
    assert!((sum / seeds).abs() < 4.0 * deviation / seeds.sqrt(), "mean error {}", sum / seeds);
    assert!((blocks / seeds).abs() < 0.1, "mean error of blocks {}", blocks / seeds);
    // A sample that has all blocks would prove nothing.
    assert!(deviation > 0.02 && deviation < 0.2, "{deviation}");
    assert!((SEEDS * 90 / 100..=SEEDS * 99 / 100).contains(&held), "{held} of {SEEDS} intervals hold");
    // The same seed, the same profile.
    let again = Some(Sample { mean_bytes: 2048, seed: 7 });
    let profile = run(again);
    assert_eq!(profile, run(again));
    let summary = profile.summary();
    let view = memgrove_view::profile::HeapProfile {
        name: "guest",
        names: &|_| vec![memgrove_profile::Frame::default()],
        profile: &profile,
        summary: &summary,
        top: 1,
    };
    let text = view.text().to_string();
    assert!(text.contains("one block in 2 KiB") && text.contains("95 %"), "{text}");
}

/// A free list in front of the bump allocator, a program over it by several ways, and a shadow heap outside.
#[test]
fn a_random_program_is_recorded_as_a_shadow_heap_saw_it() {
    // 0 malloc, 1 free, 2 calloc, 3 realloc (copies, frees), 4 by one frame, 5 by a table, 6 by a tail call, 7 frees.
    let text = r#"(module (memory (export "memory") 64)
        (type $size (func (param i32) (result i32)))
        (table 1 funcref) (elem (i32.const 0) $malloc)
        (global $next (mut i32) (i32.const 65536)) (global $list (mut i32) (i32.const 0))
        (func $malloc (export "malloc") (param $size i32) (result i32) (local $block i32)
            (if (i32.gt_u (local.get $size) (i32.const 1000)) (then (return (i32.const 0))))
            (if (local.tee $block (global.get $list))
                (then (global.set $list (i32.load (local.get $block))) (return (local.get $block))))
            (global.get $next)
            (global.set $next (i32.add (global.get $next) (i32.const 1024))))
        (func $free (export "free") (param $block i32)
            (br_if 0 (i32.eqz (local.get $block)))
            (i32.store (local.get $block) (global.get $list))
            (global.set $list (local.get $block)))
        (func $calloc (export "calloc") (param i32 i32) (result i32)
            (call $malloc (i32.mul (local.get 0) (local.get 1))))
        (func $realloc (export "realloc") (param $old i32) (param $size i32) (result i32) (local $new i32)
            (block $refused
                (br_if $refused (i32.eqz (local.tee $new (call $malloc (local.get $size)))))
                (call $free (local.get $old)))
            (local.get $new))
        (func $frame (export "by_frame") (param i32) (result i32) (call $malloc (local.get 0)))
        (func (export "by_table") (param i32) (result i32)
            (call_indirect (type $size) (local.get 0) (i32.const 0)))
        (func (export "by_tail") (param i32) (result i32) (return_call $frame (local.get 0)))
        (func $drop (export "drop") (param i32) (call $free (local.get 0))))"#;
    let wasm = wat::parse_str(text).expect("well-formed");
    let functions = [(0, Role::Malloc), (1, Role::Free), (2, Role::Calloc), (3, Role::Realloc)];
    let traced = traced(&wasm, &roles(&functions));
    for engine in ENGINES {
        let (mut before, mut after) = (start(engine, &wasm), start(engine, &traced.wasm));
        let mut live: Vec<(i32, i32)> = Vec::new();
        let mut expected: Vec<String> = Vec::new();
        let mut random = 0x2545_f491_u32;
        let mut next = |below: usize| {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            random as usize % below
        };
        for _ in 0..3000 {
            let size = i32::try_from(next(1100)).expect("small");
            let way = next(8);
            let mut both = |name: &str, arguments: &[i32]| {
                let result = call(&mut *before, name, arguments);
                assert_eq!(call(&mut *after, name, arguments), result, "{name} on {engine}");
                result
            };
            let allocation = match way {
                0 => Some(("malloc", "!0", "!0")),
                1 => Some(("by_frame", "!4 4", "!4 4")),
                2 => Some(("by_table", "!5 5", "!5 5")),
                3 => Some(("by_tail", "!4 4", "!4 4")),
                4 => Some(("calloc", "!2", "!2 2")),
                _ => None,
            };
            match (allocation, live.is_empty()) {
                (Some((name, outer, inner)), _) => {
                    let arguments: &[i32] = if name == "calloc" { &[size, 1] } else { &[size] };
                    let block = both(name, arguments).expect("one result");
                    let what = if block == 0 { format!("!{size}") } else { format!("+{block}:{size}") };
                    if name == "calloc" {
                        expected.push(format!("{what} nested {inner}"));
                    }
                    expected.push(format!("{what} {outer}"));
                    live.extend((block != 0).then_some((block, size)));
                }
                (None, true) => {}
                (None, false) if way == 5 => {
                    let at = next(live.len());
                    let (old, _) = live[at];
                    let block = both("realloc", &[old, size]).expect("one result");
                    expected.push(format!("{old}> !3"));
                    if block == 0 {
                        expected.extend([format!("!{size} nested !3 3"), format!("!{size} !3")]);
                    } else {
                        let inner = [format!("+{block}:{size} nested !3 3"), format!("-{old} nested !3 3")];
                        expected.extend(inner);
                        expected.push(format!(">{block}:{size} !3"));
                        live[at] = (block, size);
                    }
                }
                (None, false) => {
                    let (block, _) = live.swap_remove(next(live.len()));
                    let name = if way == 6 { "free" } else { "drop" };
                    both(name, &[block]);
                    expected.push(format!("-{block} {}", if way == 6 { "!1" } else { "!7 7" }));
                }
            }
        }
        let profile = located(&mut *after, &wasm);
        let seen = events(&profile, &wasm);
        let differs = seen.iter().zip(&expected).position(|(seen, expected)| seen != expected);
        assert_eq!(differs, None, "{:?}", differs.map(|at| (&seen[at], &expected[at])));
        assert_eq!(seen.len(), expected.len());
        let heap = profile.replay(|_, _| ());
        assert_eq!(heap.contradictions(), Contradictions::default());
        let mut left: Vec<(u64, u64)> = heap.live().map(|block| (block.address, block.size)).collect();
        left.sort_unstable();
        let mut shadow: Vec<(u64, u64)> = live
            .iter()
            .map(|(block, size)| (block.cast_unsigned().into(), size.cast_unsigned().into()))
            .collect();
        shadow.sort_unstable();
        assert_eq!(left, shadow, "{engine}");
    }
}
