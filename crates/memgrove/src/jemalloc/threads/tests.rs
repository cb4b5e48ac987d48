//! Arenas, with the slot of each call chosen: what threads would do, one call after the other, and the same each time.

extern crate std;

use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use super::Threads;
use super::arena::{ARENAS, arena_of_slot};
use super::many::ManyThreads;
use crate::source::{Fake, Trouble};
use crate::thread::SLOTS;

fn heap(bytes: usize, trouble: Trouble) -> ManyThreads<Fake> {
    let layout = core::alloc::Layout::from_size_align(bytes, 1 << 16).expect("a layout");
    // SAFETY: zeroed memory of that length that nobody else knows.
    ManyThreads::new(unsafe { Fake::new(std::alloc::alloc_zeroed(layout), bytes, trouble) })
}

struct Random(u32);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % limit
    }
}

fn free_all(heap: &ManyThreads<Fake>, slot: usize, blocks: impl IntoIterator<Item = *mut u8>) {
    for block in blocks {
        // SAFETY: callers give live blocks of this heap.
        unsafe { heap.free_in(slot, block) };
    }
}

fn held(heap: &ManyThreads<Fake>) -> usize {
    heap.check().expect("a sound heap");
    heap.stats().heap_bytes
}

/// Two slots of one arena serve each other; two arenas never lie in one page, as long as neither has to borrow.
#[test]
fn arenas_share_no_page() {
    let heap = heap(8 << 20, Trouble::default());
    let mut random = Random(1);
    let mut pages: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut live: Vec<Vec<*mut u8>> = (0..SLOTS).map(|_| Vec::new()).collect();
    for _ in 0..20_000 {
        let slot = random.below(SLOTS);
        let block = heap.allocate_in(slot, 1 + random.below(400), 1);
        assert!(!block.is_null());
        live[slot].push(block);
        if random.below(4) == 0 {
            let which = random.below(live[slot].len());
            let block = live[slot].swap_remove(which);
            free_all(&heap, slot, [block]);
        }
    }
    for (slot, blocks) in live.iter().enumerate() {
        for block in blocks {
            pages.entry(block.addr() / 1024).or_default().insert(arena_of_slot(slot));
        }
    }
    assert!(pages.values().all(|arenas| arenas.len() == 1));
    let used: BTreeSet<_> = pages.values().flatten().collect();
    assert_eq!(used.len(), ARENAS);
    heap.check().expect("a sound heap");
}

/// What one allocates and another frees: the second never gets it, and the first finds it again.
#[test]
fn a_block_goes_home() {
    let heap = heap(1 << 20, Trouble::default());
    let mut homes = BTreeSet::new();
    let mut before = 0;
    for round in 0..500 {
        let blocks: Vec<_> = (0..100).map(|_| heap.allocate_in(0, 64, 1)).collect();
        homes.extend(blocks.iter().map(|block| block.addr()));
        free_all(&heap, 1, blocks);
        let other = heap.allocate_in(1, 64, 1);
        assert!(!homes.contains(&other.addr()), "round {round}");
        free_all(&heap, 1, [other]);
        let now = held(&heap);
        assert!(round == 0 || now == before, "{now} bytes after round {round}, {before} before");
        before = now;
    }
    // Those that are on the way, and what the cache holds.
    assert!(homes.len() < 300, "{}", homes.len());
}

/// The adversary of heaps for threads: one after the other uses as much as the one before had, and leaves blocks of which every
/// slab has one. What they hold together is twice what they use, and not as many times as there are arenas.
#[test]
fn threads_that_take_turns_do_not_multiply_memory() {
    const BLOCKS: usize = 20_000;
    const SIZE: usize = 64;
    let heap = heap(64 << 20, Trouble::default());
    let mut most = 0;
    let mut kept: Vec<(usize, *mut u8)> = Vec::new();
    for turn in 0..3 * ARENAS {
        let slot = turn % SLOTS;
        let blocks: Vec<_> = (0..BLOCKS).map(|_| heap.allocate_in(slot, SIZE, 1)).collect();
        most = most.max((BLOCKS + kept.len()) * SIZE);
        // One in sixteen stays: one in a page.
        let (stay, go): (Vec<_>, Vec<_>) = blocks.into_iter().enumerate().partition(|(n, _)| n % 16 == 0);
        free_all(&heap, slot, go.into_iter().map(|(_, block)| block));
        kept.extend(stay.into_iter().map(|(_, block)| (slot, block)));
        let now = held(&heap);
        // The map, what the caches hold, and an eighth until the next flush.
        assert!(now <= 2 * most * 9 / 8 + (1 << 19), "turn {turn}: {now} bytes, {most} in use at most");
    }
    for (slot, block) in kept {
        free_all(&heap, slot, [block]);
    }
    assert_eq!(heap.stats().live_blocks, 0);
    heap.check().expect("a sound heap");
}

