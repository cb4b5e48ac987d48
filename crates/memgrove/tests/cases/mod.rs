//! The bodies of the reliability tests, for any allocator over a fake source.

use std::alloc::Layout;

use memgrove::source::{Fake, Trouble};
use memgrove::{Allocate, Inspect};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::shadow::exchange::{Exchange, Tally, Work};
use crate::shadow::{Op, Random, Shadow, drive};

const MIB: usize = 1 << 20;
const PAGE: usize = Fake::PAGE_BYTES;

/// Memory for one heap: zeroed, 1 MiB aligned, given back when the test is done with the heap.
struct Arena {
    start: *mut u8,
    bytes: usize,
    whole: *mut u8,
}

impl Arena {
    fn new(bytes: usize) -> Self {
        // Aligned by hand: zeroed memory with a large alignment would really be written to, all of it.
        // SAFETY: the size is not zero.
        let whole = unsafe { std::alloc::alloc_zeroed(layout(bytes + MIB, 16)) };
        assert!(!whole.is_null(), "no memory for the test");
        let start = whole.wrapping_add(whole.align_offset(MIB));
        Self { start, bytes, whole }
    }

    fn source(&self, trouble: Trouble) -> Fake {
        // SAFETY: the arena outlives the heap in every test, and is used for one heap.
        unsafe { Fake::new(self.start, self.bytes, trouble) }
    }

    /// A second source, over the upper half.
    fn halves(&self) -> [Fake; 2] {
        let half = self.bytes / 2;
        // SAFETY: the halves are disjoint.
        unsafe {
            [
                Fake::new(self.start, half, Trouble::default()),
                Fake::new(self.start.add(half), half, Trouble::default()),
            ]
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout.
        unsafe { std::alloc::dealloc(self.whole, layout(self.bytes + MIB, 16)) }
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

#[track_caller]
fn done<T>(result: Result<T, String>, what: impl std::fmt::Display) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error}"))
}

pub fn random_work_checked_after_every_step<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    for seed in 0..10 {
        let arena = Arena::new(64 * MIB);
        let heap = make(arena.source(Trouble::default()));
        done(drive(&heap, &mut Random::new(seed), 3_000, 40, 300_000, 1), format_args!("seed {seed}"));
    }
}

pub fn much_random_work<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    for (seed, target) in [(100, 30), (101, 300), (102, 3_000)] {
        let arena = Arena::new(256 * MIB);
        let heap = make(arena.source(Trouble::default()));
        done(
            drive(&heap, &mut Random::new(seed), 120_000, target, 20_000, 5_000),
            format_args!("seed {seed}"),
        );
    }
}

fn op() -> impl Strategy<Value = Op> {
    let size = || prop_oneof![6 => 0usize..300, 3 => 0usize..5_000, 1 => 0usize..200_000];
    prop_oneof![
        4 => (size(), 0u32..10, any::<bool>())
            .prop_map(|(size, align, zeroed)| Op::Allocate { size, align: 1 << align, zeroed }),
        3 => any::<usize>().prop_map(|which| Op::Free { which }),
        2 => (any::<usize>(), size()).prop_map(|(which, size)| Op::Reallocate { which, size }),
    ]
}

pub fn sequences_that_shrink<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    let trouble = (0usize..3 * PAGE, proptest::option::of(1usize..4), proptest::option::of(0usize..6));
    let strategy = (proptest::collection::vec(op(), 1..120), trouble);
    let outcome = TestRunner::new(config).run(&strategy, |(ops, (slack, stranger_every, refuse_at))| {
        let arena = Arena::new(64 * MIB);
        let trouble = Trouble { slack_bytes: slack & !15, stranger_every, refuse_at, ..Trouble::default() };
        let heap = make(arena.source(trouble));
        let mut shadow = Shadow::new(&heap);
        for op in ops {
            shadow.step(op).map_err(TestCaseError::fail)?;
            shadow.check().map_err(|error| TestCaseError::fail(format!("{op:?}: {error}")))?;
        }
        shadow.finish().map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

pub fn growth_refused_at_every_call<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    let work = |trouble: Trouble| {
        let arena = Arena::new(64 * MIB);
        let heap = make(arena.source(trouble));
        done(drive(&heap, &mut Random::new(7), 400, 60, 300_000, 1), format_args!("{trouble:?}"))
    };
    let mut refusing_runs = 0;
    for call in 0.. {
        let only = work(Trouble { refuse_at: Some(call), ..Trouble::default() });
        let for_good = work(Trouble { refuse_from: Some(call), ..Trouble::default() });
        assert!(only <= 1 || for_good > 0, "one refusal must not be remembered");
        if for_good == 0 {
            break;
        }
        refusing_runs += 1;
    }
    assert!(refusing_runs > 3, "the run must grow several times for this test to mean something");
}

pub fn strangers_grow_in_between<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    for seed in 0..9 {
        let arena = Arena::new(256 * MIB);
        let trouble = Trouble { stranger_every: Some(1 + seed % 3), ..Trouble::default() };
        let heap = make(arena.source(trouble));
        done(
            drive(&heap, &mut Random::new(seed as u64), 1_500, 60, 100_000, 1),
            format_args!("seed {seed}, {trouble:?}"),
        );
    }
}

