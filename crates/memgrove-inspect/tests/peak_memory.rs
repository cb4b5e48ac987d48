//! Peak memory of an inspection beside the size of the file.
#![allow(clippy::print_stdout, reason = "the figures are wanted, not only the verdict")]

#[allow(dead_code, reason = "only the peak is wanted here")]
#[path = "shapes/counting.rs"]
mod counting;

use std::path::Path;

use counting::count;

/// Small modules are dominated by what does not depend on them: knowledge, fingerprints, thread stacks.
const LARGE_BYTES: usize = 8 << 20;

#[test]
fn a_large_module_takes_at_most_its_own_size_again() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let small = wat::parse_str("(module)").unwrap();
    // What is read once a process is not the module's.
    drop(memgrove_inspect::conclude(&memgrove_inspect::facts(&small).unwrap()));

    let entries = std::fs::read_dir(root.join("out/corpus")).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let size = path.metadata().map_or(0, |metadata| metadata.len());
        if usize::try_from(size).unwrap() < LARGE_BYTES {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let facts_peak = count(|| memgrove_inspect::facts(&bytes).unwrap()).1.peak;
        let peak = count(|| memgrove_inspect::conclude(&memgrove_inspect::facts(&bytes).unwrap())).1.peak;
        println!("{size} bytes: facts {facts_peak}, facts and report {peak} on top of the file itself");
        assert!(peak <= bytes.len(), "{}: {peak} bytes for {size}", path.display());
    }
}
