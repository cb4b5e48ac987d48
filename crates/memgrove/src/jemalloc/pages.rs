//! Pages, extents and the page map: where slabs and large blocks come from.
//!
//! Memory is cut into pages of [`PAGE`] bytes, counted from the first that the source gave. A run of pages with one
//! purpose is an *extent*. The **page map**, an array beside the memory, has an entry for each page:
//!
//! ```text
//!  pages   |0     |1     |2     |3     |4     |5     |6     |7     |8 … top            |
//!          | the map     | slab        | large block        | free | not handed out    |
//!  class   |LARGE |INSIDE| 5    |INSIDE|LARGE | –    |INSIDE|FREE  |  –                |
//!  length  |2     |      | 2    |      |3     |      |      |1     |                   |
//! ```
//!
//! Of a large or free extent only the first and the last entry are ever read, as boundary tags are (Knuth, *The Art
//! of Computer Programming* 1, 2.5), so freeing and coalescing take constant time. A slab fills all of its entries,
//! because a region inside it must find the slab's first page.
//!
//! Free extents are kept in bins by length, two to a doubling, with a bit mask of the bins that hold any. Of the first
//! few that fit, the one at the lowest address is taken: jemalloc's way to keep high memory empty. The free extent at
//! the end, the *top*, is in no bin; it is what growth makes longer.

use core::ptr::{self, null_mut};

use super::at;
use super::heap::Heap;
use crate::source::PageSource;

/// Bytes in a page. Small, because the memory of a wasm module never shrinks and an empty page serves any class.
pub(super) const PAGE: usize = 1024;

/// [`Page::class`] of a page that is not the first of its slab, or the last of a large extent.
pub(super) const INSIDE: u8 = 0xf0;
/// [`Page::class`] of the first page of a large block, and of the map itself. Any class from here on says that
/// [`Page::length`] tells how long the extent is.
pub(super) const LARGE: u8 = 0xf1;
/// [`Page::class`] of the first and the last page of a free extent.
pub(super) const FREE: u8 = 0xf2;
/// [`Page::class`] of the first page of memory that somebody else grew: large, and never freed.
pub(super) const FOREIGN: u8 = 0xf3;

/// How many bins there are: two to a doubling, up to 2^22 pages, which is 4 GiB; the last takes all that is longer.
pub(super) const BINS: usize = 44;

/// No page: what [`Heap::take_pages`] answers instead of an `Option`, which would come back through memory.
pub(super) const NO_PAGE: usize = usize::MAX;

/// How many extents of a bin are looked at before the lowest of them is taken: bounds the time of a call.
const LOOK: usize = 8;

/// A block of a slab that is in nobody's hands: it holds the link to the next.
#[repr(C)]
pub(super) struct Region {
    /// The next region of the same list, or null.
    pub(super) next: *mut Region,
    /// In the first region of a queued slab's list only: the first region of the next slab in the queue, or null. Not the
    /// slab's entry in the map, because the map moves.
    pub(super) next_slab: *mut Self,
}

/// The page map's entry: two words.
#[repr(C)]
pub(super) struct Page {
    /// Slab: the regions that were given back to it. Large and free extents: see [`Page::length`].
    pub(super) regions: *mut Region,
    /// Slab: how many regions are in that list.
    pub(super) given_back: u16,
    /// The size class of a slab, or [`INSIDE`], [`LARGE`], [`FREE`].
    pub(super) class: u8,
    /// First page of a slab: its length in pages. Its other pages: the distance to the first, in pages.
    pub(super) span: u8,
}

impl Page {
    /// The length in pages of a large or free extent, kept where only slabs need a pointer.
    #[inline(always)]
    pub(super) fn length(&self) -> usize {
        self.regions.addr()
    }

    #[inline(always)]
    pub(super) fn set(&mut self, class: u8, length: usize) {
        self.regions = ptr::without_provenance_mut(length);
        self.class = class;
    }
}

/// What a free extent that lies in a bin holds in its first page.
#[repr(C)]
pub(super) struct Extent {
    pub(super) next: *mut Extent,
    prev: *mut Extent,
    pub(super) pages: usize,
}

/// The bin of extents of `pages` pages: 1, 2, 3 exactly, then two bins to a doubling.
pub(super) const fn bin_of(pages: usize) -> usize {
    if pages < 4 {
        return pages - 1;
    }
    let log = (usize::BITS - 1 - pages.leading_zeros()) as usize;
    let bin = log * 2 + ((pages >> (log - 1)) & 1) - 1;
    if bin < BINS { bin } else { BINS - 1 }
}

impl<S: PageSource> Heap<S> {
    /// The address of a page.
    #[inline(always)]
    pub(super) fn address(&self, page: usize) -> usize {
        self.base + page * PAGE
    }

    /// The page that holds an address.
    #[inline(always)]
    pub(super) fn page_at(&self, address: usize) -> usize {
        (address - self.base) / PAGE
    }

    /// The map's entry of a page.
    #[inline(always)]
    pub(super) fn entry(&self, page: usize) -> *mut Page {
        self.map.wrapping_add(page)
    }

    /// The head of a bin's list.
    #[inline(always)]
    fn bin(&mut self, bin: usize) -> &mut *mut Extent {
        debug_assert!(bin < BINS);
        // SAFETY: a bin comes from `bin_of`, or from a bit that is set, which only `link` sets (J4).
        unsafe { self.bins.get_unchecked_mut(bin) }
    }

