//! Any bytes: an error or a report, never a panic. `cargo +nightly fuzz run inspect`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| memgrove_inspect::robust::check_any_bytes(bytes));
