//! Zig's allocator for WebAssembly, in the object that the build task gave to the linker (`guests/zig`).

use core::alloc::{GlobalAlloc, Layout};

unsafe extern "C" {
    fn zig_alloc(len: usize, align_log2: usize) -> *mut u8;
    fn zig_resize(block: *mut u8, len: usize, align_log2: usize, new_len: usize) -> bool;
    fn zig_free(block: *mut u8, len: usize, align_log2: usize);
}

pub struct Allocator;

pub const ALLOCATOR: Allocator = Allocator;

fn align_log2(layout: Layout) -> usize {
    layout.align().trailing_zeros() as usize
}

// SAFETY: Zig's contract is Rust's: any size but 0, any power of two, and both are told when a block is given back.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { zig_alloc(layout.size(), align_log2(layout)) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { zig_free(block, layout.size(), align_log2(layout)) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise; both blocks are as long as what is copied.
        unsafe {
            if zig_resize(block, layout.size(), align_log2(layout), new_size) {
                return block;
            }
            let new = zig_alloc(new_size, align_log2(layout));
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(new_size));
                zig_free(block, layout.size(), align_log2(layout));
            }
            new
        }
    }
}
