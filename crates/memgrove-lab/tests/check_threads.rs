//! Threads that share a memory: what one does to a block, the others' checks know; and their recordings are read as one.

use std::fs;
use std::time::Duration;

use memgrove_lab::engine::{EngineId, Limits, Settings};
use memgrove_lab::measure::catalogue::Catalogue;
use memgrove_lab::measure::threads::Crew;
use memgrove_profile::{MergeError, MisuseKind, Profile, Search, Site};
use memgrove_rewrite::check::{CheckError, Checked, Layout, NotShared, Options, check};
use memgrove_rewrite::swap::{Member, Role, To};

mod fix_support;
mod instances;
mod own_js;

use instances::{MODULE, read, run};

/// A free list of blocks of one size under a lock, in a memory that is imported: 2 malloc, 3 free. The lock is at 2048, the
/// list at 2052, the end at 2056. `more` is what it has besides; `first` is what malloc does first.
fn program_with(memory: &str, more: &str, first: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
        (import "env" "memory" (memory {memory}))
        {more}
        (func $lock (loop $again (br_if $again (i32.atomic.rmw.cmpxchg (i32.const 2048) (i32.const 0) (i32.const 1)))))
        (func $unlock (i32.atomic.store (i32.const 2048) (i32.const 0)))
        (func $malloc (export "malloc") (param $size i32) (result i32) (local $block i32)
            {first}
            (call $lock)
            (if (i32.and
                  (i32.le_u (local.get $size) (i32.const 256))
                  (i32.ne (local.tee $block (i32.load (i32.const 2052))) (i32.const 0)))
                (then (i32.store (i32.const 2052) (i32.load (local.get $block))))
                (else
                    (local.set $block (i32.add (i32.load (i32.const 2056)) (i32.const 65536)))
                    (i32.store (i32.const 2056)
                        (i32.add (i32.load (i32.const 2056))
                            (select (i32.const 256)
                                (i32.and (i32.add (local.get $size) (i32.const 15)) (i32.const -16))
                                (i32.le_u (local.get $size) (i32.const 256)))))
                    (if (i32.gt_u
                          (i32.add (i32.load (i32.const 2056)) (i32.const 65536))
                          (i32.shl (memory.size) (i32.const 16)))
                        (then (drop (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 16))))))))
            (call $unlock)
            (local.get $block))
        (func $free (export "free") (param i32)
            (call $lock)
            (i32.store (local.get 0) (i32.load (i32.const 2052)))
            (i32.store (i32.const 2052) (local.get 0))
            (call $unlock))
        (func (export "keep") (param i32) (result i32) (call $malloc (local.get 0)))
        (func (export "drop") (param i32) (call $free (local.get 0)))
        (func (export "put") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
        (func (export "get") (param i32) (result i32) (i32.load8_u (local.get 0)))
        (func $touch (param $block i32) (param $size i32) (param $tag i32)
            (loop $next
                (local.set $size (i32.sub (local.get $size) (i32.const 1)))
                (i32.store8 (i32.add (local.get $block) (local.get $size)) (local.get $tag))
                (br_if $next (local.get $size)))
            (if (i32.ne (i32.load8_u (local.get $block)) (i32.and (local.get $tag) (i32.const 255)))
                (then (unreachable))))
        (func (export "churn") (param $rounds i32) (param $tag i32) (local $a i32) (local $b i32)
            (loop $next
                (local.set $a (call $malloc (i32.const 24)))
                (local.set $b (call $malloc (i32.const 100)))
                (call $touch (local.get $a) (i32.const 24) (local.get $tag))
                (call $touch (local.get $b) (i32.const 100) (local.get $tag))
                (call $free (local.get $a))
                (call $free (local.get $b))
                (br_if $next (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn program(memory: &str, more: &str) -> Vec<u8> {
    program_with(memory, more, "")
}

const DATA: &str = r#"(data (i32.const 1024) "something")"#;

fn options() -> Options {
    let member = |func, role| Member { func, role, has_heap: false, is_certain: true };
    Options { members: vec![member(2, Role::Malloc), member(3, Role::Free)], ..Options::default() }
}

fn checked(wasm: &[u8], options: &Options) -> Result<Checked, CheckError> {
    check(&memgrove_module::facts(wasm).expect("it is valid"), options)
}

/// The functions that a stack's calls lie in, the innermost first.
fn functions(profile: &Profile, wasm: &[u8], node: u32) -> Vec<u32> {
    let facts = memgrove_module::facts(wasm).expect("it is valid");
    let function = |site| match site {
        Site::Entry(func) | Site::Within(func) => func,
        Site::Call(at) => {
            let after = facts.functions.partition_point(|function| function.body_offset <= at);
            facts.imported_func_count() + u32::try_from(after).expect("a few") - 1
        }
    };
    profile.stack(node).map(function).collect()
}

#[test]
fn a_block_of_one_thread_may_be_freed_and_had_again_by_another() {
    // A word that code accesses is not the one by which threads find the shadow.
    let low = r#"(func (export "low") (i64.store offset=4 (i32.const 12) (i64.const 0x0102030405060708)))"#;
    let wasm = program("16 256 shared", &format!("{DATA}{low}"));
    let mut options = options();
    options.members.iter_mut().for_each(|member| member.func += 1);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(MODULE), checked(&wasm, &options).expect("it is checked").wasm)
        .expect("it can be written");
    // More is freed than the quarantine holds, so that the same addresses are handed out again.
    let script = "
        const memory = new WebAssembly.Memory({ initial: 16, maximum: 256, shared: true });
        const a = start(memory), b = start(memory), idle = start(memory);
        a.low();
        const first = a.keep(200);
        a.put(first, 7);
        b.drop(first);
        let again = 0;
        const others = [];
        for (let i = 0; i < 20000 && again !== first; i++) {
            again = b.keep(200);
            if (again !== first) { others.push(again); if (others.length > 8) b.drop(others.shift()) }
        }
        if (again !== first) throw new Error('the block was not had again');
        b.put(again + 199, 8);
        if (a.get(again + 199) !== 8) throw new Error('another value');
        a.put(again, 9);
        if (new BigUint64Array(memory.buffer)[2] !== 0x0102030405060708n) throw new Error('overwritten');
        save('a', a); save('b', b); save('idle', idle);";
    if !run(folder.path(), script) {
        return;
    }
    let names = ["a", "b", "idle"];
    let merged = Profile::merge(names.iter().map(|name| read(folder.path(), name, &wasm)).collect());
    let findings = merged.expect("they belong together").findings.expect("it is a check");
    assert_eq!(findings.misuses, []);
    assert!(findings.is_finished && !findings.is_unchecked && !findings.are_others_missing);
    assert_eq!(findings.search, Search::Shared);
}

#[test]
fn misuse_by_one_thread_of_what_others_did_is_told_with_their_stacks() {
    let wasm = program("16 256 shared", DATA);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(MODULE), checked(&wasm, &options()).expect("it is checked").wasm)
        .expect("it can be written");
    let script = "
        const memory = new WebAssembly.Memory({ initial: 16, maximum: 256, shared: true });
        const a = start(memory), b = start(memory), c = start(memory);
        const first = a.keep(50), second = c.malloc(60);
        b.put(first + 50, 1);
        b.drop(first);
        c.get(first + 3);
        c.drop(first);
        b.get(second + 60);
        a.keep(77);
        save('a', a); save('b', b); save('c', c);";
    if !run(folder.path(), script) {
        return;
    }
    let read = |name: &str| read(folder.path(), name, &wasm);
    let merged = Profile::merge(vec![read("c"), read("a"), read("b")]).expect("they belong together");
    let findings = merged.findings.as_ref().expect("it is a check");
    let mut told: Vec<_> = (findings.misuses.iter())
        .map(|misuse| {
            let block = misuse.block.expect("about a block");
            let freed = block.freed.map(|node| functions(&merged, &wasm, node));
            (misuse.kind, block.size, functions(&merged, &wasm, block.allocated), freed)
        })
        .collect();
    told.sort();
    // 4 keep, 5 drop; what the host calls itself has the allocator's function only.
    assert_eq!(
        told,
        [
            (MisuseKind::UseAfterFree, 50, vec![4, 4], Some(vec![5, 5])),
            (MisuseKind::Overflow, 50, vec![4, 4], None),
            (MisuseKind::Overflow, 60, vec![2], None),
            (MisuseKind::DoubleFree, 50, vec![4, 4], Some(vec![5, 5])),
        ]
    );
    assert!(!findings.are_others_missing);
    // Blocks that are live at the end are counted once, at the stacks of all.
    let live: Vec<(u64, u64)> =
        (merged.nodes.iter()).filter(|node| node.count > 0).map(|node| (node.count, node.bytes)).collect();
    assert_eq!(live.iter().map(|(_, bytes)| bytes).sum::<u64>(), 60 + 77);
    // Without the others it is not known where the block was allocated, and that is said.
    for some in [vec![read("c")], vec![read("a")], vec![read("a"), read("b")]] {
        let some = Profile::merge(some).expect("they are whole");
        assert!(some.findings.expect("it is a check").are_others_missing);
    }
    assert!(matches!(Profile::merge(vec![read("a"), read("a")]), Err(MergeError::SameNode { .. })));
}

#[test]
fn threads_that_work_at_the_same_time_are_not_accused() {
    let wasm = program("16 256 shared", DATA);
    for in_line in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let checked = checked(&wasm, &Options { in_line, ..options() }).expect("it is checked");
        fs::write(folder.path().join(MODULE), checked.wasm).expect("it can be written");
        let script = "
            if (isMainThread) {
                const memory = new WebAssembly.Memory({ initial: 16, maximum: 256, shared: true });
                const workers = [1, 2, 3, 4].map(n => new Worker(new URL(import.meta.url), { workerData: { memory, n } }));
                const e = start(memory);
                e.churn(20000, 0);
                const ended = await Promise.all(workers.map(worker => new Promise((done, fail) => {
                    worker.on('error', fail); worker.on('exit', done) })));
                e.churn(500, 0);
                const block = e.keep(10);
                e.drop(block);
                e.get(block);
                save('0', e);
            } else {
                const { memory, n } = workerData, e = start(memory);
                e.churn(20000, n);
                save(`${n}`, e);
            }";
        if !run(folder.path(), script) {
            return;
        }
        let profiles = (0..5).map(|n| read(folder.path(), &n.to_string(), &wasm)).collect();
        let findings = Profile::merge(profiles).expect("they belong together").findings.expect("a check");
        let kinds: Vec<_> = findings.misuses.iter().map(|misuse| misuse.kind).collect();
        assert_eq!(kinds, [MisuseKind::UseAfterFree], "the one that is there");
        assert!(findings.is_finished, "somebody came first");
    }
}

#[test]
fn without_memory_for_the_shadow_nothing_is_checked_and_that_is_said() {
    // The shadow of 256 pages takes 2 MiB.
    let first = "(if (i32.gt_u (local.get $size) (i32.const 100000)) (then (return (i32.const 0))))";
    let wasm = program_with("16 256 shared", DATA, first);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(MODULE), checked(&wasm, &options()).expect("it is checked").wasm)
        .expect("it can be written");
    let script = "
        const memory = new WebAssembly.Memory({ initial: 16, maximum: 256, shared: true });
        const a = start(memory), b = start(memory);
        const block = a.keep(50);
        a.drop(block);
        b.get(block);
        if (b.keep(20) !== block) throw new Error('another block than without a check');
        save('a', a); save('b', b);";
    if !run(folder.path(), script) {
        return;
    }
    let profiles = ["a", "b"].map(|name| read(folder.path(), name, &wasm)).into();
    let findings = Profile::merge(profiles).expect("they belong together").findings.expect("a check");
    assert_eq!(findings.misuses, []);
    assert!(findings.is_unchecked);
}

/// Rust's own allocator, in a module that was linked for threads, on wasmtime: the workloads tag their blocks,
/// free each other's, and look at each before it is freed.
#[test]
fn guests_of_rusts_with_threads_do_as_without_a_check() {
    let catalogue = Catalogue::embedded().expect("they are linked in");
    // A busy machine may take its time.
    let settings = Settings::within(Limits { call: Duration::from_secs(120), ..Limits::OWN });
    let name = "std-default";
    let guests = catalogue.allocators(&[name.to_owned()]).expect("it is one of them");
    let guest = catalogue.guest(guests.first().expect("it is one of them")).expect("it can be unpacked");
    let wasm = guest.threads.expect("it has a twin with threads");
    let facts = memgrove_module::facts(&wasm).expect("valid");
    let known = memgrove_verify::swap::options_for(&facts, To::ALL[0]).expect("it is no collector's");
    let options =
        Options { members: known.members, sbrk: known.sbrk, manners: known.manners, ..Options::default() };
    let checked = check(&facts, &options).unwrap_or_else(|why| panic!("{name}: {why}"));
    let mut crew = Crew::assemble(EngineId::Wasmtime, &settings, &checked.wasm, 2).expect("it starts");
    for workload in ["threadtest-threads", "xmalloc-threads"] {
        let mut wall = crew.begin(name, workload, 2);
        crew.round(&mut wall, 1, 7);
        assert!(wall.failure.is_none(), "{name} {workload}: {:?}", wall.failure);
    }
}

#[test]
fn what_threads_cannot_share_is_refused() {
    let shared = "16 256 shared";
    let why = |wasm: &[u8], options: &Options| match checked(wasm, options) {
        Err(CheckError::Shared(why)) => Some(why),
        _ => None,
    };
    let same = Options { layout: Layout::Same, ..options() };
    assert_eq!(why(&program(shared, DATA), &same), Some(NotShared::SameLayout));
    assert_eq!(why(&program(shared, ""), &options()), Some(NotShared::NoWord));
    let low = r#"(data (i32.const 8) "something")"#;
    assert_eq!(why(&program(shared, low), &options()), Some(NotShared::NoWord));
    let other = wat::parse_str(
        r#"(module (memory 1) (memory 1 2 shared) (func (export "malloc") (param i32) (result i32) (i32.const 0))
            (func (export "free") (param i32)))"#,
    );
    let member = |func, role| Member { func, role, has_heap: false, is_certain: true };
    let members = vec![member(0, Role::Malloc), member(1, Role::Free)];
    let options = Options { members, ..Options::default() };
    assert_eq!(why(&other.expect("it is valid"), &options), Some(NotShared::Other));
}
