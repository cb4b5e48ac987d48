//! Threads on one heap, each doing what one thread did alone: how much longer it takes. An informal figure; on a machine
//! with fewer free cores than threads they take turns, and one that is interrupted inside a lock holds up the others.
//!
//! `cargo run --release -p memgrove --example threads`
#![allow(unsafe_code, clippy::print_stdout, reason = "drives allocators, and tells how long it took")]

use std::alloc::Layout;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use memgrove::{Allocate, Dlmalloc, Jemalloc, Wee};

#[allow(dead_code, reason = "only the generator of numbers is needed here")]
#[path = "../tests/shadow/mod.rs"]
mod shadow;

const CALLS: usize = 2_000_000;
const LIVE: usize = 500;

/// Replaces one of some blocks after another, at random, each up to 512 bytes long.
fn work(heap: &impl Allocate, seed: u64) {
    let mut random = shadow::Random::new(seed);
    let mut blocks = [(std::ptr::null_mut::<u8>(), Layout::new::<u8>()); LIVE];
    for _ in 0..CALLS {
        let (which, size) = (random.below(LIVE), 1 + random.below(512));
        let (block, layout) = blocks[which];
        if !block.is_null() {
            // SAFETY: live, with its layout.
            unsafe { heap.deallocate(block, layout) };
        }
        let layout = Layout::from_size_align(size, 8).expect("a layout");
        let block = heap.allocate(layout);
        // SAFETY: live, and not empty.
        unsafe { block.write(1) };
        blocks[which] = (block, layout);
    }
}

/// From when all are ready to when the last is done.
fn time(heap: &(impl Allocate + Sync), threads: usize) -> Duration {
    let (ready, mut elapsed) = (Barrier::new(threads + 1), Duration::ZERO);
    std::thread::scope(|scope| {
        let ready = &ready;
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    ready.wait();
                    work(heap, thread as u64);
                })
            })
            .collect();
        ready.wait();
        let start = Instant::now();
        running.into_iter().for_each(|thread| thread.join().expect("no panic"));
        elapsed = start.elapsed();
    });
    elapsed
}

fn compare<A: Allocate + Sync>(name: &str, make: impl Fn() -> A) {
    let best = |threads| (0..5).map(|_| time(&make(), threads)).min().unwrap_or_default();
    let alone = best(1);
    let nanoseconds = alone.as_secs_f64() * 1e9 / CALLS as f64;
    print!("{name}: {nanoseconds:.0} ns a pair of calls alone");
    for threads in [2, 4] {
        print!(", {threads} threads {:.2} times", best(threads).as_secs_f64() / alone.as_secs_f64());
    }
    println!();
}

fn main() {
    compare("dlmalloc", Dlmalloc::new);
    compare("jemalloc", Jemalloc::new);
    compare("wee", Wee::new);
}
