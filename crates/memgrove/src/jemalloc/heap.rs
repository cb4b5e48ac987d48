//! The heap of a module with one thread: the way of a call through cache, slabs and extents. See the [parent](super) for the
//! invariants.

use core::ptr::null_mut;

use super::lists::{Lists, Region, link_regions};
use super::reserve::{Reserve, allocate_large, obtain};
use super::slabs::{Clock, NO_CLASS, pages_of, queue_slabs, slab_lengths, small_class};
use crate::classes::{COUNT, QUANTUM, TABLE_MAX, head_offset, size_of_class};
use crate::pages::{LARGE, LOOKS, NO_PAGE, NoReaders, PAGE, Page, Pages, Wanted, address, entry_of, page_at};
use crate::source::PageSource;
use crate::word::at;

/// What each call uses comes first.
#[repr(C)]
pub(super) struct Heap<S> {
    /// The free regions of each class, and its slabs.
    pub(super) lists: Lists,
    /// Where slabs and large blocks come from.
    pub(super) pages: Pages<S>,
    /// When the next flush is due.
    pub(super) clock: Clock,
}

// SAFETY: the pointers lead into memory that only the heap uses, so they may go to another thread with it.
unsafe impl<S: Send> Send for Heap<S> {}

impl<S: PageSource> Heap<S> {
    pub(super) const fn new(source: S) -> Self {
        Self { lists: Lists::EMPTY, clock: Clock::START, pages: Pages::new(source) }
    }

    /// The list head in the cache that serves a size, by one load; `size` is at most [`TABLE_MAX`].
    #[inline(always)]
    fn quick_head(&mut self, size: usize) -> *mut *mut Region {
        // SAFETY: the table's entries are offsets into the cache.
        unsafe { (&raw mut self.lists.cache).cast::<u8>().add(head_offset(size)).cast() }
    }

    #[inline]
    pub(super) fn allocate(&mut self, size: usize, align: usize) -> *mut u8 {
        if size <= TABLE_MAX && align <= QUANTUM {
            let head = self.quick_head(size);
            // SAFETY: a cached region is free, so its first word is the link (J1).
            unsafe {
                let region = *head;
                if !region.is_null() {
                    *head = (*region).next.get();
                    return region.cast();
                }
            }
            return self.refill(head_offset(size) / size_of::<usize>());
        }
        self.allocate_other(size, align)
    }

    /// Larger and more aligned blocks: kept out of the way of the others.
    #[inline(never)]
    fn allocate_other(&mut self, size: usize, align: usize) -> *mut u8 {
        let class = small_class(size, align);
        if class == NO_CLASS {
            return self.allocate_large(size, align);
        }
        let region = *self.lists.cached(class);
        if region.is_null() {
            return self.refill(class);
        }
        // SAFETY: as in `allocate`.
        *self.lists.cached(class) = unsafe { (*region).next.get() };
        region.cast()
    }

    /// # Safety
    /// A block of this heap and of this layout, given back once.
    #[inline]
    pub(super) unsafe fn deallocate(&mut self, block: *mut u8, size: usize, align: usize) {
        if size <= TABLE_MAX && align <= QUANTUM {
            let head = self.quick_head(size);
            let region: *mut Region = block.cast();
            // SAFETY: the block is a region of the head's class that nobody uses any more: J1 holds again.
            unsafe {
                (*region).next.set(*head);
                *head = region;
            }
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { self.deallocate_other(block, size, align) }
    }

    #[inline(never)]
    unsafe fn deallocate_other(&mut self, block: *mut u8, size: usize, align: usize) {
        let class = small_class(size, align);
        // SAFETY: the layout leads to the class that the block came from, or it is an extent of so many pages (P2).
        unsafe {
            if class == NO_CLASS {
                self.pages.free(page_at(block.addr()), pages_of(size));
            } else {
                self.lists.cache_region(block.cast(), class);
            }
        }
    }

    /// Gives a block back that only the page map knows the size of.
    ///
    /// # Safety
    /// A block of this heap, given back once.
    pub(super) unsafe fn free(&mut self, block: *mut u8) {
        // SAFETY: the caller's promise; the map says what the block is (P2).
        unsafe {
            let entry = entry_of(self.pages.map(), block.addr());
            if (*entry).class == LARGE {
                self.pages.free(page_at(block.addr()), (*entry).length());
            } else {
                self.lists.cache_region(block.cast(), (*entry).class.into());
            }
        }
    }

    fn allocate_large(&mut self, size: usize, align: usize) -> *mut u8 {
        allocate_large(self, size, align)
    }

    /// [`obtain`] for this heap.
    #[inline(never)]
    fn obtain(&mut self, pages: usize, slack: usize, class: usize) -> usize {
        obtain(self, pages, slack, class)
    }

    /// A block, and how many of its first bytes are not known to be zero: the caller's to clear.
    pub(super) fn allocate_zeroed(&mut self, size: usize, align: usize) -> (*mut u8, usize) {
        let block = self.allocate(size, align);
        let mut dirty = size;
        if block.is_null() {
            dirty = 0;
        } else if small_class(size, align) == NO_CLASS {
            // A large block was taken a moment ago, and what was never used of it is zero (P5).
            dirty = self.pages.dirty_bytes(block.addr(), size);
        }
        (block, dirty)
    }

    /// Whether the block can have the new size where it is; if so, it has.
    ///
    /// # Safety
    /// A live block of this heap and of this layout.
    pub(super) unsafe fn resize_in_place(
        &mut self,
        block: *mut u8,
        size: usize,
        align: usize,
        new_size: usize,
    ) -> bool {
        let class = small_class(size, align);
        if class != small_class(new_size, align) {
            return false;
        }
        // SAFETY: a large block is an extent of so many pages (P2).
        class != NO_CLASS || unsafe { self.resize_large(block, pages_of(size), new_size) }
    }

    /// [`resize_in_place`](Self::resize_in_place) for a block that only the page map knows the size of.
    ///
    /// # Safety
    /// A live block of this heap.
    pub(super) unsafe fn resize_in_place_unsized(&mut self, block: *mut u8, new_size: usize) -> bool {
        // SAFETY: as in `free`.
        unsafe {
            let entry = entry_of(self.pages.map(), block.addr());
            let (class, new_class) = ((*entry).class, small_class(new_size, 1));
            if class == LARGE {
                new_class == NO_CLASS && self.resize_large(block, (*entry).length(), new_size)
            } else {
                new_class == class.into()
            }
        }
    }

    /// # Safety
    /// The block is a large extent of `old` pages.
    unsafe fn resize_large(&mut self, block: *mut u8, old: usize, new_size: usize) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.pages.resize(page_at(block.addr()), old, pages_of(new_size), &NoReaders) }
    }
}

