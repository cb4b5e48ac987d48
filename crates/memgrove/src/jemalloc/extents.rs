//! The level of pages alone, for an allocator that makes its small blocks in another way ([`crate::Hoard`]).

use super::front::Alone;
use super::heap::Heap;
use super::pages::{LARGE, NO_PAGE};
use crate::source::PageSource;
use crate::stats::{Broken, Stats};

/// Bytes of a page: what extents are multiples of, and begin at a multiple of.
pub(crate) const PAGE: usize = super::pages::PAGE;

/// A heap of extents that has no slabs: J1 to J4 and J7 are its invariants.
pub(crate) struct Extents<S>(Heap<S>);

/// An extent that is in use, as [`Extents::walk`] meets it.
#[derive(Clone, Copy)]
pub(crate) struct Walked {
    /// Its first byte.
    pub(crate) address: usize,
    /// Its length in bytes.
    pub(crate) bytes: usize,
    /// What [`Extents::allocate`] was told.
    pub(crate) tag: u8,
}

impl<S: PageSource> Extents<S> {
    pub(crate) const fn new(source: S) -> Self {
        Self(Heap::new(source))
    }

    /// An extent of at least `bytes` at a multiple of `align` and of [`PAGE`], or 0. The tag is remembered for
    /// [`walk`](Self::walk). Constant time beside the growth of memory.
    pub(crate) fn allocate(&mut self, bytes: usize, align: usize, tag: u8) -> usize {
        let pages = bytes.div_ceil(PAGE).max(1);
        // Of an extent longer by so many pages, some page is aligned; what is left over goes back.
        let slack = if align > PAGE { align / PAGE - 1 } else { 0 };
        let mut length = pages;
        // What was freed at this length often lies at this alignment, too.
        let mut found = self.0.take_pages(pages);
        if found != NO_PAGE && self.0.address(found) & (align - 1) != 0 {
            // SAFETY: the extent was taken a moment ago; its entries are written before it is freed (J2).
            unsafe {
                self.0.mark_large(found, pages);
                self.0.free_pages(found, pages);
            }
            found = NO_PAGE;
        }
        if found == NO_PAGE {
            length += slack;
            found = self.0.take_pages(length);
        }
        if found == NO_PAGE && self.0.grow(length) {
            found = self.0.take_pages(length);
        }
        if found == NO_PAGE {
            return 0;
        }
        let page = found + (self.0.address(found).wrapping_neg() & (align - 1)) / PAGE;
        let behind = found + length - page - pages;
        // SAFETY: the extent is ours to divide; each part has its entries before its neighbour is freed (J2).
        unsafe {
            self.0.mark_large(page, pages);
            (*self.0.entry(page)).span = tag;
            if behind != 0 {
                self.0.mark_large(page + pages, behind);
            }
            if page != found {
                self.0.mark_large(found, page - found);
                self.0.free_pages(found, page - found);
            }
            if behind != 0 {
                self.0.free_pages(page + pages, behind);
            }
        }
        self.0.address(page)
    }

    /// Gives an extent back. Constant time.
    ///
    /// # Safety
    /// `address` came from [`allocate`](Self::allocate) and is given back once.
    pub(crate) unsafe fn free(&mut self, address: usize) {
        // SAFETY: the caller's promise: an extent in use, whose first entry tells its length (J2).
        unsafe {
            let page = self.0.page_at(address);
            self.0.free_pages(page, (*self.0.entry(page)).length());
        }
    }

    /// The bytes of an extent.
    ///
    /// # Safety
    /// `address` came from [`allocate`](Self::allocate) and was not given back.
    pub(crate) unsafe fn bytes(&self, address: usize) -> usize {
        // SAFETY: as in `free`.
        unsafe { (*self.0.entry(self.0.page_at(address))).length() * PAGE }
    }

    /// Whether the extent can have the new length where it is; if so, it has.
    ///
    /// # Safety
    /// As for [`bytes`](Self::bytes).
    pub(crate) unsafe fn resize(&mut self, address: usize, new_bytes: usize) -> bool {
        // SAFETY: as in `free`.
        unsafe {
            let page = self.0.page_at(address);
            let old = (*self.0.entry(page)).length();
            self.0.resize_extent(page, old, new_bytes.div_ceil(PAGE).max(1))
        }
    }

    /// How many of the first `bytes` of the extent that was allocated last may be something else than zero.
    pub(crate) fn dirty_bytes(&self, address: usize, bytes: usize) -> usize {
        if S::ZEROED { bytes.min(self.0.address(self.0.clean_from).saturating_sub(address)) } else { bytes }
    }

    /// Calls `f` with each extent that is in use, by address, until it answers an error. Linear in the extents.
    pub(crate) fn walk(&self, mut f: impl FnMut(Walked) -> Result<(), Broken>) -> Result<(), Broken> {
        let mut page = 0;
        while page < self.0.top {
            // SAFETY: `page` begins an extent below the top (J2), which the map covers (J1).
            let (class, pages, tag) = unsafe {
                let entry = self.0.entry(page);
                ((*entry).class, (*entry).length(), (*entry).span)
            };
            let address = self.0.address(page);
            let map = address == self.0.map.addr();
            if class == LARGE && !map {
                f(Walked { address, bytes: pages * PAGE, tag })?;
            }
            page += pages;
        }
        Ok(())
    }

    /// Counts every extent in use as a live block.
    pub(crate) fn stats(&self) -> Stats {
        self.0.stats(&Alone)
    }

    pub(crate) fn check(&self) -> Result<(), Broken> {
        self.0.check(&Alone)
    }
}
