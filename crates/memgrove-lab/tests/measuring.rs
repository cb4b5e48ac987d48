//! Measuring, on guests that are written here: a sound one, and one for each way to fail.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use memgrove_lab::engine::{self, EngineError, EngineId, Settings};
use memgrove_lab::guest::{GuestInfo, Manifest, Role, Status, WorkloadInfo, WorkloadKind};
use memgrove_lab::measure::catalogue::{Catalogue, Guest, sha256};
use memgrove_lab::measure::failure::Failure;
use memgrove_lab::measure::lock::TimingLock;
use memgrove_lab::measure::results::Results;
use memgrove_lab::measure::saved;
use memgrove_lab::measure::{Event, MeasureError, Plan, Request, run};

/// Takes blocks from a list of free ones, else from the end: sound.
const SOUND: &str = "
    (func $alloc (result i32) (local $p i32)
        (if (i32.eqz (global.get $free)) (then (return (call $bump))))
        (local.set $p (global.get $free))
        (global.set $free (i32.load (local.get $p)))
        (local.get $p))
    (func $release (param $p i32)
        (i32.store (local.get $p) (global.get $free))
        (global.set $free (local.get $p)))";

/// Never takes a block back.
const BUMP: &str = "
    (func $alloc (result i32) (call $bump))
    (func $release (param i32))";

/// Hands out one block twice.
const OVERLAPS: &str = "
    (func $alloc (result i32) (i32.const 8192))
    (func $release (param i32))";

/// Looks at a thousand things before it gives a block.
const SLOW: &str = "
    (func $alloc (result i32) (local $i i32)
        (loop $again
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 5000))))
        (i32.const 4096) (global.set $free (i32.xor (global.get $free) (i32.const 1024)))
        (i32.add (global.get $free)))
    (func $release (param i32))";

/// Aborts on free.
const ABORTS: &str = "
    (func $alloc (result i32) (call $bump))
    (func $release (param i32) (unreachable))";

/// A guest whose only workload takes two blocks of 1 KiB, tags them, checks the first, and frees both, ten
/// times for each per cent.
fn guest_wat(allocator: &str, most_pages: u32, answer: u32, abi: u32) -> String {
    format!(
        r#"(module
    (memory (export "memory") 1 {most_pages})
    (data (i32.const 16) "churn")
    (global $next (mut i32) (i32.const 4096))
    (global $free (mut i32) (i32.const 0))
    (global $status (mut i32) (i32.const 0))
    (global $calls (mut i64) (i64.const 0))
    (func $bump (result i32) (local $p i32)
        (local.set $p (global.get $next))
        (if (i32.gt_u (i32.add (local.get $p) (i32.const 1024)) (i32.shl (memory.size) (i32.const 16)))
            (then (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (return (i32.const 0))))))
        (global.set $next (i32.add (local.get $p) (i32.const 1024)))
        (local.get $p))
    {allocator}
    (func (export "abi_version") (result i32) (i32.const {abi}))
    (func (export "workload_count") (result i32) (i32.const 1))
    (func (export "workload_name") (param i32) (result i64) (i64.const 0x1000000005))
    (func (export "run") (param $workload i32) (param $scale i32) (param $seed i32) (result i64)
        (local $i i32) (local $a i32) (local $b i32) (local $sum i64)
        (global.set $status (i32.const 0))
        (global.set $calls (i64.const 0))
        (loop $again
            (global.set $calls (i64.add (global.get $calls) (i64.const 4)))
            (local.set $a (call $alloc))
            (local.set $b (call $alloc))
            (if (i32.or (i32.eqz (local.get $a)) (i32.eqz (local.get $b)))
                (then (global.set $status (i32.const 1)) (return (i64.const 0))))
            (i32.store (local.get $a) (local.get $i))
            (i32.store (local.get $b) (i32.const -1))
            (if (i32.ne (i32.load (local.get $a)) (local.get $i))
                (then (global.set $status (i32.const 2)) (return (i64.const 0))))
            (call $release (local.get $b))
            (call $release (local.get $a))
            (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (i32.mul (local.get $i) (local.get $seed)))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.mul (local.get $scale) (i32.const 10)))))
        (i64.add (local.get $sum) (i64.const {answer})))
    (func (export "status") (result i32) (global.get $status))
    (func (export "calls") (result i64) (global.get $calls))
    (func (export "peak_live_bytes") (result i64) (i64.const 2048))
    (func (export "live_bytes") (result i64) (i64.const 0))
    (func (export "heap_bytes") (result i64)
        (i64.sub (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)) (i64.const 4096))))"#
    )
}

