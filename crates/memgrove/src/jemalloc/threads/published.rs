//! How threads read the page map without the heap's lock, while the map may move.
//!
//! A file of its own because `tests/loom.rs` includes it: every interleaving of it is run there.

use crate::sync::Lock;
use crate::sync::atomic::{AtomicPtr, Ordering};

/// A pointer to what threads read under locks of their own, each under another, and what one of them replaces.
///
/// It is the idea of read-copy-update (McKenney and Slingwine, *Read-Copy Update: Using Execution History to Solve
/// Concurrency Problems*, 1998): who replaces it waits until every reader has been seen outside of its lock once.
pub(crate) struct Published<T> {
    current: AtomicPtr<T>,
}

impl<T> Published<T> {
    #[cfg(not(all(loom, test)))]
    pub(crate) const fn new() -> Self {
        Self { current: AtomicPtr::new(core::ptr::null_mut()) }
    }

    /// The same for the model checker, whose atomics are no constants.
    #[cfg(all(loom, test))]
    pub(crate) fn new(first: *mut T) -> Self {
        Self { current: AtomicPtr::new(first) }
    }

    /// What was published last, or what is just being replaced: to be read under one of the readers' locks only.
    #[inline(always)]
    pub(crate) fn read(&self) -> *mut T {
        self.current.load(Ordering::Acquire)
    }

    /// Publishes something new, and goes once through the locks of all readers: whoever takes one later reads the new.
    /// When this returns, nobody reads the old.
    pub(crate) fn replace<'a, L: 'a>(&self, new: *mut T, readers: impl IntoIterator<Item = &'a Lock<L>>) {
        self.current.store(new, Ordering::Release);
        for lock in readers {
            lock.with(|_| ());
        }
    }
}
