//! Known malloc benchmarks.

use std::collections::VecDeque;

use super::{fold, free_all};
use crate::{Block, Load, Rng};

/// MicroQuill's sh6bench, by its description: sizes rise from 1 to 1000, each size as often as it is small; blocks
/// wait in a ring, and when it is full a stretch of it is freed, now forwards, now backwards.
pub fn sh6bench(load: &Load) -> u64 {
    ring(load.times(60), 1000, 400, usize::MAX, load.rng())
}

/// MicroQuill's sh8bench, likewise, with sizes to 4000 and every fourth block kept to the end of a round.
pub fn sh8bench(load: &Load) -> u64 {
    ring(load.times(30), 4000, 1200, 4, load.rng())
}

fn ring(rounds: usize, max_bytes: usize, capacity: usize, keep_each: usize, mut rng: Rng) -> u64 {
    let mut sum = 0;
    let mut ring: VecDeque<Block> = VecDeque::with_capacity(capacity);
    let mut tag = 0u32;
    for round in 0..rounds {
        let mut kept = Vec::new();
        let mut size = 1;
        while size <= max_bytes {
            for _ in 0..(max_bytes / size).clamp(1, 200) {
                tag = tag.wrapping_add(1);
                let block = Block::new(size, tag);
                if (tag as usize).is_multiple_of(keep_each) {
                    kept.push(block);
                } else {
                    ring.push_back(block);
                }
                if ring.len() == capacity {
                    let stretch = rng.between(capacity / 4, capacity / 2);
                    for _ in 0..stretch {
                        let next = if round % 2 == 0 { ring.pop_front() } else { ring.pop_back() };
                        free_all(next, &mut sum);
                    }
                }
            }
            size += 1 + size / 16;
        }
        free_all(kept, &mut sum);
    }
    free_all(ring, &mut sum);
    sum
}

/// glibc's bench-malloc-simple: n blocks of one size allocated, then freed in the same order, for n = 25 … 1600 and
/// sizes 16 … 4096. Stresses: thread caches and their overflow.
pub fn glibc_simple(load: &Load) -> u64 {
    let mut sum = 0;
    for round in 0..load.times(5) {
        for size in [16, 32, 64, 128, 256, 512, 1024, 2048, 4096] {
            for count in [25, 100, 400, 1600] {
                let blocks: Vec<Block> = (0..count).map(|tag| Block::new(size, tag + round as u32)).collect();
                free_all(blocks, &mut sum);
            }
        }
    }
    sum
}

/// IT Hare's alloc-test: a random slot is toggled between empty and full; sizes follow a power law (most a few
/// dozen bytes, few many kilobytes).
pub fn alloc_test(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut slots: Vec<Option<Block>> = (0..4096).map(|_| None).collect();
    let mut sum = 0;
    for step in 0..load.times(200_000) {
        let slot = rng.below(4096);
        match slots[slot].take() {
            Some(block) => fold(&mut sum, block.free()),
            None => {
                // Each doubling of the size is half as likely as the one before.
                let doublings = rng.next_u32().trailing_zeros().min(11);
                let size = rng.between(8, 16) << doublings;
                slots[slot] = Some(Block::new(size, step as u32));
            }
        }
    }
    free_all(slots.into_iter().flatten(), &mut sum);
    sum
}