fn guest(name: &str, role: Role, wat: &str) -> Guest {
    let wasm = wat::parse_str(wat).unwrap();
    let info = GuestInfo {
        allocator: name.to_owned(),
        title: name.to_owned(),
        version: "1".to_owned(),
        source: "this test".to_owned(),
        role,
        known_defects: Vec::new(),
        size_bytes: wasm.len() as u64,
        sha256: sha256(&wasm),
        threads: None,
        own_code: None,
    };
    Guest { info, wasm, threads: None }
}

fn catalogue(peers: Vec<Guest>) -> Catalogue {
    let manifest = Manifest {
        abi_version: 1,
        tools: Vec::new(),
        workloads: vec![WorkloadInfo {
            id: "churn".to_owned(),
            title: "two blocks at a time".to_owned(),
            source: "this test".to_owned(),
            kind: WorkloadKind::Pattern,
        }],
        guests: Vec::new(),
    };
    let sound = guest_wat(SOUND, 1000, 0, 1);
    let mut guests =
        vec![guest("dlmalloc", Role::Peer, &sound), guest("bump", Role::Floor, &guest_wat(BUMP, 1000, 0, 1))];
    guests.extend(peers);
    Catalogue::of(manifest, guests)
}

/// Counting only.
fn request() -> Request {
    Request { rounds: 0, seed: 3, ..Request::default() }
}

fn measured(catalogue: &Catalogue, request: &Request) -> Results {
    let plan = Plan::new(catalogue, request).unwrap();
    let mut results = Results::new(plan.setting.clone());
    run(&plan, catalogue, &mut results, None, &|_| {}).unwrap();
    results
}

#[test]
fn a_sound_allocator_is_counted_and_repeats_exactly() {
    let catalogue = catalogue(vec![guest("twin", Role::Peer, &guest_wat(SOUND, 1000, 0, 1))]);
    let results = measured(&catalogue, &request());
    let base = results.figures("dlmalloc", "churn").unwrap();
    assert_eq!((base.calls, base.peak_live_bytes), (4000, 2048));
    assert_eq!(base.heap_bytes, 65_536 - 4096);
    assert_eq!(base.growth_bytes, [0, 0]);
    assert_eq!(base.checksum, (0..1000).sum::<u64>() * 3);
    assert_eq!(results.figures("twin", "churn"), Some(base));
    assert_eq!(results.figures("bump", "churn").unwrap().checksum, base.checksum);
    assert_eq!(measured(&catalogue, &request()).to_json(), results.to_json());
}