impl<S: PageSource> Heap<S> {
    /// The class's cache is empty: fills it and takes one region; null if memory is exhausted.
    #[cold]
    #[inline(never)]
    pub(super) fn refill(&mut self, class: usize) -> *mut u8 {
        if !self.fill(class) {
            return null_mut();
        }
        let region = *self.lists.cached(class);
        // SAFETY: the cache was filled just now, and a cached region holds its link (J1).
        *self.lists.cached(class) = unsafe { (*region).next.get() };
        region.cast()
    }

    /// Fills the class's empty cache; false if memory is exhausted.
    #[inline]
    fn fill(&mut self, class: usize) -> bool {
        self.clock.misses += 1;
        self.hand_over(class) || self.new_slab(class)
    }

    /// The first slab of the class's queue gives all of its list to the empty cache.
    fn hand_over(&mut self, class: usize) -> bool {
        self.lists.hand_over(class, || self.pages.map())
    }

    /// Lays a slab for the class wherever pages can be had, or gets regions by a flush; false if there are neither.
    fn new_slab(&mut self, class: usize) -> bool {
        let (mut pages, least) = slab_lengths(class, || self.lists.class(class).pages);
        let mut page = self.pages.take(pages, 0, LOOKS, &NoReaders);
        if page == NO_PAGE {
            pages = least;
            page = self.obtain(least, 0, class);
            if page == NO_PAGE {
                return self.hand_over(class);
            }
        }
        self.lay_slab(class, page, pages);
        true
    }

    /// Makes a slab of pages that were taken for it. The class's empty cache gets all regions, lowest address first.
    #[allow(clippy::cast_possible_truncation, reason = "classes are far below 256")]
    fn lay_slab(&mut self, class: usize, page: usize, pages: usize) {
        // SAFETY: the pages were taken for this slab.
        unsafe { self.pages.mark_slab(page, pages, class as u8) };
        self.lists.class(class).pages += pages;
        let size = size_of_class(class);
        let (start, end) = (address(page), address(page + pages));
        *self.lists.cached(class) = at(start);
        link_regions(start, end, size);
    }

    /// Gives every cached region back to its slab, and every slab that is whole again to the free pages. Linear in the
    /// regions that are cached and in the extents. Answers whether a slab of class `wanted` has regions to hand over now.
    #[cold]
    #[inline(never)]
    pub(super) fn flush(&mut self, wanted: usize) -> bool {
        let regions = self.lists.give_back(&self.pages);
        queue_slabs(&mut self.pages, &mut self.lists);
        self.clock.start(self.pages.given(), regions);
        wanted < COUNT && !self.lists.class(wanted).next_slab.is_null()
    }
}

impl<S: PageSource> Reserve for Heap<S> {
    type Source = S;

    #[inline(always)]
    fn pages(&mut self) -> &mut Pages<S> {
        &mut self.pages
    }

    #[inline(always)]
    fn miss(&mut self) {
        self.clock.misses += 1;
    }

    #[inline(always)]
    fn take(&mut self, pages: usize, slack: usize, looks: usize) -> usize {
        self.pages.take(pages, slack, looks, &NoReaders)
    }

    #[inline(always)]
    fn grow(&mut self, wanted: Wanted) -> bool {
        self.pages.grow(wanted, &NoReaders)
    }

    /// There is nobody else.
    #[inline(always)]
    fn borrow(&mut self, _: usize) -> bool {
        false
    }

    #[inline(always)]
    fn flush_is_due(&mut self, pages: usize) -> bool {
        self.clock.flush_is_due(&self.pages, pages)
    }

    /// The caller has counted a miss.
    #[inline(always)]
    fn is_flushed(&mut self) -> bool {
        self.clock.misses == 0
    }

    #[inline(always)]
    fn flush(&mut self, wanted: usize) -> bool {
        Self::flush(self, wanted)
    }

    #[inline(always)]
    fn obtain(&mut self, pages: usize, slack: usize, class: usize) -> usize {
        Self::obtain(self, pages, slack, class)
    }
}

/// The bytes that the program may use in a block of the heap that a map, as of [`Pages::map`], belongs to.
///
/// # Safety
/// The block is live.
pub(super) unsafe fn usable_size(map: *mut Page, block: *mut u8) -> usize {
    // SAFETY: as in `Heap::free`.
    unsafe {
        let entry = entry_of(map, block.addr());
        if (*entry).class == LARGE { (*entry).length() * PAGE } else { size_of_class((*entry).class.into()) }
    }
}
