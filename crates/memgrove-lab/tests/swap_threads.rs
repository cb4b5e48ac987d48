//! Another allocator in modules whose threads share a memory: every instance finds the one heap, and blocks pass between
//! threads as they were left.

mod fix_support;
mod own_js;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use memgrove_lab::engine::{EngineError, EngineId, Limits, Settings, Team, Value, assemble};
use memgrove_lab::measure::catalogue::Catalogue;
use memgrove_lab::measure::threads::Crew;
use memgrove_lab::verify::{Verdict, verify_swap};
use memgrove_rewrite::swap::{Growth, Manners, Member, Options, Role, Swapped, To, swap};
use own_js::Node;

/// An allocator behind a lock that never gives anything back, and a program that has up to sixteen blocks a thread and passes
/// some to the others through a mailbox. The lock is at 1024; the end of the heap, which is the end of memory at first, at
/// 1028.
const PROGRAM: &str = r#"(module
  (import "env" "memory" (memory 2 4096 shared))
  (global (export "__stack_pointer") (mut i32) (i32.const 65536))
  (func (export "__wasm_init_tls") (param i32))
  (func $lock
    (loop $again (br_if $again (i32.atomic.rmw.cmpxchg (i32.const 1024) (i32.const 0) (i32.const 1)))))
  (func $malloc (export "malloc") (param $bytes i32) (result i32) (local $at i32)
    (call $lock)
    (if (i32.eqz (i32.load (i32.const 1028)))
      (then (i32.store (i32.const 1028) (i32.shl (memory.size) (i32.const 16)))))
    (local.set $at (i32.load (i32.const 1028)))
    (i32.store (i32.const 1028)
      (i32.and (i32.add (i32.add (local.get $at) (local.get $bytes)) (i32.const 15)) (i32.const -16)))
    (loop $more
      (if (i32.gt_u (i32.load (i32.const 1028)) (i32.shl (memory.size) (i32.const 16)))
        (then
          (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))
          (br $more))))
    (i32.atomic.store (i32.const 1024) (i32.const 0))
    (local.get $at))
  (func $free (export "free") (param i32)
    (call $lock)
    (i32.atomic.store (i32.const 1024) (i32.const 0)))

  ;; A block: its length, then a tag in its last word.
  (func $make (param $bytes i32) (param $tag i32) (result i32) (local $at i32)
    (local.set $at (call $malloc (local.get $bytes)))
    (i32.store (local.get $at) (local.get $bytes))
    (i32.store offset=4 (local.get $at) (local.get $tag))
    (i32.store (i32.sub (i32.add (local.get $at) (local.get $bytes)) (i32.const 4)) (local.get $tag))
    (local.get $at))
  ;; Whether it is as it was made.
  (func $give (param $at i32) (result i32) (local $sound i32)
    (local.set $sound
      (i32.eq (i32.load offset=4 (local.get $at))
        (i32.load (i32.sub (i32.add (local.get $at) (i32.load (local.get $at))) (i32.const 4)))))
    (i32.store offset=4 (local.get $at) (i32.const -1))
    (call $free (local.get $at))
    (local.get $sound))

  ;; Returns the rounds in which all was sound.
  (func (export "churn") (param $thread i32) (param $rounds i32) (result i32)
    (local $state i32) (local $slot i32) (local $other i32) (local $sound i32) (local $left i32)
    (local.set $state (i32.add (local.get $thread) (i32.const 77777)))
    (local.set $left (local.get $rounds))
    (loop $next
      (local.set $state (i32.add (i32.mul (local.get $state) (i32.const 1664525)) (i32.const 1013904223)))
      (local.set $slot
        (i32.add
          (i32.add (i32.const 4096) (i32.shl (local.get $thread) (i32.const 6)))
          (i32.shl (i32.and (i32.shr_u (local.get $state) (i32.const 9)) (i32.const 15)) (i32.const 2))))
      (local.set $sound (i32.add (local.get $sound) (i32.const 1)))
      (if (i32.load (local.get $slot))
        (then
          (local.set $other (i32.load (local.get $slot)))
          ;; Every fourth goes to whoever comes next.
          (if (i32.eqz (i32.and (i32.shr_u (local.get $state) (i32.const 20)) (i32.const 3)))
            (then
              (local.set $other (i32.atomic.rmw.xchg (i32.const 2048) (local.get $other)))))
          (if (local.get $other)
            (then
              (if (i32.eqz (call $give (local.get $other)))
                (then (local.set $sound (i32.sub (local.get $sound) (i32.const 1)))))))
          (i32.store (local.get $slot) (i32.const 0)))
        (else
          (i32.store (local.get $slot)
            (call $make
              (i32.add (i32.const 12) (i32.rem_u (i32.shr_u (local.get $state) (i32.const 8)) (i32.const 3001)))
              (i32.xor (local.get $state) (local.get $thread))))))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (local.get $sound)))"#;

