//! What the heap says about itself: [`Heap::stats`] counts, [`Heap::check`] verifies J1 to J6 and J8.

use super::at;
use super::classes::{COUNT, size_of_class};
use super::front::Front;
use super::heap::Heap;
use super::pages::{BINS, FOREIGN, FREE, INSIDE, LARGE, PAGE, Page, Region, bin_of};
use super::slabs::regions_of;
use crate::source::PageSource;
use crate::stats::{Broken, Stats, ensure};

/// One extent of a walk through the heap.
#[derive(Clone, Copy)]
struct Walked {
    page: usize,
    pages: usize,
    class: u8,
    given_back: usize,
}

impl<S: PageSource> Heap<S> {
    /// The extent that begins at `page`, which is below the top.
    fn extent_at(&self, page: usize) -> Walked {
        // SAFETY: the map covers the page (J1), and its entry is that of an extent (J2).
        let entry: &Page = unsafe { &*self.entry(page) };
        let slab = usize::from(entry.class) < COUNT;
        let pages = if slab { entry.span.into() } else { entry.length() };
        Walked { page, pages, class: entry.class, given_back: if slab { entry.given_back.into() } else { 0 } }
    }

    fn cached_regions(&self, class: usize) -> usize {
        list(self.cache[class]).count()
    }

    pub(super) fn stats(&self, front: &impl Front) -> Stats {
        let mut stats = Stats {
            heap_bytes: self.end * PAGE,
            top_bytes: (self.limit - self.top) * PAGE,
            ..Stats::default()
        };
        let mut page = 0;
        while page < self.top {
            let extent = self.extent_at(page);
            page += extent.pages;
            let bytes = extent.pages * PAGE;
            match extent.class {
                FREE => {
                    stats.free_blocks += 1;
                    stats.free_bytes += bytes;
                    stats.largest_free_bytes = stats.largest_free_bytes.max(bytes);
                }
                LARGE => {
                    stats.live_blocks += 1;
                    stats.live_bytes += bytes;
                }
                FOREIGN => stats.heap_bytes -= bytes,
                class => {
                    let (class, regions) = (class.into(), regions_of(class.into(), extent.pages));
                    stats.live_blocks += regions - extent.given_back;
                    stats.live_bytes += (regions - extent.given_back) * size_of_class(class);
                    stats.free_blocks += extent.given_back;
                    stats.free_bytes += bytes - (regions - extent.given_back) * size_of_class(class);
                }
            }
        }
        let mut in_front = [0; COUNT];
        front.show(&mut |class, _, count| in_front[class] += count);
        for (class, in_front) in in_front.into_iter().enumerate() {
            let waiting = in_front + self.cached_regions(class) + self.classes[class].uncut_regions;
            stats.live_blocks -= waiting;
            stats.live_bytes -= waiting * size_of_class(class);
            stats.free_blocks += waiting;
            stats.free_bytes += waiting * size_of_class(class);
        }
        // The page map is a large extent, but it is nobody's block.
        if !self.map.is_null() {
            stats.live_blocks -= 1;
            stats.live_bytes -= self.extent_at(self.page_at(self.map.addr())).pages * PAGE;
        }
        stats
    }

    pub(super) fn check(&self, front: &impl Front) -> Result<(), Broken> {
        if self.base == 0 {
            return Ok(());
        }
        ensure(
            self.top <= self.limit && self.limit <= self.end,
            "J1",
            "the top lies behind the end",
            self.top,
        )?;
        ensure(self.limit <= self.map_entries, "J1", "the map is shorter than the heap", self.map.addr())?;
        let (free_extents, slab_pages) = self.check_extents()?;
        self.check_bins(free_extents)?;
        let in_front = self.check_front(front)?;
        for (class, walked) in slab_pages.into_iter().enumerate() {
            let pages = self.classes[class].pages;
            ensure(pages == walked, "J2", "a class has other slabs than the map", self.base)?;
            self.check_class(class, in_front[class])?;
        }
        Ok(())
    }

    /// J2, J3 and the lists of J6; answers how many free extents there are and how many pages each class has.
    fn check_extents(&self) -> Result<(usize, [usize; COUNT]), Broken> {
        let (mut free_extents, mut slab_pages) = (0, [0; COUNT]);
        let (mut page, mut after_free) = (0, false);
        while page < self.top {
            let extent = self.extent_at(page);
            let address = self.address(page);
            ensure(
                extent.pages != 0 && extent.pages <= self.top - page,
                "J2",
                "an extent does not end below the top",
                address,
            )?;
            let last = page + extent.pages - 1;
            // SAFETY: the last page of the extent is below the top, so the map covers it (J1).
            let last_class = unsafe { (*self.entry(last)).class };
            match extent.class {
                FREE => {
                    ensure(!after_free, "J3", "two free extents touch", address)?;
                    ensure(last + 1 != self.top, "J3", "a free extent touches the top", address)?;
                    let repeats = last_class == FREE && self.extent_at(last).pages == extent.pages;
                    ensure(repeats, "J2", "a free extent's last entry does not repeat its first", address)?;
                    free_extents += 1;
                }
                LARGE | FOREIGN => {
                    let ends = extent.pages == 1 || last_class == INSIDE;
                    ensure(ends, "J2", "a large extent's last entry is not inside", address)?;
                }
                class => {
                    ensure(usize::from(class) < COUNT, "J2", "no extent begins here", address)?;
                    slab_pages[usize::from(class)] += extent.pages;
                    self.check_slab(extent)?;
                }
            }
            after_free = extent.class == FREE;
            page += extent.pages;
        }
        ensure(page == self.top, "J2", "the extents do not end at the top", self.address(self.top))?;
        Ok((free_extents, slab_pages))
    }

