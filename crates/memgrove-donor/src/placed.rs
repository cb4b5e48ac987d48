//! The heaps that `memgrove swap --to` puts into a module.
//!
//! Position-independent code: its data, its table of numbers and a small stack lie where the module that it is put into
//! says, which is memory that the heap was given first. That memory is cleared and filled before the first call.

use memgrove::source::{PageSource, Region};

#[link(wasm_import_module = "memgrove")]
unsafe extern "C" {
    /// Exactly so many bytes, a multiple of 16, from the address that [`next`] said or a later one; 0 if refused.
    safe fn grow(bytes: usize) -> usize;
    /// Where the next growth would begin, if nobody else grows before it: at a multiple of 16.
    safe fn next() -> usize;
    /// What is left of the memory that the heap itself lies in: from here.
    safe fn rest_start() -> usize;
    /// To here.
    safe fn rest_end() -> usize;
    /// C's `memcpy`, by the instructions that the module has.
    fn copy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8;
    /// C's `memset`, likewise.
    fn fill(to: *mut u8, byte: i32, bytes: usize) -> *mut u8;
}

/// What the compiler's code calls; its own copy keeps things on the stack, and moves bytes one by one.
///
/// # Safety
/// As C's function.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { copy(to, from, bytes) }
}

/// See [`memcpy`].
///
/// # Safety
/// As C's function.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, bytes: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { fill(to, byte, bytes) }
}

/// Memory through the module: its `sbrk`, its host, or its own `memory.grow`.
struct Asked;

/// What is asked for ends at such a multiple where it can: `sbrk` is called seldom, and no page is shared with others.
const STEP: usize = 1 << 16;

// SAFETY: what the module gives belongs to whoever asked for it (S1), begins at a multiple of 16 (S2), and may be joined
// to what ends there (S3). It need not be zero: a break can have been moved back before.
unsafe impl PageSource for Asked {
    const ZEROED: bool = false;

    fn slack(&mut self) -> Region {
        Region { start: rest_start(), end: rest_end() }
    }

    #[inline]
    fn next_address(&self) -> usize {
        next()
    }

    #[inline(never)]
    fn grow(&mut self, bytes: usize) -> Option<Region> {
        let from = next();
        // Refused before growing: the last 16 bytes of the address space are not to be had.
        if bytes > Region::LAST_END.wrapping_sub(from) {
            return None;
        }
        let exact = bytes.wrapping_add(15) & !15;
        let end = from.wrapping_add(bytes).wrapping_add(STEP - 1) & !(STEP - 1);
        let mut length = end.wrapping_sub(from);
        let mut start = grow(length);
        if start == 0 && length != exact {
            length = exact;
            start = grow(length);
        }
        (start != 0).then(|| Region::from_growth(start, length))
    }
}

#[cfg(feature = "wee")]
static HEAP: memgrove::Wee<Asked> = memgrove::Wee::with_source(Asked);

#[cfg(feature = "dlmalloc")]
static HEAP: memgrove::Dlmalloc<Asked, { memgrove::c::ALIGN }> = memgrove::Dlmalloc::with_grain(Asked);

#[cfg(feature = "jemalloc")]
static HEAP: memgrove::Jemalloc<Asked> = memgrove::Jemalloc::with_source(Asked);

#[cfg(feature = "hoard")]
static HEAP: memgrove::Hoard<Asked> = memgrove::Hoard::with_source(Asked);

#[cfg(feature = "hardened")]
static HEAP: memgrove::Hardened<memgrove::Dlmalloc<Asked, { memgrove::c::ALIGN }>> =
    memgrove::Hardened::new(memgrove::Dlmalloc::with_grain(Asked));

memgrove::c_malloc!(HEAP);
