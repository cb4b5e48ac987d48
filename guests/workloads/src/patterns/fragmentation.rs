//! Adversaries: what is free is rarely where, or as large as, it is wanted.

use std::collections::VecDeque;

use super::free_all;
use crate::{Block, Load};

/// Fills memory, frees every other block, asks for slightly more than the holes hold, round after round. After
/// Robson's construction (JACM 1971). Stresses: search among thousands of free blocks that do not fit.
pub fn every_other(load: &Load) -> u64 {
    let mut sum = 0;
    let mut pinned: Vec<Block> = Vec::new();
    for round in 0..load.times(8) {
        let size = 24 + 8 * (round % 16);
        let filled: Vec<Block> = (0..4000).map(|tag| Block::new(size, tag)).collect();
        for (index, block) in filled.into_iter().enumerate() {
            match index % 2 {
                0 => free_all([block], &mut sum),
                _ => pinned.push(block),
            }
        }
        let larger: Vec<Block> = (0..1000).map(|tag| Block::new(size + 20, tag)).collect();
        free_all(larger, &mut sum);
        // Half of the pins go, scattered: at most a few thousand stay.
        let mut keep = false;
        let (stay, go): (Vec<_>, Vec<_>) = pinned.into_iter().partition(|_| {
            keep = !keep;
            keep
        });
        free_all(go, &mut sum);
        pinned = stay;
    }
    free_all(pinned, &mut sum);
    sum
}

/// A window of live blocks; what is asked for grows from 16 bytes to 32 KiB, so no hole fits what comes next.
/// Stresses: merging, and extending the top of the heap across growth.
pub fn drift(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut sum = 0;
    let steps = load.times(25_000);
    let mut window: VecDeque<Block> = VecDeque::new();
    for step in 0..steps {
        // Eleven doublings over the run.
        let doublings = step * 11 / steps;
        let within = step * 11 % steps;
        let base =
            (16usize << doublings) + ((16usize << doublings) as u64 * within as u64 / steps as u64) as usize;
        window.push_back(Block::new(base + rng.below(base / 4), step as u32));
        if window.len() > 64 {
            free_all(window.pop_front(), &mut sum);
        }
    }
    free_all(window, &mut sum);
    sum
}

/// Bursts of short-lived blocks, in each of which a few small ones stay for long. Stresses: what a pin costs: a
/// page, a slab, or itself.
pub fn pins(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut sum = 0;
    let mut pinned: VecDeque<Block> = VecDeque::new();
    for burst in 0..load.times(150) {
        let mut short = Vec::new();
        for index in 0..500u32 {
            if index % 50 == 0 {
                pinned.push_back(Block::new(rng.between(16, 48), index));
            }
            short.push(Block::new(rng.between(16, 2000), index ^ burst as u32));
        }
        free_all(short, &mut sum);
        while pinned.len() > 1000 {
            free_all(pinned.pop_front(), &mut sum);
        }
    }
    free_all(pinned, &mut sum);
    sum
}
