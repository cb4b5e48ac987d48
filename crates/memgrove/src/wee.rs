//! [`Wee`]: the smallest code.

use core::alloc::Layout;

use crate::face::{Allocate, Inspect, move_block};
use crate::source::{PageSource, Platform};
use crate::stats::{Broken, Stats, ensure};
use crate::sync::Lock;
use crate::word::{WORD, align_up, load, pointer, store};

const CLASSES: usize = usize::BITS as usize;

struct Heap<S> {
    lists: [usize; CLASSES],
    top: usize,
    end: usize,
    source: S,
}

/// The smallest code.
pub struct Wee<S: PageSource = Platform> {
    heap: Lock<Heap<S>>,
}

impl Wee {
    /// An empty heap on the source that fits the target.
    #[expect(clippy::new_without_default, reason = "a default value of a heap would be a new heap each time")]
    pub const fn new() -> Self {
        Self::with_source(crate::source::PLATFORM)
    }
}

impl<S: PageSource> Wee<S> {
    /// An empty heap on `source`.
    pub const fn with_source(source: S) -> Self {
        Self { heap: Lock::new(Heap { lists: [0; CLASSES], top: 0, end: 0, source }) }
    }
}

/// Leading bit of the power of two that serves the layout.
#[inline(always)]
fn class(layout: Layout) -> usize {
    let bytes = (layout.size().wrapping_sub(1) as isize).max(0) as usize | (layout.align() - 1) | (WORD - 1);
    (usize::BITS - bytes.leading_zeros()) as usize
}

impl<S: PageSource> Heap<S> {
    fn allocate(&mut self, layout: Layout) -> usize {
        let class = class(layout);
        let block = self.lists[class];
        if block != 0 {
            // SAFETY: a free block's first word leads to the next.
            self.lists[class] = unsafe { load(block) };
            return block;
        }
        let bytes = 1 << class;
        loop {
            let block = align_up(self.top, bytes);
            if self.end > block && self.end - block >= bytes && block >= self.top {
                self.top = block + bytes;
                return block;
            }
            let Some(region) = self.source.grow(bytes) else { return 0 };
            if region.start != self.end {
                self.top = region.start;
            }
            self.end = region.end;
        }
    }
}

// SAFETY: blocks are cut from the top, each once, and a list holds only blocks that were given back.
unsafe impl<S: PageSource> Allocate for Wee<S> {
    #[inline]
    fn allocate(&self, layout: Layout) -> *mut u8 {
        pointer(self.heap.with(|heap| heap.allocate(layout)))
    }

    fn allocate_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = self.allocate(layout);
        if !block.is_null() {
            // SAFETY: the block is this long.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    #[inline]
    unsafe fn deallocate(&self, block: *mut u8, layout: Layout) {
        self.heap.with(|heap| {
            let head = &mut heap.lists[class(layout)];
            // SAFETY: the block is at least a word long.
            unsafe { store(block.expose_provenance(), *head) };
            *head = block.expose_provenance();
        });
    }

    #[inline]
    unsafe fn reallocate(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { move_block(self, block, layout, new_size) }
    }
}

impl<S: PageSource> Inspect for Wee<S> {
    fn stats(&self) -> Stats {
        Stats::default()
    }

    fn check(&self) -> Result<(), Broken> {
        self.heap.with(|heap| ensure(heap.top <= heap.end, "H1", "the top begins after the end", heap.top))
    }
}
