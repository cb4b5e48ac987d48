//! Slabs and the cache: where small blocks come from.
//!
//! A slab is an extent cut into regions of one size class. What is known of it stands in the page map and not in the
//! slab, so that regions of a power of two fill it without a rest.
//!
//! The way of a call is the **cache**: for each class one list of free regions, linked through the regions. To
//! allocate is to take its head, to free is to become it; neither looks at the slab. jemalloc keeps such a cache for
//! each thread in front of its slabs and bounds it; here it needs no bound, because of what happens when it runs dry:
//!
//! 1. the class's next slab with regions to give hands over its whole list, lowest address first;
//! 2. else a new slab is laid into free pages, and all of its regions go into the cache: slabs are short;
//! 3. else, before memory grows, the cache is **flushed**: each region goes back to its slab, slabs that are whole
//!    again become free pages for any class, and the others queue by address, to be handed over by 1.
//!
//! A flush takes time in proportion to the heap. So it is due only when memory has grown by a sixty-fourth since the
//! last one, or when calls have missed the cache, one for each 32 pages of the heap: seldom enough that it adds a few
//! instructions to a call. If it were rarer, the heap would grow by a wasm page, which it never gives back, while whole slabs
//! lie idle in the cache. Where the last flush found less than a free region for each four pages, memory may grow by an eighth:
//! a program that only allocates, as one that loads a large file into nodes, would walk over its whole heap for nothing.

use core::ptr::null_mut;

use super::heap::Heap;
use super::thread_caches::ThreadCaches;
use crate::classes::{COUNT, size_of_class};
use crate::link::Link;
use crate::pages::{FREE, LARGE, LOOKS, NO_PAGE, PAGE, SPAN, address, slab_of};
use crate::source::PageSource;
use crate::word::at;

/// A slab grows with the number of its class's pages, up to so many, or to what its regions fill without a rest: longer ones
/// seldom become whole again.
const SLAB_PAGES_MAX: usize = 4;

/// For how many pages of the heap a call must have missed the cache before the next flush.
const FLUSH_PAGES: usize = 32;

/// Memory grows by so many pages at least: a page of WebAssembly's.
const GROWTH_PAGES: usize = (1 << 16) / PAGE;

/// A block of a slab that is in nobody's hands: it holds the link to the next.
#[repr(C)]
pub(super) struct Region {
    /// The next region of the same list, or null.
    pub(super) next: Link<Region>,
    /// In the first region of a queued slab's list only: the first region of the next slab in the queue, or null. Not the
    /// slab's entry in the map, because the map moves.
    pub(super) next_slab: Link<Region>,
}

/// What is known of a size class beside its cached regions.
pub(super) struct Class {
    /// First region of the slab, the highest first, that hands its regions over next; null if none. They are linked by
    /// [`Region::next_slab`].
    pub(super) next_slab: *mut Region,
    /// Pages in slabs of this class.
    pub(super) pages: usize,
}

impl Class {
    pub(super) const EMPTY: Self = Self { next_slab: null_mut(), pages: 0 };
}

/// The shortest slab for regions of `size` bytes of which the rest behind the last is at most an eighth.
const fn least_slab_pages(size: usize) -> usize {
    let mut pages = 1;
    while pages * PAGE < size || (pages * PAGE % size) * 8 > pages * PAGE {
        pages += 1;
    }
    pages
}

/// [`least_slab_pages`] of each class.
static LEAST_SLAB_PAGES: [u8; COUNT] = {
    let mut table = [0; COUNT];
    let mut class = 0;
    while class < COUNT {
        let pages = least_slab_pages(size_of_class(class));
        assert!(pages < SPAN as usize && SLAB_PAGES_MAX < SPAN as usize);
        #[allow(clippy::cast_possible_truncation, reason = "asserted in the line above, at compile time")]
        let byte = pages as u8;
        table[class] = byte;
        class += 1;
    }
    table
};

/// The shortest slab for regions of `size` bytes that they fill without a rest.
const fn full_slab_pages(size: usize) -> usize {
    let common = size.trailing_zeros();
    size >> if common < PAGE.trailing_zeros() { common } else { PAGE.trailing_zeros() }
}

