//! C's `memcpy` and `memset`, which the compiler's code calls.

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
