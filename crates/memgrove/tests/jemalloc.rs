//! `Jemalloc` under a shadow heap: random work, strangers, refusals, flushes.
#![allow(unsafe_code, reason = "drives an allocator")]

mod shadow;

use std::alloc::Layout;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};

use memgrove::source::{Fake, PageSource, Trouble};
use memgrove::{Allocate, Inspect, Jemalloc};
use shadow::{Random, drive};

fn fake(bytes: usize, trouble: Trouble) -> Fake {
    let layout = Layout::from_size_align(bytes, 1 << 16).expect("a layout");
    // SAFETY: fresh zeroed memory of that length that nobody else knows.
    unsafe { Fake::new(std::alloc::alloc_zeroed(layout), bytes, trouble) }
}

fn run<S: PageSource>(heap: &Jemalloc<S>, seed: u64, size_max: usize) {
    drive(heap, &mut Random::new(seed), 5_000, 100, size_max, 1)
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
}

#[test]
fn random_work() {
    for seed in 0..20 {
        run(&Jemalloc::new(), seed, 300_000);
        run(&Jemalloc::new(), seed, 3_000);
        run(&Jemalloc::new(), seed, 100);
    }
}

#[test]
fn strangers_grow_in_between() {
    for (seed, every) in (0..10).zip([1, 2, 3].into_iter().cycle()) {
        let trouble = Trouble { stranger_every: Some(every), ..Trouble::default() };
        run(&Jemalloc::with_source(fake(64 << 20, trouble)), seed, 30_000);
    }
}

#[test]
fn exhausted_memory_serves_again_after_frees() {
    for seed in 0..10 {
        run(&Jemalloc::with_source(fake(1 << 18, Trouble::default())), seed, 30_000);
    }
}

/// What one class gave back serves another without growth: the point of flushing before growing.
#[test]
fn freed_slabs_serve_other_classes() {
    let heap = Jemalloc::with_source(fake(1 << 20, Trouble::default()));
    for size in [16, 24, 100, 700, 2048, 5000, 60_000] {
        let layout = Layout::from_size_align(size, 8).expect("a layout");
        let blocks: Vec<_> =
            std::iter::repeat_with(|| heap.allocate(layout)).take_while(|b| !b.is_null()).collect();
        let bytes = blocks.len() * size;
        assert!(bytes * 100 > (1 << 20) * 80, "blocks of {size}: only {bytes} bytes of the memory served");
        for block in blocks {
            // SAFETY: allocated above with this layout.
            unsafe { heap.deallocate(block, layout) };
        }
        heap.check().expect("a sound heap");
    }
}

#[test]
fn many_blocks_of_a_class_leave_little_over() {
    for size in [160, 224, 640, 896, 1280, 1792] {
        let heap = Jemalloc::with_source(fake(32 << 20, Trouble::default()));
        let layout = Layout::from_size_align(size, 8).expect("a layout");
        let blocks = (8 << 20) / size;
        assert!((0..blocks).all(|_| !heap.allocate(layout).is_null()));
        let (asked, taken) = (blocks * size, heap.stats().heap_bytes);
        // The map takes a sixty-fourth on 64-bit machines, half as much again to spare, and once more while it moves.
        assert!(taken < asked + asked / 16, "{taken} bytes for {asked} in blocks of {size}");
    }
}

#[test]
fn the_c_face_needs_no_sizes() {
    let heap = Jemalloc::new();
    let mut blocks = Vec::new();
    for size in (0..40).chain([100, 1000, 1024, 1025, 2048, 2049, 10_000, 1 << 20]) {
        let block = heap.malloc(size);
        assert_eq!(block.addr() % 16, 0, "{size}");
        // SAFETY: live blocks of this heap.
        unsafe {
            assert!(heap.usable_size(block) >= size);
            block.write_bytes(7, size);
            let longer = heap.resize(block, size * 2 + 1);
            assert!((0..size).all(|i| longer.add(i).read() == 7), "{size}");
            blocks.push(longer);
        }
    }
    // A short block at a wide alignment is an extent, and stays one for `free` and `realloc`.
    let layout = Layout::from_size_align(10, 8192).expect("a layout");
    // SAFETY: live blocks of this heap.
    unsafe {
        let aligned = heap.resize(heap.allocate(layout), 500);
        blocks.push(aligned);
        blocks.into_iter().for_each(|block| heap.free(block));
    }
    heap.check().expect("a sound heap");
    assert_eq!(heap.stats().live_blocks, 0);
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("a layout")
}

