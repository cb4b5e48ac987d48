//! Extents in use, by their addresses and with a tag: for a user who does not cut them into slabs.

use super::{NO_PAGE, NoReaders, PAGE, Pages, address, page_at};
use crate::source::PageSource;

impl<S: PageSource> Pages<S> {
    /// The address of an extent of at least `bytes` at a multiple of `align` and of [`PAGE`], or 0. The tag is remembered
    /// for [`walk_large`](Self::walk_large). Constant time beside the growth of memory.
    pub(crate) fn allocate(&mut self, bytes: usize, align: usize, tag: u8) -> usize {
        let pages = bytes.div_ceil(PAGE).max(1);
        // Of an extent longer by so many pages, some page is aligned; what is left over goes back.
        let mut slack = if align > PAGE { align / PAGE - 1 } else { 0 };
        // What was freed at this length often lies at this alignment, too.
        let mut found = self.take(pages);
        if found != NO_PAGE && found & slack != 0 {
            // SAFETY: the extent was taken a moment ago.
            unsafe { self.free(found, pages) };
            found = NO_PAGE;
        } else if found != NO_PAGE {
            slack = 0;
        }
        if found == NO_PAGE {
            found = self.take(pages + slack);
        }
        if found == NO_PAGE && self.grow(pages + slack, &NoReaders) {
            found = self.take(pages + slack);
        }
        if found == NO_PAGE {
            return 0;
        }
        // SAFETY: the extent was taken just now, with so much slack.
        unsafe {
            let page = self.cut(found, pages, slack);
            (*self.entry(page)).span = tag;
            address(page)
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
