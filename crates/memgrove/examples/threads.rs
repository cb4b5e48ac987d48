//! Threads on one heap, each doing what one thread did alone, or each freeing what its neighbour allocates: how much longer it takes. An
//! informal figure; on a machine with fewer free cores than threads they take turns, and one that is interrupted inside a lock holds
//! up the others.
//!
//! `cargo run --release -p memgrove --example threads`
#![allow(unsafe_code, clippy::print_stdout, reason = "drives allocators, and tells how long it took")]

use std::alloc::Layout;
use std::sync::Barrier;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::{Duration, Instant};

use memgrove::{Allocate, Dlmalloc, Hoard, Jemalloc, Wee};

#[allow(dead_code, reason = "only the generator of numbers is needed here")]
#[path = "../tests/shadow/mod.rs"]
mod shadow;

const CALLS: usize = 2_000_000;
const LIVE: usize = 500;
/// How many blocks may be on their way from one thread to the next.
const CELLS: usize = 128;
const THREADS: usize = 4;

/// Where a thread leaves blocks for the next one, null where none is.
struct Ring([AtomicPtr<u8>; CELLS]);

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

/// Allocates blocks for the next thread and frees those of the one before, of up to 256 bytes.
fn pass(heap: &impl Allocate, incoming: &Ring, outgoing: &Ring, seed: u64) {
    let mut random = shadow::Random::new(seed);
    let layout = |size: usize| Layout::from_size_align(size, 8).expect("a layout");
    let (mut made, mut freed) = (0, 0);
    while made < CALLS || freed < CALLS {
        let mut waits = true;
        let cell = &outgoing.0[made % CELLS];
        if made < CALLS && cell.load(Ordering::Acquire).is_null() {
            let size = 8 + random.below(249);
            let block = heap.allocate(layout(size));
            // SAFETY: live, and this long.
            unsafe { block.cast::<u64>().write_unaligned(size as u64) };
            cell.store(block, Ordering::Release);
            (made, waits) = (made + 1, false);
        }
        let cell = &incoming.0[freed % CELLS];
        let block = cell.load(Ordering::Acquire);
        if !block.is_null() {
            cell.store(std::ptr::null_mut(), Ordering::Release);
            // SAFETY: live, with the size that its first word says.
            unsafe {
                let size = block.cast::<u64>().read_unaligned();
                heap.deallocate(block, layout(usize::try_from(size).expect("its size")));
            }
            (freed, waits) = (freed + 1, false);
        }
        if waits {
            std::thread::yield_now();
        }
    }
}

/// From when all are ready to when the last is done.
fn time(threads: usize, work: &(impl Fn(usize) + Sync)) -> Duration {
    let (ready, mut elapsed) = (Barrier::new(threads + 1), Duration::ZERO);
    std::thread::scope(|scope| {
        let ready = &ready;
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    ready.wait();
                    work(thread);
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
    let apart = |threads| {
        let heap = make();
        time(threads, &|thread| work(&heap, thread as u64))
    };
    let passing = |threads: usize| {
        let heap = make();
        let rings: [Ring; THREADS] =
            std::array::from_fn(|_| Ring(std::array::from_fn(|_| AtomicPtr::default())));
        time(threads, &|thread| {
            pass(&heap, &rings[(thread + threads - 1) % threads], &rings[thread], thread as u64);
        })
    };
    report(name, "apart", &apart);
    report(name, "passing blocks on", &passing);
}

fn report(name: &str, what: &str, run: &dyn Fn(usize) -> Duration) {
    let best = |threads| (0..5).map(|_| run(threads)).min().unwrap_or_default();
    let alone = best(1);
    let nanoseconds = alone.as_secs_f64() * 1e9 / CALLS as f64;
    print!("{name}, {what}: {nanoseconds:.0} ns a pair of calls alone");
    for threads in [2, THREADS] {
        print!(", {threads} threads {:.2} times", best(threads).as_secs_f64() / alone.as_secs_f64());
    }
    println!();
}

fn main() {
    compare("dlmalloc", Dlmalloc::new);
    compare("hoard", Hoard::new);
    compare("jemalloc", Jemalloc::new);
    compare("wee", Wee::new);
}
