//! A C allocator: `malloc` and its kin, whichever object the build task gave to the linker.

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;

unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn calloc(count: usize, size: usize) -> *mut c_void;
    fn realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn posix_memalign(block: *mut *mut c_void, align: usize, size: usize) -> i32;
    fn free(block: *mut c_void);
}

pub struct Allocator;

pub const ALLOCATOR: Allocator = Allocator;

/// What C's malloc promises in wasm32 (`max_align_t` is 16, but these allocators promise 8).
const MALLOC_ALIGN_BYTES: usize = 8;

// SAFETY: C's contract covers Rust's where the alignment is malloc's; above it, blocks are moved by hand.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: any size and any power of two may be asked for.
        unsafe {
            match layout.align() <= MALLOC_ALIGN_BYTES {
                true => malloc(layout.size()).cast(),
                false => {
                    let mut block = core::ptr::null_mut();
                    match posix_memalign(&mut block, layout.align(), layout.size()) {
                        0 => block.cast(),
                        _ => core::ptr::null_mut(),
                    }
                }
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above; what posix_memalign gives is ours to clear.
        unsafe {
            if layout.align() <= MALLOC_ALIGN_BYTES {
                return calloc(1, layout.size()).cast();
            }
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            block
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the block came from here; a moved block is copied for the length both have, then freed.
        unsafe {
            if layout.align() <= MALLOC_ALIGN_BYTES {
                return realloc(block.cast(), new_size).cast();
            }
            let new = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            new
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the block came from malloc or posix_memalign.
        unsafe { free(block.cast()) }
    }
}
