//! Several threads: caches, arenas and pages.
//!
//! ```text
//!  slot 0   1   2  …  8   9  …  15      a cache each                             cache.rs
//!       │   │   │     │   │
//!       └───┼───┼─────┘   │
//!  arena 0  1   2  …  7 ◄─┘             lists of free regions, slabs             arena.rs
//!       └───┴───┴──┬──┘
//!                pages                  extents, the page map, the source        pages/mod.rs
//! ```
//!
//! A thread uses the cache of its [slot](crate::thread), and behind it the arena that slots which are [`ARENAS`] apart have in common. A small block is
//! taken from the cache and given back to it. A list of the cache that is empty takes half of its limit from the arena at once; one that
//! is over the limit gives half back, the older one. So a thread goes to its arena at most once in 16 blocks of up to 128 bytes, and in
//! two of more than 1 KiB; and an arena goes to the pages once in a slab. Large blocks are extents of the pages, which are common, so that
//! what is freed coalesces and serves every arena.
//!
//! A block that a thread of another arena frees goes **home**, some 32 small ones at once: it comes back into the lists of the
//! arena that its slab belongs to. That keeps threads apart that share nothing (what they allocate lies in slabs of their own arenas,
//! so on no common cache line); it lets a thread that allocates what another one frees find it again without a flush; and it keeps a slab's
//! list under one lock.
//!
//! # What arenas may hold
//!
//! An arena flushes as a heap alone would (`slabs.rs`): its slabs that are whole again become free pages, for every arena. What is left in the way
//! of others before memory grows, for a class:
//!
//! - Its regions in other arenas serve where at least half of the arena's are free, and more than
//!   [`KEPT_BYTES`](super::arena::KEPT_BYTES): a batch is *borrowed*, and goes home when it is freed. So however threads take
//!   turns, what all have in slabs of the class is at most twice what the program had in use of it, and 4 KiB for each arena.
//! - Whole slabs that lie idle in other arenas, and what these have to spare, are found when all are flushed: when memory has grown by a quarter of a
//!   megabyte since the last time (or by a sixty-fourth, or an eighth, if that is more), or by anything if that brought more. To
//!   do so each time would have two threads that work with one class after the other take each other's memory again and again: the lab's
//!   threadtest took 1.6 × the time by two threads.
//!
//! Before memory is refused, every free region of every arena serves. Where threads come and go, the caches of their slots and what lies in
//! arenas serve the next ones of the same slots. All caches together hold at most 2 MiB (a test counts), and a flush of all recalls all of it.
//!
//! # Locks
//!
//! The order is: the pages, the arenas by number, the slots by number; whoever holds one takes later ones only. A call that needs a
//! cache and an arena, or an arena and the pages, lets go of the first before it takes the second: what it carries over (a batch, the half of
//! a list, a new slab) is in nobody's hands but its own. So a flush, which runs under all of them, may wait for each: whoever holds
//! one is a few instructions from letting go.
//!
//! The page map is read under the lock of a slot or of an arena, not of the pages: the entries of a live block and of a slab stay as
//! they are but for the slab's list, which is its arena's. The map moves under the locks of all arenas, so that no list changes in a copy that is being
//! made, and goes through all slots before its old place serves something else (`published.rs`).

use super::Threads;
use super::arena::{ARENAS, Arena, arena_of_slot, arena_of_tag, class_in, class_of_tag, tag_at, tag_of};
use super::cache::{Cache, List, class_for, limit};
use super::common::Common;
use super::published::Published;
use crate::classes::{COUNT, size_of_class};
use crate::jemalloc::lists::{Region, link_regions};
use crate::jemalloc::reserve::{Reserve, allocate_large};
use crate::jemalloc::slabs::{Clock, NO_CLASS, pages_of, small_class};
use crate::pages::{LARGE, NO_PAGE, PAGE, Page, Pages, address, entry_of, page_at};
use crate::source::PageSource;
use crate::stats::{Broken, Stats};
use crate::sync::Lock;
use crate::thread::{SLOTS, slot};
use crate::word::at;

