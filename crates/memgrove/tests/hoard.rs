//! `Hoard` beyond the common cases: threads by turns with the heap checked after every step, the bound of the paper
//! against its adversaries, memory that returns.
#![allow(unsafe_code, reason = "drives an allocator")]

mod shadow;
mod stress;

use std::alloc::Layout;
use std::sync::{Condvar, Mutex};

use memgrove::source::{Fake, Trouble};
use memgrove::{Allocate, Hoard, Inspect};
use shadow::{Random, Shadow, drive};

const MIB: usize = 1 << 20;
/// S, and what a heap may hold beside `u / (1 - f)`: K superblocks, and an active one for each of the classes.
const SUPERBLOCK: usize = 8192;
const PER_HEAP: usize = (8 + 28) * SUPERBLOCK;
/// Heaps that threads have.
const HEAPS: usize = 16;

fn fake(bytes: usize, trouble: Trouble) -> Fake {
    let layout = Layout::from_size_align(bytes, 1 << 16).expect("a layout");
    // SAFETY: fresh zeroed memory of that length that nobody else knows.
    unsafe { Fake::new(std::alloc::alloc_zeroed(layout), bytes, trouble) }
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("a layout")
}

/// A block on its way to another thread.
#[derive(Clone, Copy)]
struct Sent(usize, Layout);

fn allocate(heap: &Hoard<Fake>, size: usize) -> Sent {
    let block = heap.allocate(layout(size));
    assert!(!block.is_null(), "there was memory enough");
    // SAFETY: live, and this long.
    unsafe { block.write_bytes(0xa5, size) };
    Sent(block as usize, layout(size))
}

fn free(heap: &Hoard<Fake>, Sent(block, layout): Sent) {
    // SAFETY: live, with its layout, given back once.
    unsafe { heap.deallocate(block as *mut u8, layout) };
}

#[test]
fn random_work() {
    for seed in 0..10 {
        for largest in [100, 3_000, 300_000] {
            drive(&Hoard::new(), &mut Random::new(seed), 3_000, 150, largest, 1)
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
    }
}

/// Threads take turns on one shadow heap, so that every block may be freed by another thread than allocated it, and
/// the invariants are checked after each of their steps.
fn by_turns(heap: &Hoard<Fake>, threads: usize, steps: usize, target: usize, largest: usize, seed: u64) {
    struct Table<'a> {
        shadow: Shadow<'a, Hoard<Fake>>,
        random: Random,
        turn: usize,
        step: usize,
    }
    let table = Table { shadow: Shadow::new(heap), random: Random::new(seed), turn: 0, step: 0 };
    let table = Mutex::new(table);
    let passed = Condvar::new();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (table, passed) = (&table, &passed);
            scope.spawn(move || {
                loop {
                    let mut table = table.lock().expect("no thread panicked");
                    while table.turn != thread && table.step < steps {
                        table = passed.wait(table).expect("no thread panicked");
                    }
                    // A thread does a few things before the next one does.
                    for _ in 0..20 {
                        if table.step >= steps {
                            passed.notify_all();
                            return;
                        }
                        table.step += 1;
                        let live = table.shadow.len();
                        // It fills the heap, then empties it, and so on: that is when superblocks move.
                        let target = if table.step / 400 % 2 == 0 { target } else { target / 10 };
                        let op = table.random.op(live, target, largest);
                        let step = table.step;
                        table
                            .shadow
                            .step(op)
                            .unwrap_or_else(|error| panic!("seed {seed}, step {step}: {error}"));
                        table
                            .shadow
                            .check()
                            .unwrap_or_else(|error| panic!("seed {seed}, step {step}, {op:?}: {error}"));
                    }
                    table.turn = table.random.below(threads);
                    passed.notify_all();
                }
            });
        }
    });
    let table = table.into_inner().expect("no thread panicked");
    table.shadow.finish().expect("everything was given back");
}

#[test]
fn threads_by_turns_checked_after_every_step() {
    for seed in 0..6 {
        by_turns(&Hoard::with_source(fake(64 * MIB, Trouble::default())), 5, 3_000, 900, 1_200, seed);
        by_turns(&Hoard::with_source(fake(64 * MIB, Trouble::default())), 3, 1_500, 900, 100, seed);
    }
}

