//! What the heap says about itself: [`View::stats`] counts, [`View::check`] verifies J1 to J4 and has the pages verify P1
//! to P4.

use super::lists::{Lists, Region, regions_of};
use super::slabs::NO_CLASS;
use crate::classes::{COUNT, size_of_class};
use crate::pages::{Page, Pages, Walked, entry_of, page_at, slab_of};
use crate::source::PageSource;
use crate::stats::{Broken, Stats, ensure};
use crate::word::at;

/// Everything that is to be looked at. Nothing moves meanwhile.
pub(super) struct View<'a, S> {
    pub(super) pages: &'a Pages<S>,
    /// The lists of each arena; without threads, those of the heap alone.
    pub(super) arenas: &'a [&'a Lists],
    /// Shows each list of the threads' caches.
    pub(super) waiting: &'a dyn Fn(Show<'_>),
}

/// What each list is shown to.
pub(super) type Show<'a> = &'a mut dyn FnMut(Waiting);

/// A list of free regions in the cache of a slot of threads.
pub(super) struct Waiting {
    pub(super) first: *mut Region,
    /// Their class; or [`NO_CLASS`] if they are of any, and of any arena but this.
    pub(super) class: usize,
    /// The arena of the slot.
    pub(super) arena: usize,
    /// What one of a class counts for.
    pub(super) counts: fn(usize) -> usize,
    /// What all count for, as the cache says.
    pub(super) holds: usize,
    /// The most that it may be.
    pub(super) limit: usize,
}

/// For [`Page::class`] of a slab: the arena and the class.
fn parts(tag: u8) -> (usize, usize) {
    (usize::from(tag) / COUNT, usize::from(tag) % COUNT)
}

