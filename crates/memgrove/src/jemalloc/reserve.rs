//! The reserve: where pages for slabs and large blocks come from, and what is tried before memory grows.

use super::slabs::{NO_CLASS, pages_of};
use crate::pages::{LOOKS, NO_PAGE, PAGE, Pages, Wanted, address};
use crate::source::PageSource;
use crate::word::pointer;

/// The pages of a heap, and what lies idle in front of them.
pub(super) trait Reserve {
    type Source: PageSource;

    fn pages(&mut self) -> &mut Pages<Self::Source>;

    /// A call was not served by the cache.
    fn miss(&mut self);

    /// [`Pages::take`].
    fn take(&mut self, pages: usize, slack: usize, looks: usize) -> usize;

    /// [`Pages::grow`].
    fn grow(&mut self, wanted: Wanted) -> bool;

    /// Whether somebody else had regions of the class to spare; the reserve has them then.
    fn borrow(&mut self, class: usize) -> bool;

    /// Whether so much has happened since the last flush that one is due before memory grows for so many pages. Never just after
    /// one.
    fn flush_is_due(&mut self, pages: usize) -> bool;

    /// Whether everything was flushed a moment ago.
    fn is_flushed(&mut self) -> bool;

    /// Gives regions that wait back to their slabs, and slabs that are whole again to the free pages; all there are, unless a smaller flush is
    /// due. Returns whether a slab of class `wanted` has regions to hand over now.
    fn flush(&mut self, wanted: usize) -> bool;

    /// [`obtain`], once in a module and not at each call.
    fn obtain(&mut self, pages: usize, slack: usize, class: usize) -> usize;
}

/// Pages at a multiple of `slack + 1` from wherever they can be had: free ones, those that a flush frees when one is due, growth, any flush.
/// The entries of the extent are the caller's to fill. [`NO_PAGE`] if memory is exhausted, or if regions of the class were found,
/// which need no pages.
#[inline(always)]
pub(super) fn obtain(reserve: &mut impl Reserve, pages: usize, slack: usize, class: usize) -> usize {
    let mut looks = LOOKS;
    loop {
        let page = reserve.take(pages, slack, looks);
        if page != NO_PAGE {
            return page;
        }
        let due = reserve.flush_is_due(pages);
        if !due && reserve.borrow(class) {
            return NO_PAGE;
        }
        if !due && looks == LOOKS {
            looks = usize::MAX;
            continue;
        }
        // When memory is at its end, what the caches hold must serve.
        if (due || !reserve.grow(Wanted { pages, slack })) && (reserve.is_flushed() || reserve.flush(class)) {
            return NO_PAGE;
        }
    }
}

/// A block of an extent of its own; null if memory is exhausted.
#[inline(always)]
pub(super) fn allocate_large(reserve: &mut impl Reserve, size: usize, align: usize) -> *mut u8 {
    let pages = pages_of(size);
    let slack = if align > PAGE { align / PAGE - 1 } else { 0 };
    reserve.miss();
    let page = reserve.obtain(pages, slack, NO_CLASS);
    if page == NO_PAGE {
        return core::ptr::null_mut();
    }
    // SAFETY: the extent was taken just now.
    unsafe { reserve.pages().mark_large(page, pages) };
    pointer(address(page))
}