/// A value on cache lines of its own.
#[repr(align(128))]
pub(super) struct Lines<T>(pub(super) T);

/// What is behind one lock for all arenas.
pub(super) struct Shared<S> {
    /// When the next flush of all arenas is due.
    pub(super) all: Clock,
    /// When that of one is due.
    pub(super) clocks: [Clock; ARENAS],
    pub(super) pages: Pages<S>,
}

impl<S: PageSource> Shared<S> {
    const fn new(source: S) -> Self {
        Self { all: Clock::START, clocks: [Clock::START; ARENAS], pages: Pages::new(source) }
    }

    pub(super) fn clock(&mut self, number: usize) -> &mut Clock {
        debug_assert!(number < ARENAS);
        // SAFETY: as for `ManyThreads::arena`.
        unsafe { self.clocks.get_unchecked_mut(number) }
    }
}

/// The heap of a program with threads.
pub(in crate::jemalloc) struct ManyThreads<S> {
    pub(super) slots: [Lock<Cache>; SLOTS],
    pub(super) arenas: [Lock<Arena>; ARENAS],
    pub(super) shared: Lines<Lock<Shared<S>>>,
    pub(super) map: Lines<Published<Page>>,
}

impl<S: PageSource> ManyThreads<S> {
    pub(in crate::jemalloc) const fn new(source: S) -> Self {
        Self {
            slots: [const { Lock::new(Cache::EMPTY) }; SLOTS],
            arenas: [const { Lock::new(Arena::EMPTY) }; ARENAS],
            shared: Lines(Lock::new(Shared::new(source))),
            map: Lines(Published::new()),
        }
    }

    #[inline(always)]
    pub(super) fn slot(&self, slot: usize) -> &Lock<Cache> {
        debug_assert!(slot < SLOTS);
        // SAFETY: a slot is below `SLOTS`.
        unsafe { self.slots.get_unchecked(slot) }
    }

    #[inline(always)]
    pub(super) fn arena(&self, number: usize) -> &Lock<Arena> {
        debug_assert!(number < ARENAS);
        // SAFETY: a number comes from a slot, from a slab's tag (J4), or from counting to ARENAS.
        unsafe { self.arenas.get_unchecked(number) }
    }

    /// The page map: to be read under the lock of a slot or of an arena.
    #[inline(always)]
    pub(super) fn map(&self) -> *mut Page {
        self.map.0.read()
    }

