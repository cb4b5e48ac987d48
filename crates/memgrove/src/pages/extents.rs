//! Extents in use, by their addresses and with a tag: for a user who does not cut them into slabs.

use super::{LOOKS, NO_PAGE, NoReaders, PAGE, Pages, Wanted, address, page_at};
use crate::source::PageSource;

impl<S: PageSource> Pages<S> {
    /// The address of an extent of at least `bytes` at a multiple of `align` and of [`PAGE`], or 0. The tag is remembered
    /// for [`walk_large`](Self::walk_large). Memory grows only if it may. Constant time, unless no extent of the first few of a
    /// bin fits: then linear in those of the bin.
    pub(crate) fn allocate(&mut self, bytes: usize, align: usize, tag: u8, may_grow: bool) -> usize {
        let pages = bytes.div_ceil(PAGE).max(1);
        let slack = if align > PAGE { align / PAGE - 1 } else { 0 };
        let page = self.take_or_grow(pages, slack, may_grow);
        if page == NO_PAGE {
            return 0;
        }
        // SAFETY: the extent was taken just now.
        unsafe {
            self.mark_large(page, pages);
            (*self.entry(page)).span = tag;
        }
        address(page)
    }

    /// Pages from the bins, if need be from any extent of them, or from the top, if need be after growth; or [`NO_PAGE`].
    fn take_or_grow(&mut self, pages: usize, slack: usize, may_grow: bool) -> usize {
        let mut looks = LOOKS;
        loop {
            let page = self.take(pages, slack, looks, &NoReaders);
            if page != NO_PAGE {
                return page;
            }
            if looks == LOOKS {
                looks = usize::MAX;
            } else if !may_grow || !self.grow(Wanted { pages, slack }, &NoReaders) {
                return NO_PAGE;
            }
        }
    }

    /// Gives an extent back. Constant time.
    ///
    /// # Safety
    /// `start` came from [`allocate`](Self::allocate) and is given back once.
    pub(crate) unsafe fn free_at(&mut self, start: usize) {
        // SAFETY: the caller's promise: an extent in use, whose first entry tells its length (P2).
        unsafe { self.free(page_at(start), (*self.entry(page_at(start))).length()) }
    }

    /// The bytes of an extent.
    ///
    /// # Safety
    /// `start` came from [`allocate`](Self::allocate) and was not given back.
    pub(crate) unsafe fn bytes_at(&self, start: usize) -> usize {
        // SAFETY: as in `free_at`.
        unsafe { (*self.entry(page_at(start))).length() * PAGE }
    }

    /// Whether the extent can have the new length where it is; if so, it has.
    ///
    /// # Safety
    /// As for [`bytes_at`](Self::bytes_at).
    pub(crate) unsafe fn resize_at(&mut self, start: usize, new_bytes: usize) -> bool {
        let page = page_at(start);
        // SAFETY: as in `free_at`.
        unsafe {
            let old = (*self.entry(page)).length();
            self.resize(page, old, new_bytes.div_ceil(PAGE).max(1), &NoReaders)
        }
    }
}
