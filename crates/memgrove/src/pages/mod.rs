//! Pages, extents and the page map: where [`Jemalloc`](crate::Jemalloc)'s slabs, [`Hoard`](crate::Hoard)'s superblocks
//! and the large blocks of both come from.
//!
//! Memory is cut into pages of [`PAGE`] bytes, numbered by their address. A run of pages with one purpose is an *extent*.
//! The **page map**, an array beside the memory, has an entry for each page:
//!
//! ```text
//!  pages   |0     |1     |2     |3     |4     |5     |6     |7     |8 … top            |
//!          | the map     | slab        | large block        | free | not handed out    |
//!  class   |LARGE |INSIDE| 5    | 5    |LARGE | –    |INSIDE|FREE  |  –                |
//!  length  |2     |      | 2    | 2    |3     |      |      |1     |                   |
//!  distance|      |      | 0    | 1    |      |      |      |      |                   |
//! ```
//!
//! Of a large or free extent only the first and the last entry are ever read, as boundary tags are (Knuth, *The Art
//! of Computer Programming* 1, 2.5), so freeing and coalescing take constant time. A slab, an extent that its user has cut
//! into regions, fills all of its entries, because a region inside it must find its class and the slab's first page.
//!
//! Free extents are kept in bins by length, two to a doubling, with a bit mask of the bins that hold any. Of the first
//! few that fit, the one at the lowest address is taken: jemalloc's way to keep high memory empty. The free extent at
//! the end, the *top*, is in no bin; it is what growth makes longer.
//!
//! | file | what |
//! |---|---|
//! | `bins.rs` | the lists of free extents, by length |
//! | `take.rs` | taking an extent, giving it back, making it longer or shorter where it lies |
//! | `grow.rs` | asking the source for memory; the page map keeps up with it |
//! | `extents.rs` | extents in use by their addresses, for [`Hoard`](crate::Hoard) |
//! | `check.rs` | P1 to P6 verified |
//!
//! # Invariants
//!
//! - P1: `first <= top <= limit <= end`; the page map has an entry for each page from the one before `first` to `limit`, and
//!   lies in a large extent. The entry before `first` says `INSIDE`.
//! - P2: Extents tile the pages from `first` to `top`. An extent's first entry says what it is and how long; the last entry
//!   of a large one says `INSIDE`, that of a free one repeats the first; all entries of a slab say the same, and how far
//!   away the first is.
//! - P3: No two free extents touch, and none touches the top.
//! - P4: A free extent is in exactly the bin of its length, and a bin that holds any has its bit set; a bin that has lost
//!   its last may have it still.
//! - P5: The pages from `top` and from `used_to` on, whichever is higher, up to `limit` are zero if the source's are: nobody
//!   has written to them.
//! - P6: `taken` is the number of pages in extents in use, but for the map and for what somebody else grew. When it is zero, the
//!   next pages are taken as if they were the first: the map is moved to the lowest pages, the bins are empty, and the top is all
//!   the rest. (Not where somebody else has grown memory in between: the pieces stay apart.)

mod bins;
mod check;
mod extents;
mod grow;
mod take;

use core::ptr::{self, null_mut};

use crate::source::PageSource;
use bins::{BINS, Extent};
pub(crate) use check::Walked;
pub(crate) use grow::{LONGER, Wanted};

/// Bytes in a page. Small, because the memory of a wasm module never shrinks and an empty page serves any class.
pub(crate) const PAGE: usize = 1024;

/// [`Page::class`] of the last page of a large extent.
const INSIDE: u8 = 0xf0;
/// Below this is any [`Page::class`] that the user of a slab may choose.
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
pub(crate) const SLAB_CLASSES: u8 = INSIDE;
/// [`Page::class`] of the first page of a large block, and of the map itself. Any class from here on says that
/// [`Page::length`] tells how long the extent is.
pub(crate) const LARGE: u8 = 0xf1;
/// [`Page::class`] of the first and the last page of a free extent.
pub(crate) const FREE: u8 = 0xf2;
/// [`Page::class`] of the first page of memory that somebody else grew: large, and never freed.
const FOREIGN: u8 = 0xf3;

