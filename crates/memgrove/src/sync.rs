//! One lock, where there can be a second thread.

#[cfg(not(all(loom, test)))]
use core::cell::UnsafeCell;
#[cfg(all(loom, test))]
use loom::cell::UnsafeCell;

#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
use atomic::{AtomicBool, Ordering};

/// The atomics of the machine, or those of the model checker: `tests/loom.rs` includes this file to run every
/// interleaving of it.
pub(crate) mod atomic {
    #[cfg(not(all(loom, test)))]
    pub(crate) use core::sync::atomic::*;
    #[cfg(all(loom, test))]
    pub(crate) use loom::sync::atomic::*;
}

/// How many turns of a loop a thread waits before it looks at a lock again: doubled each time up to the longest.
#[cfg(all(any(not(target_family = "wasm"), target_feature = "atomics"), not(all(loom, test))))]
const FIRST_PAUSE: u32 = 8;
#[cfg(all(any(not(target_family = "wasm"), target_feature = "atomics"), not(all(loom, test))))]
const LONGEST_PAUSE: u32 = 64;

/// A value behind a spin lock; on wasm without the `atomics` target feature, a value and nothing else.
///
/// It spins and never executes `memory.atomic.wait`, which the main thread of a browser must not do (it traps there,
/// and nothing inside a module can tell which thread it is on). What runs under the lock is short: no call leaves the
/// allocator except the page source's growth.
pub(crate) struct Lock<T> {
    #[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: with atomics (and natively) `with` gives the value to one thread at a time, so `T: Send` is enough. Without
// atomics a wasm module has one thread: its memory cannot be shared.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    #[cfg(not(all(loom, test)))]
    pub(crate) const fn new(value: T) -> Self {
        Self {
            #[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
            taken: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// The same for the model checker, whose atomics are no constants.
    #[cfg(all(loom, test))]
    pub(crate) fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Runs `f` on the value, alone. `f` must not come back to this lock; the heap code never does.
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let _guard = self.acquire();
        // SAFETY: the guard says that no other thread is inside; `f` is heap code, which does not re-enter.
        #[cfg(not(all(loom, test)))]
        return f(unsafe { &mut *self.value.get() });
        // SAFETY: the same, and here it is verified.
        #[cfg(all(loom, test))]
        self.value.with_mut(|value| f(unsafe { &mut *value }))
    }

    #[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
    #[inline(always)]
    fn acquire(&self) -> NoGuard {
        NoGuard
    }

    #[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
    #[inline(always)]
    fn acquire(&self) -> Guard<'_> {
        #[cfg(not(all(loom, test)))]
        let mut pause = FIRST_PAUSE;
        while self.taken.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            // Waiting by loads only: the cache line stays shared until the holder lets go. Less and less often, so that
            // the holder may keep it for its next calls, too (T. E. Anderson, *The Performance of Spin Lock Alternatives
            // for Shared-Memory Multiprocessors*, 1990). Two threads that do nothing but allocate took 0.4 of the time
            // natively, 0.8 on wasm.
            #[cfg(not(all(loom, test)))]
            while self.taken.load(Ordering::Relaxed) {
                for turn in 0..pause {
                    core::hint::spin_loop();
                    // On wasm that is nothing, and this is what keeps the loop.
                    core::hint::black_box(turn);
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            // The model checker must be told that nothing happens until another thread runs.
            #[cfg(all(loom, test))]
            loom::thread::yield_now();
        }
        // What others did under this lock may lie in memory that this thread does not know of yet.
        #[cfg(all(target_family = "wasm", target_feature = "atomics"))]
        crate::source::notice_growth();
        Guard(&self.taken)
    }
}

/// There is nothing to let go of.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
struct NoGuard;

/// Lets go of the lock, also when a page source of the program's own panics.
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
struct Guard<'a>(&'a AtomicBool);

#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
impl Drop for Guard<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Every atomic access of wasm is sequentially consistent. For a store Cranelift emits a fence on x86-64, which
        // takes longer than an exchange does; V8 emits an exchange for both.
        if cfg!(target_family = "wasm") {
            self.0.swap(false, Ordering::Release);
        } else {
            self.0.store(false, Ordering::Release);
        }
    }
}
