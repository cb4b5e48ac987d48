//! A program that lives long: the same work again and again in one heap. Prints how many pages each allocator holds after
//! 1, 2, 5, 20 and 60 rounds: `cargo test -p memgrove --test rounds -- --nocapture`.
#![allow(unsafe_code, reason = "drives allocators")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever asks for them")]

mod loads;

use std::alloc::Layout;

use loads::{Bench, Block, KEPT, LOADS, Load, MOST};
use memgrove::source::{Fake, Trouble};
use memgrove::{Allocate, Dlmalloc, Hardened, Hoard, Inspect, Jemalloc, Stats, Wee};

const ROUNDS: usize = 60;
/// What is printed of them.
const SHOWN: [usize; 5] = [1, 2, 5, 20, 60];
const BYTES: usize = 1 << 28;

/// Pages held after each round, and the heap's figures.
struct Run {
    pages: Vec<usize>,
    stats: Vec<Stats>,
}

impl Run {
    /// The last round that took more memory, counted from 1.
    fn last_growth(&self) -> usize {
        let last = self.pages[ROUNDS - 1];
        1 + self.pages.iter().position(|&pages| pages == last).expect("the last")
    }
}

fn run<A: Allocate + Inspect>(load: &Load, trouble: Trouble, make: impl Fn(Fake) -> A) -> Run {
    let layout = Layout::from_size_align(BYTES + (1 << 20), 16).expect("a layout");
    // SAFETY: the size is not zero.
    let whole = unsafe { std::alloc::alloc_zeroed(layout) };
    assert!(!whole.is_null(), "no memory for the test");
    // As memory begins in a module: at a page.
    let start = whole.wrapping_add(whole.align_offset(1 << 20));
    // SAFETY: the memory outlives the heap, and is used for one heap.
    let heap = make(unsafe { Fake::new(start, BYTES, trouble) });
    let (mut blocks, mut kept) = (vec![Block::NONE; MOST], vec![Block::NONE; KEPT]);
    let mut run = Run { pages: Vec::new(), stats: Vec::new() };
    let mut bench = Bench::new(&heap, &mut blocks, &mut kept);
    for _ in 0..ROUNDS {
        bench.round(load);
        heap.check().unwrap_or_else(|broken| panic!("{}: {broken}", load.name));
        let stats = heap.stats();
        run.pages.push(stats.heap_bytes.div_ceil(Fake::PAGE_BYTES));
        run.stats.push(stats);
    }
    bench.free_kept();
    assert_eq!(heap.stats().live_bytes, 0, "{}", load.name);
    heap.check().expect("a valid heap");
    drop(heap);
    // SAFETY: it was allocated with this layout.
    unsafe { std::alloc::dealloc(whole, layout) };
    run
}

fn show(name: &str, load: &Load, run: &Run) {
    let pages: Vec<_> = SHOWN.iter().map(|&round| run.pages[round - 1].to_string()).collect();
    println!("{:16} {name:9} {:24} last growth in round {}", load.name, pages.join(" "), run.last_growth());
}

#[test]
fn dlmalloc_never_grows_after_the_second_round() {
    for stranger_every in [None, Some(5)] {
        for slack_bytes in [0, 48_016] {
            let trouble = Trouble { slack_bytes, ..Trouble::default() };
            for load in &LOADS {
                // Strangers take memory while it grows, and not after.
                let run = run(load, Trouble { stranger_every, ..trouble }, Dlmalloc::with_source);
                show("Dlmalloc", load, &run);
                // What a service keeps lies as earlier rounds left it, also in the middle of where the long pieces of its next
                // state would fit; where strangers have cut memory into regions, work that fits between them in one round need
                // not in the next.
                let settled = match (load.keeps(), stranger_every) {
                    (false, None) => 2,
                    (false, Some(_)) => 10,
                    (true, _) => 30,
                };
                assert!(run.last_growth() <= settled, "{} {stranger_every:?}: {:?}", load.name, run.pages);
                // The old state is there beside the new one from the second round on.
                let most = run.pages[1 + usize::from(load.keeps())] * 21 / 20 + 4;
                assert!(run.pages[ROUNDS - 1] <= most, "{} {stranger_every:?}: {:?}", load.name, run.pages);
            }
        }
    }
}

