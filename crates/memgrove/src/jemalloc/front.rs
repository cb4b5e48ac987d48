//! What stands between the program and the heap: with threads the [caches](super::caches), else `Alone`, which is nothing.
//!
//! Both have the same functions, which take the heap as an argument: `allocate`, `allocate_zeroed`, `deallocate`,
//! `resize_in_place`, and for C's blocks, whose size the page map knows, `free`, `resize_in_place_unsized` and `usable_size`.
//! Both have [`Front`], by which the heap asks for what waits in front of it.

use super::slabs::Region;
use crate::pages::MapReaders;
#[cfg(any(all(target_family = "wasm", not(target_feature = "atomics")), test))]
use crate::pages::Page;

/// What the heap asks of whatever stands before it.
pub(super) trait Front: MapReaders {
    /// Gives up everything that waits in front of the heap: calls `take` with a class and a list of its regions.
    fn recall(&self, take: impl FnMut(usize, *mut Region));

    /// How many regions of a class a list in front of the heap may hold.
    fn limit(class: usize) -> usize;

    /// Shows everything that waits in front of the heap: calls `show` with a class, a list of its regions and how many
    /// it says it holds. Nothing moves meanwhile.
    fn show(&self, show: &mut dyn FnMut(usize, *mut Region, usize));
}

/// Nothing in front of the heap, because there is one thread.
#[cfg(any(all(target_family = "wasm", not(target_feature = "atomics")), test))]
pub(super) struct Alone;

#[cfg(any(all(target_family = "wasm", not(target_feature = "atomics")), test))]
impl MapReaders for Alone {
    #[inline(always)]
    fn follow(&self, _: *mut Page) {}
}

#[cfg(any(all(target_family = "wasm", not(target_feature = "atomics")), test))]
impl Front for Alone {
    #[inline(always)]
    fn recall(&self, _: impl FnMut(usize, *mut Region)) {}

    fn limit(_: usize) -> usize {
        0
    }

    fn show(&self, _: &mut dyn FnMut(usize, *mut Region, usize)) {}
}

#[cfg(any(all(target_family = "wasm", not(target_feature = "atomics")), test))]
mod alone {
    use super::Alone;
    use crate::jemalloc::heap::{Heap, usable_size};
    use crate::source::PageSource;
    use crate::sync::Lock;

    impl Alone {
        pub(in crate::jemalloc) const fn new() -> Self {
            Self
        }

        #[inline(always)]
        pub(in crate::jemalloc) fn allocate<S: PageSource>(
            &self,
            heap: &Lock<Heap<S>>,
            size: usize,
            align: usize,
        ) -> *mut u8 {
            heap.with(|heap| heap.allocate(size, align, self))
        }

        #[inline(always)]
        pub(in crate::jemalloc) fn allocate_zeroed<S: PageSource>(
            &self,
            heap: &Lock<Heap<S>>,
            size: usize,
            align: usize,
        ) -> *mut u8 {
            let (block, dirty) = heap.with(|heap| heap.allocate_zeroed(size, align, self));
            // SAFETY: so many bytes of the block are not known to be zero; none if it is null.
            unsafe { block.write_bytes(0, dirty) };
            block
        }

        /// # Safety
        /// A block of this heap and of this layout, given back once.
        #[inline(always)]
        pub(in crate::jemalloc) unsafe fn deallocate<S: PageSource>(
            &self,
            heap: &Lock<Heap<S>>,
            block: *mut u8,
            size: usize,
            align: usize,
        ) {
            // SAFETY: the caller's promise.
            heap.with(|heap| unsafe { heap.deallocate(block, size, align) });
        }

        /// # Safety
        /// A live block of this heap and of this layout.
        #[inline(always)]
        pub(in crate::jemalloc) unsafe fn resize_in_place<S: PageSource>(
            &self,
            heap: &Lock<Heap<S>>,
            block: *mut u8,
            size: usize,
            align: usize,
            new_size: usize,
        ) -> bool {
            // SAFETY: the caller's promise.
            heap.with(|heap| unsafe { heap.resize_in_place(block, size, align, new_size, self) })
        }

        /// # Safety
        /// A block of this heap, given back once.
        #[inline(always)]
        pub(in crate::jemalloc) unsafe fn free<S: PageSource>(&self, heap: &Lock<Heap<S>>, block: *mut u8) {
            // SAFETY: the caller's promise.
            heap.with(|heap| unsafe { heap.free(block) });
        }

        /// # Safety
        /// A live block of this heap.
        #[inline(always)]
        pub(in crate::jemalloc) unsafe fn resize_in_place_unsized<S: PageSource>(
            &self,
            heap: &Lock<Heap<S>>,
            block: *mut u8,
            new_size: usize,
        ) -> bool {
            // SAFETY: the caller's promise.
            heap.with(|heap| unsafe { heap.resize_in_place_unsized(block, new_size, self) })
        }

        /// # Safety
        /// A live block of this heap.
        #[inline(always)]
        pub(in crate::jemalloc) unsafe fn usable_size<S: PageSource>(
            &self,
            heap: &Lock<Heap<S>>,
            block: *mut u8,
        ) -> usize {
            // SAFETY: the caller's promise.
            heap.with(|heap| unsafe { usable_size(heap.pages.map(), block) })
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::jemalloc::heap::Heap;
    use crate::source::{Fake, Trouble};
    use crate::sync::Lock;
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
    fn one_thread_needs_nothing_in_front() {
        const BYTES: usize = 4 << 20;
        let layout = core::alloc::Layout::from_size_align(BYTES, 1 << 16).expect("a layout");
        // SAFETY: zeroed memory of that length that nobody else knows.
        let source = unsafe { Fake::new(std::alloc::alloc_zeroed(layout), BYTES, Trouble::default()) };
        let (heap, front) = (Lock::new(Heap::new(source)), Alone::new());
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
                    let start = front.allocate_zeroed(&heap, size, align);
                    // SAFETY: the block is live and zeroed.
                    assert!(start.is_null() || (0..size).all(|i| unsafe { start.add(i).read() } == 0));
                    start
                } else {
                    front.allocate(&heap, size, align)
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
                        assert!(front.usable_size(&heap, block.start) >= block.size);
                        front.resize_in_place_unsized(&heap, block.start, size)
                    } else {
                        front.resize_in_place(&heap, block.start, block.size, block.align, size)
                    };
                    if resized {
                        block.size = block.size.min(size);
                        block.verify();
                        block.size = size;
                    }
                    if by_c {
                        front.free(&heap, block.start);
                    } else {
                        front.deallocate(&heap, block.start, block.size, block.align);
                    }
                }
            }
            if step % 16 == 0 {
                heap.with(|heap| heap.check(&front)).expect("a sound heap");
            }
        }
        assert!(refusals > 0, "memory was never at its end");
        for block in blocks {
            block.verify();
            // SAFETY: the block is live.
            unsafe { front.deallocate(&heap, block.start, block.size, block.align) };
        }
        assert_eq!(heap.with(|heap| heap.stats(&front)).live_blocks, 0);
    }
}
