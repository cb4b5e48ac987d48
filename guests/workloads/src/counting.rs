//! The one wrapper around the allocator of every guest. It costs the same instructions whatever it wraps, so in a
//! comparison with the floor (the bump allocator under the same wrapper) its cost cancels out.

use std::alloc::{GlobalAlloc, Layout};

use crate::status::{self, Status};

/// Counts calls and requested bytes of the allocator inside. In a program with threads it only passes calls on,
/// because counters that threads share would be contention of their own.
pub struct Counting<A>(pub A);

#[cfg(not(target_feature = "atomics"))]
mod counters {
    use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

    // Relaxed atomics compile to plain loads and stores in a module without atomics; natively they make the tests'
    // threads safe, if not exact.
    static CALLS: AtomicU64 = AtomicU64::new(0);
    static LIVE: AtomicUsize = AtomicUsize::new(0);
    static PEAK: AtomicUsize = AtomicUsize::new(0);

    #[inline(always)]
    pub fn call(freed: usize, taken: usize) {
        CALLS.store(CALLS.load(Relaxed) + 1, Relaxed);
        let live = LIVE.load(Relaxed).wrapping_sub(freed).wrapping_add(taken);
        LIVE.store(live, Relaxed);
        if live > PEAK.load(Relaxed) {
            PEAK.store(live, Relaxed);
        }
    }

    pub fn reset() {
        CALLS.store(0, Relaxed);
        PEAK.store(LIVE.load(Relaxed), Relaxed);
    }

    pub fn read() -> (u64, u64, u64) {
        (CALLS.load(Relaxed), PEAK.load(Relaxed) as u64, LIVE.load(Relaxed) as u64)
    }
}

#[cfg(target_feature = "atomics")]
mod counters {
    #[inline(always)]
    pub fn call(_freed: usize, _taken: usize) {}
    pub fn reset() {}
    pub fn read() -> (u64, u64, u64) {
        (0, 0, 0)
    }
}

/// Starts a run: calls from 0, the peak from what is live now.
pub fn reset() {
    counters::reset();
}

/// Calls, peak live bytes and live bytes.
pub fn read() -> (u64, u64, u64) {
    counters::read()
}

#[inline(always)]
fn checked(block: *mut u8) -> *mut u8 {
    if block.is_null() {
        status::set(Status::OutOfMemory);
    }
    block
}

// SAFETY: every call goes to `A` unchanged, so its guarantees are ours.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        counters::call(0, layout.size());
        // SAFETY: the caller keeps GlobalAlloc's contract, which is A's.
        checked(unsafe { self.0.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        counters::call(0, layout.size());
        // SAFETY: as above.
        checked(unsafe { self.0.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        counters::call(layout.size(), new_size);
        // SAFETY: as above.
        checked(unsafe { self.0.realloc(block, layout, new_size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        counters::call(layout.size(), 0);
        // SAFETY: as above.
        unsafe { self.0.dealloc(block, layout) }
    }
}
