//! The cache of a slot of threads: a few free regions of each class, and those that are on their way to another arena.
//!
//! A small block is taken from its class's list. When it is given back and is of the slot's own arena, it goes into that list again; the
//! list that is over its [limit](LIMITS) gives its older half to the arena. A block of another arena is a *stray*: it joins
//! the others in one list, which goes [home](super::many) when it is [full](STRAY_BYTES). So a thread never works with what lies beside
//! another's blocks, and sends home some 32 small blocks at once.

use core::ptr::null_mut;

use crate::classes::{COUNT, QUANTUM, TABLE_MAX, head_offset, size_of_class};
use crate::jemalloc::lists::Region;
use crate::jemalloc::slabs::small_class;

/// Bytes that a slot keeps of a class, where the bounds on the number of regions allow it.
const LIST_BYTES: usize = 4096;

/// Bytes of strays that a slot sends home.
pub(super) const STRAY_BYTES: usize = 4096;

/// How many free regions of each class a slot may hold: what makes a trip to the arena worth its while for small ones, and
/// no more than needed for large ones.
static LIMITS: [u8; COUNT] = {
    let mut limits = [0; COUNT];
    let mut class = 0;
    while class < COUNT {
        let regions = LIST_BYTES / size_of_class(class);
        limits[class] = if regions < 4 {
            4
        } else if regions > 32 {
            32
        } else {
            #[allow(clippy::cast_possible_truncation, reason = "at most 32")]
            let limit = regions as u8;
            limit
        };
        class += 1;
    }
    limits
};

/// How many regions of a class a slot may hold.
#[inline(always)]
pub(super) fn limit(class: usize) -> usize {
    debug_assert!(class < COUNT);
    // SAFETY: as for `Lists::class`.
    unsafe { *LIMITS.get_unchecked(class) }.into()
}

/// What a stray of a class counts for: its bytes, and as much as a 32nd part of all for a small one.
#[inline(always)]
pub(super) fn stray_bytes(class: usize) -> usize {
    size_of_class(class).max(STRAY_BYTES / 32)
}

/// [`small_class`], by one load for most blocks.
#[inline(always)]
pub(super) fn class_for(size: usize, align: usize) -> usize {
    if size <= TABLE_MAX && align <= QUANTUM {
        head_offset(size) / size_of::<usize>()
    } else {
        small_class(size, align)
    }
}

/// A list of free regions, and its length.
#[derive(Clone, Copy)]
pub(super) struct List {
    pub(super) first: *mut Region,
    pub(super) count: usize,
}

impl List {
    pub(super) const EMPTY: Self = Self { first: null_mut(), count: 0 };

    /// Cuts up to `most` regions off a list: the answer.
    ///
    /// # Safety
    /// The regions are free and hold their links.
    pub(super) unsafe fn cut(list: &mut *mut Region, most: usize) -> Self {
        let first = *list;
        if first.is_null() {
            return Self::EMPTY;
        }
        let (mut last, mut count) = (first, 1);
        // SAFETY: the caller's promise.
        unsafe {
            while count < most && !(*last).next.get().is_null() {
                last = (*last).next.get();
                count += 1;
            }
            *list = (*last).next.get();
            (*last).next.set(null_mut());
        }
        Self { first, count }
    }
}

/// What one slot holds. Aligned so that no two slots share a cache line, nor a pair of lines that is fetched as one.
#[repr(align(128))]
pub(super) struct Cache {
    pub(super) firsts: [*mut Region; COUNT],
    pub(super) counts: [u8; COUNT],
    /// Free regions of other arenas, of any class.
    pub(super) strays: *mut Region,
    /// The sum of their [`stray_bytes`].
    pub(super) stray_bytes: usize,
}

// SAFETY: the regions are nobody's, so they may go to another thread with the cache.
unsafe impl Send for Cache {}

impl Cache {
    pub(super) const EMPTY: Self =
        Self { firsts: [null_mut(); COUNT], counts: [0; COUNT], strays: null_mut(), stray_bytes: 0 };

