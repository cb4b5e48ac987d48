//! Several instances with one memory, in threads or not: their recordings, put together, tell what happened to the heap.

use std::fs;

use memgrove_profile::{Contradictions, MergeError, Profile, What};
use memgrove_rewrite::trace::{NotShared, Options, Role, Sample, TraceError, trace};

mod fix_support;
mod instances;
mod own_js;
mod trace_support;

use instances::{MODULE, read, run};
use trace_support::{stack, traced};

/// A free list of blocks of one size under a lock, for any number of threads, in a memory that is imported.
/// 0 malloc, 1 free, 2 realloc, 3 keep, 4 drop, 5 resize, 6 churn. The lock is at 16, the list at 20, the end at 24.
fn program(memory: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
        (import "env" "memory" (memory {memory}))
        (func $lock (loop $again (br_if $again (i32.atomic.rmw.cmpxchg (i32.const 16) (i32.const 0) (i32.const 1)))))
        (func $unlock (i32.atomic.store (i32.const 16) (i32.const 0)))
        (func $malloc (export "malloc") (param i32) (result i32) (local $block i32)
            (call $lock)
            (if (local.tee $block (i32.load (i32.const 20)))
                (then (i32.store (i32.const 20) (i32.load (local.get $block))))
                (else
                    (local.set $block (i32.add (i32.load (i32.const 24)) (i32.const 1024)))
                    (i32.store (i32.const 24) (i32.add (i32.load (i32.const 24)) (i32.const 64)))))
            (call $unlock)
            (local.get $block))
        (func $free (export "free") (param i32)
            (call $lock)
            (i32.store (local.get 0) (i32.load (i32.const 20)))
            (i32.store (i32.const 20) (local.get 0))
            (call $unlock))
        (func $realloc (param i32 i32) (result i32) (local $new i32)
            (local.set $new (call $malloc (local.get 1)))
            (call $free (local.get 0))
            (local.get $new))
        (func (export "keep") (param i32) (result i32) (call $malloc (local.get 0)))
        (func (export "drop") (param i32) (call $free (local.get 0)))
        (func (export "resize") (param i32 i32) (result i32) (call $realloc (local.get 0) (local.get 1)))
        (func (export "churn") (param $rounds i32) (local $block i32)
            (loop $next
                (local.set $block (call $malloc (i32.const 8)))
                (local.set $block (call $realloc (local.get $block) (i32.const 16)))
                (call $free (local.get $block))
                (br_if $next (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn options() -> Options {
    let functions = [(2, Role::Malloc), (3, Role::Free), (4, Role::Realloc)];
    Options { functions: functions.into(), ..Options::default() }
}

/// Blocks that are live at the end: size and stack.
fn left(profile: &Profile, wasm: &[u8]) -> Vec<String> {
    let heap = profile.replay(|_, _| ());
    assert_eq!(heap.contradictions(), Contradictions::default());
    let mut left: Vec<String> =
        heap.live().map(|block| format!("{} {}", block.size, stack(profile, wasm, block.node))).collect();
    left.sort();
    left
}

#[test]
fn a_block_may_be_freed_by_another_instance() {
    let wasm = program("1");
    let folder = tempfile::tempdir().expect("a folder");
    let traced = traced(&wasm, &Options { instances: true, ..options() });
    fs::write(folder.path().join(MODULE), traced.wasm).expect("it can be written");
    let script = "
        const memory = new WebAssembly.Memory({ initial: 1 });
        const a = start(memory), b = start(memory), idle = start(memory);
        const first = a.keep(11), second = b.keep(12), third = a.malloc(13);
        b.drop(first);
        a.drop(second);
        b.resize(third, 14);
        a.keep(15);
        save('a', a); save('b', b); save('idle', idle);
        const other = start(new WebAssembly.Memory({ initial: 1 }));
        other.keep(16);
        save('other', other);";
    if !run(folder.path(), script) {
        return;
    }
    let read = |name: &str| read(folder.path(), name, &wasm);
    let merged = Profile::merge(vec![read("b"), read("idle"), read("a")]).expect("they belong together");
    assert_eq!(merged.missing_events, 0);
    let what: Vec<String> = merged
        .events
        .iter()
        .map(|event| match event.what {
            What::Allocated { size, .. } => format!("+{size}"),
            What::Freed { .. } => "-".to_owned(),
            What::Moving { .. } => ">".to_owned(),
            What::Moved { size, .. } => format!(">{size}"),
            What::Refused { .. } => "!".to_owned(),
        })
        .collect();
    assert_eq!(what, ["+11", "+12", "+13", "-", "-", ">", ">14", "+15"]);
    assert_eq!(left(&merged, &wasm), ["14 !7 7", "15 !5 5"]);
    assert_eq!(merged.summary().peak_bytes, 36);
    assert_eq!(merged.allocated_bytes, 11 + 12 + 13 + 14 + 15);
    // Same stacks are one: both instances have kept something, one of them twice.
    assert_eq!(merged.nodes.iter().filter(|node| node.count == 3).count(), 1);

    // One of them alone misses the others' events; what has no order is not put together.
    let alone = Profile::merge(vec![read("a")]).expect("it is whole");
    assert_eq!(alone.missing_events, 6, "its last event is the last of all ten");
    assert_eq!(Profile::merge(vec![]), Err(MergeError::None));
    assert_eq!(Profile::merge(vec![read("a"), read("a")]), Err(MergeError::SameEvent { number: 0 }));
    // Where the counter lies is the same in a memory that is used in the same way, so this shows by its numbers.
    assert!(Profile::merge(vec![read("a"), read("b"), read("other")]).is_err());
}

#[test]
fn threads_that_use_one_heap_at_the_same_time_are_put_in_order() {
    let wasm = program("16 256 shared");
    for stacks in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let traced = traced(&wasm, &Options { stacks, ..options() });
        fs::write(folder.path().join(MODULE), traced.wasm).expect("it can be written");
        // Each churns; the main thread allocates 40 blocks, which the others free, and they leave one each.
        let script = "
            if (isMainThread) {
                const memory = new WebAssembly.Memory({ initial: 16, maximum: 256, shared: true });
                const e = start(memory), blocks = Array.from({ length: 40 }, (_, i) => e.keep(100 + i));
                const workers = [0, 1, 2, 3].map(n => new Worker(new URL(import.meta.url), {
                    workerData: { memory, n, blocks: blocks.slice(10 * n, 10 * n + 10) } }));
                await Promise.all(workers.map(worker => new Promise((done, fail) => {
                    worker.on('error', fail); worker.on('exit', done) })));
                e.churn(500);
                save('main', e);
            } else {
                const { memory, n, blocks } = workerData, e = start(memory);
                e.churn(2000);
                for (const block of blocks) { e.drop(block); e.churn(20) }
                e.keep(1000 + n);
                save('worker' + n, e);
            }";
        if !run(folder.path(), script) {
            return;
        }
        let names = ["main", "worker0", "worker1", "worker2", "worker3"];
        let profiles: Vec<Profile> = names.iter().map(|name| read(folder.path(), name, &wasm)).collect();
        let merged = Profile::merge(profiles).expect("they belong together");
        assert_eq!(merged.missing_events, 0);
        let of_keep = if stacks { " !5 5" } else { " " };
        let expected: Vec<String> = (0..4).map(|n| format!("{}{of_keep}", 1000 + n)).collect();
        assert_eq!(left(&merged, &wasm), expected);
        let summary = merged.summary();
        let rounds = 4 * (2000 + 200) + 500;
        assert_eq!(summary.allocated_bytes, rounds * 24 + (100..140).sum::<u64>() + 4006);
    }
}

#[test]
fn what_has_no_order_is_refused() {
    let sample = Some(Sample { mean_bytes: 64, seed: 0 });
    for wasm in [program("1"), program("1 2 shared")] {
        let (sampled, one_memory) =
            (Options { sample, ..options() }, Options { one_memory: true, ..options() });
        for (options, why) in [(sampled, NotShared::Sampled), (one_memory, NotShared::OneMemory)] {
            let options = Options { instances: true, ..options };
            assert!(matches!(trace(&wasm, &options), Err(TraceError::Shared(is)) if is == why));
        }
    }
}
