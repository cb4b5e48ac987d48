//! The heap: the way of a call through cache, slabs and extents. See the [parent](super) for the invariants.

use core::ptr::null_mut;

use super::at;
use super::classes::{COUNT, QUANTUM, SMALL_MAX, TABLE_MAX, class_of, head_offset, size_of_class};
use super::front::Front;
use super::pages::{BINS, Extent, LARGE, NO_PAGE, PAGE, Page, Region};
use super::slabs::Class;
use crate::source::PageSource;

pub(super) struct Heap<S> {
    /// For each class, the regions to be handed out next.
    pub(super) cache: [*mut Region; COUNT],
    /// What else is known of each class.
    pub(super) classes: [Class; COUNT],
    /// Address of page 0; meaningless before the first growth.
    pub(super) base: usize,
    /// The page map.
    pub(super) map: *mut Page,
    /// For how many pages the map has entries.
    pub(super) map_entries: usize,
    /// First page of the top: the free pages behind all extents.
    pub(super) top: usize,
    /// End of the pages that the heap may use.
    pub(super) limit: usize,
    /// End of the pages that the source has given: more than `limit` if no map could be laid over them.
    pub(super) end: usize,
    /// Pages from this one on, or from the top if that is higher, were never handed out.
    pub(super) used_to: usize,
    /// First page of the extent taken last that was never handed out before; its end if there is none.
    pub(super) clean_from: usize,
    /// A flush is due when memory has grown to so many pages.
    pub(super) flush_at: usize,
    /// Calls since the last flush that the cache did not serve.
    pub(super) misses: usize,
    /// A bit for each bin that holds an extent.
    pub(super) bins_with_extents: u64,
    pub(super) bins: [*mut Extent; BINS],
    pub(super) source: S,
}

// SAFETY: the pointers lead into memory that only the heap uses, so they may go to another thread with it.
unsafe impl<S: Send> Send for Heap<S> {}

/// What [`small_class`] answers for a block that is an extent of its own: no class. Not an `Option`, which would come
/// back through memory where the function is not inlined.
pub(super) const NO_CLASS: usize = COUNT;

/// The class of a block that comes from a slab, or [`NO_CLASS`].
#[inline]
pub(super) const fn small_class(size: usize, align: usize) -> usize {
    // A multiple of an alignment up to a page lands in a class that is a multiple of it, and slabs start at a page.
    let size = if align > QUANTUM { (size + (size == 0) as usize + align - 1) & !(align - 1) } else { size };
    if size <= SMALL_MAX && align <= PAGE { class_of(size) } else { NO_CLASS }
}

/// The pages of a large block.
#[inline(always)]
const fn pages_of(size: usize) -> usize {
    if size == 0 { 1 } else { (size - 1) / PAGE + 1 }
}

impl<S: PageSource> Heap<S> {
    pub(super) const fn new(source: S) -> Self {
        Self {
            cache: [null_mut(); COUNT],
            classes: [Class::EMPTY; COUNT],
            base: 0,
            map: null_mut(),
            map_entries: 0,
            top: 0,
            limit: 0,
            end: 0,
            used_to: 0,
            clean_from: 0,
            flush_at: 0,
            misses: 0,
            bins_with_extents: 0,
            bins: [null_mut(); BINS],
            source,
        }
    }

    /// The head of a class's list in the cache.
    #[inline(always)]
    pub(super) fn cached(&mut self, class: usize) -> &mut *mut Region {
        debug_assert!(class < COUNT);
        // SAFETY: a class comes from `class_of`, from the map's entry of a slab (J2) or from counting to COUNT.
        unsafe { self.cache.get_unchecked_mut(class) }
    }

    /// What is known of a class.
    #[inline(always)]
    pub(super) fn class(&mut self, class: usize) -> &mut Class {
        debug_assert!(class < COUNT);
        // SAFETY: as for `cached`.
        unsafe { self.classes.get_unchecked_mut(class) }
    }

    /// The list head in the cache that serves a size, by one load; `size` is at most [`TABLE_MAX`].
    #[inline(always)]
    fn quick_head(&mut self, size: usize) -> *mut *mut Region {
        // SAFETY: the table's entries are offsets into the cache.
        unsafe { (&raw mut self.cache).cast::<u8>().add(head_offset(size)).cast() }
    }

    #[inline]
    pub(super) fn allocate(&mut self, size: usize, align: usize, front: &impl Front) -> *mut u8 {
        if size <= TABLE_MAX && align <= QUANTUM {
            let head = self.quick_head(size);
            // SAFETY: a cached region is free, so its first word is the link (J5).
            unsafe {
                let region = *head;
                if !region.is_null() {
                    *head = (*region).next;
                    return region.cast();
                }
            }
            return self.refill(head_offset(size) / size_of::<usize>(), front);
        }
        self.allocate_other(size, align, front)
    }

    /// Larger and more aligned blocks: kept out of the way of the others.
    #[inline(never)]
    fn allocate_other(&mut self, size: usize, align: usize, front: &impl Front) -> *mut u8 {
        let class = small_class(size, align);
        if class == NO_CLASS {
            return self.allocate_large(size, align, front);
        }
        let region = *self.cached(class);
        if region.is_null() {
            return self.refill(class, front);
        }
        // SAFETY: as in `allocate`.
        *self.cached(class) = unsafe { (*region).next };
        region.cast()
    }