#[test]
fn threads_by_turns_with_trouble() {
    for seed in 0..6 {
        let trouble = Trouble {
            stranger_every: Some(2),
            refuse_at: usize::try_from(seed).ok(),
            slack_bytes: 16 * 77,
            ..Trouble::default()
        };
        by_turns(&Hoard::with_source(fake(64 * MIB, trouble)), 4, 1_500, 600, 3_000, seed);
        // So little that it is exhausted all the time.
        by_turns(&Hoard::with_source(fake(MIB / 4, Trouble::default())), 4, 1_500, 600, 3_000, seed);
    }
}

/// The adversary against "private heaps without ownership": threads allocate and free by turns, each the blocks of the
/// one before. What is live at any time is a few blocks, and so is what the heap holds.
#[test]
fn a_chain_of_threads_does_not_blow_up() {
    let heap = Hoard::with_source(fake(64 * MIB, Trouble::default()));
    let live = 4_000 * 104;
    let mut heaps = Vec::new();
    let mut blocks: Vec<Sent> = Vec::new();
    for _ in 0..200 {
        let heap = &heap;
        blocks = std::thread::scope(|scope| {
            scope
                .spawn(move || {
                    blocks.into_iter().for_each(|block| free(heap, block));
                    (0..4_000).map(|_| allocate(heap, 100)).collect()
                })
                .join()
                .expect("no panic")
        });
        heap.check().expect("a valid heap");
        heaps.push(heap.stats().heap_bytes);
    }
    // U / (1 - f) in superblocks, what each heap may hold of one class, the page map, and pages' rounding.
    let bound = live * 4 / 3 * 9 / 8 + HEAPS * 9 * SUPERBLOCK + MIB / 4;
    assert!(heaps.iter().all(|&bytes| bytes <= bound), "bound {bound}, measured {heaps:?}");
    assert_eq!(heaps[40], heaps[199], "no growth once every heap has been used");
    blocks.into_iter().for_each(|block| free(&heap, block));
    assert_eq!(heap.stats().live_blocks, 0);
}

/// As above with each thread's own maximum at another time: the sum of the maxima is far more than what is ever live.
#[test]
fn threads_that_peak_by_turns_share_their_memory() {
    let heap = Hoard::with_source(fake(64 * MIB, Trouble::default()));
    let live = 2 * MIB;
    for round in 0..3 {
        for thread in 0..12usize {
            let heap = &heap;
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    let size = [24, 64, 100, 500, 1_000, 2_000][(thread + round) % 6];
                    let blocks: Vec<_> = (0..live / size).map(|_| allocate(heap, size)).collect();
                    blocks.into_iter().for_each(|block| free(heap, block));
                });
            });
            heap.check().expect("a valid heap");
        }
    }
    let bytes = heap.stats().heap_bytes;
    // Of 2000 bytes, four fifths of a superblock are blocks.
    let bound = live * 4 / 3 * 5 / 4 + HEAPS * PER_HEAP;
    assert!(bytes <= bound, "bound {bound}, measured {bytes}");
    assert!(bytes < 12 * live / 3, "threads' maxima add up: {bytes}");
}

/// What one thread leaves thinly used, the next one fills, by way of the global heap, without growth; and the first may
/// free its blocks afterwards.
#[test]
fn sparse_superblocks_change_heaps() {
    let heap = &Hoard::with_source(fake(64 * MIB, Trouble::default()));
    let in_a_thread = |work: &(dyn Fn() -> Vec<Sent> + Sync)| {
        let blocks = std::thread::scope(|scope| scope.spawn(work).join().expect("no panic"));
        heap.check().expect("a valid heap");
        blocks
    };
    let superblocks = |blocks: &[Sent]| -> std::collections::BTreeSet<usize> {
        blocks.iter().map(|block| block.0 / SUPERBLOCK).collect()
    };
    let sparse = in_a_thread(&|| {
        let blocks: Vec<_> = (0..20_000).map(|_| allocate(heap, 56)).collect();
        let (kept, freed): (Vec<_>, Vec<_>) = blocks.into_iter().enumerate().partition(|(i, _)| i % 3 == 0);
        for (i, (_, block)) in freed.into_iter().enumerate() {
            free(heap, block);
            if i % 100 == 0 {
                heap.check().expect("a valid heap while superblocks leave it");
            }
        }
        kept.into_iter().map(|(_, block)| block).collect()
    });
    let before = heap.stats().heap_bytes;
    let filled = in_a_thread(&|| (0..11_000).map(|_| allocate(heap, 56)).collect());
    assert_eq!(heap.stats().heap_bytes, before, "memory has grown");
    let (first, second) = (superblocks(&sparse), superblocks(&filled));
    let common = first.intersection(&second).count();
    assert!(common * 10 >= second.len() * 9, "only {common} of {} superblocks have moved", second.len());
    in_a_thread(&|| {
        for &block in sparse.iter().chain(&filled) {
            free(heap, block);
        }
        Vec::new()
    });
    assert_eq!(heap.stats().live_blocks, 0);
}

