//! A guest: one allocator (chosen by feature, see `allocator`) and every workload, behind the exports that
//! the measuring expects (the contract is in crate memgrove-lab, `src/guest.rs`).
#![cfg(target_arch = "wasm32")]

mod allocator;
#[cfg(any(
    feature = "bump",
    feature = "broken-overlap",
    feature = "broken-leak",
    feature = "broken-exhausted"
))]
mod floor;
#[cfg(target_feature = "atomics")]
mod threads;
mod trace;

use core::arch::wasm32::{memory_grow, memory_size};
use core::sync::atomic::{AtomicUsize, Ordering};

use workloads::{Counting, Load, counting, status, workloads};

#[global_allocator]
static ALLOCATOR: Counting<allocator::Allocator> = Counting(allocator::ALLOCATOR);

const PAGE_BYTES: usize = 65536;

/// Pages that were taken past the allocator.
static TAKEN_PAGES: AtomicUsize = AtomicUsize::new(0);

/// Takes memory past the allocator; its address, or null.
fn take(bytes: usize) -> *mut u8 {
    let pages = bytes.div_ceil(PAGE_BYTES);
    let before = memory_grow(0, pages);
    if before == usize::MAX {
        return core::ptr::null_mut();
    }
    TAKEN_PAGES.fetch_add(pages, Ordering::Relaxed);
    (before * PAGE_BYTES) as *mut u8
}

/// An address and a length as one result.
fn pair(address: usize, length: usize) -> u64 {
    (address as u64) << 32 | length as u64
}

#[unsafe(no_mangle)]
extern "C" fn abi_version() -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn workload_count() -> u32 {
    workloads().count() as u32
}

#[unsafe(no_mangle)]
extern "C" fn workload_name(index: u32) -> u64 {
    let id = workloads().nth(index as usize).map_or("", |workload| workload.id);
    pair(id.as_ptr() as usize, id.len())
}

#[unsafe(no_mangle)]
extern "C" fn run(workload: u32, scale: u32, seed: u32) -> u64 {
    status::reset();
    counting::reset();
    match workloads().nth(workload as usize) {
        Some(workload) => (workload.run)(&Load::new(scale, seed)),
        None => {
            status::set(status::Status::NoSuchWorkload);
            0
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn status() -> u32 {
    workloads::status::get()
}

#[unsafe(no_mangle)]
extern "C" fn calls() -> u64 {
    counting::read().0
}

#[unsafe(no_mangle)]
extern "C" fn peak_live_bytes() -> u64 {
    counting::read().1
}

#[unsafe(no_mangle)]
extern "C" fn live_bytes() -> u64 {
    counting::read().2
}

#[unsafe(no_mangle)]
extern "C" fn heap_bytes() -> u64 {
    unsafe extern "C" {
        static __heap_base: u8;
    }
    let end = (memory_size(0) - TAKEN_PAGES.load(Ordering::Relaxed)) as u64 * PAGE_BYTES as u64;
    end.saturating_sub(&raw const __heap_base as u64) + allocator::STATIC_BYTES
}
