//! One allocator behind two exports: the bytes of its code, less those of the same module without one, are its own
//! code. The allocators are the guests' files.
#![no_std]
#![cfg(target_arch = "wasm32")]

#[cfg(not(any(feature = "none", feature = "initial-memory")))]
#[allow(clippy::declare_interior_mutable_const, reason = "the first value of a static")]
#[path = "../../guest/src/allocator/mod.rs"]
mod allocator;
#[cfg(feature = "bump")]
#[path = "../../guest/src/floor.rs"]
mod floor;

use core::alloc::{GlobalAlloc, Layout};

// Global, because a dependency of an allocator may name `alloc`, and then rustc insists; unused, that costs nothing.
#[cfg(not(any(feature = "none", feature = "initial-memory")))]
#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::ALLOCATOR;

#[cfg(feature = "initial-memory")]
#[global_allocator]
static ALLOCATOR: memgrove::Dlmalloc<memgrove::source::InitialMemory> =
    memgrove::Dlmalloc::with_source(memgrove::source::InitialMemory);

#[cfg(feature = "none")]
#[global_allocator]
static ALLOCATOR: None = None;

#[cfg(feature = "none")]
struct None;

// SAFETY: it never hands anything out.
#[cfg(feature = "none")]
unsafe impl GlobalAlloc for None {
    unsafe fn alloc(&self, _layout: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }
    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}

#[unsafe(no_mangle)]
unsafe extern "C" fn alloc(size: usize, align: usize) -> *mut u8 {
    // SAFETY: the host keeps to powers of two, and to sizes that are not 0.
    unsafe { ALLOCATOR.alloc(Layout::from_size_align_unchecked(size, align)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn free(block: *mut u8, size: usize, align: usize) {
    // SAFETY: the host gives back what `alloc` answered, with the same size and alignment.
    unsafe { ALLOCATOR.dealloc(block, Layout::from_size_align_unchecked(size, align)) }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
