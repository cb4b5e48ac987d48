//! How memory is asked for, and how the page map keeps up with it.

use super::at;
use super::heap::Heap;
use super::pages::{FOREIGN, INSIDE, PAGE, Page};
use crate::source::PageSource;
use crate::word::align_up;

/// The longest stretch of somebody else's pages that the map is laid over: any that fits into a 32-bit memory.
const HOLE_PAGES_MAX: usize = 1 << 22;

/// How many entries of the map fit into a page.
const ENTRIES: usize = PAGE / size_of::<Page>();

/// A new map is half as long again as memory, so that it seldom moves.
const fn entries_for(pages: usize) -> usize {
    pages + pages / 2
}

impl<S: PageSource> Heap<S> {
    /// Asks the source for memory until the top has `pages` pages and the map covers all of it.
    /// When that is refused the heap is valid all the same, perhaps with a longer top.
    ///
    /// Where somebody else has grown memory, the top goes on behind theirs, and their pages count as an extent that is never
    /// freed. The map must reach over it; until it does, nothing is written. A second such hole in one call is not
    /// bridged: what came in between the two is given up.
    pub(super) fn grow(&mut self, mut pages: usize) -> bool {
        let mut slack_is_due = self.base == 0;
        let old_top = self.top;
        let mut hole = 0;
        let mut grown = true;
        loop {
            let entries = self.end.max(self.top + pages);
            let map_pages = if entries <= self.map_entries { 0 } else { entries_for(entries) / ENTRIES + 1 };
            let (have, wanted) = (self.end - self.top, pages + map_pages);
            if have >= wanted {
                self.settle(old_top, hole, map_pages);
                break;
            }
            if self.extend_end(wanted - have, slack_is_due, old_top, &mut hole) {
                slack_is_due = false;
                continue;
            }
            grown = false;
            if self.top == old_top {
                break;
            }
            if pages == 0 {
                // Not even a map fits behind the hole.
                (self.top, self.end) = (old_top, hole);
                break;
            }
            // What came in lies behind a hole: it is kept if a map fits into it.
            pages = 0;
        }
        self.limit = self.end.min(self.map_entries);
        grown
    }

    /// Takes one more region in: the slack, or `pages` pages of growth. A hole before it is noted, and the top begins
    /// behind it. False if that is refused, or of no use.
    #[inline(always)]
    fn extend_end(&mut self, pages: usize, slack: bool, old_top: usize, hole: &mut usize) -> bool {
        let region = if slack {
            self.source.slack()
        } else {
            if pages > usize::MAX / PAGE {
                return false;
            }
            let Some(region) = self.source.grow(pages * PAGE) else { return false };
            region
        };
        let start = align_up(region.start, PAGE);
        if self.end == 0 {
            self.base = start;
        }
        if start < self.base || region.end < start + PAGE {
            // Too little to hold a page: forgotten, if another region may be the first. Or memory below the heap, which
            // linear memory never gives and the map cannot reach.
            return self.end == 0;
        }
        let from = self.page_at(start);
        if from != self.end {
            if self.top != old_top || (size_of::<usize>() > 4 && from - self.end > HOLE_PAGES_MAX) {
                return false;
            }
            *hole = self.end;
            self.top = from;
        }
        self.end = self.page_at(region.end);
        if slack {
            // The slack's bytes are arbitrary.
            self.used_to = self.end;
        }
        true
    }

    /// Lays a map of so many pages, if any, into the first pages of the top, and makes an extent of the hole before it
    /// if the top has moved.
    fn settle(&mut self, old_top: usize, hole: usize, map_pages: usize) {
        let (old_map, old_entries) = (self.map, self.map_entries);
        let from = self.top;
        // SAFETY: the pages of the top are the heap's own, and the new map is longer than the old one. It covers the
        // hole, and the old top before that, which nobody uses. All have their entries before anything is freed, because
        // what is freed looks at its neighbours; the old map is a large extent (J1).
        unsafe {
            if map_pages != 0 {
                self.map = at(self.address(from));
                self.map_entries = map_pages * ENTRIES;
                self.map.copy_from_nonoverlapping(old_map, old_entries);
                self.top = from + map_pages;
                self.mark_large(from, map_pages);
            }
            if from != old_top {
                (*self.entry(from - 1)).class = INSIDE;
                (*self.entry(hole)).set(FOREIGN, from - hole);
                if hole != old_top {
                    self.free_pages(old_top, hole - old_top);
                }
            }
            if map_pages != 0 && !old_map.is_null() {
                self.free_pages(self.page_at(old_map.addr()), old_entries / ENTRIES);
            }
        }
    }
}
