//! What the pages say about themselves: [`Pages::stats`] counts, [`Pages::check`] verifies P1 to P4 and P6.

use super::bins::bin_of;
use super::{FOREIGN, FREE, INSIDE, LARGE, PAGE, Page, Pages, SPAN, address, page_at};
use crate::source::PageSource;
use crate::stats::{Broken, Stats, ensure};

/// An extent, as a walk meets it.
#[derive(Clone, Copy)]
pub(crate) struct Walked {
    /// Its first page.
    pub(crate) page: usize,
    /// Its length in pages.
    pub(crate) pages: usize,
    /// What it is: [`Page::class`].
    pub(crate) class: u8,
    /// Of a large extent, what [`Pages::allocate`] was told.
    pub(crate) tag: u8,
    /// Of a slab, how many regions were given back to it.
    pub(crate) given_back: usize,
}

impl Walked {
    fn is_slab(&self) -> bool {
        self.class < INSIDE
    }

    pub(crate) fn address(&self) -> usize {
        address(self.page)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.pages * PAGE
    }
}

impl<S: PageSource> Pages<S> {
    /// The extent that begins at `page`, which is below the top.
    pub(crate) fn extent_at(&self, page: usize) -> Walked {
        // SAFETY: the map covers the page (P1), and its entry is that of an extent (P2).
        let entry: &Page = unsafe { &*self.entry(page) };
        let (class, tag, given_back) = (entry.class, entry.span, entry.given_back.into());
        let pages = if class < INSIDE { entry.slab_pages() } else { entry.length() };
        Walked { page, pages, class, tag, given_back }
    }

    /// Calls `f` with each extent, by address, until it answers an error. Linear in the extents.
    fn walk(&self, mut f: impl FnMut(Walked) -> Result<(), Broken>) -> Result<(), Broken> {
        let mut page = self.first;
        while page < self.top {
            let extent = self.extent_at(page);
            f(extent)?;
            // An extent without a page would be met for ever.
            page += extent.pages.max(1);
        }
        Ok(())
    }

    /// Calls `f` with each large extent in use but the map's, by address, until it answers an error. Linear in the extents.
    pub(crate) fn walk_large(&self, mut f: impl FnMut(Walked) -> Result<(), Broken>) -> Result<(), Broken> {
        self.walk(
            |extent| {
                if extent.class == LARGE && extent.page != self.map_page() { f(extent) } else { Ok(()) }
            },
        )
    }

    /// Counts large extents as live blocks, but for the map. What is in a slab, `count_slab` must count.
    pub(crate) fn stats(&self, mut count_slab: impl FnMut(Walked, &mut Stats)) -> Stats {
        let mut stats = Stats {
            heap_bytes: (self.end - self.first) * PAGE,
            top_bytes: (self.limit - self.top) * PAGE,
            ..Stats::default()
        };
        let walked = self.walk(|extent| {
            let bytes = extent.bytes();
            match extent.class {
                FREE => {
                    stats.free_blocks += 1;
                    stats.free_bytes += bytes;
                    stats.largest_free_bytes = stats.largest_free_bytes.max(bytes);
                }
                // The page map is a large extent, but it is nobody's block.
                LARGE if extent.page == self.map_page() => {}
                LARGE => {
                    stats.live_blocks += 1;
                    stats.live_bytes += bytes;
                }
                FOREIGN => stats.heap_bytes -= bytes,
                _ => count_slab(extent, &mut stats),
            }
            Ok(())
        });
        debug_assert!(walked.is_ok(), "the walk has nothing to object to");
        stats
    }

