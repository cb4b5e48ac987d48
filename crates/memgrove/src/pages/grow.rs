//! How memory is asked for, and how the page map keeps up with it.

use super::{FOREIGN, INSIDE, MapReaders, PAGE, Page, Pages, address, page_at};
use crate::source::{PageSource, Region, obtain};
use crate::word::{align_up, at};

/// The longest stretch of somebody else's pages that the map is laid over: any that fits into a 32-bit memory.
const HOLE_PAGES_MAX: usize = 1 << 22;

/// How many entries of the map fit into a page.
const ENTRIES: usize = PAGE / size_of::<Page>();

/// What pages are asked for. Two words, so that it is not passed through memory.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    /// How many.
    pub(crate) pages: usize,
    /// They begin at a multiple of one more than this, which is a power of two; or it is [`LONGER`].
    pub(crate) slack: usize,
}

/// [`Wanted::slack`] of pages that begin where the top does, for the block that ends there. The top begins behind them then.
pub(crate) const LONGER: usize = usize::MAX;

impl Wanted {
    #[inline(always)]
    fn longer(self) -> bool {
        self.slack == LONGER
    }

    /// Where the pages end in a top that begins at `base` and that a new map of `map_pages` pages is laid into, or where the map
    /// ends if that lies behind them.
    #[inline(always)]
    fn last(self, base: usize, map_pages: usize) -> usize {
        let slack = if self.longer() { 0 } else { self.slack };
        ((base + map_pages + slack) & !slack) + self.pages
    }
}

/// No pages: to take in what there is.
const NOTHING: Wanted = Wanted { pages: 0, slack: 0 };

/// How long a map is made. The first that can be had is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Map {
    /// Half as long again as memory, so that it seldom moves.
    Spare,
    /// It covers what is wanted, and no more.
    Least,
}

/// Where the top was before growth, and where a stranger's memory behind it begins.
struct Before {
    top: usize,
    hole: usize,
}

impl<S: PageSource> Pages<S> {
    /// Asks the source for memory until the top has the wanted pages and the map covers them. If that is refused, nothing
    /// was taken and nothing has changed; unless somebody else grew memory meanwhile, and then the pages are valid all the
    /// same, perhaps with another top.
    ///
    /// If the map must move, its `readers` follow before the memory of the old one serves something else.
    ///
    /// Where somebody else has grown memory, the top goes on behind theirs, and their pages count as an extent that is never
    /// freed. The map must reach over it; until it does, nothing is written. A second such hole in one call is not
    /// bridged: what came in between the two is given up.
    #[inline(never)]
    pub(crate) fn grow(&mut self, mut wanted: Wanted, readers: &impl MapReaders) -> bool {
        if self.end == 0 {
            let slack = self.source.slack();
            self.extend_end(slack, &mut Before { top: 0, hole: 0 });
            // The slack's bytes are arbitrary.
            self.used_to = self.end;
        }
        let mut before = Before { top: self.top, hole: 0 };
        let (mut grown, mut map) = (true, Map::Spare);
        loop {
            let map_pages = self.plan(self.top, self.first, wanted, map);
            if wanted.last(self.top, map_pages) <= self.end {
                self.settle(&before, wanted, map_pages, readers);
                break;
            }
            // Where memory goes on: at its end, or behind what a stranger has grown.
            let begins = self.source.next_address().max(address(self.end));
            let next = page_at(align_up(begins, PAGE));
            let apart = next != self.end;
            let base = if apart { next } else { self.top };
            let first = if self.end == 0 { next } else { self.first };
            let last = wanted.last(base, self.plan(base, first, wanted, map));
            if !(wanted.longer() && apart)
                && last <= page_at(usize::MAX)
                && let Some(region) = obtain(&mut self.source, address(last) - begins)
                && self.extend_end(region, &mut before)
            {
                if wanted.longer() && self.top != before.top {
                    // What came in is no continuation of the block.
                    grown = false;
                    wanted = NOTHING;
                }
                continue;
            }
            if map_pages != 0 && map == Map::Spare {
                map = Map::Least;
                continue;
            }
            grown = false;
            if self.top == before.top {
                break;
            }
            if wanted.pages == 0 {
                // Not even a map fits behind the hole.
                (self.top, self.end) = (before.top, before.hole);
                break;
            }
            // What came in lies behind a hole: it is kept if a map fits into it.
            wanted = NOTHING;
        }
        self.limit = self.end.min(self.map_end);
        grown
    }

    /// For a top that begins at `base`, in memory from `first` on: how many pages of a new map it takes, if any, to serve what
    /// is wanted.
    #[inline(never)]
    fn plan(&self, base: usize, first: usize, wanted: Wanted, map: Map) -> usize {
        let mut map_pages = 0;
        loop {
            let last = wanted.last(base, map_pages);
            if map_pages == 0 && last <= self.map_end {
                return 0;
            }
            let mut covered = last - first;
            if map == Map::Spare {
                covered += covered / 2;
            }
            // One entry more, for the page before the first.
            let enough = covered / ENTRIES + 1;
            if enough <= map_pages {
                return map_pages;
            }
            map_pages = enough;
        }
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

    /// Lays a map of so many pages, if any, into the top: into its first pages, or behind those that make a block longer. The
    /// top begins behind that. Makes an extent of the hole before it if the top has moved.
    fn settle(&mut self, before: &Before, wanted: Wanted, map_pages: usize, readers: &impl MapReaders) {
        let (old_map, old_entries) = (self.entry(self.first), self.map_end - self.first);
        let from = self.top;
        let map_page = if wanted.longer() { from + wanted.pages } else { from };
        self.top = map_page + map_pages;
        // SAFETY: the pages of the top are the heap's own, and the new map is longer than the old one. It covers the
        // hole, and the old top before that, which nobody uses. All have their entries before anything is freed, because
        // what is freed looks at its neighbours; the old map is a large extent (P1).
        unsafe {
            if map_pages != 0 {
                let start: *mut Page = at(address(map_page));
                (*start).class = INSIDE;
                let map = start.wrapping_add(1).wrapping_sub(self.first);
                readers.follow(map, || start.add(1).copy_from_nonoverlapping(old_map, old_entries));
                self.map = start.wrapping_add(1).wrapping_sub(self.first);
                self.map_end = self.first + map_pages * ENTRIES - 1;
                self.mark_large(map_page, map_pages);
            }
            if from != before.top {
                (*self.entry(from - 1)).class = INSIDE;
                (*self.entry(before.hole)).set(FOREIGN, from - before.hole);
                self.apart = true;
                if before.hole != before.top {
                    self.free_untaken(before.top, before.hole - before.top);
                }
            }
            if map_pages != 0 && old_entries != 0 {
                self.free_untaken(page_at(old_map.addr()), (old_entries + 1) / ENTRIES);
            }
        }
    }

    /// [`free`](Self::free) for pages that do not count as taken.
    ///
    /// # Safety
    /// As for that.
    unsafe fn free_untaken(&mut self, page: usize, pages: usize) {
        self.taken += pages;
        // SAFETY: the caller's promise.
        unsafe { self.free(page, pages) };
    }

    /// How many pages the map takes.
    pub(super) fn map_pages(&self) -> usize {
        (self.map_end - self.first + 1) / ENTRIES
    }

    /// First page of the map's extent.
    pub(super) fn map_page(&self) -> usize {
        page_at(self.entry(self.first).addr() - size_of::<Page>())
    }
}
