//! A cache for each slot of threads.
//!
//! There are [`SLOTS`] caches, each behind a lock of its own and on cache lines of its own; a thread uses that of its
//! [slot](crate::thread). A small block is taken from the slot's list and given back to it. A list that is empty takes
//! half of its [limit](LIMITS) from the heap at once; one that is over the limit gives half back, the older one. So a
//! thread goes to the heap at most once in 16 blocks of up to 128 bytes, and in two of more than 1 KiB.
//!
//! A thread that ends leaves nothing behind but what its slot holds, which the next thread of that slot goes on with. All
//! caches together hold at most 2 MiB (a test counts), and before memory is refused a flush recalls all of it. What a
//! chain of threads that come and go may cost besides is that their blocks lie scattered over more slabs.
//!
//! jemalloc has several *arenas* besides, heaps of their own with a lock each. Here there is one heap, because there is
//! one linear memory, which grows at one end and never shrinks. Arenas would each have to take their pages from it
//! in larger pieces that serve nobody else, and would need page maps of their own or a common one; their freed extents could
//! not coalesce. It would take a common source that deals chunks of, say, 64 pages to arenas under a lock of its own, a
//! map of chunks to arenas, and a way home for blocks freed by other threads. What is left to gain is the contention for large
//! blocks and batches; [`crate::Jemalloc`]'s aim is speed at a low footprint, and Hoard is for the rest.
//!
//! # Locks
//!
//! The order is: the heap, then the slots by number. A call that needs both lets go of its slot first: what it carries over
//! (a batch, or the half of a list) is in nobody's hands but its own. So a flush, which runs under the heap's lock, may wait
//! for any slot: whoever holds one is a few instructions from letting go.
//!
//! C's `free` is not told a size. The page map knows it, and is read under the lock of the thread's slot, not the heap's:
//! the entries of a live block stay as they are, and a map that moves goes through all slots before its old place serves
//! something else (`published.rs`).

use core::ptr::null_mut;

use super::ThreadCaches;
use super::published::Published;
use crate::classes::{COUNT, QUANTUM, TABLE_MAX, head_offset, size_of_class};
use crate::jemalloc::heap::{Heap, NO_CLASS, small_class, usable_size};
use crate::jemalloc::slabs::Region;
use crate::pages::{LARGE, MapReaders, Page, entry_of};
use crate::source::PageSource;
use crate::sync::Lock;
use crate::thread::{SLOTS, slot};

/// Bytes that a slot keeps of a class, where the bounds on the number of regions allow it.
const LIST_BYTES: usize = 4096;

/// How many free regions of each class a slot may hold: what makes a trip to the heap worth its while for small ones, and
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

#[inline(always)]
fn limit(class: usize) -> usize {
    debug_assert!(class < COUNT);
    // SAFETY: as for `Heap::class`.
    unsafe { *LIMITS.get_unchecked(class) }.into()
}

/// [`small_class`], by one load for most blocks.
#[inline(always)]
fn class_for(size: usize, align: usize) -> usize {
    if size <= TABLE_MAX && align <= QUANTUM {
        head_offset(size) / size_of::<usize>()
    } else {
        small_class(size, align)
    }
}

/// A list of free regions, and its length.
#[derive(Clone, Copy)]
struct List {
    first: *mut Region,
    count: usize,
}

/// The lists of one slot. Aligned so that no two slots share a cache line, nor a pair of lines that is fetched as one.
#[repr(align(128))]
struct Cache {
    firsts: [*mut Region; COUNT],
    counts: [u8; COUNT],
}

// SAFETY: the regions are nobody's, so they may go to another thread with the cache.
unsafe impl Send for Cache {}

impl Cache {
    const EMPTY: Self = Self { firsts: [null_mut(); COUNT], counts: [0; COUNT] };

