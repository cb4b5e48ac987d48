//! How superblocks move: between a heap and the global one, from the pages and back to them.

use core::ptr::null_mut;
use core::sync::atomic::Ordering;

use super::heap::{Heap, SHARED};
use super::superblock::{SUPERBLOCK, Superblock, lay};
use super::{GLOBAL, HEAPS, Hoard, TAG_SUPERBLOCK};
use crate::pages::{PAGE, Pages};
use crate::source::PageSource;
use crate::word::pointer;

/// How many empty superblocks the only heap of a module without threads keeps for its next classes.
const KEPT_ALONE: usize = 2;

impl<S: PageSource> Hoard<S> {
    /// A block for a heap whose active superblock has none: of a superblock of its own, of one that the global heap
    /// has, of a new one; null if there is none, or if memory would have to grow and may not.
    #[cold]
    #[inline(never)]
    pub(super) fn refill(&self, heap: &mut Heap, number: usize, class: usize, may_grow: bool) -> *mut u8 {
        let mut block = heap.take_otherwise(class);
        if block.is_null() {
            let mut superblock = if SHARED { self.take_from_global(number, class) } else { null_mut() };
            if superblock.is_null() {
                superblock = self.new_superblock(number, class, may_grow);
            }
            if superblock.is_null() {
                return null_mut();
            }
            // SAFETY: the superblock is this heap's now, is of the class and has a block to give.
            block = unsafe { heap.activate(superblock, class) };
        }
        // A dense superblock that became active no longer makes up for others that are empty.
        self.settle(heap, number);
        block
    }

    /// A superblock of the class that the global heap has; it belongs to the heap with this number now.
    fn take_from_global(&self, number: usize, class: usize) -> *mut Superblock {
        self.heap(GLOBAL).with(|global| {
            let superblock = global.give_sparse(class);
            if !superblock.is_null() {
                // SAFETY: the superblock was the global heap's, whose lock is held (B2).
                unsafe { (*superblock).owner.store(number, Ordering::Relaxed) };
            }
            superblock
        })
    }

    /// A superblock of new pages, for the heap with this number.
    fn new_superblock(&self, number: usize, class: usize, may_grow: bool) -> *mut Superblock {
        let allocate =
            |pages: &mut Pages<S>| pages.allocate(SUPERBLOCK, SUPERBLOCK, TAG_SUPERBLOCK, may_grow);
        let address = self.pages.0.with(allocate);
        let superblock: *mut Superblock = pointer(address).cast();
        if address != 0 {
            // SAFETY: the pages are a superblock now that nobody else knows.
            unsafe {
                (*superblock).owner.store(number, Ordering::Relaxed);
                lay(superblock, class);
            }
        }
        superblock
    }

    /// If the only heap of a module without threads has no block in use, and nothing else has, gives all superblocks back: the
    /// pages are as good as new then (P6). Not where those lie close together at the start of memory anyway, as they do in a program that
    /// has few blocks, time and again none. Linear in the classes, if no superblock but active ones has a block in use.
    #[inline(never)]
    pub(super) fn start_anew(&self, heap: &mut Heap) {
        if !SHARED
            && self.pages.0.with(|pages| pages.is_spread(heap.reserve() * (SUPERBLOCK / PAGE)))
            && heap.is_idle()
        {
            self.ask_back_from(heap);
        }
    }

    /// Gives every empty superblock of every heap back to the pages, after all blocks that are on their way have come home.
    pub(super) fn ask_back(&self) {
        if SHARED {
            self.bring_home();
        }
        for number in 0..HEAPS {
            self.heap(number).with(|heap| self.ask_back_from(heap));
        }
    }

    #[inline(never)]
    fn ask_back_from(&self, heap: &mut Heap) {
        heap.release_active();
        loop {
            let superblock = heap.give_empty();
            if superblock.is_null() {
                break;
            }
            self.free_extent(superblock.cast());
        }
    }

    /// Gives away what a heap has too much of. Its lock is held.
    fn settle(&self, heap: &mut Heap, number: usize) {
        if number == GLOBAL {
            let kept = if SHARED { 0 } else { KEPT_ALONE };
            while heap.empties > kept {
                self.free_extent(heap.give_empty().cast());
            }
            return;
        }
        loop {
            let superblock = heap.give();
            if superblock.is_null() {
                return;
            }
            // SAFETY: the superblock was this heap's, whose lock is held (B2).
            unsafe {
                if (*superblock).used == 0 {
                    self.free_extent(superblock.cast());
                } else {
                    self.heap(GLOBAL).with(|global| {
                        (*superblock).owner.store(GLOBAL, Ordering::Relaxed);
                        global.adopt(superblock);
                    });
                }
            }
        }
    }

    pub(super) fn free_extent(&self, start: *mut u8) {
        // SAFETY: callers give an extent that nobody uses any more: an empty superblock or a large block.
        self.pages.0.with(|pages| unsafe { pages.free_at(start.addr()) });
    }

    /// Gives a block back to its superblock, with what that leads to. The lock of the heap, which has this number, is held.
    ///
    /// # Safety
    /// A block of the superblock, which is the heap's, given back once.
    #[inline(always)]
    pub(super) unsafe fn put_home(
        &self,
        heap: &mut Heap,
        number: usize,
        block: *mut u8,
        superblock: *mut Superblock,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            if heap.put(block, superblock) {
                self.regroup(heap, number, superblock);
            }
        }
    }

    /// What a freed block may lead to: another group for its superblock, and one superblock too many for the heap.
    #[cold]
    #[inline(never)]
    unsafe fn regroup(&self, heap: &mut Heap, number: usize, superblock: *mut Superblock) {
        // SAFETY: the superblock belongs to the heap.
        unsafe { heap.regroup(superblock) };
        self.settle(heap, number);
        self.start_anew(heap);
    }
}
