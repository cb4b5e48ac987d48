//! `cargo +nightly fuzz run fix`: any module with memory imports is fixed without panic, into a
//! valid module that does what it did, and that fixing again leaves alone.
#![no_main]

use libfuzzer_sys::fuzz_target;

// The body that the ordinary tests run with fixed seeds.
#[path = "../../crates/memgrove-lab/tests/fix_support/smith.rs"]
mod smith;

fuzz_target!(|bytes: &[u8]| {
    smith::check(bytes);
});
