//! Heaps in 2 to 16 KiB that cannot grow. Prints what is usable, in percent:
//! `cargo test -p memgrove --test fixed_regions -- --nocapture`.
#![allow(unsafe_code, reason = "drives allocators")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever asks for them")]

mod fixed;

use fixed::{NAMES, usable};

const SIZES: [usize; 4] = [24, 100, 300, 1000];

/// The least percentages with words of 64 bits, for 2, 4, 8 and 16 KiB; what they are with 32 bits, the README says and a test of
/// the lab asserts.
const LEAST: [[[usize; 4]; 4]; NAMES.len()] = [
    [[75, 73, 43, 48], [75, 75, 51, 73], [75, 76, 54, 85], [75, 77, 56, 91]],
    [[59, 68, 73, 48], [66, 78, 80, 73], [70, 83, 84, 85], [72, 85, 89, 91]],
    [[0, 0, 0, 0], [49, 43, 43, 48], [73, 65, 65, 73], [86, 76, 76, 85]],
    [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [48, 43, 45, 42]],
];

#[test]
fn small_regions_are_used() {
    for ((allocator, name), least) in (0..).zip(NAMES).zip(LEAST) {
        for (kib, least) in [2, 4, 8, 16].into_iter().zip(least) {
            let percent = SIZES.map(|size| {
                usable(allocator, kib << 10, size)
                    .unwrap_or_else(|error| panic!("{name}, {kib} KiB, {size}: {error}"))
                    * 100
                    / (kib << 10)
            });
            println!("{name:9} {kib:2} KiB {percent:3?}");
            assert!(
                percent.iter().zip(least).all(|(&percent, least)| percent >= least),
                "{name}, {kib} KiB: {percent:?}"
            );
        }
    }
}
