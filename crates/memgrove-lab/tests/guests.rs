//! The embedded guests, measured as `memgrove bench` does: recorded traces, and threads.

use std::collections::BTreeMap;
use std::path::Path;

use memgrove_lab::engine::{self, EngineError, EngineId, Settings};
use memgrove_lab::measure::catalogue::Catalogue;
use memgrove_lab::measure::results::Results;
use memgrove_lab::measure::subject::{Subject, Task, Work};
use memgrove_lab::measure::{Plan, Request, Trace, run};

fn measured(request: &Request) -> Results {
    let catalogue = Catalogue::embedded().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut plan = Plan::new(&catalogue, request).unwrap();
    plan.lock_path = folder.path().join("lock");
    let mut results = Results::new(plan.setting.clone());
    run(&plan, &catalogue, &mut results, None, &|_| {}).unwrap();
    results
}

/// A recorded program asks for the same blocks whichever allocator is under it. The trace's buffer is memory that
/// somebody else grew before the allocator's first call, which an allocator has to bear.
#[test]
fn recorded_traces_are_replayed_alike_by_every_allocator() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../memgrove-trace/traces");
    let trace = Trace::read(&folder.join("markdown.mgtr")).unwrap();
    let names = ["dlmalloc", "memgrove-dlmalloc", "emscripten-dlmalloc", "wasi-libc"];
    let results = measured(&Request {
        allocators: names.map(str::to_owned).to_vec(),
        workloads: vec!["lifo".to_owned()],
        engines: vec![EngineId::Wasmtime],
        traces: vec![trace],
        rounds: 0,
        threads: Vec::new(),
        ..Request::default()
    });
    assert!(results.counts.len() >= names.len(), "{}", results.counts.len());
    let id = "trace:markdown";
    let failed: Vec<_> = results.counts.iter().filter(|count| count.failure.is_some()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    // Each guest's counter is where its calls are seen, and the dearest is no less than the mean.
    for name in names {
        let dearest = results.figures(name, id).and_then(|figures| figures.dearest_call_fuel);
        let mean = results.own_fuel_per_call(name, id);
        let (Some(dearest), Some(mean)) = (dearest, mean) else { panic!("{name}: {dearest:?}, {mean:?}") };
        assert!(dearest as f64 >= mean, "{name}: {dearest}, {mean}");
    }
}

#[test]
fn guests_answer_alike_on_every_engine() {
    let answers = answer_alike(&["dlmalloc", "memgrove-jemalloc"]);
    let failed: Vec<_> = answers.iter().filter(|(_, answer)| answer.is_err()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// The same of all guests, those of peers that fail included: minutes.
#[test]
#[ignore = "compiles every guest on three engines"]
fn all_guests_answer_alike_on_every_engine() {
    answer_alike(&["all"]);
}

/// What a run answered and the bytes of its heap, or the word for how it failed.
type Answer = Result<(u64, u64), &'static str>;

/// Every engine computes with these allocators what every other one does, at every workload, cold and warm, and the heap
/// is as large. Returns the answers.
#[expect(clippy::print_stderr, reason = "a test says what it left out")]
fn answer_alike(allocators: &[&str]) -> BTreeMap<(String, &'static str), Answer> {
    let catalogue = Catalogue::embedded().unwrap();
    let task = Task::Run { scale_percent: 1, seed: 7 };
    let allocators: Vec<_> = allocators.iter().map(|&name| name.to_owned()).collect();
    let mut known = BTreeMap::new();
    for id in [EngineId::Wasmtime, EngineId::Node, EngineId::WasmtimePy] {
        let engine = match engine::open(id, &Settings::default()) {
            Err(EngineError::Absent { reason, .. }) if id.is_process() => {
                eprintln!("not tested on {id}: {reason}");
                continue;
            }
            engine => engine.unwrap(),
        };
        for info in catalogue.allocators(&allocators).unwrap() {
            let subject = Subject::load(&*engine, &catalogue.guest(info).unwrap().wasm).unwrap();
            for workload in subject.workloads() {
                let work = Work { id: workload.to_owned(), task: task.clone() };
                let mut bout = subject.begin(&work).unwrap();
                let name = format!("{}, {workload}", info.allocator);
                for heat in ["cold", "warm"] {
                    let answer = match bout.run(u64::MAX) {
                        Ok(run) => {
                            assert!(!run.elapsed.is_zero(), "{name} on {id}, {heat}");
                            Ok((run.checksum, bout.counter("heap_bytes").unwrap()))
                        }
                        Err(failure) => Err(failure.word()),
                    };
                    let first = *known.entry((name.clone(), heat)).or_insert(answer);
                    assert_eq!(answer, first, "{name} on {id}, {heat}");
                    if answer.is_err() {
                        break;
                    }
                }
            }
        }
    }
    assert!(known.len() > 80, "{}", known.len());
    known
}

/// Two threads over one heap: every block is tagged and verified by whoever frees it.
#[test]
fn threads_of_every_threaded_guest_find_their_blocks_as_they_left_them() {
    let workloads = ["threadtest-threads", "xmalloc-threads", "cache-scratch-threads"];
    let results = measured(&Request {
        allocators: ["ours", "std-default"].map(str::to_owned).to_vec(),
        workloads: workloads.map(str::to_owned).to_vec(),
        scale_percent: 1,
        engines: vec![EngineId::Wasmtime],
        rounds: 1,
        threads: vec![2],
        ..Request::default()
    });
    let ours = ["memgrove-wee", "memgrove-dlmalloc", "memgrove-jemalloc"];
    for workload in workloads {
        for allocator in ours.iter().chain(&["std-default"]) {
            let walls = results
                .threads
                .iter()
                .filter(|wall| (wall.workload.as_str(), wall.allocator.as_str()) == (workload, *allocator));
            let failures: Vec<_> = walls.clone().filter_map(|wall| wall.failure.as_ref()).collect();
            assert!(failures.is_empty(), "{allocator}, {workload}: {failures:?}");
            assert_eq!(walls.count(), 1, "{allocator}, {workload}");
        }
    }
}
