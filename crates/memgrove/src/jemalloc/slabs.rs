//! Slabs and the cache: where small blocks come from.
//!
//! A slab is an extent cut into regions of one size class. What is known of it stands in the page map and not in the
//! slab, so that regions of a power of two fill it without a rest.
//!
//! The way of a call is the **cache**: for each class one list of free regions, linked through the regions. To
//! allocate is to take its head, to free is to become it; neither looks at the slab. jemalloc keeps such a cache for
//! each thread in front of its slabs and bounds it; here it needs no bound, because of what happens when it runs dry
//! (with threads each arena has one, and what is said here of the cache holds for all of them together: `threads/many.rs`):
//!
//! 1. the class's next slab with regions to give hands over its whole list, lowest address first;
//! 2. else a new slab is laid into free pages, and all of its regions go into the cache: slabs are short;
//! 3. else, before memory grows, the cache is **flushed**: each region goes back to its slab, slabs that are whole
//!    again become free pages for any class, and the others queue by address, to be handed over by 1.
//!
//! A flush takes time in proportion to the heap. So it is due only when memory has grown by a sixty-fourth since the
//! last one, or when calls have missed the cache, one for each 32 pages of the heap: seldom enough that it adds a few
//! instructions to a call. If it were rarer, the heap would grow by a wasm page, which it never gives back, while whole slabs
//! lie idle in the cache. Where the last flush found less than a free region for each four pages, memory may grow by an eighth:
//! a program that only allocates, as one that loads a large file into nodes, would walk over its whole heap for nothing.

use super::lists::{Lists, Region, regions_of};
use crate::classes::{COUNT, QUANTUM, SMALL_MAX, class_of, size_of_class};
use crate::pages::{FREE, LARGE, PAGE, Page, Pages, SPAN};
use crate::source::PageSource;

/// A slab grows with the number of its class's pages, up to so many, or to what its regions fill without a rest: longer ones
/// seldom become whole again.
const SLAB_PAGES_MAX: usize = 4;

/// For how many pages of the heap a call must have missed the cache before the next flush.
const FLUSH_PAGES: usize = 32;

/// Memory grows by so many pages at least: a page of WebAssembly's.
const GROWTH_PAGES: usize = (1 << 16) / PAGE;

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
pub(super) const fn pages_of(size: usize) -> usize {
    if size == 0 { 1 } else { (size - 1) / PAGE + 1 }
}

/// The shortest slab for regions of `size` bytes of which the rest behind the last is at most an eighth.
const fn least_slab_pages(size: usize) -> usize {
    let mut pages = 1;
    while pages * PAGE < size || (pages * PAGE % size) * 8 > pages * PAGE {
        pages += 1;
    }
    pages
}

/// [`least_slab_pages`] of each class.
static LEAST_SLAB_PAGES: [u8; COUNT] = {
    let mut table = [0; COUNT];
    let mut class = 0;
    while class < COUNT {
        let pages = least_slab_pages(size_of_class(class));
        assert!(pages < SPAN as usize && SLAB_PAGES_MAX < SPAN as usize);
        #[allow(clippy::cast_possible_truncation, reason = "asserted in the line above, at compile time")]
        let byte = pages as u8;
        table[class] = byte;
        class += 1;
    }
    table
};

/// The shortest slab for regions of `size` bytes that they fill without a rest.
const fn full_slab_pages(size: usize) -> usize {
    let common = size.trailing_zeros();
    size >> if common < PAGE.trailing_zeros() { common } else { PAGE.trailing_zeros() }
}

const _: () = {
    let mut class = 0;
    while class < COUNT {
        let size = size_of_class(class);
        let pages = full_slab_pages(size);
        assert!(pages * PAGE % size == 0 && pages < SPAN as usize);
        class += 1;
    }
};

/// When the next flush is due.
pub(super) struct Clock {
    /// When so many pages were given.
    flush_at: usize,
    /// Calls since the last that the cache did not serve.
    pub(super) misses: usize,
}

impl Clock {
    pub(super) const START: Self = Self { flush_at: 0, misses: 0 };

    /// Whether enough has happened since the last flush that one is due before memory grows for so many pages. Never just after
    /// one.
    #[inline(always)]
    pub(super) fn flush_is_due<S: PageSource>(&self, heap: &Pages<S>, pages: usize) -> bool {
        let grown = grown(heap, pages);
        self.misses != 0 && (grown > self.flush_at || self.misses > heap.in_use().len() / FLUSH_PAGES)
    }

