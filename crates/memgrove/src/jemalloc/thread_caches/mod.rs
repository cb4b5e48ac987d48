//! Thread caches: lists of free regions between the program and the heap, so that threads seldom meet at its lock.
//!
//! With threads, natively and on wasm with the `atomics` target feature, they are [`SlotCaches`](per_slot), else [`NoCaches`](none),
//! of which nothing is in the module. Both take the heap as an argument.

#[cfg(any(all(target_family = "wasm", not(target_feature = "atomics")), test))]
mod none;
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
mod per_slot;
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
mod published;

use super::heap::Heap;
use super::slabs::Region;
use crate::pages::MapReaders;
use crate::source::PageSource;
use crate::sync::Lock;

/// Those of the target.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
pub(super) type Caches = none::NoCaches;
/// Those of the target.
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
pub(super) type Caches = per_slot::SlotCaches;

/// What [`Jemalloc`](crate::Jemalloc) asks of thread caches, and what the heap behind them does.
pub(super) trait ThreadCaches: MapReaders {
    fn allocate<S: PageSource>(&self, heap: &Lock<Heap<S>>, size: usize, align: usize) -> *mut u8;

    fn allocate_zeroed<S: PageSource>(&self, heap: &Lock<Heap<S>>, size: usize, align: usize) -> *mut u8;

    /// # Safety
    /// A block of this heap and of this layout, given back once.
    unsafe fn deallocate<S: PageSource>(
        &self,
        heap: &Lock<Heap<S>>,
        block: *mut u8,
        size: usize,
        align: usize,
    );

    /// # Safety
    /// A live block of this heap and of this layout.
    unsafe fn resize_in_place<S: PageSource>(
        &self,
        heap: &Lock<Heap<S>>,
        block: *mut u8,
        size: usize,
        align: usize,
        new_size: usize,
    ) -> bool;

    /// For C, which is not told sizes: the page map knows them.
    ///
    /// # Safety
    /// A block of this heap, given back once.
    unsafe fn free<S: PageSource>(&self, heap: &Lock<Heap<S>>, block: *mut u8);

    /// For C.
    ///
    /// # Safety
    /// A live block of this heap.
    unsafe fn resize_in_place_unsized<S: PageSource>(
        &self,
        heap: &Lock<Heap<S>>,
        block: *mut u8,
        new_size: usize,
    ) -> bool;

    /// For C.
    ///
    /// # Safety
    /// A live block of this heap.
    unsafe fn usable_size<S: PageSource>(&self, heap: &Lock<Heap<S>>, block: *mut u8) -> usize;

    /// Gives up everything in the caches: calls `take` with a class and a list of its regions. For the heap, under its lock.
    fn recall(&self, take: impl FnMut(usize, *mut Region));

    /// How many regions of a class a list may hold.
    fn limit(class: usize) -> usize;

    /// Shows everything in the caches: calls `show` with a class, a list of its regions and how many it says it holds.
    /// Nothing moves meanwhile.
    fn show(&self, show: &mut dyn FnMut(usize, *mut Region, usize));
}
