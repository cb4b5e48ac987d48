//! The heaps that `memgrove fix --allocator` and `memgrove swap --to` put into a module: C's `malloc` and its family over
//! one of memgrove's allocators, which a feature names.
//!
//! Its functions are copied into modules that others have laid out, so nothing of it has an address there.
//!
//! | feature | for | where its state is | where its memory comes from |
//! |---|---|---|---|
//! | none | `fix` | at the start of the first page that it grew (`lazy.rs`) | `memory.grow` |
//! | `placed` | `swap` | position-independent: where the module says (`placed.rs`) | two functions of the module |
#![no_std]
#![allow(unsafe_code, reason = "C hands over raw pointers; each block cites what C promises")]

#[cfg(not(feature = "placed"))]
mod lazy;
#[cfg(feature = "placed")]
mod placed;

/// A panic is a bug in this crate; there is nobody to tell.
#[cfg(target_family = "wasm")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// The compiler's own copy keeps things on the stack, which lies in memory.
///
/// # Safety
/// As C's function.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
    let mut at = 0;
    // Volatile, so that no compiler takes the loops for what they are and calls this very function.
    // SAFETY: the caller's promise; words are only used where both sides are aligned.
    unsafe {
        if (to.addr() | from.addr()) % size_of::<u64>() == 0 {
            while bytes - at >= size_of::<u64>() {
                to.add(at).cast::<u64>().write_volatile(from.add(at).cast::<u64>().read_volatile());
                at += size_of::<u64>();
            }
        }
        while at < bytes {
            to.add(at).write_volatile(from.add(at).read_volatile());
            at += 1;
        }
    }
    to
}

/// See [`memcpy`].
///
/// # Safety
/// As C's function.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, bytes: usize) -> *mut u8 {
    let byte = value.to_le_bytes()[0];
    let mut at = 0;
    // SAFETY: the caller's promise; words are only used where the memory is aligned.
    unsafe {
        if to.addr() % size_of::<u64>() == 0 {
            while bytes - at >= size_of::<u64>() {
                to.add(at).cast::<u64>().write_volatile(u64::from_ne_bytes([byte; 8]));
                at += size_of::<u64>();
            }
        }
        while at < bytes {
            to.add(at).write_volatile(byte);
            at += 1;
        }
    }
    to
}