#[test]
fn a_producer_and_a_consumer_do_not_grow_without_bound() {
    let heap = Hoard::with_source(fake(64 * MIB, Trouble::default()));
    let (send, receive) = std::sync::mpsc::sync_channel::<Vec<Sent>>(2);
    let mut grown = Vec::new();
    std::thread::scope(|scope| {
        let heap = &heap;
        scope.spawn(move || {
            let mut random = Random::new(1);
            for _ in 0..400 {
                send.send((0..500).map(|_| allocate(heap, 1 + random.below(300))).collect())
                    .expect("a consumer");
            }
        });
        for blocks in receive {
            blocks.into_iter().for_each(|block| free(heap, block));
            grown.push(heap.stats().heap_bytes);
        }
    });
    heap.check().expect("a valid heap");
    // At most four batches are live: in the channel, at the producer's and at the consumer's.
    let bound = 4 * 500 * 320 * 4 / 3 + 2 * PER_HEAP + MIB / 4;
    assert!(grown[399] <= bound, "bound {bound}, measured {}", grown[399]);
}

/// What threads that ended have left empty serves others, also when memory cannot grow, also for large blocks.
#[test]
fn memory_of_threads_that_ended_returns() {
    let heap = Hoard::with_source(fake(2 * MIB, Trouble::default()));
    for size in [16, 100, 700, 2_000, 5_000, 40_000, 100] {
        let heap = &heap;
        let bytes = std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let blocks: Vec<_> = std::iter::repeat_with(|| heap.allocate(layout(size)))
                    .take_while(|block| !block.is_null())
                    .collect();
                for &block in &blocks {
                    // SAFETY: allocated above with this layout.
                    unsafe { heap.deallocate(block, layout(size)) };
                }
                blocks.len() * size
            });
            thread.join().expect("no panic")
        });
        assert!(bytes * 100 > 2 * MIB * 70, "blocks of {size}: only {bytes} bytes of the memory served");
        heap.check().expect("a valid heap");
    }
}

#[test]
fn a_stress_of_threads() {
    let heap = Hoard::with_source(fake(256 * MIB, Trouble::default()));
    stress::pass_blocks(&heap, 8, 1_000_000, 1);
    // More threads than heaps.
    stress::pass_blocks(&heap, 24, 100_000, 2);
}

#[test]
fn the_c_face_needs_no_sizes() {
    let heap = Hoard::new();
    let mut blocks = Vec::new();
    for size in (0..80).chain([100, 1000, 1024, 1025, 2048, 2049, 10_000, 1 << 20]) {
        let block = heap.malloc(size);
        assert_eq!(block.addr() % 16, 0, "{size}");
        // SAFETY: live blocks of this heap.
        unsafe {
            assert!(heap.usable_size(block) >= size);
            block.write_bytes(7, heap.usable_size(block));
            let longer = heap.resize(block, size * 2 + 1);
            assert!((0..size).all(|i| longer.add(i).read() == 7), "{size}");
            blocks.push(longer);
        }
    }
    for power in 0..15 {
        let aligned = heap.allocate(Layout::from_size_align(10, 1 << power).expect("a layout"));
        assert_eq!(aligned.addr() % (1 << power), 0);
        // SAFETY: live blocks of this heap.
        unsafe { blocks.push(heap.resize(aligned, 500)) };
    }
    assert!(heap.malloc(usize::MAX).is_null() && heap.malloc(isize::MAX as usize).is_null());
    // SAFETY: live blocks of this heap.
    unsafe { blocks.into_iter().for_each(|block| heap.free(block)) };
    heap.check().expect("a sound heap");
    assert_eq!(heap.stats().live_blocks, 0);
}
