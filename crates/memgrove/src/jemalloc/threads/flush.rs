//! What takes the locks of all arenas and slots: the flush, a page map that moves, and looking at everything.

use super::arena::{ARENAS, Held, One, arena_of_slot};
use super::cache::{Cache, STRAY_BYTES, limit, stray_bytes};
use super::hold::hold;
use super::many::{ManyThreads, Shared};
use crate::classes::COUNT;
use crate::jemalloc::check::{View, Waiting};
use crate::jemalloc::lists::{Lists, for_each, give_back_to_slab};
use crate::jemalloc::slabs::{NO_CLASS, queue_slabs};
use crate::pages::{MapReaders, PAGE, Page, Pages};
use crate::source::PageSource;
use crate::thread::SLOTS;

/// So many pages of whole slabs may lie idle in arenas: memory grows by so many before all are stopped to find out, unless the last time
/// that brought more.
const IDLE_PAGES: usize = (1 << 18) / PAGE;

impl<S: PageSource> ManyThreads<S> {
    /// Gives what an arena and the caches of its slots hold back to the arena's slabs, and slabs that are whole again to the free pages.
    /// Nobody else is stopped. Linear in those regions and in the extents. Returns whether a slab of class `wanted` has regions to
    /// hand over now.
    #[cold]
    #[inline(never)]
    pub(super) fn flush_one(&self, shared: &mut Shared<S>, number: usize, wanted: usize) -> bool {
        let pages = &mut shared.pages;
        let (regions, found) = self.arena(number).with(|arena| {
            let mut regions = 0;
            for slot in (number..SLOTS).step_by(ARENAS) {
                let lists = self.slot(slot).with(Cache::take_all);
                for (class, list) in lists.into_iter().enumerate() {
                    regions += arena.give_back(number, class, list, pages);
                }
            }
            regions += arena.give_all_back(number, pages);
            queue_slabs(pages, &mut One(arena, number));
            (regions, wanted < COUNT && !arena.lists.class(wanted).next_slab.is_null())
        });
        let given = pages.given();
        shared.clock(number).start(given, regions);
        found
    }

    /// Gives every region that is cached anywhere back to its slab, and every slab that is whole again to the free pages. Linear in the
    /// regions that are cached and in the extents. Returns whether a slab of the arena has regions of class `wanted` to hand over now.
    #[cold]
    #[inline(never)]
    pub(super) fn flush(&self, shared: &mut Shared<S>, number: usize, wanted: usize) -> bool {
        let mut found = false;
        self.hold_arenas(&mut |arenas| {
            let mut regions = self.recall(&shared.pages);
            for number in 0..ARENAS {
                let arena = arenas.arena(number);
                regions += arena.lists.give_back(&shared.pages);
                (arena.queued, arena.misses) = ([0; COUNT], 0);
            }
            let taken = shared.pages.taken();
            queue_slabs(&mut shared.pages, arenas);
            let (given, freed) = (shared.pages.given(), taken - shared.pages.taken());
            shared.all.start(given, regions);
            shared.all.put_off(given + IDLE_PAGES);
            if freed > IDLE_PAGES.max(given / 64) {
                // Arenas hold much that they do not use, and so it will be when memory would have to grow next.
                shared.all.put_forward();
            }
            for number in 0..ARENAS {
                shared.clock(number).start(given, regions);
            }
            found = wanted < COUNT && !arenas.arena(number).lists.class(wanted).next_slab.is_null();
        });
        found
    }

    /// Gives what is in the caches back to its slabs; returns how many regions there were. All arenas are held.
    fn recall(&self, pages: &Pages<S>) -> usize {
        let mut regions = 0;
        for slot in &self.slots {
            let cache = slot.with(|cache| core::mem::replace(cache, Cache::EMPTY));
            for list in cache.firsts.into_iter().chain([cache.strays]) {
                // SAFETY: a cached region is free, holds its link and lies in a slab (J1).
                unsafe {
                    for_each(list, |region| {
                        give_back_to_slab(region, pages);
                        regions += 1;
                    });
                }
            }
        }
        regions
    }

    /// Runs `f` under the locks of all arenas.
    fn hold_arenas(&self, f: &mut dyn FnMut(&mut Held)) {
        hold(&self.arenas, &mut |arenas| f(&mut Held(*arenas)));
    }

    /// Runs `f` on everything, while nothing moves: a region that was seen in one place cannot come into another.
    pub(super) fn look(&self, f: &mut dyn FnMut(&View<'_, S>)) {
        self.shared.0.with(|shared| {
            hold(&self.arenas, &mut |arenas| {
                hold(&self.slots, &mut |caches| {
                    // SAFETY: all locks are held, and nobody changes anything meanwhile.
                    let lists: [&Lists; ARENAS] = arenas.map(|arena| unsafe { &(*arena).lists });
                    // SAFETY: the same.
                    let caches: [&Cache; SLOTS] = caches.map(|cache| unsafe { &*cache });
                    let waiting = |show: &mut dyn FnMut(Waiting)| show_caches(&caches, show);
                    f(&View { pages: &shared.pages, arenas: &lists, waiting: &waiting });
                });
            });
        });
    }
}

/// Shows the lists of all slots.
fn show_caches(caches: &[&Cache], show: &mut dyn FnMut(Waiting)) {
    for (slot, cache) in caches.iter().enumerate() {
        let arena = arena_of_slot(slot);
        for (class, (&first, &count)) in cache.firsts.iter().zip(&cache.counts).enumerate() {
            show(Waiting { first, class, arena, counts: |_| 1, holds: count.into(), limit: limit(class) });
        }
        let (first, holds) = (cache.strays, cache.stray_bytes);
        show(Waiting { first, class: NO_CLASS, arena, counts: stray_bytes, holds, limit: STRAY_BYTES - 1 });
    }
}

impl<S: PageSource> MapReaders for ManyThreads<S> {
    /// Called under the lock of the pages alone.
    fn follow(&self, map: *mut Page, copy: impl FnOnce()) {
        let mut copy = Some(copy);
        self.hold_arenas(&mut |_| {
            if let Some(copy) = copy.take() {
                copy();
            }
            self.map.0.replace(map, &self.slots);
        });
    }
}
