//! A region of a few KiB and nothing else, as hosts on microcontrollers give it: how much of it blocks can have.

use std::alloc::Layout;

use memgrove::source::Fixed;
use memgrove::{Allocate, Dlmalloc, Hoard, Inspect, Jemalloc, Wee};

/// The allocators, in the order of [`usable`].
#[allow(dead_code, reason = "not every test that includes this shows them")]
pub const NAMES: [&str; 4] = ["Wee", "Dlmalloc", "Jemalloc", "Hoard"];

/// Bytes before and behind the region that nobody may touch.
const GUARD_BYTES: usize = 64;
const GUARD: u8 = 0xee;

/// The bytes that blocks of so many bytes get together out of a region, from the allocator with this number.
pub fn usable(allocator: u32, region_bytes: usize, block_bytes: usize) -> Result<usize, String> {
    let fill = Fill { region_bytes, block_bytes };
    match allocator {
        0 => fill.run(Wee::with_source),
        1 => fill.run(Dlmalloc::with_source),
        2 => fill.run(Jemalloc::with_source),
        3 => fill.run(Hoard::with_source),
        other => Err(format!("there is no allocator {other}")),
    }
}

struct Fill {
    region_bytes: usize,
    block_bytes: usize,
}

impl Fill {
    fn run<A: Allocate + Inspect>(&self, make: impl Fn(Fixed) -> A) -> Result<usize, String> {
        let layout = Layout::from_size_align(self.region_bytes + 2 * GUARD_BYTES, 1 << 16)
            .map_err(|e| e.to_string())?;
        // SAFETY: the size is not zero.
        let whole = unsafe { std::alloc::alloc(layout) };
        if whole.is_null() {
            return Err("no memory for the test".into());
        }
        // SAFETY: all of it is ours; the heap gets what lies between the guards.
        let result = unsafe {
            whole.write_bytes(GUARD, layout.size());
            self.fill(
                whole.add(GUARD_BYTES),
                &make(Fixed::from_raw(whole.add(GUARD_BYTES), self.region_bytes)),
            )
        };
        // SAFETY: still ours, and initialised.
        let bytes = unsafe { std::slice::from_raw_parts(whole, layout.size()) };
        let (before, behind) = (&bytes[..GUARD_BYTES], &bytes[GUARD_BYTES + self.region_bytes..]);
        let untouched = before.iter().chain(behind).all(|&byte| byte == GUARD);
        // SAFETY: allocated above with this layout; the heap is gone.
        unsafe { std::alloc::dealloc(whole, layout) };
        if untouched { result } else { Err("memory beside the region was written to".into()) }
    }

    /// Fills the region, gives everything back, and fills it again: as much must fit.
    fn fill(&self, start: *mut u8, heap: &(impl Allocate + Inspect)) -> Result<usize, String> {
        let layout = Layout::from_size_align(self.block_bytes, 4).map_err(|error| error.to_string())?;
        let region = start.addr()..start.addr() + self.region_bytes;
        let mut counts = [0; 2];
        for count in &mut counts {
            let mut blocks = Vec::new();
            loop {
                let block = heap.allocate(layout);
                if block.is_null() {
                    break;
                }
                if block.addr() < region.start || block.addr() + layout.size() > region.end {
                    return Err(format!("a block at {block:?} is outside of {region:x?}"));
                }
                let byte = u8::try_from(blocks.len() % 251).map_err(|error| error.to_string())?;
                // SAFETY: live, and this long.
                unsafe { block.write_bytes(byte, layout.size()) };
                blocks.push((block, byte));
            }
            heap.check().map_err(|broken| broken.to_string())?;
            *count = blocks.len();
            // Every second one first, so that what is free is in pieces.
            let (even, odd): (Vec<_>, Vec<_>) =
                blocks.iter().enumerate().partition(|(number, _)| number % 2 == 0);
            for (_, &(block, byte)) in even.into_iter().chain(odd) {
                // SAFETY: live, this long, given back once.
                unsafe {
                    if !std::slice::from_raw_parts(block, layout.size()).iter().all(|&found| found == byte) {
                        return Err(format!("the block at {block:?} was overwritten"));
                    }
                    heap.deallocate(block, layout);
                }
            }
            heap.check().map_err(|broken| broken.to_string())?;
        }
        if counts[1] < counts[0] {
            return Err(format!("{} blocks fitted, and then {}", counts[0], counts[1]));
        }
        Ok(counts[0] * self.block_bytes)
    }
}