/// A block in nobody's hands: its address, its layout, and what each byte is.
type Passed = Option<(usize, Layout, u8)>;

/// Threads exchange blocks over a table, each block filled by one and verified and freed by another, while a further
/// thread walks the heap.
#[test]
fn threads_pass_a_million_blocks() {
    const THREADS: usize = 4;
    const STEPS: usize = 250_000;
    let heap = Jemalloc::with_source(fake(64 << 20, Trouble::default()));
    let table: Vec<Mutex<Passed>> = (0..256).map(|_| Mutex::new(None)).collect();
    let free = |(address, layout, byte): (usize, Layout, u8)| {
        let block: *mut u8 = std::ptr::with_exposed_provenance_mut(address);
        // SAFETY: the table gave the block to this thread alone, live, with its layout.
        unsafe {
            let bytes = std::slice::from_raw_parts(block, layout.size());
            assert!(bytes.iter().all(|&b| b == byte), "{layout:?} was overwritten");
            if byte % 2 == 0 {
                // C is not told sizes.
                assert!(heap.usable_size(block) >= layout.size());
                heap.free(block);
            } else {
                heap.deallocate(block, layout);
            }
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (heap, table, free) = (&heap, &table, &free);
            scope.spawn(move || {
                let mut random = Random::new(thread as u64);
                for step in 0..STEPS {
                    let size = if random.below(64) == 0 { random.below(20_000) } else { random.below(300) };
                    let align = 1 << random.below(6);
                    let layout = Layout::from_size_align(size, align).expect("a layout");
                    let block = if random.below(8) == 0 {
                        heap.allocate_zeroed(layout)
                    } else {
                        heap.allocate(layout)
                    };
                    assert!(!block.is_null() && block.addr() % align == 0, "{layout:?}");
                    let byte = step.to_le_bytes()[0];
                    // SAFETY: the block is live and this long.
                    unsafe { block.write_bytes(byte, size) };
                    let given = Some((block.expose_provenance(), layout, byte));
                    let mut place = table[random.below(table.len())].lock().expect("no panic");
                    let taken = std::mem::replace(&mut *place, given);
                    drop(place);
                    taken.into_iter().for_each(free);
                }
            });
        }
        // Meanwhile: every list of every slot is what it says, and no lock waits for another for ever.
        for _ in 0..20 {
            heap.check().expect("a sound heap at any moment");
            std::thread::yield_now();
        }
    });
    table.into_iter().filter_map(|place| place.into_inner().expect("no panic")).for_each(free);
    heap.check().expect("a sound heap");
    assert_eq!(heap.stats().live_blocks, 0);
}

/// C's functions look sizes up in the page map without the heap's lock, while another thread makes the heap and so the
/// map grow, and uses the old maps' memory for blocks of its own.
#[test]
fn c_looks_sizes_up_while_the_map_moves() {
    const READERS: u64 = 3;
    for seed in 0..10 {
        let heap = Jemalloc::with_source(fake(32 << 20, Trouble::default()));
        let grown = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for reader in 0..READERS {
                let (heap, grown) = (&heap, &grown);
                scope.spawn(move || {
                    let mut random = Random::new(seed * READERS + reader);
                    while !grown.load(Ordering::Relaxed) {
                        let limit = if random.below(20) == 0 { 5_000 } else { 300 };
                        let size = random.below(limit);
                        let (block, new_size) = (heap.malloc(size), random.below(600));
                        if block.is_null() {
                            continue;
                        }
                        // SAFETY: the block is live, and this long.
                        unsafe {
                            block.write_bytes(0xaa, size);
                            let usable = heap.usable_size(block);
                            assert!((size..=2 * size + 1024).contains(&usable), "{usable} for {size}");
                            let resized = heap.resize(block, new_size);
                            heap.free(if resized.is_null() { block } else { resized });
                        }
                    }
                });
            }
            // Half of what comes in is freed again, so that much lies where a map was.
            let mut random = Random::new(seed);
            loop {
                let block = heap.malloc(random.below(200_000));
                if block.is_null() {
                    break;
                }
                // SAFETY: the block is live.
                unsafe {
                    block.write_bytes(0x55, heap.usable_size(block));
                    if random.below(2) == 0 {
                        heap.free(block);
                    }
                }
            }
            grown.store(true, Ordering::Relaxed);
        });
        heap.check().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

