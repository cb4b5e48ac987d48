//! Bins: the lists of free extents, by length.

use core::ptr::null_mut;

use super::{FREE, Pages, address, page_at};
use crate::link::{Link, expect_link};
use crate::source::PageSource;
use crate::word::at;

/// How many bins there are: two to a doubling, up to 2^22 pages, which is 4 GiB; the last takes all that is longer.
pub(super) const BINS: usize = 44;

/// What a free extent that lies in a bin holds in its first page.
#[repr(C)]
pub(super) struct Extent {
    pub(super) next: Link<Extent>,
    pub(super) prev: Link<Extent>,
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

impl<S: PageSource> Pages<S> {
    /// The head of a bin's list.
    #[inline(always)]
    pub(super) fn bin(&mut self, bin: usize) -> &mut *mut Extent {
        debug_assert!(bin < BINS);
        // SAFETY: a bin comes from `bin_of`, or from a bit that is set, which only `link` sets (P4).
        unsafe { self.bins.get_unchecked_mut(bin) }
    }

    /// Of the first `looks` extents of a bin, the lowest that holds `pages` pages at a multiple of `slack + 1`; null if none
    /// does. An empty bin loses its bit.
    #[inline(always)]
    pub(super) fn lowest_that_fits(
        &mut self,
        bin: usize,
        pages: usize,
        slack: usize,
        looks: usize,
    ) -> *mut Extent {
        let mut lowest: *mut Extent = null_mut();
        let mut extent = *self.bin(bin);
        if extent.is_null() {
            self.bins_with_extents &= !(1 << bin);
        }
        for _ in 0..looks {
            if extent.is_null() {
                break;
            }
            // SAFETY: an extent in a bin is free and holds its links (P4).
            unsafe {
                // What is skipped for the alignment, and the pages.
                let needs = (page_at(extent.addr()).wrapping_neg() & slack) + pages;
                if (*extent).pages >= needs && (lowest.is_null() || extent < lowest) {
                    lowest = extent;
                }
                extent = (*extent).next.get();
            }
        }
        lowest
    }

    /// Makes a free extent of pages that have none, and puts it into its bin.
    pub(super) unsafe fn link(&mut self, page: usize, pages: usize) {
        let bin = bin_of(pages);
        let extent: *mut Extent = at(address(page));
        let next = *self.bin(bin);
        // SAFETY: nobody uses the pages, so their first bytes are free for the links; the map covers them (P1), and
        // what the bin holds are free extents (P4).
        unsafe {
            (*self.entry(page)).set(FREE, pages);
            (*self.entry(page + pages - 1)).set(FREE, pages);
            (*extent).next.set(next);
            (*extent).prev.set(null_mut());
            (*extent).pages = pages;
            if !next.is_null() {
                (*next).prev.set(extent);
            }
        }
        *self.bin(bin) = extent;
        self.bins_with_extents |= 1 << bin;
    }

    /// Takes a free extent out of its bin. Its entries are the caller's to overwrite.
    pub(super) unsafe fn unlink(&mut self, extent: *mut Extent) {
        // SAFETY: an extent in a bin holds its links and its length, and so do its mates (P4).
        unsafe {
            let (next, prev) = ((*extent).next.get(), (*extent).prev.get());
            if !next.is_null() {
                expect_link(|| (*next).prev.get(), extent);
                (*next).prev.set(prev);
            }
            if prev.is_null() {
                // If that leaves the bin empty, whoever looks into it clears its bit.
                *self.bin(bin_of((*extent).pages)) = next;
            } else {
                expect_link(|| (*prev).next.get(), extent);
                (*prev).next.set(next);
            }
        }
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