    /// Runs `f` on the reserve, for a batch of so many regions for an arena.
    #[inline(always)]
    fn reserve<R>(&self, arena: usize, most: usize, f: impl FnOnce(&mut Common<'_, S>) -> R) -> R {
        self.shared.0.with(|shared| f(&mut Common::new(self, shared, arena, most)))
    }

    /// A block for a thread of this slot.
    #[inline(always)]
    pub(super) fn allocate_in(&self, slot: usize, size: usize, align: usize) -> *mut u8 {
        let class = class_for(size, align);
        if class == NO_CLASS {
            return self.allocate_large(slot, size, align);
        }
        let region = self.slot(slot).with(|cache| cache.take(class));
        if region.is_null() { self.refill(slot, class) } else { region.cast() }
    }

    #[inline(never)]
    fn allocate_large(&self, slot: usize, size: usize, align: usize) -> *mut u8 {
        self.reserve(arena_of_slot(slot), 0, |common| allocate_large(common, size, align))
    }

    /// The list is empty: half a limit of regions from the arena, one of which is the answer; null if memory is exhausted.
    #[cold]
    #[inline(never)]
    fn refill(&self, slot: usize, class: usize) -> *mut u8 {
        let (number, most) = (arena_of_slot(slot), limit(class) / 2);
        let mut batch = self.arena(number).with(|arena| arena.batch(class, most, self.map()));
        if batch.first.is_null() {
            batch = self.batch_at_last(number, class, most);
        }
        if batch.first.is_null() {
            return core::ptr::null_mut();
        }
        // SAFETY: the batch is ours, and its regions hold their links (J1).
        let rest = List { first: unsafe { (*batch.first).next.get() }, count: batch.count - 1 };
        // Another thread of the same slot may have been here in between.
        if !self.slot(slot).with(|cache| cache.put(class, rest)) {
            self.arena(number).with(|arena| arena.take_back(class, rest.first));
        }
        batch.first.cast()
    }

    /// The arena has no region of the class: a batch of a new slab, or of whoever has some; none if memory is exhausted.
    #[cold]
    #[inline(never)]
    fn batch_at_last(&self, number: usize, class: usize, most: usize) -> List {
        let (batch, page, pages) = self.reserve(number, most, |common| common.batch_or_slab(class));
        if page == NO_PAGE {
            return batch;
        }
        // The slab's regions are nobody's but ours until the arena has them.
        link_regions(address(page), address(page + pages), size_of_class(class));
        let mut regions: *mut Region = at(address(page));
        // SAFETY: they were linked just now.
        let batch = unsafe { List::cut(&mut regions, most) };
        self.arena(number).with(|arena| arena.put(class, regions));
        batch
    }

    /// Gives back a block, for a thread of this slot.
    ///
    /// # Safety
    /// A block of this heap, given back once.
    #[inline(always)]
    pub(super) unsafe fn free_in(&self, slot: usize, block: *mut u8) {
        let region: *mut Region = block.cast();
        // SAFETY: the caller's promise; the map is read under a slot's lock, and tells the block's class and arena (P2, J4).
        let (tag, list) = self.slot(slot).with(|cache| unsafe {
            let tag = tag_at(self.map(), region);
            let class = class_in(arena_of_slot(slot), tag);
            let list = if class < COUNT {
                cache.give(region, class)
            } else if tag == LARGE {
                core::ptr::null_mut()
            } else {
                cache.give_stray(region, class_of_tag(tag))
            };
            (tag, list)
        });
        if tag == LARGE {
            self.free_large(block);
        } else if !list.is_null() {
            self.give_back(slot, tag, list);
        }
    }

    /// The same for a small block of which the class is known. That it is the arena's own need not be known before the cache is
    /// written to, so nothing waits for the map.
    ///
    /// # Safety
    /// A block of this heap and of this class, given back once.
    #[inline(always)]
    pub(super) unsafe fn free_small_in(&self, slot: usize, block: *mut u8, class: usize) {
        let region: *mut Region = block.cast();
        // SAFETY: as in `free_in`.
        let (tag, list) = self.slot(slot).with(|cache| unsafe {
            let tag = tag_at(self.map(), region);
            let own = tag == tag_of(arena_of_slot(slot), class);
            (tag, if own { cache.give(region, class) } else { cache.give_stray(region, class) })
        });
        if !list.is_null() {
            self.give_back(slot, tag, list);
        }
    }

    /// Gives back a list of a cache: the half of one of its own arena, or all strays, of which the last has this tag.
    #[cold]
    #[inline(never)]
    fn give_back(&self, slot: usize, tag: u8, mut list: *mut Region) {
        let mut number = arena_of_tag(tag);
        if number == arena_of_slot(slot) {
            self.arena(number).with(|arena| arena.take_back(class_of_tag(tag), list));
            return;
        }
        while !list.is_null() {
            list = self.arena(number).with(|arena| arena.adopt(number, list, self.map()));
            if !list.is_null() {
                // SAFETY: a stray lies in a slab (J1); the map is read under a slot's lock.
                number = arena_of_tag(self.slot(slot).with(|_| unsafe { tag_at(self.map(), list) }));
            }
        }
    }

    /// Gives a large block back that only the page map knows the length of. The block is the caller's.
    #[inline(never)]
    fn free_large(&self, block: *mut u8) {
        self.shared.0.with(|shared| {
            // SAFETY: callers give back a large block of this heap, whose first entry tells its length (P2).
            unsafe {
                let pages = (*entry_of(shared.pages.map(), block.addr())).length();
                shared.pages.free(page_at(block.addr()), pages);
            }
        });
    }

    /// Whether a large block can have the new size where it is; if so, it has.
    ///
    /// # Safety
    /// A live large block of this heap.
    unsafe fn resize_large(&self, block: *mut u8, new_size: usize) -> bool {
        self.shared.0.with(|shared| {
            // SAFETY: the caller's promise; the first entry tells the length (P2).
            unsafe {
                let old = (*entry_of(shared.pages.map(), block.addr())).length();
                shared.pages.resize(page_at(block.addr()), old, pages_of(new_size), self)
            }
        })
    }

    /// The tag of a live block, by the map under the slot's lock.
    ///
    /// # Safety
    /// A live block of this heap.
    #[inline(always)]
    unsafe fn tag(&self, block: *mut u8) -> u8 {
        // SAFETY: the caller's promise.
        self.slot(slot()).with(|_| unsafe { tag_at(self.map(), block.cast()) })
    }
}

impl<S: PageSource> Threads<S> for ManyThreads<S> {
    #[inline]
    fn allocate(&self, size: usize, align: usize) -> *mut u8 {
        self.allocate_in(slot(), size, align)
    }