    /// The first region of a class's list; null if it is empty.
    #[inline(always)]
    fn take(&mut self, class: usize) -> *mut Region {
        debug_assert!(class < COUNT);
        // SAFETY: as for `Heap::class`; a region in a list is free and holds its link (J1).
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
    #[inline(always)]
    unsafe fn give(&mut self, region: *mut Region, class: usize) -> *mut Region {
        debug_assert!(class < COUNT);
        // SAFETY: the caller gives a region of this class that nobody uses: J1 holds again; and as in `take`.
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

    /// Takes a list over, if there is nothing in its place; returns whether there was not.
    #[inline(always)]
    fn put(&mut self, class: usize, list: List) -> bool {
        debug_assert!(class < COUNT);
        // SAFETY: as for `Heap::class`.
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

/// The caches of all slots.
pub(in crate::jemalloc) struct SlotCaches {
    slots: [Lock<Cache>; SLOTS],
    map: Published<Page>,
}

impl SlotCaches {
    pub(in crate::jemalloc) const fn new() -> Self {
        Self { slots: [const { Lock::new(Cache::EMPTY) }; SLOTS], map: Published::new() }
    }

    /// The cache of the calling thread.
    #[inline(always)]
    fn own(&self) -> &Lock<Cache> {
        // SAFETY: a slot is below `SLOTS`.
        unsafe { self.slots.get_unchecked(slot()) }
    }

    /// The list is empty: half a limit of regions from the heap, one of which is the answer; null if exhausted.
    #[cold]
    #[inline(never)]
    fn refill<S: PageSource>(&self, heap: &Lock<Heap<S>>, cache: &Lock<Cache>, class: usize) -> *mut u8 {
        let (region, count) = heap.with(|heap| heap.batch(class, limit(class) / 2, self));
        if region.is_null() {
            return null_mut();
        }
        // SAFETY: the batch is ours, and its regions hold their links (J1).
        let rest = List { first: unsafe { (*region).next.get() }, count: count - 1 };
        // Another thread of the same slot may have been here in between.
        if !cache.with(|cache| cache.put(class, rest)) {
            heap.with(|heap| heap.take_back(class, rest.first));
        }
        region.cast()
    }
}

impl ThreadCaches for SlotCaches {
    #[inline]
    fn allocate<S: PageSource>(&self, heap: &Lock<Heap<S>>, size: usize, align: usize) -> *mut u8 {
        let class = class_for(size, align);
        if class == NO_CLASS {
            return heap.with(|heap| heap.allocate(size, align, self));
        }
        let cache = self.own();
        let region = cache.with(|cache| cache.take(class));
        if region.is_null() { self.refill(heap, cache, class) } else { region.cast() }
    }

    /// The block's first bytes, as far as [`Heap::allocate_zeroed`] has told that they must be, are cleared outside of any lock.
    fn allocate_zeroed<S: PageSource>(&self, heap: &Lock<Heap<S>>, size: usize, align: usize) -> *mut u8 {
        let (block, dirty) = if class_for(size, align) != NO_CLASS {
            let block = self.allocate(heap, size, align);
            (block, if block.is_null() { 0 } else { size })
        } else {
            heap.with(|heap| heap.allocate_zeroed(size, align, self))
        };
        // SAFETY: so many bytes of the block are not known to be zero; none if it is null.
        unsafe { block.write_bytes(0, dirty) };
        block
    }

    #[inline]
    unsafe fn deallocate<S: PageSource>(
        &self,
        heap: &Lock<Heap<S>>,
        block: *mut u8,
        size: usize,
        align: usize,
    ) {
        let class = class_for(size, align);
        if class == NO_CLASS {
            // SAFETY: the caller's promise.
            heap.with(|heap| unsafe { heap.deallocate(block, size, align) });
            return;
        }
        // SAFETY: the caller's promise: the layout leads to the class that the block came from.
        let older = self.own().with(|cache| unsafe { cache.give(block.cast(), class) });
        if !older.is_null() {
            give_back(heap, class, older);
        }
    }

    #[inline]
    unsafe fn resize_in_place<S: PageSource>(
        &self,
        heap: &Lock<Heap<S>>,
        block: *mut u8,
        size: usize,
        align: usize,
        new_size: usize,
    ) -> bool {
        let class = class_for(size, align);
        if class != class_for(new_size, align) {
            return false;
        }
        // SAFETY: the caller's promise.
        class != NO_CLASS
            || heap.with(|heap| unsafe { heap.resize_in_place(block, size, align, new_size, self) })
    }

    #[inline]
    unsafe fn free<S: PageSource>(&self, heap: &Lock<Heap<S>>, block: *mut u8) {
        // SAFETY: the caller's promise; the map is read under a slot's lock, and tells the block's class (P2).
        let (class, older) = self.own().with(|cache| unsafe {
            let class = (*entry_of(self.map.read(), block.addr())).class;
            (class, if class == LARGE { null_mut() } else { cache.give(block.cast(), class.into()) })
        });
        if class == LARGE {
            // SAFETY: the caller's promise.
            heap.with(|heap| unsafe { heap.free(block) });
        } else if !older.is_null() {
            give_back(heap, class.into(), older);
        }
    }

    unsafe fn resize_in_place_unsized<S: PageSource>(
        &self,
        heap: &Lock<Heap<S>>,
        block: *mut u8,
        new_size: usize,
    ) -> bool {
        // SAFETY: as in `free`.
        let class = self.own().with(|_| unsafe { (*entry_of(self.map.read(), block.addr())).class });
        if class == LARGE {
            // SAFETY: the caller's promise.
            return heap.with(|heap| unsafe { heap.resize_in_place_unsized(block, new_size, self) });
        }
        class_for(new_size, 1) == class.into()
    }

    #[inline]
    unsafe fn usable_size<S: PageSource>(&self, _heap: &Lock<Heap<S>>, block: *mut u8) -> usize {
        // SAFETY: the caller's promise; the map is read under a slot's lock.
        self.own().with(|_| unsafe { usable_size(self.map.read(), block) })
    }

    fn recall(&self, mut take: impl FnMut(usize, *mut Region)) {
        for slot in &self.slots {
            let cache = slot.with(|cache| core::mem::replace(cache, Cache::EMPTY));
            for (class, first) in cache.firsts.into_iter().enumerate() {
                take(class, first);
            }
        }
    }

    fn limit(class: usize) -> usize {
        limit(class)
    }

    fn show(&self, show: &mut dyn FnMut(usize, *mut Region, usize)) {
        hold(&self.slots, show);
    }
}

#[cold]
#[inline(never)]
fn give_back<S: PageSource>(heap: &Lock<Heap<S>>, class: usize, list: *mut Region) {
    heap.with(|heap| heap.take_back(class, list));
}

impl MapReaders for SlotCaches {
    fn follow(&self, map: *mut Page) {
        self.map.replace(map, &self.slots);
    }
}

/// Shows the lists of all slots while it holds all of their locks: a region that was seen in one cannot come into another.
fn hold(slots: &[Lock<Cache>], show: &mut dyn FnMut(usize, *mut Region, usize)) {
    let Some((first, others)) = slots.split_first() else { return };
    first.with(|cache| {
        for (class, (&list, &count)) in cache.firsts.iter().zip(&cache.counts).enumerate() {
            show(class, list, count.into());
        }
        hold(others, show);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_caches_together_hold_at_most_two_megabytes() {
        let bytes: usize = (0..COUNT).map(|class| limit(class) * size_of_class(class)).sum();
        assert!(bytes * SLOTS <= 2 << 20, "{}", bytes * SLOTS);
    }

    #[test]
    fn half_a_list_is_never_nothing() {
        assert!((0..COUNT).all(|class| limit(class) >= 2));
    }
}
