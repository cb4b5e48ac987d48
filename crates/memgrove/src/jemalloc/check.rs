//! What the heap says about itself: [`Heap::stats`] counts, [`Heap::check`] verifies J1 to J3 and has the pages verify P1
//! to P4.

use super::heap::Heap;
use super::slabs::{Region, regions_of};
use super::thread_caches::ThreadCaches;
use crate::classes::{COUNT, size_of_class};
use crate::pages::{PAGE, Page, Walked, entry_of, page_at, slab_of};
use crate::source::PageSource;
use crate::stats::{Broken, Stats, ensure};
use crate::word::at;

impl<S: PageSource> Heap<S> {
    fn cached_regions(&self, class: usize) -> usize {
        list(self.cache[class]).count()
    }

    pub(super) fn stats(&self, caches: &impl ThreadCaches) -> Stats {
        let mut stats = self.pages.stats(|slab, stats| {
            let class = slab.class.into();
            let live_blocks = regions_of(class, slab.pages) - slab.given_back;
            stats.live_blocks += live_blocks;
            stats.live_bytes += live_blocks * size_of_class(class);
            stats.free_blocks += slab.given_back;
            stats.free_bytes += slab.bytes() - live_blocks * size_of_class(class);
        });
        let mut in_caches = [0; COUNT];
        caches.show(&mut |class, _, count| in_caches[class] += count);
        for (class, in_caches) in in_caches.into_iter().enumerate() {
            let waiting = in_caches + self.cached_regions(class);
            stats.live_blocks -= waiting;
            stats.live_bytes -= waiting * size_of_class(class);
            stats.free_blocks += waiting;
            stats.free_bytes += waiting * size_of_class(class);
        }
        stats
    }

    pub(super) fn check(&self, caches: &impl ThreadCaches) -> Result<(), Broken> {
        let mut slab_pages = [0; COUNT];
        self.pages.check(|slab| {
            let class = usize::from(slab.class);
            ensure(class < COUNT, "P2", "no extent begins here", slab.address())?;
            slab_pages[class] += slab.pages;
            self.check_slab(slab)
        })?;
        let in_caches = self.check_thread_caches(caches)?;
        for (class, walked) in slab_pages.into_iter().enumerate() {
            let pages = self.classes[class].pages;
            ensure(
                pages == walked,
                "J2",
                "a class has other slabs than the map",
                self.classes[class].next_slab.addr(),
            )?;
            self.check_class(class, in_caches[class])?;
        }
        Ok(())
    }

    fn check_slab(&self, slab: Walked) -> Result<(), Broken> {
        // SAFETY: the slab lies below the top (P1).
        let first = unsafe { (*self.pages.entry(slab.page)).list };
        let most = regions_of(slab.class.into(), slab.pages);
        let mut count = 0;
        for region in list(first.cast()) {
            count += 1;
            ensure(count <= most, "J2", "a slab's list is longer than the slab", slab.address())?;
            self.check_region(region, slab.class.into())?;
            let home = self.slab_page(region) == slab.page;
            ensure(home, "J2", "a region is in another slab's list", region)?;
        }
        let counted = count == slab.given_back;
        ensure(counted, "J2", "a slab's count is not the length of its list", slab.address())
    }

    /// J1 for one free region: it lies in a slab of the class, where a region begins.
    fn check_region(&self, region: usize, class: usize) -> Result<(), Broken> {
        let inside = self.pages.in_use().contains(&page_at(region));
        ensure(inside, "J1", "a free region lies outside of the heap", region)?;
        // SAFETY: the map covers the pages below the top (P1).
        let same = usize::from(unsafe { (*entry_of(self.pages.map(), region)).class }) == class;
        ensure(same, "J1", "a free region lies in a slab of another class", region)?;
        let slab = self.pages.extent_at(self.slab_page(region));
        let offset = region - slab.address();
        let begins = offset % size_of_class(class) == 0
            && offset / size_of_class(class) < regions_of(class, slab.pages);
        ensure(begins, "J1", "a free region is not where a region begins", region)?;
        // SAFETY: a free region holds its link.
        unsafe { (*at::<Region>(region)).next.check("J1").map(drop) }
    }

    fn slab_page(&self, region: usize) -> usize {
        // SAFETY: called for addresses in slabs only.
        let slab = unsafe { slab_of(self.pages.map(), region) };
        (slab.addr().wrapping_sub(self.pages.map().addr())) / size_of::<Page>()
    }

    /// J1 and J3 for what is in the thread caches; returns how many regions of each class do.
    fn check_thread_caches<C: ThreadCaches>(&self, caches: &C) -> Result<[usize; COUNT], Broken> {
        let (mut in_caches, mut result) = ([0; COUNT], Ok(()));
        caches.show(&mut |class, first, count| {
            in_caches[class] += count;
            let lengths = list(first).take(count + 1).try_fold(0, |length, region| {
                self.check_region(region, class)?;
                Ok(length + 1)
            });
            let checked = lengths.and_then(|length| {
                ensure(count <= C::limit(class), "J3", "a cache holds more than its limit", first.addr())?;
                ensure(length == count, "J3", "a cache's count is not the length of its list", first.addr())
            });
            result = result.and(checked);
        });
        result.map(|()| in_caches)
    }

    /// J1 and J2 for a class's cache and queue.
    fn check_class(&self, class: usize, in_caches: usize) -> Result<(), Broken> {
        let info = &self.classes[class];
        // All slabs of the class together have no more regions than this.
        let most = info.pages * PAGE / size_of_class(class);
        let mut count = in_caches;
        ensure(count <= most, "J1", "a class has more free regions than slabs", info.next_slab.addr())?;
        for region in list(self.cache[class]) {
            count += 1;
            ensure(count <= most, "J1", "a class has more free regions than slabs", region)?;
            self.check_region(region, class)?;
        }
        let mut first = info.next_slab;
        let mut before = usize::MAX;
        while !first.is_null() {
            ensure(first.addr() < before, "J2", "a queue is not in the order of addresses", first.addr())?;
            before = first.addr();
            self.check_region(first.addr(), class)?;
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