    /// Whether memory would have grown by enough since the last flush if it grew for so many pages.
    #[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
    pub(super) fn is_late<S: PageSource>(&self, heap: &Pages<S>, pages: usize) -> bool {
        grown(heap, pages) > self.flush_at
    }

    /// A flush is done that gave back so many regions, where `given` pages were given.
    #[inline(always)]
    pub(super) fn start(&mut self, given: usize, regions: usize) {
        // With next to nothing to give back, the program only allocates, and so it will be at the next flush.
        let shift = if regions < given / 4 { 3 } else { 6 };
        self.flush_at = given + (given >> shift);
        self.misses = 0;
    }

    /// Growth to so many pages is not late.
    #[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
    pub(super) fn put_off(&mut self, given: usize) {
        self.flush_at = self.flush_at.max(given);
    }

    /// Any growth is late.
    #[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
    pub(super) fn put_forward(&mut self) {
        self.flush_at = 0;
    }
}

/// The pages that the source has given if it gives so many more.
#[inline(always)]
fn grown<S: PageSource>(heap: &Pages<S>, pages: usize) -> usize {
    heap.given() + pages.max(GROWTH_PAGES)
}

/// Whose lists a slab's regions are in, by what its entries say for their class.
pub(super) trait Queues {
    /// Whether some slabs are not theirs: those are left alone.
    const SOME: bool = false;

    /// Whether a slab is one of theirs, where not all are.
    #[inline(always)]
    fn has(&self, _tag: u8) -> bool {
        true
    }

    /// The class of a slab.
    fn class_of(&self, tag: u8) -> usize;

    /// The lists that the slab's regions are in.
    fn lists_of(&mut self, tag: u8) -> &mut Lists;

    /// A slab was queued that has so many regions to give.
    #[inline(always)]
    fn queued(&mut self, _tag: u8, _regions: u16) {}
}

impl Queues for Lists {
    #[inline(always)]
    fn class_of(&self, tag: u8) -> usize {
        tag.into()
    }

    #[inline(always)]
    fn lists_of(&mut self, _: u8) -> &mut Lists {
        self
    }
}

/// Walks the extents in the order of their addresses: frees whole slabs, queues those with regions to give. All caches are empty.
pub(super) fn queue_slabs<S: PageSource, Q: Queues>(heap: &mut Pages<S>, queues: &mut Q) {
    let mut page = heap.in_use().start;
    while page < heap.in_use().end {
        let entry = heap.entry(page);
        // SAFETY: `page` begins an extent below the top (P2). The caches are empty, so a slab whose list has all
        // of its regions is in nobody's hands, and the first region of any list is free to hold a link (J1).
        unsafe {
            if (*entry).class >= LARGE {
                page += (*entry).length();
                continue;
            }
            let (slab, tag, pages) = (page, (*entry).class, Page::slab_pages_at(entry));
            page += pages;
            if Q::SOME && !queues.has(tag) {
                continue;
            }
            let class = queues.class_of(tag);
            if usize::from((*entry).given_back) == regions_of(class, pages) {
                // A free neighbour coalesces with the slab, and its own entry may be gone then.
                if page < heap.in_use().end && (*heap.entry(page)).class == FREE {
                    page += (*heap.entry(page)).length();
                }
                queues.lists_of(tag).class(class).pages -= pages;
                heap.free(slab, pages);
            } else if (*entry).given_back != 0 {
                let first: *mut Region = (*entry).list.cast();
                let info = queues.lists_of(tag).class(class);
                (*first).next_slab.set(info.next_slab);
                info.next_slab = first;
                queues.queued(tag, (*entry).given_back);
            }
        }
    }
}

/// How many pages a new slab of a class has that has `class_pages` already, and how many at least.
#[inline(always)]
pub(super) fn slab_lengths(class: usize, class_pages: impl FnOnce() -> usize) -> (usize, usize) {
    debug_assert!(class < COUNT);
    // SAFETY: as for `Lists::class`.
    let least = usize::from(unsafe { *LEAST_SLAB_PAGES.get_unchecked(class) });
    let full = full_slab_pages(size_of_class(class));
    // An eighth of what the class has: few slabs for many regions, little memory for few. Without a rest as soon as that
    // allows for it.
    let share = (class_pages() / 8).min(full.max(SLAB_PAGES_MAX));
    let unit = if share < full { least } else { full };
    // SAFETY: no slab is without a page. Said here because the compiler would prepare a panic for the remainder.
    unsafe { core::hint::assert_unchecked(unit != 0) };
    (unit.max(share - share % unit), least)
}
