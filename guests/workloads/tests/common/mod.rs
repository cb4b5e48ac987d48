//! Every workload against its recorded checksum, whichever allocator the including test chose.

use std::fmt::Write;

use workloads::{Load, status, workloads};

/// Scale in per cent, and seed, of the recorded checksums.
const SCALE: u32 = 10;
const SEED: u32 = 7;

/// Runs all workloads and compares with `checksums.txt`. With `ACCEPT=1` in the environment, writes the file.
pub fn all_workloads_answer_the_recorded_checksum() {
    let mut answers = String::new();
    for workload in workloads() {
        let checksum = (workload.run)(&Load::new(SCALE, SEED));
        assert_ne!(checksum, 0, "{} did nothing", workload.id);
        assert_eq!(status::get(), 0, "{}", workload.id);
        writeln!(answers, "{} {checksum:016x}", workload.id).expect("a string takes all");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/checksums.txt");
    if std::env::var_os("ACCEPT").is_some() {
        std::fs::write(path, &answers).expect("the checksums can be written");
    }
    let recorded = std::fs::read_to_string(path).expect("tests/checksums.txt is there");
    assert_eq!(answers, recorded);
}