const _: () = {
    let mut class = 0;
    while class < COUNT {
        let size = size_of_class(class);
        let pages = full_slab_pages(size);
        assert!(pages * PAGE % size == 0 && pages < SPAN as usize);
        class += 1;
    }
};

/// How many regions a slab of a class has.
pub(super) const fn regions_of(class: usize, pages: usize) -> usize {
    let size = size_of_class(class);
    // SAFETY: every class has a size. Said here because the compiler would prepare a panic for the division.
    unsafe { core::hint::assert_unchecked(size != 0) };
    pages * PAGE / size
}

impl<S: PageSource> Heap<S> {
    /// The class's cache is empty: fills it and takes one region; null if memory is exhausted.
    #[cold]
    #[inline(never)]
    pub(super) fn refill(&mut self, class: usize, caches: &impl ThreadCaches) -> *mut u8 {
        if !self.fill(class, caches) {
            return null_mut();
        }
        let region = *self.cached(class);
        // SAFETY: the cache was filled just now, and a cached region holds its link (J1).
        *self.cached(class) = unsafe { (*region).next.get() };
        region.cast()
    }

    /// Fills the class's empty cache; false if memory is exhausted.
    #[inline]
    fn fill(&mut self, class: usize, caches: &impl ThreadCaches) -> bool {
        self.misses += 1;
        self.hand_over(class) || self.new_slab(class, caches)
    }

    /// Up to `most` regions, linked, and how many they are; null and 0 if memory is exhausted.
    #[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
    pub(super) fn batch(
        &mut self,
        class: usize,
        most: usize,
        caches: &impl ThreadCaches,
    ) -> (*mut Region, usize) {
        let first = *self.cached(class);
        if first.is_null() && !self.fill(class, caches) {
            return (null_mut(), 0);
        }
        let first = *self.cached(class);
        let (mut last, mut count) = (first, 1);
        // SAFETY: the cache is not empty, and a cached region is free and holds its link (J1).
        unsafe {
            while count < most && !(*last).next.get().is_null() {
                last = (*last).next.get();
                count += 1;
            }
            *self.cached(class) = (*last).next.get();
            (*last).next.set(null_mut());
        }
        (first, count)
    }

    /// Takes a list of free regions back into the cache.
    pub(super) fn take_back(&mut self, class: usize, list: *mut Region) {
        let mut region = list;
        while !region.is_null() {
            // SAFETY: the regions are nobody's and of this class: J1 holds again.
            unsafe {
                let next = (*region).next.get();
                (*region).next.set(*self.cached(class));
                *self.cached(class) = region;
                region = next;
            }
        }
    }

    /// The first slab of the class's queue gives all of its list to the empty cache.
    fn hand_over(&mut self, class: usize) -> bool {
        let regions = self.class(class).next_slab;
        if regions.is_null() {
            return false;
        }
        *self.cached(class) = regions;
        // SAFETY: a queued slab has a list, and its first region holds the link of the queue (J2).
        unsafe {
            self.class(class).next_slab = (*regions).next_slab.get();
            let slab = slab_of(self.pages.map(), regions.addr());
            (*slab).list = null_mut();
            (*slab).given_back = 0;
        }
        true
    }

    /// Lays a slab for the class wherever pages can be had, or gets regions by a flush; false if there are neither.
    fn new_slab(&mut self, class: usize, caches: &impl ThreadCaches) -> bool {
        debug_assert!(class < COUNT);
        // SAFETY: as for `Heap::class`.
        let least = usize::from(unsafe { *LEAST_SLAB_PAGES.get_unchecked(class) });
        let full = full_slab_pages(size_of_class(class));
        // An eighth of what the class has: few slabs for many regions, little memory for few. Without a rest as soon as that
        // allows for it.
        let share = (self.class(class).pages / 8).min(full.max(SLAB_PAGES_MAX));
        let unit = if share < full { least } else { full };
        // SAFETY: no slab is without a page. Said here because the compiler would prepare a panic for the remainder.
        unsafe { core::hint::assert_unchecked(unit != 0) };
        let mut pages = unit.max(share - share % unit);
        let mut page = self.pages.take(pages, 0, LOOKS, caches);
        if page == NO_PAGE {
            pages = least;
            page = self.obtain(least, 0, class, caches);
            if page == NO_PAGE {
                return self.hand_over(class);
            }
        }
        self.lay_slab(class, page, pages);
        true
    }