    /// Verifies P1 to P4 and P6, and calls `check_slab` with each slab.
    pub(crate) fn check(
        &self,
        mut check_slab: impl FnMut(Walked) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        if self.end == 0 {
            return Ok(());
        }
        let ordered = self.first <= self.top && self.top <= self.limit && self.limit <= self.end;
        ensure(ordered, "P1", "the top lies behind the end", self.top)?;
        if self.map.is_null() {
            return ensure(self.limit == self.first, "P1", "there is no map", self.limit);
        }
        ensure(self.limit <= self.map_end, "P1", "the map is shorter than the heap", self.map.addr())?;
        // SAFETY: the map begins with the entry before the first page.
        let before = unsafe { (*self.entry(self.first - 1)).class };
        ensure(before == INSIDE, "P1", "something lies before the first page", address(self.first))?;
        let (mut free_extents, mut end, mut after_free, mut taken) = (0, self.first, false, 0);
        self.walk(|extent| {
            self.check_extent(extent)?;
            if extent.is_slab() {
                check_slab(extent)?;
            }
            let free = extent.class == FREE;
            ensure(!(free && after_free), "P3", "two free extents touch", extent.address())?;
            free_extents += usize::from(free);
            if !free && extent.class != FOREIGN && extent.page != self.map_page() {
                taken += extent.pages;
            }
            (end, after_free) = (extent.page + extent.pages, free);
            Ok(())
        })?;
        ensure(end == self.top, "P2", "the extents do not end at the top", address(self.top))?;
        ensure(!after_free, "P3", "a free extent touches the top", address(self.top))?;
        ensure(taken == self.taken, "P6", "the pages taken are not counted", address(self.taken))?;
        let map = self.extent_at(self.map_page());
        ensure(map.class == LARGE, "P1", "the map lies in no large extent", map.address())?;
        self.check_bins(free_extents)
    }

    /// P2 for one extent.
    fn check_extent(&self, extent: Walked) -> Result<(), Broken> {
        let fits = extent.pages != 0 && extent.pages <= self.top - extent.page;
        ensure(fits, "P2", "an extent does not end below the top", extent.address())?;
        let last = extent.page + extent.pages - 1;
        // SAFETY: the last page of the extent is below the top, so the map covers it (P1).
        let last_class = unsafe { (*self.entry(last)).class };
        match extent.class {
            FREE => {
                let repeats = last_class == FREE && self.extent_at(last).pages == extent.pages;
                ensure(
                    repeats,
                    "P2",
                    "a free extent's last entry does not repeat its first",
                    extent.address(),
                )
            }
            LARGE | FOREIGN => {
                let ends = extent.pages == 1 || last_class == INSIDE;
                ensure(ends, "P2", "a large extent's last entry is not inside", extent.address())
            }
            _ => {
                ensure(extent.is_slab(), "P2", "no extent begins here", extent.address())?;
                for distance in 0..extent.pages {
                    let page = extent.page + distance;
                    // SAFETY: the page is below the top (P1).
                    let entry: &Page = unsafe { &*self.entry(page) };
                    let same = entry.class == extent.class && entry.slab_pages() == extent.pages;
                    let leads = same && usize::from(entry.span % SPAN) == distance;
                    ensure(leads, "P2", "a page does not lead to its slab", address(page))?;
                }
                Ok(())
            }
        }
    }

    /// P4: the bins hold the free extents, each in its own.
    fn check_bins(&self, free_extents: usize) -> Result<(), Broken> {
        let mut count = 0;
        for (bin, &first) in self.bins.iter().enumerate() {
            let mut extent = first;
            let marked = self.bins_with_extents >> bin & 1 == 1;
            let tells = marked || extent.is_null();
            ensure(tells, "P4", "a bin's bit does not tell what it holds", extent.addr())?;
            while !extent.is_null() {
                count += 1;
                let fewer = count <= free_extents;
                ensure(fewer, "P4", "the bins hold more than the free extents", extent.addr())?;
                // SAFETY: an extent in a bin holds its links and its length.
                let (pages, next) = unsafe { ((*extent).pages, (*extent).next.check("P4")?) };
                let walked = self.extent_at(page_at(extent.addr()));
                let same = walked.class == FREE && walked.pages == pages && bin_of(pages) == bin;
                ensure(same, "P4", "an extent is in the wrong bin", extent.addr())?;
                extent = next;
            }
        }
        ensure(count == free_extents, "P4", "a free extent is in no bin", address(self.first))
    }
}
