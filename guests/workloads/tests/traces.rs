//! Replay: of a small trace, of bad ones, and of every trace that is shipped.

use memgrove_trace::{Encoder, summarize};
use workloads::{Block, replay};

fn slots(count: u64) -> Vec<Option<Block>> {
    (0..count).map(|_| None).collect()
}

fn small() -> Vec<u8> {
    let mut encoder = Encoder::new();
    let a = encoder.allocate(100, 8, false);
    let b = encoder.allocate(5000, 64, true);
    encoder.reallocate(a, 10_000);
    encoder.free(b);
    let _left = encoder.allocate(0, 1, false);
    encoder.finish()
}

#[test]
fn a_trace_replays_to_the_same_checksum() {
    let trace = small();
    assert_eq!(replay(&trace, &mut slots(3)), replay(&trace, &mut slots(10)));
}

#[test]
#[should_panic(expected = "BadTrace")]
fn a_table_too_small_is_refused() {
    replay(&small(), &mut slots(2));
}

#[test]
#[should_panic(expected = "BadTrace")]
fn a_trace_cut_short_is_refused() {
    let trace = small();
    replay(&trace[..trace.len() - 1], &mut slots(3));
}

#[test]
#[should_panic(expected = "BadTrace")]
fn a_size_that_no_wasm32_program_can_ask_for_is_refused() {
    let mut encoder = Encoder::new();
    encoder.allocate(u64::MAX, 8, false);
    replay(&encoder.finish(), &mut slots(1));
}

#[test]
fn every_shipped_trace_replays() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/memgrove-trace/traces");
    let mut replayed = 0;
    for entry in std::fs::read_dir(folder).expect("traces are shipped") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_some_and(|extension| extension == "mgtr") {
            let trace = std::fs::read(&path).expect("the trace can be read");
            assert!(trace.len() < 200 << 10, "{} is too large to ship", path.display());
            let summary = summarize(&trace).expect("a sound trace");
            assert!(summary.reallocations > 0 && summary.frees > 1000, "{}: {summary:?}", path.display());
            replay(&trace, &mut slots(summary.allocations));
            replayed += 1;
        }
    }
    assert!(replayed >= 4, "only {replayed} traces");
}
