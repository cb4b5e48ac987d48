//! Every allocator under a shadow heap: random work, trouble with memory, edges.
#![allow(unsafe_code, reason = "drives allocators")]

mod shadow;

use memgrove::source::{Fake, Trouble};
use memgrove::{Allocate, Dlmalloc, Inspect, Wee};
use shadow::{Random, drive};

/// A zeroed region for a fake source, given up only by the process.
fn memory(bytes: usize) -> *mut u8 {
    let layout = std::alloc::Layout::from_size_align(bytes, 1 << 16).expect("a layout");
    // SAFETY: the size is not zero.
    unsafe { std::alloc::alloc_zeroed(layout) }
}

fn fake(bytes: usize, trouble: Trouble) -> Fake {
    // SAFETY: fresh zeroed memory that nobody else knows.
    unsafe { Fake::new(memory(bytes), bytes, trouble) }
}

fn run<A: Allocate + Inspect>(heap: &A, seed: u64, steps: usize) {
    drive(heap, &mut Random::new(seed), steps, 100, 300_000, 1)
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
}

#[test]
fn dlmalloc_random() {
    for seed in 0..20 {
        run(&Dlmalloc::new(), seed, 5_000);
    }
}

#[test]
fn wee_random() {
    for seed in 0..20 {
        run(&Wee::new(), seed, 5_000);
    }
}

#[test]
fn dlmalloc_stranger() {
    for seed in 0..10 {
        let trouble = Trouble { stranger_every: Some(1 + seed as usize % 3), ..Trouble::default() };
        run(&Dlmalloc::<_>::with_source(fake(64 << 20, trouble)), seed, 5_000);
    }
}