impl<S: PageSource> View<'_, S> {
    pub(super) fn stats(&self) -> Stats {
        let mut stats = self.pages.stats(|slab, stats| {
            let (_, class) = parts(slab.class);
            let live_blocks = regions_of(class, slab.pages) - slab.given_back;
            stats.live_blocks += live_blocks;
            stats.live_bytes += live_blocks * size_of_class(class);
            stats.free_blocks += slab.given_back;
            stats.free_bytes += slab.bytes() - live_blocks * size_of_class(class);
        });
        let mut wait = |class: usize| {
            stats.live_blocks -= 1;
            stats.live_bytes -= size_of_class(class);
            stats.free_blocks += 1;
            stats.free_bytes += size_of_class(class);
        };
        (self.waiting)(&mut |waiting| list(waiting.first).for_each(|region| wait(self.parts_at(region).1)));
        for lists in self.arenas {
            for (class, &first) in lists.cache.iter().enumerate() {
                list(first).for_each(|_| wait(class));
            }
        }
        stats
    }

    pub(super) fn check(&self) -> Result<(), Broken> {
        // By arena and class, as the tags are.
        let mut slab_pages = [0; 256];
        let mut regions = [0; COUNT];
        self.pages.check(|slab| {
            let (arena, class) = parts(slab.class);
            ensure(arena < self.arenas.len(), "P2", "no extent begins here", slab.address())?;
            slab_pages[usize::from(slab.class)] += slab.pages;
            regions[class] += regions_of(class, slab.pages);
            self.check_slab(slab, class)
        })?;
        let mut free = [0; COUNT];
        self.check_waiting(&mut free, &regions)?;
        for (arena, lists) in self.arenas.iter().enumerate() {
            for class in 0..COUNT {
                let info = &lists.classes[class];
                let same = info.pages == slab_pages[arena * COUNT + class];
                ensure(same, "J2", "a class has other slabs than the map", info.next_slab.addr())?;
                self.check_class(lists, arena, class, &mut free[class], regions[class])?;
            }
        }
        Ok(())
    }

    fn check_slab(&self, slab: Walked, class: usize) -> Result<(), Broken> {
        // SAFETY: the slab lies below the top (P1).
        let first = unsafe { (*self.pages.entry(slab.page)).list };
        let most = regions_of(class, slab.pages);
        let mut count = 0;
        for region in list(first.cast()) {
            count += 1;
            ensure(count <= most, "J2", "a slab's list is longer than the slab", slab.address())?;
            self.check_region(region, class)?;
            let home = self.slab_page(region) == slab.page;
            ensure(home, "J2", "a region is in another slab's list", region)?;
        }
        let counted = count == slab.given_back;
        ensure(counted, "J2", "a slab's count is not the length of its list", slab.address())
    }

    /// J1 for one free region: it lies in a slab of the class, or of any for [`NO_CLASS`], where a region begins. Returns its arena and class.
    fn check_region(&self, region: usize, class: usize) -> Result<(usize, usize), Broken> {
        let inside = self.pages.in_use().contains(&page_at(region));
        ensure(inside, "J1", "a free region lies outside of the heap", region)?;
        let (arena, its_class) = self.parts_at(region);
        let same = arena < self.arenas.len() && (its_class == class || class == NO_CLASS);
        ensure(same, "J1", "a free region lies in a slab of another class", region)?;
        let slab = self.pages.extent_at(self.slab_page(region));
        let offset = region - slab.address();
        let begins = offset % size_of_class(its_class) == 0
            && offset / size_of_class(its_class) < regions_of(its_class, slab.pages);
        ensure(begins, "J1", "a free region is not where a region begins", region)?;
        // SAFETY: a free region holds its link.
        unsafe { (*at::<Region>(region)).next.check("J1").map(|_| (arena, its_class)) }
    }

    /// The arena and the class of the slab that a region lies in.
    fn parts_at(&self, region: usize) -> (usize, usize) {
        // SAFETY: the map covers the pages below the top (P1).
        parts(unsafe { (*entry_of(self.pages.map(), region)).class })
    }

    fn slab_page(&self, region: usize) -> usize {
        // SAFETY: called for addresses in slabs only.
        let slab = unsafe { slab_of(self.pages.map(), region) };
        (slab.addr().wrapping_sub(self.pages.map().addr())) / size_of::<Page>()
    }

    /// J1, J3 and J4 for what is in the threads' caches; counts the regions of each class.
    fn check_waiting(&self, free: &mut [usize; COUNT], regions: &[usize; COUNT]) -> Result<(), Broken> {
        let mut result = Ok(());
        (self.waiting)(&mut |waiting| {
            let mut held = 0;
            let mut check = || {
                for region in list(waiting.first) {
                    let (arena, class) = self.check_region(region, waiting.class)?;
                    free[class] += 1;
                    let fewer = free[class] <= regions[class];
                    ensure(fewer, "J1", "a class has more free regions than slabs", region)?;
                    held += (waiting.counts)(class);
                    let strays = waiting.class != NO_CLASS || arena != waiting.arena;
                    ensure(strays, "J4", "a region that is sent home is there already", region)?;
                }
                let address = waiting.first.addr();
                let few = waiting.holds <= waiting.limit;
                ensure(few, "J3", "a cache holds more than its limit", address)?;
                ensure(held == waiting.holds, "J3", "a cache's count is not the length of its list", address)
            };
            if result.is_ok() {
                result = check();
            }
        });
        result
    }

    /// J1, J2 and J4 for a class's cache and queue. `free` regions of the class were met already, of `most` in all of its slabs.
    fn check_class(
        &self,
        lists: &Lists,
        arena: usize,
        class: usize,
        free: &mut usize,
        most: usize,
    ) -> Result<(), Broken> {
        for region in list(lists.cache[class]) {
            *free += 1;
            ensure(*free <= most, "J1", "a class has more free regions than slabs", region)?;
            self.check_region(region, class)?;
        }
        let mut first = lists.classes[class].next_slab;
        let mut before = usize::MAX;
        while !first.is_null() {
            ensure(first.addr() < before, "J2", "a queue is not in the order of addresses", first.addr())?;
            before = first.addr();
            let (its_arena, _) = self.check_region(first.addr(), class)?;
            ensure(its_arena == arena, "J4", "a queued slab is another arena's", first.addr())?;
            let extent = self.pages.extent_at(self.slab_page(first.addr()));
            // SAFETY: the map covers the slab's pages (J1).
            let leads = unsafe { (*self.pages.entry(extent.page)).list } == first.cast();
            let gives = extent.given_back != 0 && leads;
            ensure(gives, "J2", "a queued slab has nothing to give to the class", first.addr())?;
            // SAFETY: the first region of a queued slab's list holds the link (J2).
            first = unsafe { (*first).next_slab.check("J2")? };
        }
        Ok(())
    }
}

/// The addresses of a list of free regions. The link of one is read when the next is asked for: it may be checked before.
fn list(first: *mut Region) -> impl Iterator<Item = usize> {
    let mut region = first;
    let mut met = false;
    core::iter::from_fn(move || {
        if met && !region.is_null() {
            // SAFETY: a region in a list is free and holds its link (J1).
            region = unsafe { (*region).next.get() };
        }
        met = true;
        (!region.is_null()).then(|| region.addr())
    })
}
