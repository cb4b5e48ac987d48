//! The archive's page source: as `memgrove::source::GrowWithSlack`, but for any linker, and for Emscripten's glue.

use core::arch::wasm32::memory_size;

use memgrove::source::claim::take_slack;
use memgrove::source::{PageSource, Region};

/// Bytes of a WebAssembly page.
const PAGE_BYTES: usize = 1 << 16;

unsafe extern "C" {
    /// Defined by wasm-ld: the first byte after static data and stack.
    static __heap_base: u8;
    /// The end of the initial memory after `__heap_base`, or `__heap_base` where that is not the heap's; in
    /// `shim/memory.c`.
    safe fn memgrove_slack_end() -> usize;
    /// Grows memory by so many pages or more, and stores how many. Returns the size before in pages, or `usize::MAX`; in
    /// `shim/memory.c`.
    safe fn memgrove_grow(pages: &mut usize) -> usize;
}

/// First the initial memory after `__heap_base`, where that is nobody else's, then what the host gives. The archive has one
/// heap, so nobody else here asks for either; a Rust heap that would is refused by the linker (see `lib.rs`).
pub(crate) struct Linear;

// SAFETY: the memory after `__heap_base` is the C library's to manage, and this archive is that part of it; `shim/memory.c`
// says where it is not (S1). Pages that are grown are nobody else's (S1), start at a multiple of the page size, are zero
// (S2), and adjacent ones are one memory (S3).
unsafe impl PageSource for Linear {
    const ZEROED: bool = true;

    /// A memory that the host passes may have been used before.
    fn zeroed_from(&self) -> usize {
        memgrove_slack_end()
    }

    fn slack(&mut self) -> Region {
        let start = (&raw const __heap_base).expose_provenance();
        // SAFETY: the linker aligns the heap's base to 16; see above for the rest.
        unsafe { take_slack(start, memgrove_slack_end()) }
    }

    fn next_address(&self) -> usize {
        memory_size(0).wrapping_mul(PAGE_BYTES)
    }

    fn grow(&mut self, bytes: usize) -> Option<Region> {
        let mut pages = (bytes - 1) / PAGE_BYTES + 1;
        let before = memgrove_grow(&mut pages);
        (before != usize::MAX).then(|| Region::from_growth(before * PAGE_BYTES, pages * PAGE_BYTES))
    }
}
