//! Arenas: between the caches of the slots and the pages.
//!
//! An arena has slabs of its own, and the lists of their free regions ([`Lists`]), behind a lock. What its threads allocate lies in
//! these slabs, beside nothing that another arena's threads use. Whose a slab is, its entries in the page map tell: in place of a
//! class they have a [tag](tag_of), which is the class and the arena in one number. So the load that tells C's `free` the class tells it
//! the arena as well, and so it does for Rust's, which knows the class.

use core::mem::replace;
use core::ptr::null_mut;

use super::cache::List;
use crate::classes::{COUNT, size_of_class};
use crate::jemalloc::lists::{Lists, Region, for_each, give_back_to_slab, regions_of};
use crate::jemalloc::slabs::Queues;
use crate::pages::{Page, Pages, SLAB_CLASSES, entry_of, slab_of};
use crate::source::PageSource;

/// How many arenas there are: as many as a page's entry has room for.
pub(super) const ARENAS: usize = 8;

/// Bytes of each class that an arena lends nobody before memory grows: about a slab. So threads that use little do not get
/// their first blocks side by side.
pub(super) const KEPT_BYTES: usize = 4096;

const _: () = assert!(ARENAS * COUNT <= SLAB_CLASSES as usize);

/// The arena of a slot of threads.
#[inline(always)]
pub(super) fn arena_of_slot(slot: usize) -> usize {
    slot % ARENAS
}

/// What the entries of an arena's slab say for their class.
#[inline(always)]
pub(super) fn tag_of(arena: usize, class: usize) -> u8 {
    debug_assert!(arena < ARENAS && class < COUNT);
    #[allow(clippy::cast_possible_truncation, reason = "less than SLAB_CLASSES")]
    let tag = (arena * COUNT + class) as u8;
    tag
}

/// The class of a tag if it is of this arena, else what is none.
#[inline(always)]
pub(super) fn class_in(arena: usize, tag: u8) -> usize {
    usize::from(tag).wrapping_sub(arena * COUNT)
}

/// The class of a slab's tag.
#[inline(always)]
pub(super) fn class_of_tag(tag: u8) -> usize {
    usize::from(tag) % COUNT
}

/// The arena of a slab's tag.
#[inline(always)]
pub(super) fn arena_of_tag(tag: u8) -> usize {
    usize::from(tag) / COUNT
}

/// The tag of the slab that a region lies in, in a map as of [`Pages::map`](crate::pages::Pages::map).
///
/// # Safety
/// The region is in a slab of the map's pages.
#[inline(always)]
pub(super) unsafe fn tag_at(map: *mut Page, region: *mut Region) -> u8 {
    // SAFETY: the caller's promise (P2).
    unsafe { (*entry_of(map, region.addr())).class }
}

/// An arena. Aligned as the caches of slots are.
#[repr(align(128))]
pub(super) struct Arena {
    pub(super) lists: Lists,
    /// For each class, how many regions the slabs in its queue have.
    pub(super) queued: [usize; COUNT],
    /// Calls since the arena last came to the pages that its caches did not serve.
    pub(super) misses: usize,
}

// SAFETY: the regions are nobody's, so they may go to another thread with the arena.
unsafe impl Send for Arena {}

impl Arena {
    pub(super) const EMPTY: Self = Self { lists: Lists::EMPTY, queued: [0; COUNT], misses: 0 };

    /// Up to `most` regions of a class; none if neither its cache nor its queue has any.
    pub(super) fn batch(&mut self, class: usize, most: usize, map: *mut Page) -> List {
        if self.lists.cached(class).is_null() {
            self.hand_over(class, map);
        }
        // SAFETY: a cached region is free and holds its link (J1).
        unsafe { List::cut(self.lists.cached(class), most) }
    }

    /// [`Lists::hand_over`] to the empty cache, counted.
    fn hand_over(&mut self, class: usize, map: *mut Page) {
        let first = self.lists.class(class).next_slab;
        if first.is_null() {
            return;
        }
        // SAFETY: a queued slab's first region leads to its entry (J2); a class is below COUNT.
        unsafe {
            let gives = usize::from((*slab_of(map, first.addr())).given_back);
            *self.queued.get_unchecked_mut(class) -= gives;
        }
        self.misses += 1;
        self.lists.hand_over(class, || map);
    }

