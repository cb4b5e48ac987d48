//! The heap: the way of a call through cache, slabs and extents. See the [parent](super) for the invariants.

use core::ptr::null_mut;

use super::slabs::{Class, Region};
use super::thread_caches::ThreadCaches;
use crate::classes::{COUNT, QUANTUM, SMALL_MAX, TABLE_MAX, class_of, head_offset, size_of_class};
use crate::pages::{LARGE, LOOKS, NO_PAGE, PAGE, Page, Pages, Wanted, address, entry_of, page_at};
use crate::source::PageSource;
use crate::word::pointer;

pub(super) struct Heap<S> {
    /// For each class, the regions to be handed out next.
    pub(super) cache: [*mut Region; COUNT],
    /// What else is known of each class.
    pub(super) classes: [Class; COUNT],
    /// A flush is due when so many pages were given.
    pub(super) flush_at: usize,
    /// Calls since the last flush that the cache did not serve.
    pub(super) misses: usize,
    /// Where slabs and large blocks come from.
    pub(super) pages: Pages<S>,
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
            flush_at: 0,
            misses: 0,
            pages: Pages::new(source),
        }
    }

    /// The head of a class's list in the cache.
    #[inline(always)]
    pub(super) fn cached(&mut self, class: usize) -> &mut *mut Region {
        debug_assert!(class < COUNT);
        // SAFETY: a class comes from `class_of`, from the map's entry of a slab (P2) or from counting to COUNT.
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
    pub(super) fn allocate(&mut self, size: usize, align: usize, caches: &impl ThreadCaches) -> *mut u8 {
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
            return self.refill(head_offset(size) / size_of::<usize>(), caches);
        }
        self.allocate_other(size, align, caches)
    }

    /// Larger and more aligned blocks: kept out of the way of the others.
    #[inline(never)]
    fn allocate_other(&mut self, size: usize, align: usize, caches: &impl ThreadCaches) -> *mut u8 {
        let class = small_class(size, align);
        if class == NO_CLASS {
            return self.allocate_large(size, align, caches);
        }
        let region = *self.cached(class);
        if region.is_null() {
            return self.refill(class, caches);
        }
        // SAFETY: as in `allocate`.
        *self.cached(class) = unsafe { (*region).next.get() };
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
                self.cache_region(block, class);
            }
        }
    }

    /// Puts a region at the head of its class's cache.
    #[inline(always)]
    unsafe fn cache_region(&mut self, block: *mut u8, class: usize) {
        let region: *mut Region = block.cast();
        // SAFETY: the caller gives back a region of this class: J1 holds again.
        unsafe { (*region).next.set(*self.cached(class)) };
        *self.cached(class) = region;
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
                self.cache_region(block, (*entry).class.into());
            }
        }
    }

    fn allocate_large(&mut self, size: usize, align: usize, caches: &impl ThreadCaches) -> *mut u8 {
        let pages = pages_of(size);
        let slack = if align > PAGE { align / PAGE - 1 } else { 0 };
        self.misses += 1;
        let page = self.obtain(pages, slack, NO_CLASS, caches);
        if page == NO_PAGE {
            return null_mut();
        }
        // SAFETY: the extent was taken just now.
        unsafe { self.pages.mark_large(page, pages) };
        pointer(address(page))
    }

    /// Pages at a multiple of `slack + 1` from wherever they can be had: free ones, those that a flush frees when one is due, growth, any flush.
    /// The entries of the extent are the caller's to fill. [`NO_PAGE`] if memory is exhausted, or if a flush has found
    /// slabs of the class, which need no pages.
    pub(super) fn obtain(
        &mut self,
        pages: usize,
        slack: usize,
        class: usize,
        caches: &impl ThreadCaches,
    ) -> usize {
        let mut looks = LOOKS;
        loop {
            let page = self.pages.take(pages, slack, looks, caches);
            if page != NO_PAGE {
                return page;
            }
            let due = self.flush_is_due(pages);
            if !due && looks == LOOKS {
                looks = usize::MAX;
                continue;
            }
            // When memory is at its end, what the caches hold must serve. The caller has counted a miss, so none means
            // that they were flushed a moment ago.
            if (due || !self.pages.grow(Wanted { pages, slack }, caches))
                && (self.misses == 0 || self.flush(class, caches))
            {
                return NO_PAGE;
            }
        }
    }

    /// A block, and how many of its first bytes are not known to be zero: the caller's to clear.
    pub(super) fn allocate_zeroed(
        &mut self,
        size: usize,
        align: usize,
        caches: &impl ThreadCaches,
    ) -> (*mut u8, usize) {
        let block = self.allocate(size, align, caches);
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
        caches: &impl ThreadCaches,
    ) -> bool {
        let class = small_class(size, align);
        if class != small_class(new_size, align) {
            return false;
        }
        // SAFETY: a large block is an extent of so many pages (P2).
        class != NO_CLASS || unsafe { self.resize_large(block, pages_of(size), new_size, caches) }
    }

    /// [`resize_in_place`](Self::resize_in_place) for a block that only the page map knows the size of.
    ///
    /// # Safety
    /// A live block of this heap.
    pub(super) unsafe fn resize_in_place_unsized(
        &mut self,
        block: *mut u8,
        new_size: usize,
        caches: &impl ThreadCaches,
    ) -> bool {
        // SAFETY: as in `free`.
        unsafe {
            let entry = entry_of(self.pages.map(), block.addr());
            let (class, new_class) = ((*entry).class, small_class(new_size, 1));
            if class == LARGE {
                new_class == NO_CLASS && self.resize_large(block, (*entry).length(), new_size, caches)
            } else {
                new_class == class.into()
            }
        }
    }

    /// # Safety
    /// The block is a large extent of `old` pages.
    unsafe fn resize_large(
        &mut self,
        block: *mut u8,
        old: usize,
        new_size: usize,
        caches: &impl ThreadCaches,
    ) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.pages.resize(page_at(block.addr()), old, pages_of(new_size), caches) }
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