pub fn slack_of_every_length<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    for slack_bytes in (0..2_048).step_by(16).chain([PAGE - 16, PAGE, PAGE + 16, 5 * PAGE]) {
        let arena = Arena::new(8 * MIB);
        // Slack is not known to be zero.
        // SAFETY: the arena is this long.
        unsafe { arena.start.write_bytes(0xa5, slack_bytes) };
        let heap = make(arena.source(Trouble { slack_bytes, ..Trouble::default() }));
        done(
            drive(&heap, &mut Random::new(3), 120, 30, 10_000, 1),
            format_args!("{slack_bytes} bytes of slack"),
        );
    }
}

pub fn every_alignment<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    let arena = Arena::new(256 * MIB);
    let heap = make(arena.source(Trouble::default()));
    let mut shadow = Shadow::new(&heap);
    for power in 0..=20 {
        for size in [0, 1, 7, 8, 9, 100, 255, 256, 257, 4_000, 70_000] {
            for zeroed in [false, true] {
                done(shadow.step(Op::Allocate { size, align: 1 << power, zeroed }), "allocating");
                done(shadow.check(), format_args!("{size} at 2^{power}"));
            }
            done(shadow.step(Op::Reallocate { which: size, size: size * 2 + 3 }), "reallocating");
            done(shadow.step(Op::Free { which: size / 3 }), "freeing");
            done(shadow.check(), format_args!("{size} at 2^{power}, freed"));
        }
    }
    assert_eq!(shadow.refusals, 0, "there was memory enough");
    done(shadow.finish(), "at the end");
}

pub fn sizes_around_every_boundary<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    let arena = Arena::new(512 * MIB);
    let heap = make(arena.source(Trouble::default()));
    let mut shadow = Shadow::new(&heap);
    let eighths = (8..20).flat_map(|power| (8..16).map(move |eighth| eighth << power >> 3));
    let near = |size: usize| (size.saturating_sub(17)..=size + 17).step_by(if size > 4_096 { 4 } else { 1 });
    for size in (0..600).chain(eighths.chain([PAGE, 2 * PAGE, 3 * PAGE]).flat_map(near)) {
        done(shadow.step(Op::Allocate { size, align: 1, zeroed: size % 5 == 0 }), size);
        done(shadow.step(Op::Allocate { size, align: 8, zeroed: false }), size);
        done(shadow.step(Op::Reallocate { which: size / 2, size: size + 1 }), size);
        if shadow.len() > 40 {
            done(shadow.step(Op::Free { which: size }), size);
            done(shadow.step(Op::Free { which: size / 7 }), size);
            done(shadow.check(), size);
        }
    }
    assert_eq!(shadow.refusals, 0, "there was memory enough");
    done(shadow.finish(), "at the end");
}

pub fn exhaustion_is_survived_and_nothing_leaks<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    for size in [16, 200, 1_000, 50_000] {
        let arena = Arena::new(2 * MIB);
        let heap = make(arena.source(Trouble::default()));
        let mut counts = Vec::new();
        for _ in 0..3 {
            let mut shadow = Shadow::new(&heap);
            while shadow.refusals < 3 {
                done(shadow.step(Op::Allocate { size, align: 8, zeroed: false }), size);
            }
            counts.push(shadow.len());
            done(shadow.check(), "when exhausted");
            // A block that cannot grow stays as it is.
            done(shadow.step(Op::Reallocate { which: 1, size: 4 * MIB }), "growing when exhausted");
            assert_eq!(shadow.refusals, 4, "there is no such block");
            done(shadow.finish(), "at the end");
        }
        // More is no leak: an allocator's own data may move out of the way.
        assert!(counts[0] > 0 && counts.is_sorted(), "blocks of {size}: {counts:?}");
    }
}

pub fn the_same_work_twice_does_not_grow<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    let arena = Arena::new(256 * MIB);
    let heap = make(arena.source(Trouble::default()));
    let mut sizes = Vec::new();
    for _ in 0..20 {
        done(drive(&heap, &mut Random::new(5), 2_000, 300, 100_000, 500), "the work");
        sizes.push(heap.stats().heap_bytes);
    }
    // Free blocks lie in another order each time, so the layout differs a little; a leak would add up.
    assert!(sizes[1] <= sizes[0] + sizes[0] / 16, "{sizes:?}");
    assert!(sizes[19] <= sizes[0] + sizes[0] / 5, "{sizes:?}");
}