/// The guest with its calls counted one by one in memory, as the wrapper of the real guests does.
fn counted(guest: &str) -> String {
    let count = r#"
    (func $count
        (i64.store offset=2048 (i32.const 0) (i64.add (i64.load offset=2048 (i32.const 0)) (i64.const 1))))
    (func $counted_alloc (result i32) (call $count) (call $alloc))
    (func $counted_release (param i32) (call $count) (call $release (local.get 0)))
    (func (export "abi_version")"#;
    [
        ("(global.set $calls (i64.add (global.get $calls) (i64.const 4)))", ""),
        ("(global.set $calls (i64.const 0))", "(i64.store offset=2048 (i32.const 0) (i64.const 0))"),
        ("(result i64) (global.get $calls)", "(result i64) (i64.load offset=2048 (i32.const 0))"),
        ("(call $alloc)", "(call $counted_alloc)"),
        ("(call $release ", "(call $counted_release "),
        ("\n    (func (export \"abi_version\")", count),
    ]
    .into_iter()
    .fold(guest.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

/// Once in a run a call takes a loop of so many turns, of four instructions each.
#[test]
fn the_dearest_call_is_found_where_calls_are_counted_in_memory() {
    const TURNS: u64 = 700;
    let sound = guest_wat(SOUND, 1000, 0, 1);
    let spike = format!(
        "(func $alloc (result i32) (local $i i32)
            (if (i32.eq (i32.load offset=2048 (i32.const 0)) (i32.const 1001))
                (then (local.set $i (i32.const {TURNS}))
                    (loop $again
                        (br_if $again (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))
            (call $usual))
        (func $usual "
    );
    let spiky = counted(&sound.replace("(func $alloc ", &spike));
    let guests = vec![
        guest("dlmalloc", Role::Peer, &counted(&sound)),
        guest("bump", Role::Floor, &counted(&guest_wat(BUMP, 1000, 0, 1))),
        guest("spiky", Role::Peer, &spiky),
        // Nobody sees where its calls begin.
        guest("unseen", Role::Peer, &sound),
    ];
    let catalogue = Catalogue::of(Manifest { guests: Vec::new(), ..catalogue(vec![]).manifest }, guests);
    let results = measured(&catalogue, &request());
    let dearest = |id| results.figures(id, "churn").unwrap().dearest_call_fuel;
    assert_eq!((dearest("bump"), dearest("unseen")), (None, None));
    let usual = dearest("dlmalloc").unwrap();
    assert!(usual < 50, "{usual}");
    let most = dearest("spiky").unwrap();
    assert!((TURNS * 4..TURNS * 8).contains(&(most - usual)), "{most}, else {usual}");
    // What a run lacks is measured when it goes on.
    let plan = Plan::new(&catalogue, &request()).unwrap();
    let mut rest = results.clone();
    for count in &mut rest.counts {
        count.figures.as_mut().unwrap().dearest_call_fuel = None;
    }
    run(&plan, &catalogue, &mut rest, None, &|_| {}).unwrap();
    assert_eq!(rest, results);
}

/// A heap that reuses what the first page holds never grows; one that never does grows for as long as it is asked to.
#[test]
fn what_a_heap_holds_after_many_rounds_is_shown_with_the_last_that_grew() {
    const ROUNDS: u32 = 30;
    let catalogue = catalogue(vec![guest("leaky", Role::Peer, &guest_wat(BUMP, 2000, 0, 1))]);
    // A leak is no reason to leave it out: what it holds is what is asked for.
    let results = measured(&catalogue, &Request { repeats: ROUNDS, ..request() });
    let rounds = |id: &str| -> Vec<u32> {
        results.repeated(id, "churn").unwrap().held.iter().map(|held| held.round).collect()
    };
    let sound = results.repeated("dlmalloc", "churn").unwrap();
    assert_eq!((rounds("dlmalloc"), sound.last_growth_round), (vec![1, 2, 20, ROUNDS], 0), "{sound:?}");
    assert!(sound.held.iter().all(|held| held.heap_bytes == sound.held[0].heap_bytes), "{sound:?}");
    let leaky = results.repeated("leaky", "churn").unwrap();
    assert_eq!((rounds("leaky"), leaky.last_growth_round), (vec![1, 2, 20, ROUNDS], ROUNDS), "{leaky:?}");
    let lines = results.lines();
    let late: Vec<_> = lines.iter().map(|line| (line.allocator.id.as_str(), line.grows_late)).collect();
    assert!(
        late.contains(&("dlmalloc", Some((0, 1)))) && late.contains(&("leaky", Some((1, 1)))),
        "{late:?}"
    );
    let growths = |id: &str| results.figures(id, "churn").unwrap().growths;
    assert!(growths("leaky") > growths("dlmalloc"), "{:?} {:?}", growths("leaky"), growths("dlmalloc"));
    // It goes on where it was, and is another run with other rounds.
    assert_eq!(Results::from_json(&results.to_json()).unwrap(), results);
}

#[test]
fn every_way_to_fail_is_shown_with_its_reason() {
    let peer = |name, wat: &str| guest(name, Role::Peer, wat);
    let catalogue = catalogue(vec![
        peer("leaks", &guest_wat(BUMP, 1000, 0, 1)),
        peer("overlaps", &guest_wat(OVERLAPS, 1000, 0, 1)),
        peer("runs-out", &guest_wat(BUMP, 2, 0, 1)),
        peer("slow", &guest_wat(SLOW, 1000, 0, 1)),
        peer("wrong", &guest_wat(SOUND, 1000, 7, 1)),
        peer("aborts", &guest_wat(ABORTS, 1000, 0, 1)),
        peer("old", &guest_wat(SOUND, 1000, 0, 9)),
    ]);
    let told = Mutex::new(Vec::new());
    let plan = Plan::new(&catalogue, &request()).unwrap();
    let mut results = Results::new(plan.setting.clone());
    run(&plan, &catalogue, &mut results, None, &|event| {
        if let Event::Failed { allocator, .. } = event {
            told.lock().unwrap().push(allocator.to_owned());
        }
    })
    .unwrap();
    let failure = |name| results.count(name, "churn").unwrap().failure.clone();
    assert_eq!(failure("dlmalloc"), None);
    assert_eq!(failure("bump"), None, "the floor may keep everything");
    assert!(
        matches!(failure("leaks"), Some(Failure::Leaks { growth_bytes, peak_live_bytes: 2048 }) if growth_bytes > 1 << 20),
        "{:?}",
        failure("leaks")
    );
    assert_eq!(failure("overlaps"), Some(Failure::Corrupts { status: Status::Corrupted }));
    assert_eq!(failure("runs-out"), Some(Failure::RunsOut));
    let limit = 40 * results.figures("dlmalloc", "churn").unwrap().fuel;
    assert_eq!(failure("slow"), Some(Failure::Collapses { fuel_limit: limit }));
    let expected = results.figures("dlmalloc", "churn").unwrap().checksum;
    assert_eq!(failure("wrong"), Some(Failure::WrongAnswer { checksum: expected + 7, expected }));
    assert!(matches!(failure("aborts"), Some(Failure::Traps { words }) if words.contains("unreachable")));
    assert!(matches!(failure("old"), Some(Failure::Unusable { words }) if words.contains("answers 9")));
    let mut told = told.into_inner().unwrap();
    told.sort();
    assert_eq!(told, ["aborts", "leaks", "old", "overlaps", "runs-out", "slow", "wrong"]);
    let leaked = results.count("leaks", "churn").unwrap();
    assert!(leaked.figures.is_some(), "what was counted of a failure stays");
}

#[test]
fn a_hostile_guest_is_bounded_and_the_others_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = |name, part: &str, instead: &str| {
        let more = "(memory i64 1) (table 1 funcref) (data (i32.const 16)";
        let wat = guest_wat(SOUND, 1000, 0, 1).replace("(data (i32.const 16)", more);
        assert!(wat.contains(part), "{part}");
        guest(name, Role::Peer, &wat.replacen(part, instead, 1))
    };
    let count = r#"(func (export "workload_count") (result i32) (i32.const 1))"#;
    let status = r#"(func (export "status") (result i32) (global.get $status))"#;
    let names = ["start", "count", "status", "run", "table", "memory"];
    let catalogue = catalogue(vec![
        hostile("start", "(func $bump", "(func $spin (loop (br 0))) (start $spin) (func $bump"),
        hostile(
            "count",
            count,
            r#"(func (export "workload_count") (result i32) (loop (br 0)) (unreachable))"#,
        ),
        hostile("status", status, r#"(func (export "status") (result i32) (loop (br 0)) (unreachable))"#),
        hostile("run", "(loop $again", "(loop (br 0)) (loop $again"),
        hostile(
            "table",
            "(loop $again",
            "(loop (drop (table.grow (ref.null func) (i32.const 1000))) (br 0)) (loop $again",
        ),
        hostile("memory", "(loop $again", "(drop (memory.grow 1 (i64.const 16777216))) (loop $again"),
    ]);
    let request = Request { rounds: 3, engines: vec![EngineId::Wasmtime], ..request() };
    let mut plan = Plan::new(&catalogue, &request).unwrap();
    plan.lock_path = folder.path().join("lock");
    let mut results = Results::new(plan.setting.clone());
    run(&plan, &catalogue, &mut results, None, &|_| {}).unwrap();
    for name in names {
        assert!(results.count(name, "churn").unwrap().failure.is_some(), "{name}");
        assert!(results.wall(EngineId::Wasmtime, "churn", name, false).is_none(), "{name} is not timed");
    }
    let failure = results.count("memory", "churn").unwrap().failure.clone();
    let words = failure.map(|failure| failure.to_string()).unwrap_or_default();
    assert!(words.contains("beyond the budget"), "{words}");
    assert!(results.wall(EngineId::Wasmtime, "churn", "dlmalloc", false).is_some());
}

#[test]
#[expect(clippy::print_stderr, reason = "a test says what it left out")]
fn wall_times_have_a_control_and_leave_failures_out() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = catalogue(vec![
        guest("twin", Role::Peer, &guest_wat(SOUND, 1000, 0, 1)),
        guest("overlaps", Role::Peer, &guest_wat(OVERLAPS, 1000, 0, 1)),
    ]);
    let is_here = |id: &EngineId| match engine::open(*id, &Settings::default()) {
        Err(EngineError::Absent { reason, .. }) if id.is_process() => {
            eprintln!("not timed on {id}: {reason}");
            false
        }
        opened => opened.map(drop).is_ok(),
    };
    let engines: Vec<_> = EngineId::ALL.into_iter().filter(is_here).collect();
    assert!(engines.starts_with(&[EngineId::Wasmtime, EngineId::Wasmi]));
    let request = Request { rounds: 3, engines, ..request() };
    let mut plan = Plan::new(&catalogue, &request).unwrap();
    plan.lock_path = folder.path().join("lock");
    let mut results = Results::new(plan.setting.clone());
    run(&plan, &catalogue, &mut results, None, &|_| {}).unwrap();
    let page = memgrove_view::bench::markdown(&results, "run.json", "run", &[]);
    let versions = &results.setting.engines;
    let (overview, _) = page.split_once("## Memory").expect("a page with an overview");
    let is_python = request.engines.contains(&EngineId::WasmtimePy);
    assert_eq!(page.contains("of which Python takes two microseconds"), is_python, "{page}");
    for engine in request.engines {
        let version = versions.iter().find(|known| known.engine == engine).expect("its version is kept");
        assert!(page.contains(&format!("{engine} {}", version.version)), "{engine}: {page}");
        assert!(overview.contains(&format!("| {engine} warm | {engine} cold |")), "{overview}");
        assert!(page.contains(&format!("## Warm wall time on {engine}")), "{page}");
        for (allocator, control) in
            [("dlmalloc", false), ("dlmalloc", true), ("twin", false), ("bump", false)]
        {
            let wall = results.wall(engine, "churn", allocator, control).unwrap();
            assert_eq!(wall.failure, None);
            assert_eq!((wall.cold_ns.len(), wall.warm_ns.len()), (3, 3), "{engine} {allocator}");
            assert!(wall.cold_ns.iter().chain(&wall.warm_ns).all(|&ns| ns > 0));
        }
        assert_eq!(results.wall(engine, "churn", "overlaps", false), None);
    }
}

#[test]
fn a_second_timing_run_is_refused_and_what_was_counted_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (lock, file) = (folder.path().join("lock"), folder.path().join("run.json"));
    let _first = TimingLock::take(&lock).unwrap();
    let catalogue = catalogue(Vec::new());
    let mut plan =
        Plan::new(&catalogue, &Request { rounds: 3, engines: vec![EngineId::Wasmtime], ..request() })
            .unwrap();
    plan.lock_path = lock;
    let mut results = Results::new(plan.setting.clone());
    let error = run(&plan, &catalogue, &mut results, Some(&|results| saved::save(results, &file)), &|_| {})
        .unwrap_err();
    assert!(matches!(error, MeasureError::Lock(_)), "{error}");
    assert_eq!(saved::read(&file).unwrap().counts.len(), 2);
}

#[test]
fn an_interrupted_run_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.json");
    let catalogue = catalogue(vec![guest("twin", Role::Peer, &guest_wat(SOUND, 1000, 0, 1))]);
    let whole = measured(&catalogue, &request());
    let plan = Plan::new(&catalogue, &request()).unwrap();

    let mut half = whole.clone();
    half.counts.retain(|count| count.allocator != "twin");
    // A mark that a repeated measurement would wipe out.
    half.counts[0].figures.as_mut().unwrap().heap_bytes = 12_345;
    saved::save(&half, &file).unwrap();

    let mut results = saved::resume(&file, plan.setting.clone()).unwrap();
    run(&plan, &catalogue, &mut results, Some(&|results| saved::save(results, &file)), &|_| {}).unwrap();
    let saved = saved::read(&file).unwrap();
    assert_eq!(saved.counts.len(), 3);
    assert_eq!(saved.figures("dlmalloc", "churn").unwrap().heap_bytes, 12_345, "not measured again");
    assert_eq!(saved.figures("twin", "churn"), whole.figures("twin", "churn"));
}

#[test]
fn names_that_do_not_exist_are_answered_with_those_that_do() {
    let catalogue = catalogue(Vec::new());
    let ask = |allocators: &[&str], workloads: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let request = Request { allocators: owned(allocators), workloads: owned(workloads), ..request() };
        Plan::new(&catalogue, &request).map(drop).map_err(|error| (error.to_string(), error.hint()))
    };
    let (words, hint) = ask(&["dlmaloc"], &[]).unwrap_err();
    assert_eq!(words, "no allocator `dlmaloc`; there are dlmalloc, bump");
    assert_eq!(hint.unwrap(), "did you mean `dlmalloc`?");
    let (words, _) = ask(&[], &["chum"]).unwrap_err();
    assert_eq!(words, "no workload `chum`; there are churn");
    assert!(ask(&["all"], &["churn"]).is_ok());
}

#[test]
fn a_guest_of_the_users_is_measured_beside_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.wasm");
    fs::write(&path, wat::parse_str(guest_wat(SOUND, 1000, 0, 1)).unwrap()).unwrap();
    let mut catalogue = catalogue(Vec::new());
    assert_eq!(catalogue.add_file(&path).unwrap(), "mine");
    let results = measured(&catalogue, &request());
    assert_eq!(results.figures("mine", "churn"), results.figures("dlmalloc", "churn"));
    let error = catalogue.add_file(Path::new("no-such.wasm")).unwrap_err();
    assert!(error.to_string().starts_with("no-such.wasm"), "{error}");
}
