//! Lists: the free regions of each class, and the slabs that have more.
//!
//! A heap has one set of them. With threads each arena has one (`threads/arena.rs`).

use core::ptr::null_mut;

use crate::classes::{COUNT, size_of_class};
use crate::link::Link;
use crate::pages::{PAGE, Page, Pages, slab_of};
use crate::source::PageSource;
use crate::word::at;

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
    const EMPTY: Self = Self { next_slab: null_mut(), pages: 0 };
}

/// The free regions of each class, and its slabs.
pub(super) struct Lists {
    /// For each class, the regions to be handed out next.
    pub(super) cache: [*mut Region; COUNT],
    /// What else is known of each class.
    pub(super) classes: [Class; COUNT],
}

impl Lists {
    pub(super) const EMPTY: Self = Self { cache: [null_mut(); COUNT], classes: [Class::EMPTY; COUNT] };

    /// The head of a class's list in the cache.
    #[inline(always)]
    pub(super) fn cached(&mut self, class: usize) -> &mut *mut Region {
        debug_assert!(class < COUNT);
        // SAFETY: a class comes from `class_of`, from the map's entry of a slab (P2) or from counting to COUNT.
        unsafe { self.cache.get_unchecked_mut(class) }
    }

    /// What is known of a class.
    #[inline(always)]
    pub(super) fn class(&mut self, class: usize) -> &mut Class {
        debug_assert!(class < COUNT);
        // SAFETY: as for `cached`.
        unsafe { self.classes.get_unchecked_mut(class) }
    }

    /// The first slab of the class's queue gives all of its list to the empty cache. `map` as of [`Pages::map`].
    #[inline(always)]
    pub(super) fn hand_over(&mut self, class: usize, map: impl FnOnce() -> *mut Page) -> bool {
        let regions = self.class(class).next_slab;
        if regions.is_null() {
            return false;
        }
        *self.cached(class) = regions;
        // SAFETY: a queued slab has a list, and its first region holds the link of the queue (J2).
        unsafe {
            self.class(class).next_slab = (*regions).next_slab.get();
            let slab = slab_of(map(), regions.addr());
            (*slab).list = null_mut();
            (*slab).given_back = 0;
        }
        true
    }

    /// Puts a region at the head of its class's cache.
    ///
    /// # Safety
    /// It is of this class, and nobody uses it any more.
    #[inline(always)]
    pub(super) unsafe fn cache_region(&mut self, region: *mut Region, class: usize) {
        // SAFETY: the caller's promise: J1 holds again.
        unsafe { (*region).next.set(*self.cached(class)) };
        *self.cached(class) = region;
    }

    /// Gives every cached region back to its slab, and leaves all slabs out of the queues; returns how many regions there were.
    #[inline(always)]
    pub(super) fn give_back<S: PageSource>(&mut self, pages: &Pages<S>) -> usize {
        let mut regions = 0;
        for class in 0..COUNT {
            self.class(class).next_slab = null_mut();
            let list = *self.cached(class);
            *self.cached(class) = null_mut();
            // SAFETY: a cached region is free, holds its link and lies in a slab (J1).
            unsafe {
                for_each(list, |region| {
                    give_back_to_slab(region, pages);
                    regions += 1;
                });
            }
        }
        regions
    }
}

/// Calls `f` with each region of a list, the link of which it may change.
///
/// # Safety
/// The regions hold their links.
#[inline(always)]
pub(super) unsafe fn for_each(list: *mut Region, mut f: impl FnMut(*mut Region)) {
    let mut region = list;
    while !region.is_null() {
        // SAFETY: the caller's promise.
        let next = unsafe { (*region).next.get() };
        f(region);
        region = next;
    }
}

/// Gives a region back to its slab.
///
/// # Safety
/// It is nobody's and lies in a slab of these pages.
#[inline(always)]
pub(super) unsafe fn give_back_to_slab<S: PageSource>(region: *mut Region, pages: &Pages<S>) {
    // SAFETY: the caller's promise; the region's entry in the map leads to the slab (P2).
    unsafe {
        let slab = slab_of(pages.map(), region.addr());
        (*region).next.set((*slab).list.cast());
        (*slab).list = region.cast();
        (*slab).given_back += 1;
    }
}

/// Links the regions of a new slab, each of so many bytes, from `start` to `end`.
#[inline(always)]
pub(super) fn link_regions(mut start: usize, end: usize, size: usize) {
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

/// How many regions a slab of a class has.
pub(super) const fn regions_of(class: usize, pages: usize) -> usize {
    let size = size_of_class(class);
    // SAFETY: every class has a size. Said here because the compiler would prepare a panic for the division.
    unsafe { core::hint::assert_unchecked(size != 0) };
    pages * PAGE / size
}
