//! How memory is asked for, and how the page map keeps up with it.

use super::at;
use super::heap::Heap;
use super::pages::{FOREIGN, INSIDE, PAGE, Page};
use crate::source::{PageSource, Region};
use crate::word::align_up;

/// The longest stretch of somebody else's pages that the map is laid over: all of a 32-bit memory.
const HOLE_PAGES_MAX: usize = 1 << 22;

/// How many pages a map of so many entries takes.
const fn pages_for_map(entries: usize) -> usize {
    (entries * size_of::<Page>()).div_ceil(PAGE)
}

/// A new map is half as long again as memory, so that it seldom moves.
const fn entries_for(pages: usize) -> usize {
    pages + pages / 2
}

impl<S: PageSource> Heap<S> {
    /// Asks the source for memory until the top has `pages` pages and the map covers all of it.
    /// When that is refused the heap is valid all the same, perhaps with a longer top.
    pub(super) fn grow(&mut self, pages: usize) -> bool {
        if self.base == 0 {
            let slack = self.source.slack();
            self.accept(slack);
            // The slack's bytes are arbitrary.
            self.used_to = self.end;
        }
        let grown = loop {
            let entries = self.end.max(self.top + pages);
            let map_pages = if entries <= self.map_entries { 0 } else { pages_for_map(entries_for(entries)) };
            let (have, wanted) = (self.end - self.top, pages + map_pages);
            if have >= wanted {
                if map_pages != 0 {
                    let old_map = self.lay_map(self.top, map_pages);
                    // SAFETY: the new map lies where the top began, so every extent has its entries.
                    unsafe { self.free_map(old_map) };
                }
                break true;
            }
            let Some(region) = self.ask(wanted - have) else { break false };
            if !self.accept(region) {
                break false;
            }
        };
        self.limit = self.end.min(self.map_entries);
        grown
    }

    fn ask(&mut self, pages: usize) -> Option<Region> {
        self.source.grow(pages.checked_mul(PAGE)?)
    }

    /// Takes a region into the heap: as more of the top where it continues that.
    fn accept(&mut self, region: Region) -> bool {
        if self.base == 0 {
            self.base = align_up(region.start, PAGE);
        }
        if region.end < self.base + PAGE {
            // Too little to hold a page: forgotten, so that the next region may be the first. Or memory below the
            // heap, which linear memory never gives and the map cannot reach.
            let first = self.end == 0;
            self.base = if first { 0 } else { self.base };
            return first;
        }
        let from = (region.start.max(self.base) - self.base).div_ceil(PAGE);
        let to = self.page_at(region.end);
        if from == self.end {
            self.end = to;
            return true;
        }
        self.jump(from, to)
    }

    /// Somebody else has grown memory: the top goes on behind theirs, and their pages count as an extent that
    /// is never freed. The map must reach over it, so a new one comes first.
    fn jump(&mut self, from: usize, mut to: usize) -> bool {
        if from - self.end > HOLE_PAGES_MAX {
            return false;
        }
        let map_pages = loop {
            let map_pages = pages_for_map(entries_for(to));
            if to - from >= map_pages {
                break map_pages;
            }
            match self.ask(map_pages) {
                Some(region) if region.start == self.address(to) => to = self.page_at(region.end),
                // Refused, or another stranger: what came in between is given up.
                _ => return false,
            }
        };
        let (old_top, old_end) = (self.top, self.end);
        self.top = from;
        self.end = to;
        let old_map = self.lay_map(from, map_pages);
        // SAFETY: the new map covers the hole, and the old top before it, which nobody uses. Both have their entries
        // before anything is freed, because what is freed looks at its neighbours.
        unsafe {
            (*self.entry(from - 1)).class = INSIDE;
            (*self.entry(old_end)).set(FOREIGN, from - old_end);
            if old_end > old_top {
                self.mark_large(old_top, old_end - old_top);
                self.free_pages(old_top, old_end - old_top);
            }
            self.free_map(old_map);
        }
        true
    }

    /// Lays a new map into the first pages of the top; answers the address of the old one, or 0, and its length in
    /// pages. It is still a large extent.
    fn lay_map(&mut self, page: usize, map_pages: usize) -> (usize, usize) {
        let (old, old_entries) = (self.map, self.map_entries);
        let new: *mut Page = at(self.address(page));
        self.map = new;
        self.map_entries = map_pages * PAGE / size_of::<Page>();
        self.raise_top(page + map_pages);
        // SAFETY: the pages of the top are the heap's own, and the new map is longer than the old one.
        unsafe {
            if !old.is_null() {
                new.copy_from_nonoverlapping(old, old_entries);
            }
            self.mark_large(page, map_pages);
        }
        (old.addr(), pages_for_map(old_entries))
    }

    /// Frees what [`lay_map`](Self::lay_map) answered.
    ///
    /// # Safety
    /// All extents have their entries.
    unsafe fn free_map(&mut self, (address, pages): (usize, usize)) {
        if address != 0 {
            // SAFETY: the old map is a large extent (J1) that nobody uses any more.
            unsafe { self.free_pages(self.page_at(address), pages) };
        }
    }
}
