//! What is between the program and the pages, for one thread and for several.
//!
//! With threads, natively and on wasm with the `atomics` target feature, it is [`ManyThreads`](many): caches, and arenas behind them. Else it
//! is [`OneThread`](one), one heap, and nothing of the other is in the module.
//!
//! | file | what |
//! |---|---|
//! | `one.rs` | one heap |
//! | `many.rs` | the way of a call through caches, arenas and pages; the order of locks |
//! | `cache.rs` | the cache of a slot of threads |
//! | `common.rs` | what an arena that needs pages goes through |
//! | `arena.rs` | the free regions of an arena, and whose a slab is |
//! | `flush.rs` | what takes all locks: the flush, and looking at everything |
//! | `hold.rs` | several locks at once |
//! | `published.rs` | how the page map is read while it may move |

#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
mod arena;
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
mod cache;
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
mod common;
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
mod flush;
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
mod hold;
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
mod many;
#[cfg(any(all(target_family = "wasm", not(target_feature = "atomics")), test))]
mod one;
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
mod published;
#[cfg(test)]
mod tests;

use crate::source::PageSource;
use crate::stats::{Broken, Stats};

/// That of the target.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
pub(super) type Heaps<S> = one::OneThread<S>;
/// That of the target.
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
pub(super) type Heaps<S> = many::ManyThreads<S>;

/// What [`Jemalloc`](crate::Jemalloc) asks of it.
pub(super) trait Threads<S: PageSource> {
    fn allocate(&self, size: usize, align: usize) -> *mut u8;

    fn allocate_zeroed(&self, size: usize, align: usize) -> *mut u8;

    /// # Safety
    /// A block of this heap and of this layout, given back once.
    unsafe fn deallocate(&self, block: *mut u8, size: usize, align: usize);

    /// # Safety
    /// A live block of this heap and of this layout.
    unsafe fn resize_in_place(&self, block: *mut u8, size: usize, align: usize, new_size: usize) -> bool;

    /// For C, which is not told sizes: the page map knows them.
    ///
    /// # Safety
    /// A block of this heap, given back once.
    unsafe fn free(&self, block: *mut u8);

    /// For C.
    ///
    /// # Safety
    /// A live block of this heap.
    unsafe fn resize_in_place_unsized(&self, block: *mut u8, new_size: usize) -> bool;

    /// For C.
    ///
    /// # Safety
    /// A live block of this heap.
    unsafe fn usable_size(&self, block: *mut u8) -> usize;

    fn stats(&self) -> Stats;

    fn check(&self) -> Result<(), Broken>;
}
