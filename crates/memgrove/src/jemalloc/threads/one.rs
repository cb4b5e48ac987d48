//! One heap, because there is one thread: it is called at once.

use super::Threads;
use crate::jemalloc::check::View;
use crate::jemalloc::heap::{Heap, usable_size};
use crate::source::PageSource;
use crate::stats::{Broken, Stats};
use crate::sync::Lock;

/// The heap of a module with one thread.
pub(in crate::jemalloc) struct OneThread<S> {
    heap: Lock<Heap<S>>,
}

impl<S: PageSource> OneThread<S> {
    pub(in crate::jemalloc) const fn new(source: S) -> Self {
        Self { heap: Lock::new(Heap::new(source)) }
    }

    fn look<R>(&self, f: impl FnOnce(&View<'_, S>) -> R) -> R {
        self.heap.with(|heap| f(&View { pages: &heap.pages, arenas: &[&heap.lists], waiting: &|_| () }))
    }
}

impl<S: PageSource> Threads<S> for OneThread<S> {
    #[inline(always)]
    fn allocate(&self, size: usize, align: usize) -> *mut u8 {
        self.heap.with(|heap| heap.allocate(size, align))
    }

    #[inline(always)]
    fn allocate_zeroed(&self, size: usize, align: usize) -> *mut u8 {
        let (block, dirty) = self.heap.with(|heap| heap.allocate_zeroed(size, align));
        // SAFETY: so many bytes of the block are not known to be zero; none if it is null.
        unsafe { block.write_bytes(0, dirty) };
        block
    }

    #[inline(always)]
    unsafe fn deallocate(&self, block: *mut u8, size: usize, align: usize) {
        // SAFETY: the caller's promise.
        self.heap.with(|heap| unsafe { heap.deallocate(block, size, align) });
    }

    #[inline(always)]
    unsafe fn resize_in_place(&self, block: *mut u8, size: usize, align: usize, new_size: usize) -> bool {
        // SAFETY: the caller's promise.
        self.heap.with(|heap| unsafe { heap.resize_in_place(block, size, align, new_size) })
    }

    #[inline(always)]
    unsafe fn free(&self, block: *mut u8) {
        // SAFETY: the caller's promise.
        self.heap.with(|heap| unsafe { heap.free(block) });
    }

    #[inline(always)]
    unsafe fn resize_in_place_unsized(&self, block: *mut u8, new_size: usize) -> bool {
        // SAFETY: the caller's promise.
        self.heap.with(|heap| unsafe { heap.resize_in_place_unsized(block, new_size) })
    }

    #[inline(always)]
    unsafe fn usable_size(&self, block: *mut u8) -> usize {
        // SAFETY: the caller's promise.
        self.heap.with(|heap| unsafe { usable_size(heap.pages.map(), block) })
    }

    fn stats(&self) -> Stats {
        self.look(|view| view.stats())
    }

    fn check(&self) -> Result<(), Broken> {
        self.look(|view| view.check())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::source::{Fake, Trouble};
    use std::vec::Vec;

    struct Block {
        start: *mut u8,
        size: usize,
        align: usize,
        byte: u8,
    }

    impl Block {
        fn verify(&self) {
            // SAFETY: the block is live and was filled.
            let bytes = unsafe { core::slice::from_raw_parts(self.start, self.size) };
            assert!(bytes.iter().all(|&byte| byte == self.byte), "{} bytes were overwritten", self.size);
        }
    }

    /// What a module with one thread does; the shadow heap's tests go through the caches, as native programs do.
    #[test]
    fn one_thread_needs_no_caches() {
        const BYTES: usize = 4 << 20;
        let layout = core::alloc::Layout::from_size_align(BYTES, 1 << 16).expect("a layout");
        // SAFETY: zeroed memory of that length that nobody else knows.
        let source = unsafe { Fake::new(std::alloc::alloc_zeroed(layout), BYTES, Trouble::default()) };
        let heap = OneThread::new(source);
        let mut blocks: Vec<Block> = Vec::new();
        let mut state = 1_u32;
        let mut random = |limit: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % limit
        };
        let mut refusals = 0;
        for step in 0..60_000 {
            let byte = u8::try_from(step % 251).expect("below 251");
            let which = random(blocks.len().max(1));
            let size = if random(20) == 0 { random(40_000) } else { random(2_500) };
            // In turn the heap runs full and empties.
            let growing = step / 10_000 % 2 == 0;
            if blocks.is_empty() || random(10) < if growing { 6 } else { 3 } {
                let align = 1 << random(7);
                let start = if random(4) == 0 {
                    let start = heap.allocate_zeroed(size, align);
                    // SAFETY: the block is live and zeroed.
                    assert!(start.is_null() || (0..size).all(|i| unsafe { start.add(i).read() } == 0));
                    start
                } else {
                    heap.allocate(size, align)
                };
                if start.is_null() {
                    refusals += 1;
                    continue;
                }
                assert_eq!(start.addr() % align, 0);
                // SAFETY: the block is live and this long.
                unsafe { start.write_bytes(byte, size) };
                blocks.push(Block { start, size, align, byte });
            } else {
                let mut block = blocks.swap_remove(which);
                block.verify();
                // SAFETY: the block is live.
                unsafe {
                    // C is not told sizes; both ways mix. An aligned block may be of a longer class than its size is.
                    let by_c = block.align <= 8 && random(2) == 0;
                    let resized = if by_c {
                        assert!(heap.usable_size(block.start) >= block.size);
                        heap.resize_in_place_unsized(block.start, size)
                    } else {
                        heap.resize_in_place(block.start, block.size, block.align, size)
                    };
                    if resized {
                        block.size = block.size.min(size);
                        block.verify();
                        block.size = size;
                    }
                    if by_c {
                        heap.free(block.start);
                    } else {
                        heap.deallocate(block.start, block.size, block.align);
                    }
                }
            }
            if step % 16 == 0 {
                heap.check().expect("a sound heap");
            }
        }
        assert!(refusals > 0, "memory was never at its end");
        for block in blocks {
            block.verify();
            // SAFETY: the block is live.
            unsafe { heap.deallocate(block.start, block.size, block.align) };
        }
        assert_eq!(heap.stats().live_blocks, 0);
    }
}