/// When memory is at its end, every free region serves whichever arena, though no slab is whole.
#[test]
fn what_another_arena_has_serves_before_memory_is_refused() {
    for size in [16, 64, 100, 700, 2048] {
        let heap = heap(1 << 18, Trouble::default());
        let fill = |slot| -> Vec<*mut u8> {
            core::iter::repeat_with(|| heap.allocate_in(slot, size, 1)).take_while(|b| !b.is_null()).collect()
        };
        let blocks = fill(0);
        let (stay, go): (Vec<_>, Vec<_>) = blocks.into_iter().enumerate().partition(|(n, _)| n % 2 == 0);
        let freed = go.len();
        assert!(freed > 20);
        free_all(&heap, 0, go.into_iter().map(|(_, block)| block));
        let found = fill(3);
        assert_eq!(found.len(), freed, "blocks of {size}");
        heap.check().expect("a sound heap");
        free_all(&heap, 5, found);
        free_all(&heap, 6, stay.into_iter().map(|(_, block)| block));
        heap.check().expect("a sound heap");
        assert_eq!(heap.stats().live_blocks, 0);
        // And all of it serves as one block.
        assert!(!heap.allocate_in(2, 150_000, 1).is_null());
    }
}

struct Block {
    start: *mut u8,
    size: usize,
    byte: u8,
}

/// Random work of all slots, with every call, memory that is refused and strangers that take some.
#[test]
fn random_work_of_all_slots() {
    for (seed, bytes, stranger_every) in [(1, 4 << 20, None), (2, 1 << 18, None), (3, 8 << 20, Some(3))] {
        let heap = heap(bytes, Trouble { stranger_every, ..Trouble::default() });
        let mut random = Random(seed);
        let mut blocks: Vec<Block> = Vec::new();
        let verify = |block: &Block, size: usize| {
            // SAFETY: the block is live and was filled.
            let bytes = unsafe { core::slice::from_raw_parts(block.start, size) };
            assert!(bytes.iter().all(|&byte| byte == block.byte), "{size} bytes were overwritten");
        };
        for step in 0..40_000 {
            let (slot, byte) = (random.below(SLOTS), u8::try_from(step % 251).expect("below 251"));
            let size = if random.below(30) == 0 { random.below(40_000) } else { random.below(2_500) };
            let growing = step / 5_000 % 2 == 0;
            if blocks.is_empty() || random.below(10) < if growing { 6 } else { 3 } {
                let align = 1 << random.below(7);
                let start = heap.allocate_in(slot, size, align);
                if start.is_null() {
                    continue;
                }
                assert_eq!(start.addr() % align, 0);
                // SAFETY: the block is live and this long.
                unsafe {
                    assert!(heap.usable_size(start) >= size);
                    start.write_bytes(byte, size);
                }
                blocks.push(Block { start, size, byte });
            } else {
                let block = blocks.swap_remove(random.below(blocks.len()));
                verify(&block, block.size);
                // SAFETY: the block is live.
                unsafe {
                    if random.below(4) == 0 && heap.resize_in_place_unsized(block.start, size) {
                        verify(&block, block.size.min(size));
                        block.start.write_bytes(byte, size);
                        blocks.push(Block { start: block.start, size, byte });
                        continue;
                    }
                    heap.free_in(slot, block.start);
                }
            }
            if step % 16 == 0 {
                heap.check().unwrap_or_else(|broken| panic!("seed {seed}, step {step}: {broken}"));
            }
        }
        for block in blocks {
            verify(&block, block.size);
            free_all(&heap, random.below(SLOTS), [block.start]);
        }
        heap.check().expect("a sound heap");
        assert_eq!(heap.stats().live_blocks, 0);
    }
}