#[test]
fn a_dlmalloc_in_which_everything_is_free_is_as_good_as_new() {
    for load in LOADS.iter().filter(|load| !load.keeps()) {
        let run = run(load, Trouble::default(), Dlmalloc::with_source);
        for (round, stats) in run.stats.iter().enumerate() {
            // What lies before the top: the bins, or the blocks of a heap that was small when they were freed.
            let apart = stats.heap_bytes - stats.top_bytes;
            assert!(apart <= 64 << 10, "{}, round {round}: {stats:?}", load.name);
        }
    }
}

/// Holds no more than so many percent of what it held after the first round.
fn stays_within<A: Allocate + Inspect>(name: &str, make: impl Fn(Fake) -> A, percent: usize) {
    for load in &LOADS {
        let run = run(load, Trouble::default(), &make);
        show(name, load, &run);
        // The state of a service that swaps it is there twice from the second round on.
        let base = run.pages[usize::from(load.keeps())];
        let most = base * percent / 100 + 4;
        assert!(run.pages[ROUNDS - 1] <= most, "{name}, {}: {:?}", load.name, run.pages);
    }
}

#[test]
fn jemalloc_stays_within_a_fifth() {
    stays_within("Jemalloc", Jemalloc::with_source, 120);
}

#[test]
fn hoard_stays_within_a_half() {
    stays_within("Hoard", Hoard::with_source, 150);
}

#[test]
fn wee_settles_within_its_bound() {
    for load in &LOADS {
        let run = run(load, Trouble::default(), Wee::with_source);
        show("Wee", load, &run);
        // Blocks that were split stay split, so each class may have to grow once again for its peak.
        assert!(run.last_growth() <= 10, "{}: {:?}", load.name, run.pages);
    }
}

/// `Wee`'s bound: the sum of what each class held at its peak, as much again as its longest block, and a page.
#[test]
fn wee_holds_the_sum_of_its_classes_peaks() {
    const MEMORY_BYTES: usize = 128 << 20;
    const PHASE_BYTES: usize = 2 << 20;
    for order in [[0, 1, 2, 3, 4, 5, 6, 7, 8], [8, 7, 6, 5, 4, 3, 2, 1, 0], [3, 8, 1, 6, 0, 7, 2, 5, 4]] {
        let whole = Box::leak(vec![0_u128; (MEMORY_BYTES + Fake::PAGE_BYTES) / 16].into_boxed_slice());
        let start: *mut u8 = whole.as_mut_ptr().cast();
        let start = start.wrapping_add(start.align_offset(Fake::PAGE_BYTES));
        // SAFETY: leaked, zero, and nobody else's.
        let heap = Wee::with_source(unsafe { Fake::new(start, MEMORY_BYTES, Trouble::default()) });
        let (mut peaks, mut longest) = ([0; 9], 0);
        for round in 0..3 {
            for which in order {
                let size = [280, 700, 1_200, 2_500, 6_000, 20_000, 50_000, 140_000, 400_000][which];
                let layout = Layout::from_size_align(size, 8).expect("a layout");
                // Some live on, so that classes hold at the same time what they hold.
                let count = PHASE_BYTES / size - round;
                let blocks: Vec<_> = (0..count).map(|_| heap.allocate(layout)).collect();
                assert!(blocks.iter().all(|block| !block.is_null()));
                peaks[which] = peaks[which].max(count * size.next_power_of_two());
                longest = longest.max(size.next_power_of_two());
                for block in blocks {
                    // SAFETY: live, with its layout.
                    unsafe { heap.deallocate(block, layout) };
                }
                let held = heap.stats().heap_bytes;
                let bound = peaks.iter().sum::<usize>() + longest + Fake::PAGE_BYTES;
                assert!(held <= bound, "{held} of {bound} at {size} in round {round} of {order:?}");
                heap.check().expect("a valid heap");
            }
        }
    }
}

/// The blocks that wait in its quarantine lie elsewhere in each round, so it may take one round more than what it guards.
#[test]
fn hardened_dlmalloc_never_grows_after_the_third_round() {
    for load in LOADS.iter().filter(|load| ["buffer", "state", "swap", "comb"].contains(&load.name)) {
        let run =
            run(load, Trouble::default(), |source| Hardened::<_, 64>::new(Dlmalloc::with_source(source)));
        show("Hardened", load, &run);
        assert!(run.last_growth() <= 3, "{}: {:?}", load.name, run.pages);
    }
}
