//! One heap in the initial memory after `__heap_base`.
//!
//! A Rust program's heap and that of an archive for C (`crates/memgrove-c`), or of another version of this crate, know
//! nothing of each other, and would both take the memory from `__heap_base` on. So whoever takes it writes a mark to its
//! first word, where all of them look, and the others do without: they share the module and nothing else.
//!
//! Two heaps still waste memory, and are seldom meant, so the linker refuses a Rust heap and an archive: the archive defines a
//! function whose name says what to do, and this crate refers to data of the same name: "symbol type mismatch". In a program
//! without the archive nothing is left of that. The reference stands in a function that is never called, which the linker
//! drops before it asks for what is undefined; only where it is told to drop nothing (`--no-gc-sections`, as for measuring
//! coverage) does it ask, and `RUSTFLAGS="--cfg memgrove_one_heap"` leaves the reference out. Link-time optimisation drops
//! the function sooner; then only the mark keeps the heaps apart.

use super::Region;

/// What the owner of the slack writes to its first bytes. Chosen at random, so that nothing else is there by chance.
/// A static, because whoever refers to it links this file, and the function below is seen.
static MARK: u64 = 0x9d1c_63f0_2b7e_8a45;

/// What the mark takes, so that the rest is aligned.
const MARK_BYTES: usize = 16;

/// Takes the memory from `start` to `end` for the caller, less 16 bytes for the mark. Returns no memory if a heap has it, or
/// if it is too short.
///
/// # Safety
/// `start` is a multiple of 16, the memory up to `end` is there, and nothing but heaps that call this uses it.
#[doc(hidden)]
#[inline(always)]
pub unsafe fn take_slack(start: usize, end: usize) -> Region {
    let bytes = end.wrapping_sub(start);
    if bytes <= MARK_BYTES {
        return Region::EMPTY;
    }
    let mark = core::ptr::with_exposed_provenance_mut::<u64>(start);
    // SAFETY: the caller's promise: aligned, and longer than the mark. `MARK` is read as volatile so that a reference to it
    // stays wherever this is inlined: a constant in its place would leave the linker no reason to look at this file.
    unsafe {
        let owned = (&raw const MARK).read_volatile();
        if mark.read() == owned {
            return Region::EMPTY;
        }
        mark.write(owned);
    }
    Region::from_growth(start + MARK_BYTES, bytes - MARK_BYTES)
}

/// Never called: for the linker, see above.
#[cfg(all(
    any(target_arch = "wasm32", target_arch = "wasm64"),
    not(any(target_feature = "atomics", feature = "_archive", memgrove_one_heap))
))]
#[doc(hidden)]
#[inline(never)]
pub fn refuse_an_archive() -> usize {
    #[allow(non_upper_case_globals, reason = "the linker shows it, so it is a sentence")]
    unsafe extern "C" {
        static memgrove_two_heaps_in_one_module__leave_out_the_C_archive_and_write_memgrove_c_malloc_in_Rust:
            u8;
    }
    (&raw const memgrove_two_heaps_in_one_module__leave_out_the_C_archive_and_write_memgrove_c_malloc_in_Rust)
        .addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_heaps_gets_the_memory() {
        #[repr(align(16))]
        struct Memory([u8; 64]);

        for length in [0, 16, 32, 48, 64] {
            let mut memory = Memory([0xa5; 64]);
            let start = (&raw mut memory.0).expose_provenance();
            // SAFETY: aligned, this long, and nobody else's.
            let (first, second) =
                unsafe { (take_slack(start, start + length), take_slack(start, start + length)) };
            let rest = Region { start: start + 16, end: start + length };
            assert_eq!(first, if length > 16 { rest } else { Region::EMPTY }, "{length}");
            assert_eq!(second, Region::EMPTY, "{length}");
            assert!(memory.0[16..].iter().all(|&byte| byte == 0xa5), "{length}");
        }
    }
}
