//! The study's program (see `../../c/app.c`) in Rust with `std`, its collections and its
//! allocator. The target has no arguments of its own: the host calls `main(argc, argv)`.

use std::ffi::{CStr, c_char, c_int};

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
    let mut chunk = vec![0u8; CHUNK_SIZE];
    for (to, from) in chunk[..CHUNK_SIZE - 1].iter_mut().zip(name) {
        *to = *from;
    }
    match CStr::from_bytes_until_nul(&chunk) {
        Ok(copied) if copied == c"myapp" => EXIT_SUCCESS,
        _ => EXIT_FAILURE,
    }
}
