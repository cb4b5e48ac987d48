//! Peak memory of an inspection beside the size of the file.
#![allow(unsafe_code, reason = "counting allocations takes a global allocator")]
#![allow(clippy::print_stdout, reason = "the figures are wanted, not only the verdict")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes allocated at most at one time while `work` runs.
fn peak_of<T>(work: impl FnOnce() -> T) -> usize {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = work();
    let peak = PEAK.load(Relaxed) - before;
    drop(result);
    peak
}

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
        let facts_peak = peak_of(|| memgrove_inspect::facts(&bytes).unwrap());
        let peak = peak_of(|| memgrove_inspect::conclude(&memgrove_inspect::facts(&bytes).unwrap()));
        println!("{size} bytes: facts {facts_peak}, facts and report {peak} on top of the file itself");
        assert!(peak <= bytes.len(), "{}: {peak} bytes for {size}", path.display());
    }
}