const THREADS: u32 = 4;

fn program(to: To) -> Swapped {
    let wasm = wat::parse_str(PROGRAM).expect("the text is well-formed");
    let member = |func, role| Member { func, role, has_heap: false, is_certain: true };
    let members = vec![member(2, Role::Malloc), member(3, Role::Free)];
    let facts = memgrove_inspect::facts(&wasm).expect("valid");
    let options = Options { to, members, sbrk: None, manners: Manners::default() };
    swap(&facts, &options).unwrap_or_else(|why| panic!("{}: {why}", to.name()))
}

fn settings() -> Settings {
    // A busy machine may take its time.
    Settings::within(Limits { call: Duration::from_secs(120), ..Limits::OWN })
}

/// Four threads that begin at the same time, each with the first call of an instance that has not heard of the heap.
fn churn(engine: EngineId, wasm: &[u8], rounds: u32) -> Result<Vec<u64>, EngineError> {
    let mut team: Box<dyn Team> = assemble(engine, &settings(), wasm)?;
    team.hire(THREADS, 16_384, 4096)?;
    team.together("churn", &[], &[Value::u32(rounds)], THREADS).map(|(sound, _)| sound)
}

#[test]
fn threads_that_begin_at_once_have_one_heap() {
    for to in To::ALL {
        let swapped = program(to);
        assert_eq!(swapped.growth, Growth::Instruction { notify: None }, "{}", to.name());
        let sound = churn(EngineId::Wasmtime, &swapped.wasm, 4000)
            .unwrap_or_else(|why| panic!("{}: {why}", to.name()));
        assert_eq!(sound, [4000; THREADS as usize], "{}", to.name());
    }
}

/// The module without its lock: the number that says "taken" becomes "free".
fn unlocked(wasm: &[u8]) -> Vec<u8> {
    // i32.const 0, i32.const 1, i32.atomic.rmw.cmpxchg, behind a global.get.
    const TAKE: [u8; 6] = [0x41, 0, 0x41, 1, 0xfe, 0x48];
    let mut wasm = wasm.to_vec();
    let is_of_lock = |at: &usize| wasm.get(at - 2) == Some(&0x23) && wasm[*at..].starts_with(&TAKE);
    let places: Vec<usize> = (2..wasm.len()).filter(is_of_lock).collect();
    assert_eq!(places.len(), 1, "where the lock is taken");
    wasm[places[0] + 3] = 0;
    wasm
}

#[test]
#[ignore = "shows that the tests above can fail; two threads need not meet on a machine with one processor"]
fn without_the_lock_threads_disturb_each_other() {
    let wasm = unlocked(&program(To::Dlmalloc).wasm);
    let is_sound =
        || churn(EngineId::Wasmtime, &wasm, 100_000).is_ok_and(|sound| sound == [100_000; THREADS as usize]);
    assert!((0..5).any(|_| !is_sound()));
}

#[test]
fn workers_that_begin_at_once_have_one_heap() {
    for to in [To::Dlmalloc, To::Jemalloc] {
        match churn(EngineId::Node, &program(to).wasm, 4000) {
            Ok(sound) => assert_eq!(sound, [4000; THREADS as usize], "{}", to.name()),
            Err(EngineError::Absent { reason, .. }) => {
                fix_support::say(&format!("skipped: no Node: {reason}"))
            }
            Err(why) => panic!("{}: {why}", to.name()),
        }
    }
}

