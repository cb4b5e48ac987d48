//! The study's program (see `../../c/app.c`) in Rust without `std`: the 64 KiB are a `Box`,
//! the allocator is the one that the feature names. The host calls `main(argc, argv)`.
#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use core::ffi::{CStr, c_char, c_int};

#[cfg(feature = "dlmalloc")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[cfg(feature = "lol_alloc")]
#[global_allocator]
// SAFETY: the module is built without the `atomics` feature: it has one thread.
static ALLOCATOR: lol_alloc::AssumeSingleThreaded<lol_alloc::FreeListAllocator> =
    unsafe { lol_alloc::AssumeSingleThreaded::new(lol_alloc::FreeListAllocator::new()) };

#[cfg(feature = "memgrove-dlmalloc")]
#[global_allocator]
static ALLOCATOR: memgrove::Dlmalloc = memgrove::Dlmalloc::new();

#[cfg(feature = "memgrove-hoard")]
#[global_allocator]
static ALLOCATOR: memgrove::Hoard = memgrove::Hoard::new();

#[cfg(feature = "memgrove-jemalloc")]
#[global_allocator]
static ALLOCATOR: memgrove::Jemalloc = memgrove::Jemalloc::new();

#[cfg(feature = "memgrove-wee")]
#[global_allocator]
static ALLOCATOR: memgrove::Wee = memgrove::Wee::new();

#[cfg(feature = "talc")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

#[cfg(feature = "wee_alloc")]
#[global_allocator]
static ALLOCATOR: wee_alloc::WeeAlloc<'_> = wee_alloc::WeeAlloc::INIT;

const CHUNK_SIZE: usize = 64 * 1024;
const EXIT_SUCCESS: c_int = 0;
const EXIT_FAILURE: c_int = 1;

/// Succeeds when started under the name "myapp".
///
/// # Safety
/// `argv` points to at least one pointer to a string that ends in a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(_argc: c_int, argv: *const *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(*argv) }.to_bytes();
    let mut chunk: Box<[u8]> = Box::new([0; CHUNK_SIZE]);
    for (to, from) in chunk[..CHUNK_SIZE - 1].iter_mut().zip(name) {
        *to = *from;
    }
    match CStr::from_bytes_until_nul(&chunk) {
        Ok(copied) if copied == c"myapp" => EXIT_SUCCESS,
        _ => EXIT_FAILURE,
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