    /// Gives a list of a class's free regions back to the arena's slabs; returns how many there were. What was borrowed stays in its cache, because the list of another
    /// arena's slab is not for it.
    pub(super) fn give_back<S: PageSource>(
        &mut self,
        number: usize,
        class: usize,
        list: *mut Region,
        pages: &Pages<S>,
    ) -> usize {
        let mut regions = 0;
        // SAFETY: the regions are nobody's, hold their links and lie in slabs of the class (J1), whose entries tell the arena (J4).
        unsafe {
            for_each(list, |region| {
                if class_in(number, tag_at(pages.map(), region)) < COUNT {
                    give_back_to_slab(region, pages);
                    regions += 1;
                } else {
                    self.lists.cache_region(region, class);
                }
            });
        }
        regions
    }

    /// Gives everything in its lists back to its slabs, and leaves these out of the queues; returns how many regions there were.
    pub(super) fn give_all_back<S: PageSource>(&mut self, number: usize, pages: &Pages<S>) -> usize {
        let mut regions = 0;
        for class in 0..COUNT {
            self.lists.class(class).next_slab = null_mut();
            let list = replace(self.lists.cached(class), null_mut());
            regions += self.give_back(number, class, list, pages);
        }
        (self.queued, self.misses) = ([0; COUNT], 0);
        regions
    }

    /// Whether half of the class's regions at least are in the queue, and more than [`KEPT_BYTES`], so that they may serve others.
    pub(super) fn has_to_spare(&mut self, class: usize) -> bool {
        // SAFETY: a class is below COUNT.
        let queued = unsafe { *self.queued.get_unchecked(class) };
        queued * size_of_class(class) > KEPT_BYTES
            && queued * 2 >= regions_of(class, self.lists.class(class).pages)
    }

    /// Takes what is left of a slab that was laid for the class.
    pub(super) fn put(&mut self, class: usize, rest: *mut Region) {
        let cached = self.lists.cached(class);
        if cached.is_null() {
            *cached = rest;
        } else {
            self.take_back(class, rest);
        }
    }

    /// Takes a list of free regions of a class into its cache.
    pub(super) fn take_back(&mut self, class: usize, list: *mut Region) {
        // SAFETY: the regions are nobody's and of this class, and hold their links (J1).
        unsafe { for_each(list, |region| self.lists.cache_region(region, class)) };
    }

    /// Of a list of free regions of any class takes those of its own slabs into its caches; returns the others. `number` is the arena's,
    /// and `map` as of [`Pages::map`](crate::pages::Pages::map).
    pub(super) fn adopt(&mut self, number: usize, list: *mut Region, map: *mut Page) -> *mut Region {
        let mut others = null_mut();
        // SAFETY: the regions are nobody's, hold their links and lie in slabs (J1), whose entries tell the class and the arena (J4).
        unsafe {
            for_each(list, |region| {
                let class = class_in(number, tag_at(map, region));
                if class < COUNT {
                    self.lists.cache_region(region, class);
                } else {
                    (*region).next.set(others);
                    others = region;
                }
            });
        }
        others
    }
}

/// One arena, held by whoever has this, and its number.
pub(super) struct One<'a>(pub(super) &'a mut Arena, pub(super) usize);

impl Queues for One<'_> {
    const SOME: bool = true;

    fn has(&self, tag: u8) -> bool {
        class_in(self.1, tag) < COUNT
    }

    fn class_of(&self, tag: u8) -> usize {
        class_of_tag(tag)
    }

    fn lists_of(&mut self, _: u8) -> &mut Lists {
        &mut self.0.lists
    }

    fn queued(&mut self, tag: u8, regions: u16) {
        self.0.queued[class_of_tag(tag)] += usize::from(regions);
    }
}

/// All arenas, each held by whoever has this.
pub(super) struct Held(pub(super) [*mut Arena; ARENAS]);

impl Held {
    pub(super) fn arena(&mut self, number: usize) -> &mut Arena {
        debug_assert!(number < ARENAS);
        // SAFETY: a number comes from a slot, from a slab's tag (J4), or from counting to ARENAS; the locks of all arenas are held for
        // as long as this lives.
        unsafe { &mut **self.0.get_unchecked(number) }
    }
}

impl Queues for Held {
    fn class_of(&self, tag: u8) -> usize {
        class_of_tag(tag)
    }

    fn lists_of(&mut self, tag: u8) -> &mut Lists {
        &mut self.arena(arena_of_tag(tag)).lists
    }

    fn queued(&mut self, tag: u8, regions: u16) {
        self.arena(arena_of_tag(tag)).queued[class_of_tag(tag)] += usize::from(regions);
    }
}