/// The adversary of per-thread heaps: each thread of a chain uses as much as the one before, frees what that one left,
/// and ends. Memory stays what one of them needs, and what the caches of all slots may hold back or scatter: if a thread
/// left a few kilobytes behind for good, that would show.
#[test]
fn a_chain_of_threads_keeps_memory_bounded() {
    let heap = Jemalloc::with_source(fake(64 << 20, Trouble::default()));
    let mut sizes = Vec::new();
    let mut left: Vec<(usize, Layout)> = Vec::new();
    for generation in 0..200 {
        let before = std::mem::take(&mut left);
        left = std::thread::scope(|scope| {
            let work = || {
                let mut random = Random::new(generation);
                let blocks: Vec<_> = (0..4_000)
                    .map(|_| {
                        let layout = layout(1 + random.below(500));
                        (heap.allocate(layout).expose_provenance(), layout)
                    })
                    .collect();
                let (kept, freed) = blocks.split_at(1_000);
                for &(block, layout) in before.iter().chain(freed) {
                    // SAFETY: live, with its layout; freed by this thread only.
                    unsafe { heap.deallocate(std::ptr::with_exposed_provenance_mut(block), layout) };
                }
                kept.to_vec()
            };
            scope.spawn(work).join().expect("no panic")
        });
        heap.check().expect("a sound heap");
        sizes.push(heap.stats().heap_bytes);
    }
    assert!(sizes[199] <= sizes[1] + (1 << 20), "{sizes:?}");
}

/// Threads that live on, each with something in its cache: when memory is at its end, one of them gets all of it.
#[test]
fn what_waits_in_other_threads_caches_serves_before_memory_is_refused() {
    const THREADS: usize = 8;
    const LARGE: usize = 16 << 10;
    let heap = Jemalloc::with_source(fake(1 << 20, Trouble::default()));
    let (turn, done) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    let all_that_fits = |size: usize| {
        let fill = || Some(heap.allocate(layout(size))).filter(|block| !block.is_null());
        let blocks: Vec<_> = std::iter::from_fn(fill).collect();
        for &block in &blocks {
            // SAFETY: allocated above with this layout.
            unsafe { heap.deallocate(block, layout(size)) };
        }
        blocks.len()
    };
    let at_first = all_that_fits(LARGE);
    let mut at_last = 0;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (heap, turn, done) = (&heap, &turn, &done);
            scope.spawn(move || {
                let mut random = Random::new(thread as u64);
                for _ in 0..2_000 {
                    let layout = layout(random.below(2_000));
                    let block = heap.allocate(layout);
                    if !block.is_null() {
                        // SAFETY: allocated in the line above.
                        unsafe { heap.deallocate(block, layout) };
                    }
                }
                turn.wait();
                done.wait();
            });
        }
        turn.wait();
        at_last = all_that_fits(LARGE);
        done.wait();
    });
    assert!(at_first > 50, "{at_first}");
    // More is no leak: the page map may have moved out of the way.
    assert!(at_last >= at_first, "{at_last} of {at_first}");
}

/// Small blocks of one thread, freed by another, come back to the first through the heap: no list grows for ever.
#[test]
fn what_one_thread_allocates_and_another_frees_does_not_pile_up() {
    let heap = Jemalloc::with_source(fake(2 << 20, Trouble::default()));
    let (sender, receiver) = std::sync::mpsc::sync_channel::<usize>(64);
    std::thread::scope(|scope| {
        let heap = &heap;
        scope.spawn(move || {
            for block in receiver {
                // SAFETY: sent live.
                unsafe { heap.deallocate(std::ptr::with_exposed_provenance_mut(block), layout(100)) };
            }
        });
        for step in 0..100_000 {
            let block = heap.allocate(layout(100));
            assert!(!block.is_null(), "memory ran out at step {step}");
            sender.send(block.expose_provenance()).expect("the other thread");
        }
        drop(sender);
    });
    let stats = heap.stats();
    assert!(stats.heap_bytes <= 4 << 16, "{stats:?}");
}