    fn check_slab(&self, slab: Walked) -> Result<(), Broken> {
        let address = self.address(slab.page);
        for distance in 1..slab.pages {
            // SAFETY: the page is below the top (J1).
            let entry: &Page = unsafe { &*self.entry(slab.page + distance) };
            let leads = entry.class == INSIDE && usize::from(entry.span) == distance;
            ensure(leads, "J2", "a page does not lead to its slab", self.address(slab.page + distance))?;
        }
        // SAFETY: as above.
        let regions = unsafe { (*self.entry(slab.page)).regions };
        let most = regions_of(slab.class.into(), slab.pages);
        let mut count = 0;
        for region in list(regions) {
            count += 1;
            ensure(count <= most, "J6", "a slab's list is longer than the slab", address)?;
            self.check_region(region, slab.class.into())?;
            ensure(self.slab_page(region) == slab.page, "J6", "a region is in another slab's list", region)?;
        }
        ensure(count == slab.given_back, "J6", "a slab's count is not the length of its list", address)
    }

    /// J5 for one free region: it lies in a slab of the class, where a region begins.
    fn check_region(&self, region: usize, class: usize) -> Result<(), Broken> {
        let inside = region >= self.base && region < self.address(self.top);
        ensure(inside, "J5", "a free region lies outside of the heap", region)?;
        let slab = self.extent_at(self.slab_page(region));
        ensure(
            usize::from(slab.class) == class,
            "J5",
            "a free region lies in a slab of another class",
            region,
        )?;
        let offset = region - self.address(slab.page);
        let begins = offset % size_of_class(class) == 0
            && offset / size_of_class(class) < regions_of(class, slab.pages);
        ensure(begins, "J5", "a free region is not where a region begins", region)
    }

    fn slab_page(&self, region: usize) -> usize {
        // SAFETY: called for addresses below the top only, which the map covers (J1).
        let slab = unsafe { self.slab_of(region) };
        (slab.addr() - self.map.addr()) / size_of::<Page>()
    }

    /// J5 and J8 for what waits in front of the heap; answers how many regions of each class do.
    fn check_front<F: Front>(&self, front: &F) -> Result<[usize; COUNT], Broken> {
        let (mut in_front, mut result) = ([0; COUNT], Ok(()));
        front.show(&mut |class, first, count| {
            in_front[class] += count;
            let lengths = list(first).take(count + 1).try_fold(0, |length, region| {
                self.check_region(region, class)?;
                Ok(length + 1)
            });
            let checked = lengths.and_then(|length| {
                ensure(count <= F::limit(class), "J8", "a cache holds more than its limit", first.addr())?;
                ensure(length == count, "J8", "a cache's count is not the length of its list", first.addr())
            });
            result = result.and(checked);
        });
        result.map(|()| in_front)
    }

    /// J5 and J6 for a class's cache and queue.
    fn check_class(&self, class: usize, in_front: usize) -> Result<(), Broken> {
        let info = &self.classes[class];
        // All slabs of the class together have no more regions than this.
        let most = info.pages * PAGE / size_of_class(class);
        let mut count = info.uncut_regions + in_front;
        ensure(count <= most, "J5", "a class has more free regions than slabs", self.base)?;
        for region in list(self.cache[class]) {
            count += 1;
            ensure(count <= most, "J5", "a class has more free regions than slabs", region)?;
            self.check_region(region, class)?;
        }
        let mut first = info.next_slab;
        let mut before = 0;
        while !first.is_null() {
            ensure(first.addr() > before, "J6", "a queue is not in the order of addresses", first.addr())?;
            before = first.addr();
            let extent = self.extent_at(self.slab_page(first.addr()));
            // SAFETY: the map covers the slab's pages (J1).
            let leads = unsafe { (*self.entry(extent.page)).regions } == first;
            let gives = usize::from(extent.class) == class && extent.given_back != 0 && leads;
            ensure(gives, "J6", "a queued slab has nothing to give to the class", first.addr())?;
            // SAFETY: the first region of a queued slab's list holds the link (J6).
            first = unsafe { (*first).next_slab };
        }
        Ok(())
    }

    /// J4: the bins hold the free extents, each in its own.
    fn check_bins(&self, free_extents: usize) -> Result<(), Broken> {
        let mut count = 0;
        for bin in 0..BINS {
            let mut extent = self.bins[bin];
            let marked = self.bins_with_extents >> bin & 1 == 1;
            ensure(
                marked || extent.is_null(),
                "J4",
                "a bin's bit does not tell what it holds",
                extent.addr(),
            )?;
            while !extent.is_null() {
                count += 1;
                ensure(
                    count <= free_extents,
                    "J4",
                    "the bins hold more than the free extents",
                    extent.addr(),
                )?;
                // SAFETY: an extent in a bin holds its links and its length.
                let (pages, next) = unsafe { ((*extent).pages, (*extent).next) };
                let walked = self.extent_at(self.page_at(extent.addr()));
                let same = walked.class == FREE && walked.pages == pages && bin_of(pages) == bin;
                ensure(same, "J4", "an extent is in the wrong bin", extent.addr())?;
                extent = next;
            }
        }
        ensure(count == free_extents, "J4", "a free extent is in no bin", self.base)
    }
}

/// The addresses of a list of free regions.
fn list(first: *mut Region) -> impl Iterator<Item = usize> {
    let mut next = first.addr();
    core::iter::from_fn(move || {
        let region = next;
        if region == 0 {
            return None;
        }
        // SAFETY: a region in a list is free and holds its link (J5).
        next = unsafe { (*at::<Region>(region)).next.addr() };
        Some(region)
    })
}
