//! The long run: every allocator under the shadow heap for as many steps as asked for, default 10^8 each; and Hoard by
//! eight threads that pass blocks to each other, for a tenth of them.
//!
//! `cargo run --release -p memgrove --example long_run -- [STEPS [ALLOCATOR]]`
#![allow(unsafe_code, clippy::print_stdout, reason = "drives allocators, and tells how it went")]

use std::time::Instant;

use memgrove::{Allocate, Dlmalloc, Hoard, Inspect, Jemalloc, Wee};

#[path = "../tests/shadow/mod.rs"]
mod shadow;
#[path = "../tests/stress/mod.rs"]
mod stress;

/// One heap for all rounds, so that what one round leaves behind meets the next.
fn run<A: Allocate + Inspect>(name: &str, heap: &A, steps: usize) {
    /// Steps in a round: short enough to come back to an empty heap often.
    const ROUND: usize = 100_000;
    let start = Instant::now();
    for round in 0..steps.div_ceil(ROUND) {
        let (target, largest) = [(30, 1_000), (300, 20_000), (3_000, 5_000), (100, 500_000)][round % 4];
        if let Err(error) =
            shadow::drive(heap, &mut shadow::Random::new(round as u64), ROUND, target, largest, 97)
        {
            panic!("{name}, round {round}: {error}");
        }
    }
    println!("{name}: {steps} steps in {:.1} s, {:?}", start.elapsed().as_secs_f64(), heap.stats());
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let steps = arguments.next().map_or(100_000_000, |steps| steps.parse().expect("a number of steps"));
    let only = arguments.next();
    let wanted = |name| only.as_deref().is_none_or(|only| only == name);
    let mut any = false;
    let mut each = |name, work: &dyn Fn()| {
        if wanted(name) {
            any = true;
            work();
        }
    };
    each("dlmalloc", &|| run("dlmalloc", &Dlmalloc::new(), steps));
    each("wee", &|| run("wee", &Wee::new(), steps));
    each("jemalloc", &|| run("jemalloc", &Jemalloc::new(), steps));
    each("hoard", &|| {
        let hoard = Hoard::new();
        run("hoard", &hoard, steps);
        let start = Instant::now();
        stress::pass_blocks(&hoard, 8, steps / 10, 0);
        println!("hoard in 8 threads: {} steps in {:.1} s", steps / 10, start.elapsed().as_secs_f64());
    });
    assert!(any, "no such allocator; there are dlmalloc, wee, jemalloc and hoard");
}