    /// Makes a slab of pages that were taken for it. The class's empty cache gets all regions, lowest address first.
    #[allow(clippy::cast_possible_truncation, reason = "classes are far below 256")]
    fn lay_slab(&mut self, class: usize, page: usize, pages: usize) {
        // SAFETY: the pages were taken for this slab.
        unsafe { self.pages.mark_slab(page, pages, class as u8) };
        self.class(class).pages += pages;
        let size = size_of_class(class);
        let (mut start, end) = (address(page), address(page + pages));
        *self.cached(class) = at(start);
        loop {
            let region: *mut Region = at(start);
            start += size;
            // Not `start + size > end`, which wraps in the last slab of 4 GiB.
            let last = end - start < size;
            // SAFETY: the region lies in the slab, which has one at least, and it is in nobody's hands (J1).
            unsafe { (*region).next.set(if last { null_mut() } else { at(start) }) };
            if last {
                break;
            }
        }
    }

    /// Whether enough has happened since the last flush that one is due before memory grows for so many pages. Never just after
    /// one.
    #[inline(always)]
    pub(super) fn flush_is_due(&self, pages: usize) -> bool {
        let grown = self.pages.given() + pages.max(GROWTH_PAGES);
        self.misses != 0 && (grown > self.flush_at || self.misses > self.pages.in_use().len() / FLUSH_PAGES)
    }

    /// Gives every cached region back to its slab, and every slab that is whole again to the free pages. Linear in the
    /// regions that are cached and in the extents. Answers whether a slab of class `wanted` has regions to hand over now.
    #[cold]
    #[inline(never)]
    pub(super) fn flush(&mut self, wanted: usize, caches: &impl ThreadCaches) -> bool {
        caches.recall(|class, list| self.take_back(class, list));
        let mut regions = 0;
        for class in 0..COUNT {
            self.class(class).next_slab = null_mut();
            let mut region = *self.cached(class);
            *self.cached(class) = null_mut();
            while !region.is_null() {
                // SAFETY: a cached region is free and lies in a slab (J1), which its entry in the map leads to (P2).
                unsafe {
                    let next = (*region).next.get();
                    let slab = slab_of(self.pages.map(), region.addr());
                    (*region).next.set((*slab).list.cast());
                    (*slab).list = region.cast();
                    (*slab).given_back += 1;
                    regions += 1;
                    region = next;
                }
            }
        }
        self.queue_slabs();
        // With next to nothing to give back, the program only allocates, and so it will be at the next flush.
        let given = self.pages.given();
        let shift = if regions < given / 4 { 3 } else { 6 };
        self.flush_at = given + (given >> shift);
        self.misses = 0;
        wanted < COUNT && !self.class(wanted).next_slab.is_null()
    }

    /// Walks the extents in the order of their addresses: frees whole slabs, queues those with regions to give.
    fn queue_slabs(&mut self) {
        let mut page = self.pages.in_use().start;
        while page < self.pages.in_use().end {
            let entry = self.pages.entry(page);
            // SAFETY: `page` begins an extent below the top (P2). The caches are empty, so a slab whose list has all
            // of its regions is in nobody's hands, and the first region of any list is free to hold a link (J1).
            unsafe {
                if (*entry).class >= LARGE {
                    page += (*entry).length();
                    continue;
                }
                let (slab, class, pages) = (page, usize::from((*entry).class), (*entry).slab_pages());
                page += pages;
                if usize::from((*entry).given_back) == regions_of(class, pages) {
                    // A free neighbour coalesces with the slab, and its own entry may be gone then.
                    if page < self.pages.in_use().end && (*self.pages.entry(page)).class == FREE {
                        page += (*self.pages.entry(page)).length();
                    }
                    self.class(class).pages -= pages;
                    self.pages.free(slab, pages);
                } else if (*entry).given_back != 0 {
                    let first: *mut Region = (*entry).list.cast();
                    let info = self.class(class);
                    (*first).next_slab.set(info.next_slab);
                    info.next_slab = first;
                }
            }
        }
    }
}
