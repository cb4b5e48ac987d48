//! The embedded guests, measured as `memgrove bench` does: recorded traces, and threads.

use std::path::Path;

use memgrove_lab::engine::EngineId;
use memgrove_lab::measure::catalogue::Catalogue;
use memgrove_lab::measure::results::Results;
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
