//! Simple shapes: one order of lifetimes or one kind of call each.

use std::collections::VecDeque;

use super::{fold, free_all};
use crate::{Block, Load, Rng};

fn small(rng: &mut Rng) -> usize {
    rng.between(8, 200)
}

/// Last in, first out: the order of a call stack. Allocators that merge eagerly undo their own work here.
pub fn lifo(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut sum = 0;
    let mut stack: Vec<Block> = Vec::new();
    for step in 0..load.times(100) {
        for tag in 0..1000 {
            stack.push(Block::new(small(&mut rng), tag ^ step as u32));
        }
        while stack.len() > 200 {
            free_all(stack.pop(), &mut sum);
        }
    }
    while let Some(block) = stack.pop() {
        fold(&mut sum, block.free());
    }
    sum
}

/// First in, first out: the order of a message queue. Free memory wanders through the heap.
pub fn fifo(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut sum = 0;
    let mut queue: VecDeque<Block> = VecDeque::new();
    for step in 0..load.times(100_000) {
        queue.push_back(Block::new(small(&mut rng), step as u32));
        if queue.len() > 1000 {
            free_all(queue.pop_front(), &mut sum);
        }
    }
    free_all(queue, &mut sum);
    sum
}

/// Sixteen blocks grow by half in turns up to 128 KiB, a small block now and then between them. Stresses: realloc
/// in place, and copies when the neighbour is taken.
pub fn vectors(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut sum = 0;
    for round in 0..load.times(12) {
        let mut growing: Vec<Option<Block>> = (0..16).map(|tag| Some(Block::new(16, tag))).collect();
        let mut sizes = [16usize; 16];
        let mut between = Vec::new();
        while sizes.iter().any(|&size| size < 128 << 10) {
            let which = rng.below(16);
            if sizes[which] >= 128 << 10 {
                continue;
            }
            sizes[which] += sizes[which] / 2;
            growing[which] = growing[which].take().map(|block| block.resize(sizes[which]));
            if rng.below(4) == 0 {
                between.push(Block::new(small(&mut rng), round as u32));
            }
        }
        for block in growing.into_iter().flatten() {
            fold(&mut sum, block.resize(100).free());
        }
        free_all(between, &mut sum);
    }
    sum
}

/// Alignments from 8 bytes to 4 KiB. Stresses: the waste before and behind an aligned block.
pub fn aligned(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut sum = 0;
    let mut table: Vec<Option<Block>> = (0..512).map(|_| None).collect();
    for step in 0..load.times(60_000) {
        let slot = rng.below(512);
        free_all(table[slot].take(), &mut sum);
        let align = 8 << rng.next_u32().trailing_zeros().min(9);
        table[slot] = Some(Block::aligned(rng.between(1, 600), align, step as u32));
    }
    free_all(table.into_iter().flatten(), &mut sum);
    sum
}

/// Zeroed blocks, mostly small, some to 64 KiB, over memory that was used before. Stresses: clearing what must be
/// cleared, and only that.
pub fn zeroed(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut sum = 0;
    let mut table: Vec<Option<Block>> = (0..128).map(|_| None).collect();
    for step in 0..load.times(12_000) {
        let slot = rng.below(128);
        free_all(table[slot].take(), &mut sum);
        let size = rng.between(16, 32) << rng.next_u32().trailing_zeros().min(11);
        table[slot] = Some(Block::zeroed(size, step as u32));
    }
    free_all(table.into_iter().flatten(), &mut sum);
    sum
}