/// No page: what [`Pages::take`] answers instead of an `Option`, which would come back through memory.
pub(crate) const NO_PAGE: usize = usize::MAX;

/// A slab has fewer pages than this.
pub(crate) const SPAN: u8 = 16;

/// How many extents of a bin are looked at before the lowest of them is taken: bounds the time of a call.
pub(crate) const LOOKS: usize = 8;

/// The page map's entry: two words.
#[repr(C)]
pub(crate) struct Page {
    /// Slab: its user's list, for [`Jemalloc`](crate::Jemalloc) the regions that were given back to it. Large and free
    /// extents: see [`Page::length`].
    pub(crate) list: *mut u8,
    /// Slab: how many are in that list.
    pub(crate) given_back: u16,
    /// The size class of a slab, or [`INSIDE`], [`LARGE`], [`FREE`], [`FOREIGN`].
    pub(crate) class: u8,
    /// Slab: its length in pages times [`SPAN`], and the distance to its first page. First page of a large extent: its
    /// user's tag.
    span: u8,
}

impl Page {
    /// The length in pages of a large or free extent, kept where only slabs need a pointer.
    #[inline(always)]
    pub(crate) fn length(&self) -> usize {
        self.list.addr()
    }

    /// The length of a slab in pages.
    #[inline(always)]
    pub(crate) fn slab_pages(&self) -> usize {
        (self.span / SPAN).into()
    }

    /// The same of an entry whose list and count somebody else may change meanwhile.
    ///
    /// # Safety
    /// It is a slab's, which stays one.
    #[inline(always)]
    pub(crate) unsafe fn slab_pages_at(entry: *mut Self) -> usize {
        // SAFETY: the caller's promise. No reference to the entry is made.
        unsafe { ((*entry).span / SPAN).into() }
    }

    #[inline(always)]
    fn set(&mut self, class: u8, length: usize) {
        self.list = ptr::without_provenance_mut(length);
        self.class = class;
    }
}

/// Those who read the page map elsewhere than through [`Pages`].
pub(crate) trait MapReaders {
    /// The map moves: the new one, as of [`Pages::map`], into which `copy` copies the old one. Nobody else changes an entry from when
    /// that begins until the new one is known. When this returns, nobody reads the old one any more.
    fn follow(&self, map: *mut Page, copy: impl FnOnce());
}

/// Nobody does.
pub(crate) struct NoReaders;

impl MapReaders for NoReaders {
    #[inline(always)]
    fn follow(&self, _: *mut Page, copy: impl FnOnce()) {
        copy();
    }
}

/// The pages that a source has given.
pub(crate) struct Pages<S> {
    /// First page; meaningless before the first growth.
    first: usize,
    /// The page map, so biased that the entry of page `n` is `map + n`.
    map: *mut Page,
    /// End of the pages that the map has entries for.
    map_end: usize,
    /// First page of the top: the free pages behind all extents.
    top: usize,
    /// End of the pages that may be used.
    limit: usize,
    /// End of the pages that the source has given: more than `limit` if no map could be laid over them.
    end: usize,
    /// Pages from this one on, or from the top if that is higher, were never handed out.
    used_to: usize,
    /// First page of the extent taken last that was never handed out before; its end if there is none.
    clean_from: usize,
    /// Pages in extents that are in use, but for the map (P6).
    taken: usize,
    /// Whether there is memory of somebody else between the pages.
    apart: bool,
    /// A bit for each bin that holds an extent.
    bins_with_extents: u64,
    bins: [*mut Extent; BINS],
    source: S,
}

// SAFETY: the pointers lead into memory that only these pages' owner uses, so they may go to another thread with it.
unsafe impl<S: Send> Send for Pages<S> {}

