//! What arenas have in common: the pages, under their lock, for one arena that needs some.

use core::mem::take;

use super::arena::{ARENAS, tag_of};
use super::cache::List;
use super::many::{ManyThreads, Shared};
use crate::jemalloc::reserve::{Reserve, obtain};
use crate::jemalloc::slabs::{NO_CLASS, slab_lengths};
use crate::pages::{LOOKS, NO_PAGE, Pages, Wanted};
use crate::source::PageSource;

/// The pages for an arena, and what others have to lend.
pub(super) struct Common<'a, S> {
    heap: &'a ManyThreads<S>,
    shared: &'a mut Shared<S>,
    arena: usize,
    /// How many regions are borrowed at once.
    most: usize,
    borrowed: List,
    /// What flush is due.
    due: Due,
    /// Whether all was flushed.
    flushed: bool,
}

/// What flush is due.
enum Due {
    None,
    /// That of the arena.
    One,
    All,
}

impl<'a, S: PageSource> Common<'a, S> {
    pub(super) fn new(
        heap: &'a ManyThreads<S>,
        shared: &'a mut Shared<S>,
        arena: usize,
        most: usize,
    ) -> Self {
        Self { heap, shared, arena, most, borrowed: List::EMPTY, due: Due::None, flushed: false }
    }

    /// For an arena that had no region of the class: a batch, or else a page and a number of pages for a new slab, which is the
    /// arena's; neither if memory is exhausted.
    pub(super) fn batch_or_slab(&mut self, class: usize) -> (List, usize, usize) {
        let (heap, number) = (self.heap, self.arena);
        // Another thread may have got the arena a slab in between.
        let (batch, misses, class_pages) = heap.arena(number).with(|arena| {
            let batch = arena.batch(class, self.most, heap.map());
            (batch, take(&mut arena.misses), arena.lists.class(class).pages)
        });
        self.shared.clock(number).misses += misses + 1;
        if !batch.first.is_null() {
            return (batch, NO_PAGE, 0);
        }
        let (mut pages, least) = slab_lengths(class, || class_pages);
        let mut page = self.take(pages, 0, LOOKS);
        if page == NO_PAGE {
            pages = least;
            page = self.obtain(least, 0, class);
        }
        if page == NO_PAGE {
            if self.borrowed.first.is_null() {
                self.borrow_from(class, true);
            }
            return (self.borrowed, NO_PAGE, 0);
        }
        // SAFETY: the pages were taken for this slab.
        unsafe { self.shared.pages.mark_slab(page, pages, tag_of(number, class)) };
        heap.arena(number).with(|arena| arena.lists.class(class).pages += pages);
        (List::EMPTY, page, pages)
    }

    /// Takes a batch from the first arena, its own before all others, that has regions of the class: half of its regions at least, or `any`.
    fn borrow_from(&mut self, class: usize, any: bool) {
        for distance in 0..ARENAS {
            self.borrowed = self.heap.arena((self.arena + distance) % ARENAS).with(|arena| {
                if any || distance == 0 || arena.has_to_spare(class) {
                    arena.batch(class, self.most, self.heap.map())
                } else {
                    List::EMPTY
                }
            });
            if !self.borrowed.first.is_null() {
                return;
            }
        }
    }
}

impl<S: PageSource> Reserve for Common<'_, S> {
    type Source = S;

    #[inline(always)]
    fn pages(&mut self) -> &mut Pages<S> {
        &mut self.shared.pages
    }

    fn miss(&mut self) {
        self.shared.clock(self.arena).misses += 1;
    }

    fn take(&mut self, pages: usize, slack: usize, looks: usize) -> usize {
        self.shared.pages.take(pages, slack, looks, self.heap)
    }

    fn grow(&mut self, wanted: Wanted) -> bool {
        self.shared.pages.grow(wanted, self.heap)
    }

    fn borrow(&mut self, class: usize) -> bool {
        if class == NO_CLASS {
            return false;
        }
        self.borrow_from(class, false);
        !self.borrowed.first.is_null()
    }

    /// Of this arena as a heap alone would flush; of all when that was not enough and memory has grown.
    fn flush_is_due(&mut self, pages: usize) -> bool {
        let shared = &mut *self.shared;
        self.due =
            if shared.clocks.get(self.arena).is_some_and(|clock| clock.flush_is_due(&shared.pages, pages)) {
                Due::One
            } else if !self.flushed && shared.all.is_late(&shared.pages, pages) {
                Due::All
            } else {
                Due::None
            };
        !matches!(self.due, Due::None)
    }

    fn is_flushed(&mut self) -> bool {
        self.flushed
    }

    fn flush(&mut self, wanted: usize) -> bool {
        let (heap, number) = (self.heap, self.arena);
        if matches!(self.due, Due::One) {
            return heap.flush_one(self.shared, number, wanted);
        }
        self.flushed = true;
        heap.flush(self.shared, number, wanted)
    }

    fn obtain(&mut self, pages: usize, slack: usize, class: usize) -> usize {
        obtain(self, pages, slack, class)
    }
}
