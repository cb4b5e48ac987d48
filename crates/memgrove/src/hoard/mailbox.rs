//! Where a heap receives blocks that other threads have freed, without its lock.
//!
//! A file of its own because `tests/loom.rs` includes it: every interleaving of it is run there.

use core::ptr::null_mut;

use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// A list of what was put in, and how much that is. Whoever sends puts a whole chain in at once, whoever receives takes all there is: so no
/// two take one from the other, and a member that came back meanwhile does no harm (no "ABA"; Treiber, *Systems
/// Programming: Coping with Parallelism*, 1986).
pub(crate) struct Mailbox<T> {
    first: AtomicPtr<T>,
    /// At least what the members in the list weigh: told before they are there, and until they are home.
    weight: AtomicUsize,
}

impl<T> Mailbox<T> {
    #[cfg(not(all(loom, test)))]
    pub(crate) const fn new() -> Self {
        Self { first: AtomicPtr::new(null_mut()), weight: AtomicUsize::new(0) }
    }

    /// The same for the model checker, whose atomics are no constants.
    #[cfg(all(loom, test))]
    pub(crate) fn new() -> Self {
        Self { first: AtomicPtr::new(null_mut()), weight: AtomicUsize::new(0) }
    }

    /// Puts a chain in front of what is there: `link` makes the chain's last member lead to the member that it is given, or
    /// to nothing. Returns what all weighs now.
    #[inline]
    pub(crate) fn push(&self, first: *mut T, weight: usize, mut link: impl FnMut(*mut T)) -> usize {
        let before = self.weight.fetch_add(weight, Ordering::Relaxed);
        let mut next = self.first.load(Ordering::Relaxed);
        loop {
            link(next);
            // Release: whoever takes the chain sees its links, and what the senders did with its blocks before. The chains behind it
            // were published by an exchange of the same word each, so the one who takes all sees them, too.
            match self.first.compare_exchange_weak(next, first, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return before + weight,
                Err(other) => next = other,
            }
        }
    }

    /// Whether nothing was there a moment ago. A look before an exchange, which would take the cache line from those who send.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.load(Ordering::Relaxed).is_null()
    }

    /// Takes all that is there: the first member, or null.
    #[inline]
    pub(crate) fn take(&self) -> *mut T {
        if self.is_empty() {
            return null_mut();
        }
        self.first.swap(null_mut(), Ordering::Acquire)
    }

    /// What was taken is home: it weighs nothing any more.
    #[inline]
    pub(crate) fn settle(&self, weight: usize) {
        self.weight.fetch_sub(weight, Ordering::Relaxed);
    }

    /// The first member and what all weighs, while nobody sends nor takes.
    pub(crate) fn look(&self) -> (*mut T, usize) {
        (self.first.load(Ordering::Acquire), self.weight.load(Ordering::Relaxed))
    }
}
