//! What the hardened mode costs on this machine: the same work with each allocator, alone and with the guard before it.
//!
//! `cargo run --release -p memgrove --example hardened_cost`
#![allow(unsafe_code, clippy::print_stdout, reason = "drives allocators, and tells how long it took")]

use std::alloc::Layout;
use std::time::{Duration, Instant};

use memgrove::{Allocate, Dlmalloc, Hardened, Inspect, Jemalloc, Wee};

#[allow(dead_code, reason = "only the generator of numbers is needed here")]
#[path = "../tests/shadow/mod.rs"]
mod shadow;

const CALLS: usize = 2_000_000;
const LIVE: usize = 1_000;

/// Replaces one of a thousand blocks after another, at random, each up to 512 bytes long and not written to.
fn work(heap: &impl Allocate) -> Duration {
    let mut random = shadow::Random::new(1);
    let steps: Vec<_> = (0..CALLS).map(|_| (random.below(LIVE), random.below(512))).collect();
    let mut blocks: Vec<_> = (0..LIVE).map(|_| (std::ptr::null_mut::<u8>(), Layout::new::<u8>())).collect();
    let start = Instant::now();
    for (which, size) in steps {
        let (block, layout) = blocks[which];
        if !block.is_null() {
            // SAFETY: live, with its layout.
            unsafe { heap.deallocate(block, layout) };
        }
        let layout = Layout::from_size_align(size, 8).expect("a layout");
        blocks[which] = (heap.allocate(layout), layout);
    }
    start.elapsed()
}

fn compare<A: Allocate + Inspect>(name: &str, make: impl Fn() -> A) {
    // The best of some interleaved rounds: the least disturbed by others.
    let (mut alone, mut guarded) = (Duration::MAX, Duration::MAX);
    for _ in 0..7 {
        alone = alone.min(work(&make()));
        guarded = guarded.min(work(&Hardened::new(make())));
    }
    let nanoseconds = |time: Duration| time.as_secs_f64() * 1e9 / CALLS as f64;
    println!(
        "{name}: {:.0} ns a pair of calls, {:.0} ns hardened: {:.2} times",
        nanoseconds(alone),
        nanoseconds(guarded),
        guarded.as_secs_f64() / alone.as_secs_f64()
    );
}

fn main() {
    compare("dlmalloc", Dlmalloc::new);
    compare("jemalloc", Jemalloc::new);
    compare("wee", Wee::new);
}
