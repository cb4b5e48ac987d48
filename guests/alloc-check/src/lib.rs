//! memgrove's allocators under the shadow heap, inside wasm. The shadow itself lives on the standard library's
//! allocator, which grows the same memory: the stranger in between.
#![cfg_attr(target_arch = "wasm64", feature(simd_wasm64))] // memory_size for memory64 is not stable yet

mod fixed;
mod rounds;
mod start;
#[cfg(target_feature = "atomics")]
mod threads;

use std::alloc::Layout;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(target_arch = "wasm32")]
use core::arch::wasm32::memory_size;
#[cfg(target_arch = "wasm64")]
use core::arch::wasm64::memory_size;

use memgrove::hardened::trapped;
use memgrove::source::{Grow, GrowWithSlack};
use memgrove::{Allocate, Dlmalloc, Hoard, Inspect, Jemalloc, Wee};

#[path = "../../../crates/memgrove/tests/shadow/mod.rs"]
mod shadow;

/// What went wrong first. Not one for each thread: the host asks on another than the one that failed.
static MESSAGE: Mutex<String> = Mutex::new(String::new());

fn message_text() -> MutexGuard<'static, String> {
    MESSAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls the work with the allocator that has this number, a new heap each time.
macro_rules! with_allocator {
    ($number:expr, $work:expr) => {
        match $number {
            0 => $work(&Dlmalloc::new()),
            1 => $work(&Wee::new()),
            2 => $work(&Dlmalloc::<_, 16>::with_grain(GrowWithSlack)),
            3 => $work(&Dlmalloc::with_source(Grow)),
            4 => $work(&Jemalloc::new()),
            5 => $work(&Hoard::new()),
            other => Err(format!("there is no allocator {other}")),
        }
    };
}

/// How many allocators there are.
#[unsafe(no_mangle)]
pub extern "C" fn allocators() -> u32 {
    6
}

/// `steps` random steps, the heap checked after each; 0 if all is well.
#[unsafe(no_mangle)]
pub extern "C" fn random(allocator: u32, seed: u32, steps: u32) -> u32 {
    fn work<A: Allocate + Inspect>(heap: &A, seed: u32, steps: u32) -> Result<(), String> {
        let mut random = shadow::Random::new(seed.into());
        let (target, largest) = [(40, 300_000), (400, 5_000)][seed as usize % 2];
        shadow::drive(heap, &mut random, steps as usize, target, largest, 1).map(|_| ())
    }
    keep_panics();
    report(with_allocator!(allocator, |heap| work(heap, seed, steps)))
}

/// Fills the memory to its last byte, gives everything back, and does it again: as much as before must fit.
#[unsafe(no_mangle)]
pub extern "C" fn fill(allocator: u32) -> u32 {
    keep_panics();
    // Room for saying what went wrong, when nobody has any.
    let reserve = vec![0u8; 1 << 16];
    let outcome = with_allocator!(allocator, |heap| fill_twice(heap).map_err(|failure| {
        drop(reserve);
        format!("{failure:x?}")
    }));
    report(outcome)
}

/// What can be wrong with a filled memory; kept as figures, because a text needs memory.
#[derive(Debug)]
#[expect(dead_code, reason = "printed")]
enum Failure {
    Broken(memgrove::Broken),
    Wraps { address: usize, bytes: usize },
    Overwritten { address: usize, ends: [usize; 2] },
    FitsNoMore { bytes: [u64; 2], heap_bytes: usize },
    StaysLow { highest: usize },
}

fn fill_twice<A: Allocate + Inspect>(heap: &A) -> Result<(), Failure> {
    const WORD: usize = size_of::<usize>();
    let mut totals = [0u64; 2];
    let mut highest = 0;
    for total in &mut totals {
        // Room for the list of what was filled, before there is none.
        let mut blocks: Vec<(usize, Layout)> = Vec::with_capacity(1 << 17);
        for power in (6..30).rev().step_by(3) {
            let Ok(layout) = Layout::from_size_align(1 << power, WORD) else { continue };
            while blocks.len() < blocks.capacity() {
                let block = heap.allocate(layout);
                if block.is_null() {
                    break;
                }
                let address = block as usize;
                highest = highest.max(address);
                if address.checked_add(layout.size()).is_none() {
                    return Err(Failure::Wraps { address, bytes: layout.size() });
                }
                // The ends only: gigabytes need not be touched for this.
                // SAFETY: the block is live and this long.
                unsafe {
                    block.cast::<usize>().write(address);
                    block.add(layout.size() - WORD).cast::<usize>().write(address);
                }
                blocks.push((address, layout));
                *total += layout.size() as u64;
            }
        }
        heap.check().map_err(Failure::Broken)?;
        for &(address, layout) in &blocks {
            let block = address as *mut u8;
            // SAFETY: live, this long, given back once.
            unsafe {
                let ends =
                    [block.cast::<usize>().read(), block.add(layout.size() - WORD).cast::<usize>().read()];
                if ends != [address; 2] {
                    return Err(Failure::Overwritten { address, ends });
                }
                heap.deallocate(block, layout);
            }
        }
        heap.check().map_err(Failure::Broken)?;
    }
    let heap_bytes = heap.stats().heap_bytes;
    if totals[1] < totals[0] || totals[0] < heap_bytes as u64 / 2 {
        return Err(Failure::FitsNoMore { bytes: totals, heap_bytes });
    }
    // With memory64 the memory is larger than 32 bits can say, and all of it must be used.
    if size_of::<usize>() == 8 && highest as u64 >> 32 == 0 {
        return Err(Failure::StaysLow { highest });
    }
    Ok(())
}

/// Lets the message say where a panic was: all that the host sees is a trap.
fn keep_panics() {
    std::panic::set_hook(Box::new(|panic| {
        report(Err(panic.to_string()));
    }));
}

/// How many pages the memory has.
#[unsafe(no_mangle)]
pub extern "C" fn pages() -> usize {
    memory_size(0)
}

/// Where the message is. A heap that traps leaves its reason, which nobody has reported.
#[unsafe(no_mangle)]
pub extern "C" fn message() -> *const u8 {
    if let Some((reason, block)) = trapped() {
        report(Err(format!("{reason:?} of a block at {block:#x}")));
    }
    message_text().as_ptr()
}

/// How long the message is, in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn message_bytes() -> usize {
    message_text().len()
}

fn report(outcome: Result<(), String>) -> u32 {
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            let mut message = message_text();
            if message.is_empty() {
                *message = error;
            }
            1
        }
    }
}
