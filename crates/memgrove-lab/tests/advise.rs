//! What `memgrove advise` measures and concludes, on sequences of calls whose best allocator follows from how the
//! allocators lay out their blocks.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use memgrove_inspect::knowledge::Knowledge;
use memgrove_lab::engine::{self, EngineId, Host, Limits, Settings};
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
        Replayers::load(&Catalogue::embedded().unwrap(), &names, None).unwrap()
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
    // Traps at misuse are measured beside: a header more for each block, and never the recommendation.
    let [(hardened, traps)] = advice.hardened().collect::<Vec<_>>()[..] else { panic!() };
    let plain = taken(&advice, OURS);
    assert_eq!(hardened.allocator, "memgrove-hardened");
    assert!(
        traps.peak_pages > plain.peak_pages && traps.instructions > plain.instructions,
        "{traps:?} {plain:?}"
    );
    assert!(advice.ranked().iter().all(|one| one.allocator != hardened.allocator));

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
fn blocks_that_a_log_leaves_are_no_leak_of_the_allocator() {
    let advice = advised(blocks(20_000, 24, false));
    assert!(advice.final_live_blocks > 0);
    let failures: Vec<_> = advice
        .candidates
        .iter()
        .filter_map(|candidate| Some((&candidate.allocator, candidate.failure.as_ref()?)))
        .collect();
    assert!(!failures.iter().any(|(_, failure)| matches!(failure, Failure::Leaks { .. })), "{failures:?}");
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

/// A loop of three rounds, a call, and memory written and grown: instruction by instruction as the chains' sources say.
#[test]
fn the_prices_of_chains_are_counted_exactly() {
    let wasm = wat::parse_str(
        r#"(module (memory 1)
          (func $called (result i32) (memory.grow (i32.const 2)))
          (func (export "run") (local $left i32)
            (local.set $left (i32.const 3))
            (loop $again
              (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
            (memory.fill (i32.const 0) (i32.const 0) (i32.const 100))
            (drop (call $called))))"#,
    )
    .unwrap();
    // Plain ones: 2 before the loop, 4 in each round, 3 and the fill itself, a drop; one in the function that is called.
    let plain = 2 + 3 * 4 + 3 + 1 + 1;
    // CosmWasm: loop, three br_if, the ends of loop and function, the call and the end of what it calls cost 14; fill and
    // grow are as any other.
    let cosmwasm = (plain + 1 + 1) + 14 * (1 + 3 + 2 + 1 + 1);
    // NEAR: ends are free; loop, br_if and call as any other; fill and grow have a base of 32 and a step for each byte or page.
    let near = plain + 1 + 3 + 1 + (32 + 100) + (32 + 2);
    for (host, steps) in [("cosmwasm", cosmwasm), ("near", near)] {
        let price = Knowledge::builtin().host(host).unwrap().price.clone().map(Arc::new);
        let settings = Settings { price, ..Settings::counting(Limits::OWN) };
        let engine = engine::open(EngineId::Wasmtime, &settings).unwrap();
        let mut instance = engine.compile(&wasm).unwrap().instantiate(&Host::new()).unwrap();
        // The engine takes a step for the function that the host calls.
        assert_eq!(instance.call("run", &[]).unwrap().fuel, Some(steps + 1), "{host}");
    }
}
