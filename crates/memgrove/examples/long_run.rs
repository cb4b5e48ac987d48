//! The long run: allocators under the shadow heap for as many steps as asked for, default 10^8 in all; a tenth of them
//! by eight threads that pass blocks to each other.
//!
//! `cargo run --release -p memgrove --example long_run -- [STEPS]`
#![allow(unsafe_code, clippy::print_stdout, reason = "drives allocators, and tells how it went")]

use std::time::Instant;

use memgrove::{Allocate, Dlmalloc, Hoard, Inspect, Wee};

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
    let steps: usize =
        std::env::args().nth(1).map_or(100_000_000, |steps| steps.parse().expect("a number of steps"));
    run("dlmalloc", &Dlmalloc::new(), steps * 2 / 5);
    run("wee", &Wee::new(), steps * 2 / 5);
    let hoard = Hoard::new();
    run("hoard", &hoard, steps / 10);
    let start = Instant::now();
    stress::pass_blocks(&hoard, 8, steps / 10, 0);
    println!("hoard in 8 threads: {} steps in {:.1} s", steps / 10, start.elapsed().as_secs_f64());
}
