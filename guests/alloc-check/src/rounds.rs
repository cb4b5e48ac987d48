//! The same work again and again in one heap, as `crates/memgrove/tests/rounds.rs` does natively, where there are thread
//! caches and heaps for threads that a module with one thread does not have.

use memgrove::source::{Fake, Trouble};
use memgrove::{Allocate, Dlmalloc, Hoard, Inspect, Jemalloc, Wee};

use loads::{Bench, Block, KEPT, LOADS, Load, MOST};

#[path = "../../../crates/memgrove/tests/loads/mod.rs"]
mod loads;

/// The memory of a heap: more than any of the loads needs.
const BYTES: usize = 64 << 20;

/// How many loads there are.
#[unsafe(no_mangle)]
pub extern "C" fn loads() -> u32 {
    LOADS.len() as u32
}

/// Whether some of a load's blocks outlive its rounds.
#[unsafe(no_mangle)]
pub extern "C" fn keeps(load: u32) -> u32 {
    LOADS[load as usize].keeps().into()
}

/// Pages that the allocator with this number holds after the first round, the second and the last, and the last that took
/// more, counted from 1: 16 bits each, the last in the highest. 0 if something was wrong.
#[unsafe(no_mangle)]
pub extern "C" fn rounds(allocator: u32, load: u32, rounds: u32) -> u64 {
    super::keep_panics();
    let load = &LOADS[load as usize];
    let layout = std::alloc::Layout::from_size_align(BYTES, Fake::PAGE_BYTES).expect("a layout");
    // SAFETY: the size is not zero; the memory is this heap's alone, for as long as the instance lives.
    let source = unsafe { Fake::new(std::alloc::alloc_zeroed(layout), BYTES, Trouble::default()) };
    let outcome = match allocator {
        0 => run(&Dlmalloc::with_source(source), load, rounds),
        1 => run(&Wee::with_source(source), load, rounds),
        2 => run(&Jemalloc::with_source(source), load, rounds),
        3 => run(&Hoard::with_source(source), load, rounds),
        other => Err(format!("there is no allocator {other}")),
    };
    match outcome {
        Ok(figures) => figures,
        Err(error) => {
            super::report(Err(error));
            0
        }
    }
}

fn run<A: Allocate + Inspect>(heap: &A, load: &Load, rounds: u32) -> Result<u64, String> {
    let (mut blocks, mut kept) = (vec![Block::NONE; MOST], vec![Block::NONE; KEPT]);
    let mut bench = Bench::new(heap, &mut blocks, &mut kept);
    let mut pages = Vec::new();
    for _ in 0..rounds {
        bench.round(load);
        heap.check().map_err(|broken| format!("{}: {broken}", load.name))?;
        pages.push((heap.stats().heap_bytes.div_ceil(Fake::PAGE_BYTES)) as u64);
    }
    bench.free_kept();
    heap.check().map_err(|broken| format!("{}: {broken}", load.name))?;
    if !load.keeps() && heap.stats().live_bytes != 0 {
        return Err(format!("{}: everything was given back, and yet: {:?}", load.name, heap.stats()));
    }
    let last = pages[pages.len() - 1];
    let growth = 1 + pages.iter().position(|&pages| pages == last).expect("the last") as u64;
    Ok(pages[0] | pages[1] << 16 | last << 32 | growth << 48)
}
