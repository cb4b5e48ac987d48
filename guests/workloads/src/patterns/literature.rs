//! The thread benchmarks of the literature, each as one of its threads runs it.

use std::collections::VecDeque;

use super::{fold, free_all};
use crate::{Block, Load};

/// Larson & Krishnan, "Memory allocation for long-running server applications", ISMM 1998: blocks of 10 to 500
/// bytes live in a table; each step frees a random one and puts a new one in its place. Stresses: reuse under
/// random lifetimes.
pub fn larson(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut table: Vec<Block> = (0..1000).map(|tag| Block::new(rng.between(10, 500), tag)).collect();
    let mut sum = 0;
    for step in 0..load.times(150_000) {
        let slot = rng.below(table.len());
        let old = std::mem::replace(&mut table[slot], Block::new(rng.between(10, 500), step as u32));
        fold(&mut sum, old.free());
    }
    free_all(table, &mut sum);
    sum
}

/// Berger et al., "Hoard", ASPLOS 2000, threadtest: allocate a batch of equal small blocks, then free it. Stresses:
/// the shortest path, with the free lists full and empty in turns.
pub fn threadtest(load: &Load) -> u64 {
    let mut sum = 0;
    for round in 0..load.times(60) {
        let size = [8, 24, 64][round % 3];
        let batch: Vec<Block> = (0..2000).map(|tag| Block::new(size, tag)).collect();
        free_all(batch, &mut sum);
    }
    sum
}

/// Lever & Boreham, "malloc() performance in a multithreaded Linux environment", USENIX 2000: producers hand blocks
/// to consumers. Alone, a queue of batches lies between the two. Stresses: frees in an order of their own.
pub fn xmalloc(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut queue = VecDeque::new();
    let mut sum = 0;
    for _ in 0..load.times(1000) {
        queue.push_back((0..120).map(|tag| Block::new(rng.between(8, 256), tag)).collect::<Vec<_>>());
        if queue.len() > 20 {
            let batch = queue.remove(rng.below(queue.len())).unwrap_or_default();
            free_all(batch, &mut sum);
        }
    }
    free_all(queue.into_iter().flatten(), &mut sum);
    sum
}

/// Berger et al. 2000, cache-scratch: the blocks that are freed first came from elsewhere, packed together.
pub fn cache_scratch(load: &Load) -> u64 {
    let mut sum = 0;
    let handed: Vec<Block> = (0..16).map(|tag| Block::new(8, tag)).collect();
    for block in handed {
        fold(&mut sum, block.free());
        cache_loop(load.times(6000), &mut sum);
    }
    sum
}

/// Berger et al. 2000, cache-thrash: a block lives only while it is written.
pub fn cache_thrash(load: &Load) -> u64 {
    let mut sum = 0;
    cache_loop(load.times(100_000), &mut sum);
    sum
}

fn cache_loop(times: usize, sum: &mut u64) {
    for step in 0..times {
        let mut block = Block::new(8, step as u32);
        fold(sum, block.work(4));
        fold(sum, block.free());
    }
}