pub fn impossible_sizes_are_refused<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    let arena = Arena::new(MIB);
    let heap = make(arena.source(Trouble::default()));
    let largest = isize::MAX as usize;
    for power in 0..usize::BITS - 1 {
        let align = 1usize << power;
        for size in [largest - (align - 1), (largest - (align - 1)) / 2, largest / 3] {
            let Ok(layout) = Layout::from_size_align(size, align) else { continue };
            if size > 2 * MIB {
                assert!(heap.allocate(layout).is_null(), "{layout:?}");
                assert!(heap.allocate_zeroed(layout).is_null(), "{layout:?}");
            }
        }
        if align > 2 * MIB {
            assert!(heap.allocate(layout(1, align)).is_null() || align <= 4 * MIB, "1 byte at {align}");
        }
        heap.check().expect("a valid heap after a refusal");
    }
}

pub fn two_heaps_do_not_mix<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    let arena = Arena::new(64 * MIB);
    let [lower, upper] = arena.halves();
    let (one, other) = (make(lower), make(upper));
    let (mut random, mut first, mut second) = (Random::new(9), Shadow::new(&one), Shadow::new(&other));
    for _ in 0..2_000 {
        done(first.step(random.op(first.len(), 50, 10_000)), "the first");
        done(second.step(random.op(second.len(), 50, 10_000)), "the second");
    }
    done(first.finish(), "the first");
    done(second.finish(), "the second");
}

pub fn a_heap_may_be_moved<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    let arena = Arena::new(16 * MIB);
    let heap = make(arena.source(Trouble::default()));
    let layouts: Vec<_> = (1..200).map(|i| layout(i * 13, 8)).collect();
    let blocks: Vec<_> = layouts.iter().map(|&layout| heap.allocate(layout)).collect();
    for i in (0..blocks.len()).step_by(2) {
        // SAFETY: live, with its layout.
        unsafe { heap.deallocate(blocks[i], layouts[i]) };
    }
    let moved = Box::new(heap);
    done(
        drive(&*moved, &mut Random::new(1), 500, 50, 5_000, 0x7fff_ffff)
            .map_err(|error| error.to_string())
            .or_else(
                // The other half of the blocks is still live, which `finish` rightly reports.
                |error| if error.contains("everything was given back") { Ok(0) } else { Err(error) },
            ),
        "after the move",
    );
    for i in (1..blocks.len()).step_by(2) {
        // SAFETY: live, with its layout.
        unsafe { moved.deallocate(blocks[i], layouts[i]) };
    }
    moved.check().expect("a valid heap");
    assert_eq!(moved.stats().live_bytes, 0, "everything was given back");
}

pub fn threads_pass_blocks<A: Allocate + Inspect + Sync>(make: impl Fn(Fake) -> A) {
    const THREADS: usize = 4;
    let arena = Arena::new(256 * MIB);
    let heap = make(arena.source(Trouble::default()));
    let exchange = Exchange::new();
    let work = Work { steps: 10_000, target: 1_000, largest: 20_000, check_every: 500 };
    let tallies = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| (thread, &heap, &exchange))
            .map(|(thread, heap, exchange)| scope.spawn(move || exchange.drive(heap, thread, work)))
            .collect();
        threads
            .into_iter()
            .map(|thread| done(thread.join().expect("no panic"), "a thread"))
            .collect::<Vec<_>>()
    });
    done(exchange.finish(&heap), "at the end");
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    assert_eq!(sum(|tally| tally.refusals), 0, "there was memory enough");
    assert!(sum(|tally| tally.received) > 1_000, "the threads did not meet: {tallies:?}");
}

/// A source that says "zero" of memory that is not shows who clears it nevertheless.
pub fn fresh_memory_is_not_cleared_again<A: Allocate + Inspect>(make: impl Fn(Fake) -> A) {
    const POISON: u8 = 0x5a;
    let arena = Arena::new(16 * MIB);
    // SAFETY: the arena is this long.
    unsafe { arena.start.write_bytes(POISON, arena.bytes) };
    let heap = make(arena.source(Trouble::default()));
    let layout = layout(200_000, 8);
    let block = heap.allocate_zeroed(layout);
    // SAFETY: the block is live and this long.
    let bytes = unsafe { std::slice::from_raw_parts_mut(block, layout.size()) };
    assert!(bytes[64..].iter().all(|&byte| byte == POISON), "fresh memory was cleared");
    bytes.fill(1);
    // SAFETY: live, with its layout.
    unsafe { heap.deallocate(block, layout) };
    let again = heap.allocate_zeroed(layout);
    assert_eq!(again, block, "the same memory");
    // SAFETY: the block is live and this long.
    let bytes = unsafe { std::slice::from_raw_parts(again, layout.size()) };
    assert!(bytes.iter().all(|&byte| byte == 0), "used memory was not cleared");
}