    /// The first region of a class's list; null if it is empty.
    #[inline(always)]
    pub(super) fn take(&mut self, class: usize) -> *mut Region {
        debug_assert!(class < COUNT);
        // SAFETY: as for `Lists::class`; a region in a list is free and holds its link (J1).
        unsafe {
            let first = self.firsts.get_unchecked_mut(class);
            let region = *first;
            if !region.is_null() {
                *first = (*region).next.get();
                *self.counts.get_unchecked_mut(class) -= 1;
            }
            region
        }
    }

    /// Puts a free region in front of a class's list. Returns the older half of the list if it was full.
    ///
    /// # Safety
    /// A region of this class that nobody uses.
    #[inline(always)]
    pub(super) unsafe fn give(&mut self, region: *mut Region, class: usize) -> *mut Region {
        debug_assert!(class < COUNT);
        // SAFETY: the caller's promise: J1 holds again; and as in `take`.
        unsafe {
            let (first, count) = (self.firsts.get_unchecked_mut(class), self.counts.get_unchecked_mut(class));
            (*region).next.set(*first);
            *first = region;
            *count += 1;
            if usize::from(*count) > limit(class) { self.halve(class) } else { null_mut() }
        }
    }

    /// Cuts the older half off a list.
    #[cold]
    unsafe fn halve(&mut self, class: usize) -> *mut Region {
        let kept = limit(class) / 2;
        // SAFETY: the list is longer than its half, and its regions are free and hold their links (J1, J3).
        unsafe {
            let mut last = *self.firsts.get_unchecked(class);
            for _ in 1..kept {
                last = (*last).next.get();
            }
            #[allow(clippy::cast_possible_truncation, reason = "at most 16")]
            let count = kept as u8;
            *self.counts.get_unchecked_mut(class) = count;
            let older = (*last).next.get();
            (*last).next.set(null_mut());
            older
        }
    }

    /// Puts a free region of another arena to the strays. Returns all of them if they were enough.
    ///
    /// # Safety
    /// A region of this class that nobody uses.
    #[inline(always)]
    pub(super) unsafe fn give_stray(&mut self, region: *mut Region, class: usize) -> *mut Region {
        // SAFETY: the caller's promise: J1 holds again.
        unsafe { (*region).next.set(self.strays) };
        self.strays = region;
        self.stray_bytes += stray_bytes(class);
        if self.stray_bytes < STRAY_BYTES {
            return null_mut();
        }
        self.stray_bytes = 0;
        core::mem::replace(&mut self.strays, null_mut())
    }

    /// Gives up the lists of all classes; strays stay.
    pub(super) fn take_all(&mut self) -> [*mut Region; COUNT] {
        self.counts = [0; COUNT];
        core::mem::replace(&mut self.firsts, [null_mut(); COUNT])
    }

    /// Takes a list over, if there is nothing in its place; returns whether there was not.
    #[inline(always)]
    pub(super) fn put(&mut self, class: usize, list: List) -> bool {
        debug_assert!(class < COUNT);
        // SAFETY: as for `Lists::class`.
        unsafe {
            let first = self.firsts.get_unchecked_mut(class);
            if !first.is_null() {
                return false;
            }
            *first = list.first;
            #[allow(clippy::cast_possible_truncation, reason = "half of a limit")]
            let count = list.count as u8;
            *self.counts.get_unchecked_mut(class) = count;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thread::SLOTS;

    #[test]
    fn all_caches_together_hold_at_most_two_megabytes() {
        let bytes: usize = (0..COUNT).map(|class| limit(class) * size_of_class(class)).sum();
        let all = (bytes + STRAY_BYTES) * SLOTS;
        assert!(all <= 2 << 20, "{all}");
    }

    #[test]
    fn half_a_list_is_never_nothing() {
        assert!((0..COUNT).all(|class| limit(class) >= 2));
    }
}
