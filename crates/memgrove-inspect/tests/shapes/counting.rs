//! An allocator that counts: how much is held at most, and how much is asked for in total.
#![allow(unsafe_code, reason = "counting allocations takes a global allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static TOTAL: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        TOTAL.fetch_add(layout.size(), Relaxed);
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

/// What a piece of work took.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// Bytes held at most at one time.
    pub peak: usize,
    /// Bytes asked for altogether: a measure of work that is the same on every machine.
    pub total: usize,
}

/// Runs `work` and counts. Meaningful only while nothing else runs in the process.
pub fn count<T>(work: impl FnOnce() -> T) -> (T, Taken) {
    let (live, total) = (LIVE.load(Relaxed), TOTAL.load(Relaxed));
    PEAK.store(live, Relaxed);
    let result = work();
    let taken = Taken { peak: PEAK.load(Relaxed) - live, total: TOTAL.load(Relaxed) - total };
    (result, taken)
}

/// Time that this thread has spent on a processor, in nanoseconds; 0 where it is unknown.
pub fn thread_cpu_nanoseconds() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Time that all threads of this process have spent on a processor, in nanoseconds; 0 where it is unknown.
///
/// Unlike the time on the wall it does not depend on what else the machine does. Threads that end take theirs along.
pub fn cpu_nanoseconds() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of_task = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    of_task.sum()
}
