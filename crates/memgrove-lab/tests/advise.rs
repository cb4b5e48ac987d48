//! What `memgrove advise` measures and concludes, on sequences of calls whose best allocator follows from how the
//! allocators lay out their blocks.

use std::path::Path;
use std::sync::LazyLock;

use memgrove_lab::measure::Trace;
use memgrove_lab::measure::advise::Replayers;
use memgrove_lab::measure::catalogue::Catalogue;
use memgrove_results::advice::{Advice, PAGE_BYTES, Present, Taken, Verdict, held_by, inspected_ids};
use memgrove_results::bench::failure::Failure;
use memgrove_trace::Encoder;

/// Wee has classes of powers of two and no headers; both dlmallocs have a header of 4 bytes and blocks of a multiple of 8.
const WEE: &str = "memgrove-wee";
const OURS: &str = "memgrove-dlmalloc";
const PEER: &str = "dlmalloc";
const LEAKS: &str = "wee-alloc";

/// One of each, and the peer as the base: compiling them takes longer than all that they replay here.
fn advised(trace: Vec<u8>) -> Advice {
    static READY: LazyLock<Replayers> = LazyLock::new(|| {
        let names = [WEE, OURS, LEAKS].map(str::to_owned);
        Replayers::load(&Catalogue::embedded().unwrap(), &names).unwrap()
    });
    READY.advise(&Trace::of(trace, Path::new("made.mgtr")).unwrap(), &|| ())
}

/// So many blocks of one size; all are freed at the end, or none.
fn blocks(count: u64, size: u64, are_freed: bool) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let blocks: Vec<_> = (0..count).map(|_| encoder.allocate(size, 4, false)).collect();
    if are_freed {
        blocks.into_iter().for_each(|block| encoder.free(block));
    }
    encoder.finish()
}

fn taken(advice: &Advice, allocator: &str) -> Taken {
    let found = advice.candidates.iter().find(|candidate| candidate.allocator == allocator).unwrap();
    assert_eq!(found.failure, None, "{allocator}");
    found.figures.unwrap()
}

/// Pages of `count` blocks that take `each` bytes, and one more: where the heap begins, or what the allocator keeps
/// for itself.
fn pages(count: u64, each: u64) -> std::ops::RangeInclusive<u64> {
    let fewest = (count * each) / PAGE_BYTES;
    fewest..=fewest + 2
}

#[test]
fn the_allocator_whose_blocks_fit_the_sizes_is_recommended() {
    const COUNT: u64 = 32_768;
    // 16 bytes are a class of Wee's; behind a header they take 24.
    let advice = advised(blocks(COUNT, 16, true));
    for (allocator, each) in [(WEE, 16), (OURS, 24), (PEER, 24)] {
        let taken = taken(&advice, allocator);
        assert!(pages(COUNT, each).contains(&taken.peak_pages), "{allocator}: {taken:?}");
        let fixed = taken.fixed_pages.unwrap();
        assert!(fixed <= taken.peak_pages && fixed * PAGE_BYTES >= COUNT * 16, "{allocator}: {taken:?}");
        assert_eq!(taken.repeated_pages, Some([taken.peak_pages; 2]), "{allocator}");
    }
    let Verdict::Take { allocator, .. } = advice.verdict(None) else { panic!() };
    assert_eq!(allocator, WEE);

    // 33 bytes take 40 behind a header, and 64 in Wee's class. Nothing is freed, so nothing is repeated.
    let advice = advised(blocks(COUNT, 33, false));
    for (allocator, each) in [(WEE, 64), (OURS, 40), (PEER, 40)] {
        let taken = taken(&advice, allocator);
        assert!(pages(COUNT, each).contains(&taken.peak_pages), "{allocator}: {taken:?}");
        assert_eq!(taken.repeated_pages, None, "{allocator}");
    }
    assert_eq!((advice.final_live_blocks, advice.final_live_bytes), (COUNT, COUNT * 33));
    let first = advice.ranked()[0].allocator.clone();
    assert!([OURS, PEER].contains(&&*first), "{first}");
    // If that is inside already, it stays.
    let present = |id: &str| Present {
        name: None,
        recorded_pages: Some(1000),
        candidates: held_by(id).iter().map(|&guest| guest.to_owned()).collect(),
    };
    let inside = if first == OURS { "memgrove-dlmalloc" } else { "dlmalloc-rs" };
    assert!(matches!(advice.verdict(Some(&present(inside))), Verdict::Keep { .. }));
    assert!(matches!(advice.verdict(Some(&present("memgrove-wee"))), Verdict::Take { .. }));
}

/// wee_alloc does not find again what it has freed, which shows when a program does again what it did.
#[test]
fn an_allocator_that_leaks_is_not_recommended_and_twice_is_the_same() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../memgrove-trace/traces/markdown.mgtr");
    let trace = std::fs::read(file).unwrap();
    let advice = advised(trace.clone());
    let leaks = advice.candidates.iter().find(|candidate| candidate.allocator == LEAKS).unwrap();
    assert!(matches!(leaks.failure, Some(Failure::Leaks { .. })), "{leaks:?}");
    assert!(advice.ranked().iter().all(|candidate| candidate.allocator != LEAKS));

    let again = advised(trace);
    assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&advice).unwrap());
}

#[test]
fn ids_of_inspect_and_of_guests_are_there() {
    let knowledge = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../knowledge/allocators");
    let files = std::fs::read_dir(knowledge)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let known: String = files.collect();
    let guests = Catalogue::embedded().unwrap().manifest.guests;
    for id in inspected_ids() {
        assert!(known.contains(&format!("id = '{id}'")), "{id}");
        for guest in held_by(id) {
            assert!(guests.iter().any(|info| info.allocator == *guest), "{guest}");
        }
    }
}
