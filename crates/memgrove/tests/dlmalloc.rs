//! What is particular to `Dlmalloc`: where blocks go, what C sees, and that `check` finds what is broken.
#![allow(unsafe_code, reason = "drives an allocator and damages its heap")]

use std::alloc::Layout;

use memgrove::source::{Fake, Trouble};
use memgrove::{Allocate, Dlmalloc, Inspect};

const WORD: usize = size_of::<usize>();

fn heap(bytes: usize) -> Dlmalloc<Fake> {
    let memory = Box::leak(vec![0u128; bytes / 16].into_boxed_slice());
    // SAFETY: leaked, zero, and nobody else's.
    Dlmalloc::with_source(unsafe { Fake::new(memory.as_mut_ptr().cast(), bytes, Trouble::default()) })
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("a layout")
}

fn allocate<const N: usize>(heap: &Dlmalloc<Fake>, sizes: [usize; N]) -> [*mut u8; N] {
    sizes.map(|size| {
        let block = heap.allocate(layout(size));
        assert!(!block.is_null(), "there is memory enough");
        block
    })
}

fn free(heap: &Dlmalloc<Fake>, block: *mut u8, size: usize) {
    // SAFETY: the tests free what they allocated, once.
    unsafe { heap.deallocate(block, layout(size)) }
}

fn resize(heap: &Dlmalloc<Fake>, block: *mut u8, size: usize, new_size: usize) -> *mut u8 {
    // SAFETY: the tests resize what they allocated.
    unsafe { heap.reallocate(block, layout(size), new_size) }
}

#[test]
fn the_last_block_grows_in_place_even_across_pages() {
    let heap = heap(1 << 22);
    let [_, last] = allocate(&heap, [100, 1_000]);
    let mut size = 1_000;
    while size < 1 << 20 {
        assert_eq!(resize(&heap, last, size, size + 30_000), last, "from {size}");
        size += 30_000;
    }
    heap.check().expect("a valid heap");
}

#[test]
fn a_block_grows_into_the_free_block_behind_it() {
    let heap = heap(1 << 20);
    let [first, second, _guard] = allocate(&heap, [1_000, 2_000, 10]);
    free(&heap, second, 2_000);
    assert_eq!(resize(&heap, first, 1_000, 2_500), first);
    heap.check().expect("a valid heap");
    // What was left over is used.
    let [small] = allocate(&heap, [300]);
    assert!(small > first && small < _guard, "from the rest");
}

#[test]
fn a_block_grows_into_the_free_block_before_it_and_keeps_its_bytes() {
    let heap = heap(1 << 20);
    let [_, first, second, _guard] = allocate(&heap, [10, 3_000, 1_000, 10]);
    for position in 0..1_000 {
        // SAFETY: within the block.
        unsafe { second.add(position).write(position.to_le_bytes()[0]) };
    }
    free(&heap, first, 3_000);
    assert_eq!(resize(&heap, second, 1_000, 3_500), first);
    // SAFETY: the block is this long.
    let bytes = unsafe { std::slice::from_raw_parts(first, 1_000) };
    assert!(bytes.iter().enumerate().all(|(position, &byte)| byte == position.to_le_bytes()[0]));
    heap.check().expect("a valid heap");
}

#[test]
fn shrinking_gives_the_end_back() {
    let heap = heap(1 << 20);
    let [first, _guard] = allocate(&heap, [10_000, 10]);
    assert_eq!(resize(&heap, first, 10_000, 1_000), first);
    heap.check().expect("a valid heap");
    let [second] = allocate(&heap, [8_000]);
    assert!(second > first && second < _guard, "from the end of the first");
}

#[test]
fn everything_freed_is_one_piece_again() {
    let heap = heap(1 << 20);
    let blocks: Vec<_> = (0..1_000).map(|i| (heap.allocate(layout(i % 300)), i % 300)).collect();
    let before = heap.stats().heap_bytes;
    for (block, size) in blocks {
        free(&heap, block, size);
    }
    // Needs all of it, merged: nothing but a little of the first page is elsewhere.
    let [_] = allocate(&heap, [before - 8_192]);
    assert_eq!(heap.stats().heap_bytes, before, "no growth");
    heap.check().expect("a valid heap");
}

#[test]
fn c_needs_no_sizes() {
    let heap = heap(1 << 22);
    for size in (0..2_000).chain([1 << 16, 1 << 20]) {
        let block = heap.malloc(size);
        assert!(!block.is_null() && block.addr() % (2 * WORD) == 0, "malloc({size})");
        // SAFETY: live blocks of this heap, freed once, and written within their usable size.
        unsafe {
            let usable = heap.usable_size(block);
            assert!(usable >= size && usable <= size + 6 * WORD, "{usable} for {size}");
            block.write_bytes(0xff, usable);
            let block = heap.resize(block, size + 100);
            assert!(heap.usable_size(block) >= size + 100);
            assert_eq!(block.add(size.saturating_sub(1)).read(), 0xff, "kept");
            heap.free(block);
        }
        if size % 64 == 0 {
            heap.check().expect("a valid heap");
        }
    }
    assert!(heap.malloc(usize::MAX).is_null() && heap.malloc(isize::MAX as usize).is_null());
    assert_eq!(heap.stats().live_blocks, 0);
}

#[test]
fn statistics_add_up() {
    let heap = heap(1 << 20);
    assert_eq!(heap.stats().heap_bytes, 0, "nothing is taken before it is needed");
    let [first, second, _third] = allocate(&heap, [1_000, 2_000, 40]);
    free(&heap, second, 2_000);
    let stats = heap.stats();
    assert_eq!((stats.live_blocks, stats.free_blocks), (2, 1), "{stats:?}");
    assert!(stats.live_bytes >= 1_040 && stats.live_bytes < 1_140, "{stats:?}");
    assert!(stats.largest_free_bytes >= 2_000 && stats.largest_free_bytes < 2_050, "{stats:?}");
    free(&heap, first, 1_000);
    assert_eq!(
        heap.stats().largest_free_bytes,
        stats.free_bytes + stats.live_bytes - heap.stats().live_bytes
    );
}

/// A heap with a free block between live ones, small quick ones, and what `check` says after `damage` of the free one.
#[track_caller]
fn broken(damage: impl FnOnce(*mut usize)) -> &'static str {
    let heap = heap(1 << 20);
    let [_, middle, _, small, _] = allocate(&heap, [1_000, 2_000, 1_000, 40, 40]);
    free(&heap, middle, 2_000);
    free(&heap, small, 40);
    heap.check().expect("a valid heap before the damage");
    damage(middle.cast());
    heap.check().expect_err("damage must be seen").invariant
}

#[test]
fn check_names_what_is_broken() {
    let words = 2_000 / WORD;
    // SAFETY: all within the heap, which nobody uses any more.
    unsafe {
        assert_eq!(broken(|block| *block.sub(1) += 8 * WORD), "H3", "a free block's size");
        assert_eq!(broken(|block| *block.sub(1) &= !1), "H2", "a free tag");
        assert_eq!(broken(|block| *block.add(1) ^= 64), "H4", "a link");
        assert_eq!(broken(|block| *block.add(words) = 1), "H3", "a footer");
        assert_eq!(broken(|block| *block.sub(1) = 0), "H1", "a header erased");
    }
}

#[test]
fn check_sees_a_write_behind_the_last_block() {
    let heap = heap(1 << 20);
    let [last] = allocate(&heap, [40]);
    // SAFETY: within the region, which nobody uses any more.
    unsafe { last.add(100).write(1) };
    assert_eq!(heap.check().expect_err("damage must be seen").invariant, "H8");
}
