// The four calls of `GlobalAlloc`, exported. The builder puts the crate's attributes and the
// `#[global_allocator]` of a recipe before this text.

use core::alloc::Layout;

#[no_mangle]
pub unsafe extern "C" fn fp_alloc(size: usize, align: usize) -> *mut u8 {
    alloc::alloc::alloc(Layout::from_size_align_unchecked(size, align))
}

#[no_mangle]
pub unsafe extern "C" fn fp_alloc_zeroed(size: usize, align: usize) -> *mut u8 {
    alloc::alloc::alloc_zeroed(Layout::from_size_align_unchecked(size, align))
}

#[no_mangle]
pub unsafe extern "C" fn fp_dealloc(ptr: *mut u8, size: usize, align: usize) {
    alloc::alloc::dealloc(ptr, Layout::from_size_align_unchecked(size, align));
}

#[no_mangle]
pub unsafe extern "C" fn fp_realloc(ptr: *mut u8, size: usize, align: usize, new_size: usize) -> *mut u8 {
    alloc::alloc::realloc(ptr, Layout::from_size_align_unchecked(size, align), new_size)
}
