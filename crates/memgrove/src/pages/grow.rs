//! How memory is asked for, and how the page map keeps up with it.

use super::{FOREIGN, INSIDE, MapReaders, PAGE, Page, Pages, address, page_at};
use crate::source::{PageSource, Region, obtain};
use crate::word::{align_up, at};

/// The longest stretch of somebody else's pages that the map is laid over: any that fits into a 32-bit memory.
const HOLE_PAGES_MAX: usize = 1 << 22;

/// How many entries of the map fit into a page.
const ENTRIES: usize = PAGE / size_of::<Page>();

/// A new map is half as long again as memory, so that it seldom moves; and it has an entry before the first page.
const fn map_pages_for(pages: usize) -> usize {
    (pages + pages / 2) / ENTRIES + 1
}

/// Where the top was before growth, and where a stranger's memory behind it begins.
struct Before {
    top: usize,
    hole: usize,
}

impl<S: PageSource> Pages<S> {
    /// Asks the source for memory until the top has `pages` pages and the map covers all of it.
    /// When that is refused the pages are valid all the same, perhaps with a longer top.
    ///
    /// If the map must move, its `readers` are told before the memory of the old one serves something else.
    ///
    /// Where somebody else has grown memory, the top goes on behind theirs, and their pages count as an extent that is never
    /// freed. The map must reach over it; until it does, nothing is written. A second such hole in one call is not
    /// bridged: what came in between the two is given up.
    #[inline(never)]
    pub(crate) fn grow(&mut self, mut pages: usize, readers: &impl MapReaders) -> bool {
        if self.end == 0 {
            let slack = self.source.slack();
            self.extend_end(slack, &mut Before { top: 0, hole: 0 });
            // The slack's bytes are arbitrary.
            self.used_to = self.end;
        }
        let mut before = Before { top: self.top, hole: 0 };
        let mut grown = true;
        loop {
            let last = self.end.max(self.top + pages);
            let map_pages = if last <= self.map_end { 0 } else { map_pages_for(last - self.first) };
            let (have, wanted) = (self.end - self.top, pages + map_pages);
            if have >= wanted {
                self.settle(&before, map_pages, readers);
                break;
            }
            let missing = wanted - have;
            if missing <= usize::MAX / PAGE
                && let Some(region) = obtain(&mut self.source, missing * PAGE)
                && self.extend_end(region, &mut before)
            {
                continue;
            }
            grown = false;
            if self.top == before.top {
                break;
            }
            if pages == 0 {
                // Not even a map fits behind the hole.
                (self.top, self.end) = (before.top, before.hole);
                break;
            }
            // What came in lies behind a hole: it is kept if a map fits into it.
            pages = 0;
        }
        self.limit = self.end.min(self.map_end);
        grown
    }

    /// Takes one more region in. A hole before it is noted, and the top begins behind it. False if it is of no use.
    fn extend_end(&mut self, region: Region, before: &mut Before) -> bool {
        let (from, to) = (page_at(align_up(region.start, PAGE)), page_at(region.end));
        if from >= to || from < self.end {
            // Too little to hold a page. Or memory below the heap, which linear memory never gives and the map cannot
            // reach.
            return false;
        }
        if self.end == 0 {
            (self.first, self.map_end, self.top, before.top) = (from, from, from, from);
        } else if from != self.end {
            if self.top != before.top || (size_of::<usize>() > 4 && from - self.end > HOLE_PAGES_MAX) {
                return false;
            }
            before.hole = self.end;
            self.top = from;
        }
        self.end = to;
        true
    }

    /// Lays a map of so many pages, if any, into the first pages of the top, and makes an extent of the hole before it
    /// if the top has moved.
    fn settle(&mut self, before: &Before, map_pages: usize, readers: &impl MapReaders) {
        let (old_map, old_entries) = (self.entry(self.first), self.map_end - self.first);
        let from = self.top;
        // SAFETY: the pages of the top are the heap's own, and the new map is longer than the old one. It covers the
        // hole, and the old top before that, which nobody uses. All have their entries before anything is freed, because
        // what is freed looks at its neighbours; the old map is a large extent (P1).
        unsafe {
            if map_pages != 0 {
                let start: *mut Page = at(address(from));
                (*start).class = INSIDE;
                start.add(1).copy_from_nonoverlapping(old_map, old_entries);
                self.map = start.wrapping_add(1).wrapping_sub(self.first);
                self.map_end = self.first + map_pages * ENTRIES - 1;
                self.top = from + map_pages;
                self.mark_large(from, map_pages);
            }
            if from != before.top {
                (*self.entry(from - 1)).class = INSIDE;
                (*self.entry(before.hole)).set(FOREIGN, from - before.hole);
                if before.hole != before.top {
                    self.free(before.top, before.hole - before.top);
                }
            }
            if map_pages != 0 {
                readers.follow(self.map);
                if old_entries != 0 {
                    self.free(page_at(old_map.addr()), (old_entries + 1) / ENTRIES);
                }
            }
        }
    }

    /// First page of the map's extent.
    pub(super) fn map_page(&self) -> usize {
        page_at(self.entry(self.first).addr() - size_of::<Page>())
    }
}