    /// The block's first bytes, as far as they must be, are cleared outside of any lock.
    fn allocate_zeroed(&self, size: usize, align: usize) -> *mut u8 {
        let (block, dirty) = if class_for(size, align) == NO_CLASS {
            self.reserve(arena_of_slot(slot()), 0, |common| {
                let block = allocate_large(common, size, align);
                // It was taken a moment ago, and what was never used of it is zero (P5).
                (block, if block.is_null() { 0 } else { common.pages().dirty_bytes(block.addr(), size) })
            })
        } else {
            let block = self.allocate(size, align);
            (block, if block.is_null() { 0 } else { size })
        };
        // SAFETY: so many bytes of the block are not known to be zero; none if it is null.
        unsafe { block.write_bytes(0, dirty) };
        block
    }

    #[inline]
    unsafe fn deallocate(&self, block: *mut u8, size: usize, align: usize) {
        let class = class_for(size, align);
        if class == NO_CLASS {
            self.free_large(block);
        } else {
            // SAFETY: the caller's promise.
            unsafe { self.free_small_in(slot(), block, class) };
        }
    }

    #[inline]
    unsafe fn resize_in_place(&self, block: *mut u8, size: usize, align: usize, new_size: usize) -> bool {
        let class = class_for(size, align);
        // SAFETY: the caller's promise.
        class == class_for(new_size, align)
            && (class != NO_CLASS || unsafe { self.resize_large(block, new_size) })
    }

    #[inline]
    unsafe fn free(&self, block: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { self.free_in(slot(), block) };
    }

    unsafe fn resize_in_place_unsized(&self, block: *mut u8, new_size: usize) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            match self.tag(block) {
                LARGE => small_class(new_size, 1) == NO_CLASS && self.resize_large(block, new_size),
                tag => class_for(new_size, 1) == class_of_tag(tag),
            }
        }
    }

    #[inline]
    unsafe fn usable_size(&self, block: *mut u8) -> usize {
        // SAFETY: the caller's promise; the map is read under a slot's lock.
        self.slot(slot()).with(|_| unsafe {
            let entry = entry_of(self.map(), block.addr());
            match (*entry).class {
                LARGE => (*entry).length() * PAGE,
                tag => size_of_class(class_of_tag(tag)),
            }
        })
    }

    fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        self.look(&mut |view| stats = view.stats());
        stats
    }

    fn check(&self) -> Result<(), Broken> {
        let mut outcome = Ok(());
        self.look(&mut |view| outcome = view.check());
        outcome
    }
}
