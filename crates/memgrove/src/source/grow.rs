//! WebAssembly's own source: the instruction `memory.grow`.

#[cfg(target_arch = "wasm32")]
use core::arch::wasm32::{memory_grow, memory_size};
#[cfg(target_arch = "wasm64")]
use core::arch::wasm64::{memory_grow, memory_size};

use super::{PAGE_BYTES, PageSource, Region, page_bytes};
use crate::word::align_up;

/// What `memory.grow` gives: fresh pages, all zero. A stranger may grow in between; then the regions are not adjacent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grow;

// SAFETY: pages that `memory.grow` answers with belong to whoever executed it (S1), start at a multiple of the page
// size and are zero (S2), and adjacent pages are one memory (S3).
unsafe impl PageSource for Grow {
    const ZEROED: bool = true;

    #[inline(always)]
    fn next_address(&self) -> usize {
        // The end of memory, unless pages are so short that this is at no multiple of 16.
        align_up(memory_size(0).wrapping_mul(page_bytes()), 16)
    }

    #[inline(always)]
    fn grow(&mut self, bytes: usize) -> Option<Region> {
        // Refused before growing: the last 16 bytes of the address space are not to be had.
        if bytes > Region::LAST_END.wrapping_sub(self.next_address()) {
            return None;
        }
        #[cfg(feature = "custom-page-sizes")]
        if page_bytes() != PAGE_BYTES {
            return grow_by_step(bytes);
        }
        // Written so that it cannot overflow: `bytes` is not zero.
        let pages = (bytes - 1) / PAGE_BYTES + 1;
        let before = memory_grow(0, pages);
        if before == usize::MAX {
            return None;
        }
        Some(Region::from_growth(before * PAGE_BYTES, pages * PAGE_BYTES))
    }
}

/// How many bytes are asked for at once where a page is one byte, the only other length that the proposal has.
#[cfg(feature = "custom-page-sizes")]
const STEP: usize = 4096;

/// [`Grow::grow`] where a page is one byte: to the end of a step, or for what is needed if that is refused. Multiples of 16.
#[cfg(feature = "custom-page-sizes")]
#[inline(never)]
fn grow_by_step(bytes: usize) -> Option<Region> {
    let size = memory_size(0);
    let end = align_up(size, 16) + align_up(bytes, 16);
    let stepped = align_up(end, STEP);
    // Beyond the last step of the address space this wraps.
    for end in [if stepped < end { end } else { stepped }, end] {
        let before = memory_grow(0, end - size);
        if before != usize::MAX {
            // Where another thread grew meanwhile, what lies before the first multiple of 16 is missing at the end.
            let after = before.saturating_add(end - size);
            return Some(Region { start: align_up(before, 16), end: after.min(Region::LAST_END) & !15 });
        }
    }
    None
}

/// First the slack between the linker's `__heap_base` and `__heap_end` (the end of the initial memory), then
/// `memory.grow`. With the target feature `atomics` only `memory.grow`.
///
/// The first heap of a program that asks gets the slack; a second one does without.
///
/// # Who else uses memory after `__heap_base`
///
/// | | what it does | so |
/// |---|---|---|
/// | a C library with a heap of its own (wasi-libc, Emscripten) | its heap starts at `__heap_base` | not for programs that link one: take [`Grow`] |
/// | memgrove's archive for C | the same | the link fails: see [`c_malloc!`](crate::c_malloc) |
/// | wasm-bindgen up to 0.2.126, for shared memory only | puts a counter, a lock and a stack at `__heap_base`, and adds a page at the end of the initial memory | no slack with `atomics` |
/// | wasm-bindgen from 0.2.127, `memgrove fix` | add pages at the end of the initial memory and use those | harmless: `__heap_end` is what it was when the module was linked |
/// | wizer and other snapshots, wasm-opt | keep memory and code as they are | harmless: who has the slack is written in memory too |
/// | a host that writes to the exported `__heap_base` instead of calling an allocator | takes what the linker leaves to the heap | not for its programs: take [`Grow`] |
///
/// Without the slack a program uses up to a page more, what the linker rounds the initial memory up by (and all that
/// `--initial-memory` adds, so do not ask for more than is needed). A memory that cannot grow then has no heap; one that
/// knows that nothing else is there may give that memory to a heap by [`Fixed::from_raw`](super::Fixed::from_raw).
#[derive(Clone, Copy, Debug, Default)]
pub struct GrowWithSlack;

#[cfg(not(target_feature = "atomics"))]
unsafe extern "C" {
    /// Defined by wasm-ld: the first byte after static data and stack.
    static __heap_base: u8;
    /// Defined by wasm-ld (LLVM 16 and newer): the end of the initial memory.
    static __heap_end: u8;
}

// SAFETY: as for `Grow`. Without `atomics` nothing but an allocator uses the memory between the two symbols, and the mark
// gives it to one of them (S1); the initial memory and what is grown after it are one memory (S3).
unsafe impl PageSource for GrowWithSlack {
    const ZEROED: bool = true;

    #[cfg(not(target_feature = "atomics"))]
    #[inline(always)]
    fn zeroed_from(&self) -> usize {
        (&raw const __heap_end).addr()
    }

    #[cfg(not(target_feature = "atomics"))]
    #[inline(always)]
    fn slack(&mut self) -> Region {
        let start = (&raw const __heap_base).expose_provenance();
        // SAFETY: the linker aligns the heap's base to 16 and ends the initial memory at the other symbol; nothing but an
        // allocator uses what lies between.
        unsafe { super::claim::take_slack(start, (&raw const __heap_end).expose_provenance()) }
    }

    #[inline(always)]
    fn next_address(&self) -> usize {
        Grow.next_address()
    }

    #[inline(always)]
    fn grow(&mut self, bytes: usize) -> Option<Region> {
        Grow.grow(bytes)
    }
}

/// The slack alone, as [`GrowWithSlack`] gives it first: for a memory that cannot grow. The module has no `memory.grow` then, and
/// [`Dlmalloc`](crate::Dlmalloc) keeps less for itself. With the target feature `atomics` it gives nothing.
///
/// ```
/// # #[cfg(all(target_arch = "wasm32", target_os = "unknown"))] {
/// use memgrove::{Dlmalloc, source::InitialMemory};
///
/// #[global_allocator]
/// static HEAP: Dlmalloc<InitialMemory> = Dlmalloc::with_source(InitialMemory);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct InitialMemory;

// SAFETY: as for `GrowWithSlack`; nothing is grown.
unsafe impl PageSource for InitialMemory {
    const ZEROED: bool = true;
    const GROWS: bool = false;

    #[inline(always)]
    fn zeroed_from(&self) -> usize {
        GrowWithSlack.zeroed_from()
    }

    #[inline(always)]
    fn slack(&mut self) -> Region {
        GrowWithSlack.slack()
    }

    #[inline(always)]
    fn grow(&mut self, _bytes: usize) -> Option<Region> {
        None
    }
}
