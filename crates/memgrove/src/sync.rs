//! One lock, where there can be a second thread.

use core::cell::UnsafeCell;
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
use core::sync::atomic::{AtomicBool, Ordering};

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
    pub(crate) const fn new(value: T) -> Self {
        Self {
            #[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
            taken: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Runs `f` on the value, alone. `f` must not come back to this lock; the heap code never does.
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let _guard = self.acquire();
        // SAFETY: the guard says that no other thread is inside; `f` is heap code, which does not re-enter.
        f(unsafe { &mut *self.value.get() })
    }

    #[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
    #[inline(always)]
    fn acquire(&self) {}

    #[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
    #[inline(always)]
    fn acquire(&self) -> Guard<'_> {
        while self.taken.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            // Waiting by loads only: the cache line stays shared until the holder lets go.
            while self.taken.load(Ordering::Relaxed) {
                core::hint::spin_loop();
            }
        }
        #[cfg(all(target_family = "wasm", target_feature = "atomics"))]
        self.notice_growth();
        Guard(&self.taken)
    }

    /// Lets the engine notice that another thread grew the memory before it let go of the lock.
    ///
    /// V8 tells its other threads of growth by an interrupt, which each of them takes when it next enters a loop or a
    /// function. Until then `memory.copy` and `memory.fill` trap on the new pages (loads and stores do not), so a block
    /// handed out here could not be copied into. This is a loop that is entered, and left at once: the lock is taken.
    #[cfg(all(target_family = "wasm", target_feature = "atomics"))]
    #[inline(always)]
    fn notice_growth(&self) {
        while !self.taken.load(Ordering::Relaxed) {
            core::hint::spin_loop();
        }
    }
}

/// Lets go of the lock, also when a page source of the program's own panics.
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
struct Guard<'a>(&'a AtomicBool);

#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
impl Drop for Guard<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
