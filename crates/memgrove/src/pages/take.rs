//! Taking extents, giving them back, and making them longer or shorter where they lie.

use core::ptr::null_mut;

use super::bins::{BINS, bin_of};
use super::{FREE, INSIDE, LONGER, MapReaders, NO_PAGE, Page, Pages, Wanted, address, page_at};
use crate::source::PageSource;
use crate::word::at;

impl<S: PageSource> Pages<S> {
    /// Takes `pages` pages at a multiple of `slack + 1`, a power of two, from the bins or from the top; [`NO_PAGE`] when
    /// neither has as many in a row. Of each bin no more than `looks` extents are looked at. The entries of the extent are
    /// the caller's to fill, before anything is freed. `readers` as for [`grow`](Self::grow).
    #[inline(never)]
    pub(crate) fn take(
        &mut self,
        pages: usize,
        slack: usize,
        looks: usize,
        readers: &impl MapReaders,
    ) -> usize {
        if self.taken == 0 {
            self.renew(readers);
        }
        // In the lower ones of these bins some may be too short; in the higher ones all are long enough.
        let mut bins = self.bins_with_extents & (u64::MAX << bin_of(pages));
        while bins != 0 {
            let found = self.lowest_that_fits(bins.trailing_zeros() as usize, pages, slack, looks);
            if !found.is_null() {
                // SAFETY: an extent in a bin is free and says its length (P4); what is left of it is free, too.
                unsafe {
                    let first = page_at(found.addr());
                    let end = first + (*found).pages;
                    self.unlink(found);
                    let page = (first + slack) & !slack;
                    self.clean_from = page + pages;
                    if self.clean_from != end {
                        self.link(self.clean_from, end - self.clean_from);
                    }
                    if page != first {
                        self.link(first, page - first);
                    }
                    self.taken += pages;
                    return page;
                }
            }
            bins &= bins - 1;
        }
        let first = self.top;
        let page = (first + slack) & !slack;
        if page + pages > self.limit {
            return NO_PAGE;
        }
        self.clean_from = page.max(self.used_to);
        self.top = page + pages;
        self.taken += pages;
        if page != first {
            // SAFETY: nobody uses the pages, and no free extent touches the top (P3).
            unsafe { self.link(first, page - first) };
        }
        page
    }

    /// Nothing is in use: makes the pages what they were when they were new (P6).
    #[cold]
    #[inline(never)]
    fn renew(&mut self, readers: &impl MapReaders) {
        let (first, map_pages) = (self.first, self.map_pages());
        if self.map.is_null() || self.apart || self.top == first + map_pages {
            return;
        }
        self.used_to = self.used_to.max(self.top);
        self.top = first + map_pages;
        self.bins_with_extents = 0;
        self.bins = [null_mut(); BINS];
        let start: *mut Page = at(address(first));
        self.map = start.wrapping_add(1).wrapping_sub(first);
        // SAFETY: the pages are the heap's own, and nobody uses them but those who read the map for a block that they have,
        // which nobody has. The map is as long as before, and what is below the top is the map itself (P1, P2).
        unsafe {
            (*start).class = INSIDE;
            self.mark_large(first, map_pages);
        }
        readers.follow(self.map, || ());
    }

    /// Gives an extent back: it coalesces with free neighbours and with the top.
    ///
    /// # Safety
    /// Pages below the top that nobody uses and that count as taken, between extents that have their entries; the pages themselves
    /// need none.
    #[inline(never)]
    pub(crate) unsafe fn free(&mut self, mut page: usize, mut pages: usize) {
        self.taken -= pages;
        // SAFETY: the neighbours are extents or the top, and their entries at the seams tell which (P2).
        unsafe {
            if (*self.entry(page - 1)).class == FREE {
                let length = (*self.entry(page - 1)).length();
                page -= length;
                pages += length;
                self.unlink(at(address(page)));
            }
            let next = page + pages;
            if next == self.top {
                self.used_to = self.used_to.max(next);
                self.top = page;
                return;
            }
            if (*self.entry(next)).class == FREE {
                pages += (*self.entry(next)).length();
                self.unlink(at(address(next)));
            }
            self.link(page, pages);
        }
    }

    /// Whether a large extent can have a new length where it lies; if so, it has. `readers` as for
    /// [`grow`](Self::grow).
    ///
    /// # Safety
    /// `page` begins a large extent of `old` pages.
    pub(crate) unsafe fn resize(
        &mut self,
        page: usize,
        old: usize,
        new: usize,
        readers: &impl MapReaders,
    ) -> bool {
        // SAFETY: the caller's promise; what is left has its entries before the part cut off is freed (P2).
        unsafe {
            if new < old {
                self.mark_large(page, new);
                self.free(page + new, old - new);
            }
            new <= old || self.extend(page, old, new, readers)
        }
    }

    /// Makes a large extent longer where it lies, if what follows it is free or can be grown.
    ///
    /// # Safety
    /// `page` begins a large extent of `old` pages, fewer than `new`.
    unsafe fn extend(&mut self, page: usize, old: usize, new: usize, readers: &impl MapReaders) -> bool {
        let next = page + old;
        let more = new - old;
        if next == self.top {
            if self.limit - next >= more {
                self.top = next + more;
            } else if !self.grow(Wanted { pages: more, slack: LONGER }, readers) {
                return false;
            }
        } else {
            // SAFETY: what follows an extent below the top is an extent (P2).
            unsafe {
                let length = (*self.entry(next)).length();
                if (*self.entry(next)).class != FREE || length < more {
                    return false;
                }
                self.unlink(at(address(next)));
                if length > more {
                    self.link(next + more, length - more);
                }
            }
        }
        self.taken += more;
        // SAFETY: the pages behind the block are its own now.
        unsafe { self.mark_large(page, new) };
        true
    }
}
