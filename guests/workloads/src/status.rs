use core::sync::atomic::{AtomicU32, Ordering};

/// What became of a run; the numbers are the guest contract's (`Status` in crate memgrove-lab).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// Every check held.
    Sound = 0,
    /// Null for a request that should fit.
    OutOfMemory = 1,
    /// A live block's content changed.
    Corrupted = 2,
    /// Not the alignment that was asked for.
    Misaligned = 3,
    /// Zeroed memory was not zero.
    NotZeroed = 4,
    /// A reallocation lost content.
    LostContent = 5,
    /// The trace cannot be replayed.
    BadTrace = 6,
    /// No workload has this number.
    NoSuchWorkload = 7,
}

static STATUS: AtomicU32 = AtomicU32::new(0);

/// Forgets what became of the run before.
pub fn reset() {
    STATUS.store(0, Ordering::Relaxed);
}

/// Remembers a failure; the first one stays.
pub fn set(status: Status) {
    let _ = STATUS.compare_exchange(0, status as u32, Ordering::Relaxed, Ordering::Relaxed);
}

/// The first failure since [`reset`], or 0.
pub fn get() -> u32 {
    STATUS.load(Ordering::Relaxed)
}

/// Sets the status and ends the program: a workload whose heap is broken has nothing to go on with.
#[cold]
pub fn fail(status: Status) -> ! {
    set(status);
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    panic!("the heap is broken: {status:?}");
}
