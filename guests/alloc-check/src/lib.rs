//! memgrove's allocators under the shadow heap, inside wasm. The shadow itself lives on the standard library's
//! allocator, which grows the same memory: the stranger in between.

use std::alloc::Layout;
use std::cell::RefCell;

use memgrove::source::{Grow, GrowWithSlack};
use memgrove::{Allocate, Dlmalloc, Hoard, Inspect, Jemalloc, Wee};

#[path = "../../../crates/memgrove/tests/shadow/mod.rs"]
mod shadow;

thread_local! {
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
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
    report(with_allocator!(allocator, |heap| work(heap, seed, steps)))
}

/// Fills the memory to its last byte, gives everything back, and does it again: as much as before must fit.
#[unsafe(no_mangle)]
pub extern "C" fn fill(allocator: u32) -> u32 {
    report(with_allocator!(allocator, |heap| fill_twice(heap)))
}

fn fill_twice<A: Allocate + Inspect>(heap: &A) -> Result<(), String> {
    let mut totals = [0u64; 2];
    for total in &mut totals {
        // Room for the list of what was filled, before there is none.
        let mut blocks: Vec<(usize, Layout)> = Vec::with_capacity(1 << 17);
        for power in (6..30).rev().step_by(3) {
            let layout = Layout::from_size_align(1 << power, 8).map_err(|error| error.to_string())?;
            while blocks.len() < blocks.capacity() {
                let block = heap.allocate(layout);
                if block.is_null() {
                    break;
                }
                let address = block as usize;
                address
                    .checked_add(layout.size())
                    .ok_or("a block wraps past the end of the address space")?;
                // The ends only: four gigabytes need not be touched for this.
                // SAFETY: the block is live and this long.
                unsafe {
                    block.cast::<usize>().write(address);
                    block.add(layout.size() - 4).cast::<usize>().write(address);
                }
                blocks.push((address, layout));
                *total += layout.size() as u64;
            }
        }
        heap.check().map_err(|broken| broken.to_string())?;
        for &(address, layout) in &blocks {
            let block = address as *mut u8;
            // SAFETY: live, this long, given back once.
            unsafe {
                let ends =
                    [block.cast::<usize>().read(), block.add(layout.size() - 4).cast::<usize>().read()];
                if ends != [address; 2] {
                    return Err(format!("{address:#x} was overwritten: {ends:x?}"));
                }
                heap.deallocate(block, layout);
            }
        }
        heap.check().map_err(|broken| broken.to_string())?;
    }
    // The address space was filled to within a few pages of what the stranger holds.
    let pages = core::arch::wasm32::memory_size(0) as u64;
    if totals[1] < totals[0] || totals[0] < (pages << 16) / 2 {
        return Err(format!("first {} bytes fitted, then {}, of {pages} pages", totals[0], totals[1]));
    }
    Ok(())
}

/// Where the last message is.
#[unsafe(no_mangle)]
pub extern "C" fn message() -> *const u8 {
    MESSAGE.with_borrow(|message| message.as_ptr())
}

/// How long the last message is, in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn message_bytes() -> usize {
    MESSAGE.with_borrow(String::len)
}

fn report(outcome: Result<(), String>) -> u32 {
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            MESSAGE.set(error);
            1
        }
    }
}