    /// # Safety
    /// A block of this heap and of this layout, given back once.
    #[inline]
    pub(super) unsafe fn deallocate(&mut self, block: *mut u8, size: usize, align: usize) {
        if size <= TABLE_MAX && align <= QUANTUM {
            let head = self.quick_head(size);
            let region: *mut Region = block.cast();
            // SAFETY: the block is a region of the head's class that nobody uses any more: J5 holds again.
            unsafe {
                (*region).next = *head;
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
        // SAFETY: the layout leads to the class that the block came from, or it is an extent of so many pages (J2).
        unsafe {
            if class == NO_CLASS {
                self.free_pages(self.page_at(block.addr()), pages_of(size));
            } else {
                self.cache_region(block, class);
            }
        }
    }

    /// Puts a region at the head of its class's cache.
    #[inline(always)]
    unsafe fn cache_region(&mut self, block: *mut u8, class: usize) {
        let region: *mut Region = block.cast();
        // SAFETY: the caller gives back a region of this class: J5 holds again.
        unsafe { (*region).next = *self.cached(class) };
        *self.cached(class) = region;
    }

    /// Gives a block back that only the page map knows the size of.
    ///
    /// # Safety
    /// A block of this heap, given back once.
    pub(super) unsafe fn free(&mut self, block: *mut u8) {
        // SAFETY: a live block lies in a slab or is a large extent, and the map says which (J2).
        unsafe {
            let extent = self.slab_of(block.addr());
            if (*extent).class == LARGE {
                self.free_pages(self.page_at(block.addr()), (*extent).length());
            } else {
                self.cache_region(block, (*extent).class.into());
            }
        }
    }

    /// # Safety
    /// A live block of this heap.
    pub(super) unsafe fn usable_size(&self, block: *mut u8) -> usize {
        // SAFETY: as in `free`.
        unsafe {
            let extent = self.slab_of(block.addr());
            if (*extent).class == LARGE {
                (*extent).length() * PAGE
            } else {
                size_of_class((*extent).class.into())
            }
        }
    }

    fn allocate_large(&mut self, size: usize, align: usize, front: &impl Front) -> *mut u8 {
        let pages = pages_of(size);
        // Of an extent longer by the alignment, some page is aligned; what is left over goes back.
        let slack = if align > PAGE { align / PAGE - 1 } else { 0 };
        self.misses += 1;
        let found = self.obtain(pages + slack, NO_CLASS, front);
        if found == NO_PAGE {
            return null_mut();
        }
        let page = found + (self.address(found).wrapping_neg() & (slack * PAGE)) / PAGE;
        // SAFETY: the extent is ours to divide: what is left over on both sides is freed when the block between has its
        // entries (J2).
        unsafe {
            self.mark_large(page, pages);
            if slack != 0 {
                let behind = found + slack - page;
                if behind != 0 {
                    self.free_pages(page + pages, behind);
                }
                if page != found {
                    self.free_pages(found, page - found);
                }
            }
        }
        at(self.address(page))
    }

    /// Pages from wherever they can be had: free ones, those that a flush frees when one is due, growth, any flush.
    /// The entries of the extent are the caller's to fill. [`NO_PAGE`] if memory is exhausted, or if a flush has found
    /// slabs of the class, which need no pages.
    pub(super) fn obtain(&mut self, pages: usize, class: usize, front: &impl Front) -> usize {
        let mut page = self.take_pages(pages);
        if page != NO_PAGE {
            return page;
        }
        if self.flush_is_due() {
            if self.flush(class, front) {
                return NO_PAGE;
            }
            page = self.take_pages(pages);
            if page != NO_PAGE {
                return page;
            }
        }
        // When memory is at its end, what the caches hold must serve.
        if !self.grow(pages) && self.flush(class, front) {
            return NO_PAGE;
        }
        self.take_pages(pages)
    }

    /// A block, and how many of its first bytes are not known to be zero: the caller's to clear.
    pub(super) fn allocate_zeroed(
        &mut self,
        size: usize,
        align: usize,
        front: &impl Front,
    ) -> (*mut u8, usize) {
        let block = self.allocate(size, align, front);
        let mut dirty = size;
        if block.is_null() {
            dirty = 0;
        } else if S::ZEROED && small_class(size, align) == NO_CLASS {
            // A large block was taken a moment ago, and what was never used of it is zero (J7).
            dirty = size.min(self.address(self.clean_from).saturating_sub(block.addr()));
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
        // SAFETY: a large block is an extent of so many pages (J2).
        class != NO_CLASS
            || unsafe { self.resize_extent(self.page_at(block.addr()), pages_of(size), pages_of(new_size)) }
    }

    /// [`resize_in_place`](Self::resize_in_place) for a block that only the page map knows the size of.
    ///
    /// # Safety
    /// A live block of this heap.
    pub(super) unsafe fn resize_in_place_unsized(&mut self, block: *mut u8, new_size: usize) -> bool {
        // SAFETY: as in `free`.
        unsafe {
            let extent = self.slab_of(block.addr());
            let (class, new_class) = ((*extent).class, small_class(new_size, 1));
            if class == LARGE {
                let page = self.page_at(block.addr());
                new_class == NO_CLASS && self.resize_extent(page, (*extent).length(), pages_of(new_size))
            } else {
                new_class == class.into()
            }
        }
    }

    /// # Safety
    /// `page` begins a large extent of `old` pages.
    pub(super) unsafe fn resize_extent(&mut self, page: usize, old: usize, new: usize) -> bool {
        // SAFETY: the caller's promise; what is left has its entries before the part cut off is freed (J2).
        unsafe {
            if new < old {
                self.mark_large(page, new);
                self.free_pages(page + new, old - new);
            }
            new <= old || self.extend(page, old, new)
        }
    }
}