    /// Takes `pages` pages from the bins or from the top; [`NO_PAGE`] when neither has as many in a row.
    /// The entries of the extent are the caller's to fill.
    pub(super) fn take_pages(&mut self, pages: usize) -> usize {
        // In the extent's own bin some may be too short; in the higher ones all are long enough.
        let mut bins = self.bins_with_extents & (u64::MAX << bin_of(pages));
        while bins != 0 {
            let bin = bins.trailing_zeros() as usize;
            let found = self.lowest_that_fits(bin, pages);
            if !found.is_null() {
                // SAFETY: an extent in a bin is free and says its length (J4); what is left of it is free, too.
                unsafe {
                    let page = self.page_at(found.addr());
                    let length = (*found).pages;
                    self.unlink(found);
                    if length > pages {
                        self.link(page + pages, length - pages);
                    }
                    self.clean_from = page + pages;
                    return page;
                }
            }
            bins &= bins - 1;
        }
        let page = self.top;
        if self.limit - page < pages {
            return NO_PAGE;
        }
        self.clean_from = page.max(self.used_to);
        self.top = page + pages;
        page
    }

    /// Of the first few extents of a bin, the lowest that is long enough; null if none is. An empty bin loses its bit.
    #[inline(always)]
    fn lowest_that_fits(&mut self, bin: usize, pages: usize) -> *mut Extent {
        let mut lowest: *mut Extent = null_mut();
        let mut extent = *self.bin(bin);
        if extent.is_null() {
            self.bins_with_extents &= !(1 << bin);
        }
        for _ in 0..LOOK {
            if extent.is_null() {
                break;
            }
            // SAFETY: an extent in a bin is free and holds its links (J4).
            unsafe {
                if (*extent).pages >= pages && (lowest.is_null() || extent < lowest) {
                    lowest = extent;
                }
                extent = (*extent).next;
            }
        }
        lowest
    }

    /// Gives an extent back: it coalesces with free neighbours and with the top.
    ///
    /// # Safety
    /// Pages below the top that nobody uses, between extents that have their entries; the pages themselves need none.
    pub(super) unsafe fn free_pages(&mut self, mut page: usize, mut pages: usize) {
        // SAFETY: the neighbours are extents or the top, and their entries at the seams tell which (J2).
        unsafe {
            if page > 0 && (*self.entry(page - 1)).class == FREE {
                let length = (*self.entry(page - 1)).length();
                page -= length;
                pages += length;
                self.unlink(at(self.address(page)));
            }
            let next = page + pages;
            if next == self.top {
                self.used_to = self.used_to.max(next);
                self.top = page;
                return;
            }
            if (*self.entry(next)).class == FREE {
                pages += (*self.entry(next)).length();
                self.unlink(at(self.address(next)));
            }
            self.link(page, pages);
        }
    }

    /// Writes the entries of an extent that is in use as a large block.
    ///
    /// # Safety
    /// The pages are below the top and belong to the caller.
    pub(super) unsafe fn mark_large(&mut self, page: usize, pages: usize) {
        // SAFETY: the map covers all pages below the top (J1).
        unsafe {
            (*self.entry(page + pages - 1)).class = INSIDE;
            (*self.entry(page)).set(LARGE, pages);
        }
    }

    /// Makes a free extent of pages that have none, and puts it into its bin.
    unsafe fn link(&mut self, page: usize, pages: usize) {
        let bin = bin_of(pages);
        let extent: *mut Extent = at(self.address(page));
        let next = *self.bin(bin);
        // SAFETY: nobody uses the pages, so their first bytes are free for the links; the map covers them (J1), and
        // what the bin holds are free extents (J4).
        unsafe {
            (*self.entry(page)).set(FREE, pages);
            (*self.entry(page + pages - 1)).set(FREE, pages);
            extent.write(Extent { next, prev: null_mut(), pages });
            if !next.is_null() {
                (*next).prev = extent;
            }
        }
        *self.bin(bin) = extent;
        self.bins_with_extents |= 1 << bin;
    }

    /// Takes a free extent out of its bin. Its entries are the caller's to overwrite.
    unsafe fn unlink(&mut self, extent: *mut Extent) {
        // SAFETY: an extent in a bin holds its links and its length, and so do its mates (J4).
        unsafe {
            let Extent { next, prev, pages } = extent.read();
            if !next.is_null() {
                (*next).prev = prev;
            }
            if prev.is_null() {
                // If that leaves the bin empty, whoever looks into it clears its bit.
                *self.bin(bin_of(pages)) = next;
            } else {
                (*prev).next = next;
            }
        }
    }

    /// Makes a large extent longer where it lies, if what follows it is free or can be grown.
    ///
    /// # Safety
    /// `page` begins a large extent of `old` pages, fewer than `new`.
    pub(super) unsafe fn extend(&mut self, page: usize, old: usize, new: usize) -> bool {
        let next = page + old;
        let more = new - old;
        if next == self.top {
            // Growing may lay the map behind the block, or find that somebody else has grown memory in between.
            if self.limit - next < more && !(self.grow(more) && self.top == next) {
                return false;
            }
            self.top = next + more;
        } else {
            // SAFETY: what follows an extent below the top is an extent (J2).
            unsafe {
                let length = (*self.entry(next)).length();
                if (*self.entry(next)).class != FREE || length < more {
                    return false;
                }
                self.unlink(at(self.address(next)));
                if length > more {
                    self.link(next + more, length - more);
                }
            }
        }
        // SAFETY: the pages behind the block are its own now.
        unsafe { self.mark_large(page, new) };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_in_the_order_of_lengths_and_within_half_a_doubling() {
        let mut first_of_bin = 1;
        for pages in 1..100_000 {
            let bin = bin_of(pages);
            assert!(bin < BINS);
            if bin != bin_of(first_of_bin) {
                assert_eq!(bin, bin_of(first_of_bin) + 1, "{pages}");
                first_of_bin = pages;
            }
            assert!(pages * 2 < first_of_bin * 3 || pages < 4, "{pages}");
        }
        assert_eq!(bin_of(1 << 22), BINS - 1);
    }
}
