//! Where memory ends: growth by one thread, and what the others know of it.
//!
//! V8 (Chrome, Node, Deno) keeps the size of a shared memory once for each thread, and tells the other threads of a
//! growth by an interrupt. Until a thread has taken it, `memory.copy` and `memory.fill` trap with "memory access out of
//! bounds" on pages that are there, as do atomic accesses in code of its first tier, and every access where V8 has no
//! trap handler. Such a thread may run on for long: a function that calls none, a loop of the first tier and the first
//! pass of an optimized loop do not look for interrupts. V8 has mended this on 2026-09-29 ("Atomic memory.size and dynamic
//! bounds checks for shared memory", its bugs 529880019 and 533026477); the test `workers_on_node_pass_blocks` failed by
//! it on Node 20. wasmtime checks against the size that all threads share.
//!
//! What helps is `memory.grow` by no pages, after which the thread knows the size; but that leaves wasm for the engine.
//! `memory.size` is what the thread believes, so it says whether that is needed.

use super::{PageSource, Region};

/// Lets the calling thread use memory that other threads have obtained, on engines that tell it late: a load and a
/// comparison, and seldom a `memory.grow` by no pages. Compiles to nothing unless the target is wasm with `atomics`.
///
/// Every function of an allocator does this, so what a thread has allocated, or frees, needs nothing more. To be called
/// after receiving a block by other means, before its bytes are copied, filled or used atomically:
///
/// ```
/// # let (sender, receiver) = std::sync::mpsc::channel();
/// # sender.send(vec![1_u8, 2, 3]).expect("a receiver");
/// let block = receiver.recv().expect("a sender");
/// memgrove::source::notice_growth();
/// let copy = block[1..].to_vec();
/// # assert_eq!(copy, [2, 3]);
/// ```
///
/// It knows of growth by the heaps of this crate, on whatever source. On V8 a thread that does without may trap on
/// `memory.copy` and `memory.fill`, which are what compilers make of copying and clearing.
#[inline(always)]
pub fn notice_growth() {
    #[cfg(all(target_family = "wasm", target_feature = "atomics"))]
    shared::notice();
}

/// [`PageSource::grow`], of which the other threads can [notice](notice_growth).
#[inline(always)]
pub(crate) fn obtain<S: PageSource>(source: &mut S, bytes: usize) -> Option<Region> {
    let region = source.grow(bytes)?;
    #[cfg(all(target_family = "wasm", target_feature = "atomics"))]
    shared::announce(region);
    Some(region)
}

/// Whether an address lies behind the end of memory, or where no memory is.
#[inline(always)]
pub(crate) fn beyond_memory(address: usize) -> bool {
    #[cfg(target_arch = "wasm32")]
    use core::arch::wasm32::memory_size;
    #[cfg(target_arch = "wasm64")]
    use core::arch::wasm64::memory_size;

    #[cfg(any(target_arch = "wasm32", target_arch = "wasm64"))]
    {
        let beyond = || address / super::page_bytes() >= memory_size(0);
        // It may lie in what another thread has grown, of which this one has not heard.
        if beyond() {
            notice_growth();
        }
        beyond()
    }
    // Natively nobody knows where memory ends; but no system gives a program more than 48 bits of addresses unasked.
    #[cfg(not(any(target_arch = "wasm32", target_arch = "wasm64")))]
    {
        size_of::<usize>() > 4 && address as u64 >> 48 != 0
    }
}

#[cfg(all(target_family = "wasm", target_feature = "atomics"))]
mod shared {
    use core::sync::atomic::{AtomicUsize, Ordering};

    #[cfg(target_arch = "wasm32")]
    use core::arch::wasm32::{memory_grow, memory_size};
    #[cfg(target_arch = "wasm64")]
    use core::arch::wasm64::{memory_grow, memory_size};

    use crate::source::{Region, page_bytes};

    /// On a cache line of its own: every thread reads it all the time, and next to something that is written they would
    /// take the line from each other.
    #[repr(align(64))]
    struct Announced(AtomicUsize);

    /// How many pages the memory has at least: what the heaps of this program have grown it to.
    static ANNOUNCED: Announced = Announced(AtomicUsize::new(0));

    /// Done before anybody else can hear of the region. Relaxed, as all here: a thread that has a block from another one
    /// has synchronized with it.
    #[inline]
    pub(super) fn announce(region: Region) {
        ANNOUNCED.0.fetch_max((region.end - 1) / page_bytes() + 1, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(super) fn notice() {
        if memory_size(0) < ANNOUNCED.0.load(Ordering::Relaxed) {
            learn();
        }
    }

    #[cold]
    #[inline(never)]
    fn learn() {
        memory_grow(0, 0);
    }
}
