//! `Jemalloc` under a shadow heap: random work, strangers, refusals, flushes.
#![allow(unsafe_code, reason = "drives an allocator")]

mod shadow;

use std::alloc::Layout;

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
