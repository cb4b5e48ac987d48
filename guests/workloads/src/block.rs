//! Blocks that are tagged when they are allocated and verified when they are freed.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};

use crate::status::{Status, fail};

/// A raw block. The tag stands at every 16th byte of a small block, at every 128th of a large one, and at its end:
/// close enough that two blocks cannot overlap unseen by both, far enough that tagging does not drown the allocator.
pub struct Block {
    start: *mut u8,
    size_bytes: usize,
    align_bytes: usize,
    tag: u8,
}

// SAFETY: a block owns its memory, and allocators that serve threads let any of them free it.
unsafe impl Send for Block {}

impl Block {
    /// A new block of `size_bytes` (not 0), aligned like C's `malloc` in wasm32.
    pub fn new(size_bytes: usize, tag: u32) -> Self {
        Self::aligned(size_bytes, 8, tag)
    }

    /// A new block at a multiple of `align_bytes`, a power of two.
    pub fn aligned(size_bytes: usize, align_bytes: usize, tag: u32) -> Self {
        // SAFETY: the size is not 0.
        let start = unsafe { alloc(layout(size_bytes, align_bytes)) };
        Self::tagged(start, size_bytes, align_bytes, tag)
    }

    /// A new block that is verified to be zero all over.
    pub fn zeroed(size_bytes: usize, tag: u32) -> Self {
        // SAFETY: the size is not 0.
        let start = unsafe { alloc_zeroed(layout(size_bytes, 8)) };
        if start.is_null() {
            fail(Status::OutOfMemory);
        }
        // SAFETY: `size_bytes` bytes from `start` are ours and initialised to zero.
        if unsafe { core::slice::from_raw_parts(start, size_bytes) }.iter().any(|&byte| byte != 0) {
            fail(Status::NotZeroed);
        }
        Self::tagged(start, size_bytes, 8, tag)
    }

    fn tagged(start: *mut u8, size_bytes: usize, align_bytes: usize, tag: u32) -> Self {
        if start.is_null() {
            fail(Status::OutOfMemory);
        }
        if !(start as usize).is_multiple_of(align_bytes) {
            fail(Status::Misaligned);
        }
        let block = Self { start, size_bytes, align_bytes, tag: (tag ^ (tag >> 8)) as u8 };
        block.mark();
        block
    }

    /// Changes the size (not 0), verifying that the content that fits was kept.
    pub fn resize(mut self, size_bytes: usize) -> Self {
        self.verify(Status::Corrupted);
        // SAFETY: the block came from the global allocator with this layout.
        let start = unsafe { realloc(self.start, layout(self.size_bytes, self.align_bytes), size_bytes) };
        if start.is_null() {
            fail(Status::OutOfMemory);
        }
        if !(start as usize).is_multiple_of(self.align_bytes) {
            fail(Status::Misaligned);
        }
        let kept = self.size_bytes.min(size_bytes);
        // The last tag of the old size is in place only if the block did not shrink.
        let shrunk = size_bytes < self.size_bytes;
        self.start = start;
        let stride = stride(self.size_bytes);
        let mut at = 0;
        while at < kept {
            self.expect(at, Status::LostContent);
            at += stride;
        }
        if !shrunk {
            self.expect(self.size_bytes - 1, Status::LostContent);
        }
        self.size_bytes = size_bytes;
        self.mark();
        self
    }

    /// Writes and reads the whole block `times` over, as a worker would; answers a checksum.
    pub fn work(&mut self, times: usize) -> u64 {
        let mut sum = 0;
        for round in 0..times {
            // SAFETY: the first byte is ours; volatile, lest the loop be folded.
            unsafe {
                self.start.write_volatile(self.tag.wrapping_add(round as u8));
                sum += u64::from(self.start.read_volatile());
            }
        }
        // SAFETY: as above.
        unsafe { self.start.write(self.tag) };
        sum
    }

    /// Verifies the block and gives it back; answers its part of the checksum.
    pub fn free(self) -> u64 {
        self.verify(Status::Corrupted);
        // SAFETY: the block came from the global allocator with this layout; `self` ends here.
        unsafe { dealloc(self.start, layout(self.size_bytes, self.align_bytes)) };
        (u64::from(self.tag) + 1).wrapping_mul(self.size_bytes as u64)
    }

    fn mark(&self) {
        let stride = stride(self.size_bytes);
        let mut at = 0;
        while at < self.size_bytes {
            // SAFETY: `at` is inside the block.
            unsafe { self.start.add(at).write(self.tag) };
            at += stride;
        }
        // SAFETY: the last byte is inside the block.
        unsafe { self.start.add(self.size_bytes - 1).write(self.tag) };
    }

    fn verify(&self, status: Status) {
        let stride = stride(self.size_bytes);
        let mut at = 0;
        while at < self.size_bytes {
            self.expect(at, status);
            at += stride;
        }
        self.expect(self.size_bytes - 1, status);
    }

    #[inline(always)]
    fn expect(&self, at: usize, status: Status) {
        // SAFETY: callers stay inside the block.
        if unsafe { self.start.add(at).read() } != self.tag {
            fail(status);
        }
    }
}

fn stride(size_bytes: usize) -> usize {
    if size_bytes <= 512 { 16 } else { 128 }
}

fn layout(size_bytes: usize, align_bytes: usize) -> Layout {
    // SAFETY: workloads ask for powers of two and for sizes far below the limit; a trace is checked by the replay.
    unsafe { Layout::from_size_align_unchecked(size_bytes, align_bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_block_gives_its_part_of_the_checksum() {
        assert_eq!(Block::new(100, 3).free(), 400);
        assert_eq!(Block::new(100, 3).resize(5000).resize(20).free(), 80);
        assert_eq!(Block::zeroed(100, 3).free(), 400);
    }

    #[test]
    #[should_panic(expected = "Corrupted")]
    fn a_byte_written_by_a_stranger_is_noticed() {
        let block = Block::new(64, 9);
        // SAFETY: inside the block.
        unsafe { block.start.add(48).write(!block.tag) };
        block.free();
    }

    #[test]
    #[should_panic(expected = "Corrupted")]
    fn a_neighbour_that_writes_before_its_start_is_noticed() {
        let block = Block::new(10_001, 9);
        // SAFETY: the block's last byte.
        unsafe { block.start.add(10_000).write(!block.tag) };
        block.resize(20_000).free();
    }
}