/// Rust's own allocator, in a module that was linked for threads: workloads that tag their blocks and free each other's.
#[test]
fn a_guest_of_rusts_with_threads_works_on_with_every_heap() {
    let catalogue = Catalogue::embedded().expect("they are linked in");
    let guests = catalogue.allocators(&["std-default".to_owned()]).expect("it is one of them");
    let guest = catalogue.guest(guests.first().expect("it is one of them")).expect("it can be unpacked");
    let wasm = guest.threads.expect("it has a twin with threads");
    let facts = memgrove_inspect::facts(&wasm).expect("valid");
    for to in To::ALL {
        let options = memgrove_verify::swap::options_for(&facts, to).expect("it is no collector's");
        let swapped = swap(&facts, &options).unwrap_or_else(|why| panic!("{}: {why}", to.name()));
        let verification = verify_swap(&facts, &swapped);
        // One thread of it was run, which it says.
        assert_eq!(verification.verdict, Verdict::VerifiedInPart, "{}: {verification:?}", to.name());
        assert!(
            verification.not_run.iter().any(|gap| gap.words.contains("one thread")),
            "{:?}",
            verification.not_run
        );
        let mut crew = Crew::assemble(EngineId::Wasmtime, &settings(), &swapped.wasm, 2).expect("it starts");
        for workload in ["threadtest-threads", "xmalloc-threads"] {
            let mut wall = crew.begin("swapped", workload, 2);
            crew.round(&mut wall, 1, 7);
            assert!(wall.failure.is_none(), "{} {workload}: {:?}", to.name(), wall.failure);
        }
    }
}

/// A program of Emscripten's with pthreads, in this folder as `program.js` and what belongs to it; the compiler's words if
/// there is none.
fn emscripten(folder: &Path) -> Result<(), String> {
    let source = fix_support::root().join("crates/memgrove-lab/tests/swap_threads/program.c");
    let mut emcc = Command::new("emcc");
    // Debian's package cannot change what it wrote in JavaScript, as it has to for a memory that grows, and for -O2.
    emcc.args(["-pthread", "-O1", "-g2", "-sPTHREAD_POOL_SIZE=4", "-sPROXY_TO_PTHREAD", "-sEXIT_RUNTIME=1"]);
    emcc.args(["-sINITIAL_MEMORY=64MB", "-o", "program.js"]).arg(source).current_dir(folder);
    let output = emcc.output().map_err(|error| error.to_string())?;
    // Its JavaScript takes Node's fetch for a browser's.
    fs::write(folder.join("no-fetch.cjs"), "delete globalThis.fetch").map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{:.600}", String::from_utf8_lossy(&output.stderr))),
    }
}

fn of_emscripten(heaps: &[To], is_verified: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    if let Err(why) = emscripten(folder.path()) {
        return fix_support::say(&format!("skipped: Emscripten: {why}"));
    }
    let node = Node::any();
    let run = || {
        let mut node = Command::new(node.path());
        node.args(["--require", "./no-fetch.cjs", "program.js"]).current_dir(folder.path());
        let output = node.output().expect("node starts");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let was = run();
    assert_eq!(was.trim(), "80000 of 80000 rounds are sound");
    let path = folder.path().join("program.wasm");
    let wasm = fs::read(&path).expect("it was compiled");
    let facts = memgrove_inspect::facts(&wasm).expect("valid");
    for &to in heaps {
        let options = memgrove_verify::swap::options_for(&facts, to).expect("it is no collector's");
        let swapped = swap(&facts, &options).unwrap_or_else(|why| panic!("{}: {why}", to.name()));
        assert!(matches!(swapped.growth, Growth::Sbrk(_)), "{:?}", swapped.growth);
        if is_verified {
            let verification = verify_swap(&facts, &swapped);
            assert_eq!(verification.verdict, Verdict::VerifiedInPart, "{}: {verification:?}", to.name());
        }
        fs::write(&path, &swapped.wasm).expect("it can be written");
        assert_eq!(run(), was, "{}", to.name());
    }
}

#[test]
fn a_program_of_emscriptens_with_pthreads_works_on() {
    of_emscripten(&[To::Dlmalloc], false);
}

#[test]
#[ignore = "minutes: every heap, and its 64 MiB compared"]
fn a_program_of_emscriptens_with_pthreads_works_on_with_every_heap() {
    of_emscripten(&To::ALL, true);
}
