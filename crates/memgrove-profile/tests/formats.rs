//! Each format as it is written, held against a file in `golden`; `BLESS=1` writes those anew. That real viewers open them
//! is tested in `viewers.rs`.

mod shared;

use std::fs;
use std::io::Read;
use std::path::Path;

use memgrove_profile::{Export, Metric, NotReplayable, Profile, layout};

fn golden(name: &str, bytes: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, bytes).expect("the golden file can be written");
    }
    let expected = fs::read(&path).expect("there is a golden file");
    assert!(bytes == expected, "{name} differs; BLESS=1 accepts it:\n{}", String::from_utf8_lossy(bytes));
}

fn export(write: impl FnOnce(&Export<'_>)) {
    let profile = shared::sample();
    let summary = profile.summary();
    write(&Export { profile: &profile, summary: &summary, names: &shared::names, module: "app.wasm" });
}

#[test]
fn every_format_is_written_as_before() {
    export(|export| {
        golden("collapsed.txt", export.collapsed(Metric::Allocated).as_bytes());
        golden("dhat.json", &export.dhat().expect("it is written"));
        golden("speedscope.json", &export.speedscope().expect("it is written"));
        golden("firefox.json", &export.firefox().expect("it is written"));
        golden("heaptrack.txt", export.heaptrack().as_bytes());
        let packed = export.pprof().expect("it is written");
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut plain).expect("it is gzip");
        golden("pprof.pb", &plain);
    });
}

#[test]
fn a_complete_log_is_a_trace() {
    let trace = shared::sample().mgtr().expect("it is complete");
    let events: Vec<_> = memgrove_trace::Decoder::new(&trace)
        .expect("it is a trace")
        .collect::<Result<_, _>>()
        .expect("whole");
    use memgrove_trace::Event::{Allocate, Free, Reallocate};
    // Blocks that asked for no alignment have what all of them have: 16, as 1136 and 1024 show.
    let allocate = |size_bytes| Allocate { size_bytes, align_log2: 4, zeroed: false };
    let expected = [
        allocate(100),
        allocate(200),
        Free { age: 0 },
        allocate(4096),
        Reallocate { age: 0, new_size_bytes: 8192 },
        allocate(200),
        allocate(16),
        Free { age: 2 },
        Free { age: 0 },
    ];
    assert_eq!(events, expected);
}

#[test]
fn what_is_not_complete_or_no_allocator_is_no_trace() {
    use layout::kind::{ALLOCATED, FREED};
    let read = |bytes: &[u8]| Profile::read(bytes).expect("it is whole");
    let mut cut = shared::profile(&[], &[(ALLOCATED, 0, 16, 8)]);
    cut[layout::EVENT_COUNT as usize] = 9;
    cut[layout::STATE as usize] = u8::try_from(layout::LOG_CUT).expect("a low bit");
    assert_eq!(read(&cut).mgtr(), Err(NotReplayable::Cut { logged: 1, events: 9 }));
    let stray = shared::profile(&[], &[(FREED, 0, 16, 0)]);
    assert!(matches!(read(&stray).mgtr(), Err(NotReplayable::Contradicts(_))));
    assert_eq!(read(&shared::profile(&[], &[])).mgtr(), Err(NotReplayable::Empty));
}

#[test]
fn figures_of_a_stack_are_those_of_its_blocks() {
    let summary = shared::sample().summary();
    let node = summary.nodes[&3];
    assert_eq!((node.count, node.bytes, node.max_bytes, node.max_blocks), (3, 500, 300, 2));
    assert_eq!((node.final_bytes, node.final_blocks, node.temporary), (300, 2, 1));
    let node = summary.nodes[&4];
    assert_eq!((node.count, node.bytes, node.max_bytes, node.at_peak_bytes), (2, 4096 + 8192, 8192, 8192));
    assert_eq!((summary.peak_bytes, summary.peak_at, summary.peak_blocks), (100 + 8192 + 200 + 16, 7, 4));
    assert_eq!(summary.peak_at_allocated_bytes, 100 + 200 + 4096 + 8192 + 200 + 16);
    assert_eq!(summary.extent.map(|extent| (extent.start, extent.end)), Some((32, 8192 + 8192)));
    assert_eq!(summary.lifetimes.iter().sum::<u64>(), 4, "freed, moved, freed, freed");
    assert_eq!(summary.sizes.iter().map(|class| class.bytes).sum::<u64>(), summary.allocated_bytes);
}