/// The address of a page.
#[inline(always)]
pub(crate) const fn address(page: usize) -> usize {
    page * PAGE
}

/// The page that holds an address.
#[inline(always)]
pub(crate) const fn page_at(address: usize) -> usize {
    address / PAGE
}

/// The entry of the page that holds an address, in a map as of [`Pages::map`]: for a slab it tells the class and the
/// length, for the first page of a large extent that it is one, and its length.
#[inline(always)]
pub(crate) fn entry_of(map: *mut Page, address: usize) -> *mut Page {
    map.wrapping_add(page_at(address))
}

/// The first entry of the slab that an address lies in.
///
/// # Safety
/// The address lies in a slab, and the map is the one of its pages.
#[inline(always)]
pub(crate) unsafe fn slab_of(map: *mut Page, address: usize) -> *mut Page {
    let entry = entry_of(map, address);
    // SAFETY: each page of a slab says how far away its first one is (P2).
    entry.wrapping_sub(unsafe { (*entry).span % SPAN }.into())
}

impl<S: PageSource> Pages<S> {
    pub(crate) const fn new(source: S) -> Self {
        Self {
            first: 0,
            map: null_mut(),
            map_end: 0,
            top: 0,
            limit: 0,
            end: 0,
            used_to: 0,
            clean_from: 0,
            taken: 0,
            apart: false,
            bins_with_extents: 0,
            bins: [null_mut(); BINS],
            source,
        }
    }

    /// The page map, biased: see [`entry`](Self::entry). It stays until pages are [obtained](Self::grow).
    #[inline(always)]
    pub(crate) fn map(&self) -> *mut Page {
        self.map
    }

    /// The first page, and the first of the top.
    #[inline(always)]
    pub(crate) fn in_use(&self) -> core::ops::Range<usize> {
        self.first..self.top
    }

    /// Whether just so many pages are in use, but for the map, and reach further than a page of WebAssembly's beyond their number.
    #[inline(always)]
    pub(crate) fn is_spread(&self, pages: usize) -> bool {
        self.taken == pages && self.top - self.first > pages + self.map_pages() + (1 << 16) / PAGE
    }

    /// How many pages are in use, but for the map.
    #[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// How many pages the source has given.
    #[inline(always)]
    pub(crate) fn given(&self) -> usize {
        self.end - self.first
    }

    /// The map's entry of a page.
    #[inline(always)]
    pub(crate) fn entry(&self, page: usize) -> *mut Page {
        self.map.wrapping_add(page)
    }

    /// Writes the entries of an extent that its user cuts into regions: one of `class`, of fewer than [`SPAN`] pages.
    ///
    /// # Safety
    /// The pages are below the top and belong to the caller.
    #[allow(clippy::cast_possible_truncation, reason = "less than SPAN")]
    pub(crate) unsafe fn mark_slab(&mut self, page: usize, pages: usize, class: u8) {
        for distance in 0..pages {
            let span = pages as u8 * SPAN + distance as u8;
            // SAFETY: the map covers all pages below the top (P1).
            unsafe {
                self.entry(page + distance).write(Page { list: null_mut(), given_back: 0, class, span })
            };
        }
    }

    /// How many of the first `bytes` of the extent that was taken last may be something else than zero.
    #[inline(always)]
    pub(crate) fn dirty_bytes(&self, start: usize, bytes: usize) -> usize {
        if S::ZEROED { bytes.min(address(self.clean_from).saturating_sub(start)) } else { bytes }
    }

    /// Writes the entries of an extent that is in use as a large block.
    ///
    /// # Safety
    /// The pages are below the top and belong to the caller.
    pub(crate) unsafe fn mark_large(&mut self, page: usize, pages: usize) {
        // SAFETY: the map covers all pages below the top (P1).
        unsafe {
            (*self.entry(page + pages - 1)).class = INSIDE;
            (*self.entry(page)).set(LARGE, pages);
        }
    }
}
