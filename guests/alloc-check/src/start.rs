//! Allocation in the start function, before anything else of the module runs.

use std::alloc::Layout;
use std::sync::Mutex;

use memgrove::source::Platform;
use memgrove::{Allocate, Dlmalloc, Hoard, Inspect, Jemalloc, Wee};

use super::shadow;

static DLMALLOC: Dlmalloc = Dlmalloc::new();
static WEE: Wee = Wee::new();
static JEMALLOC: Jemalloc = Jemalloc::new();
static HOARD: Hoard<Platform> = Hoard::new();

/// Blocks that each heap gives in the start function.
const BLOCKS: usize = 40;

/// Where they are, with their layouts.
static KEPT: Mutex<Vec<(usize, Layout)>> = Mutex::new(Vec::new());

/// Small blocks, and some of several pages; what each is filled with tells it from the others.
fn block(heap: usize, number: usize) -> (Layout, u8) {
    let layout = Layout::from_size_align(1 + number * number * 91, 1 << (number % 7)).expect("a layout");
    (layout, (heap * BLOCKS + number + 1) as u8)
}

fn allocate(heap: usize, allocator: &impl Allocate) {
    for number in 0..BLOCKS {
        let (layout, byte) = block(heap, number);
        let block = allocator.allocate(layout);
        if !block.is_null() {
            // SAFETY: live, and this long.
            unsafe { block.write_bytes(byte, layout.size()) };
        }
        KEPT.lock().expect("one thread").push((block as usize, layout));
    }
}

fn verify(heap: usize, name: &str, allocator: &(impl Allocate + Inspect)) -> Result<(), String> {
    let broken = |broken: memgrove::Broken| format!("{name}: {broken}");
    allocator.check().map_err(broken)?;
    let kept: Vec<_> = KEPT.lock().expect("one thread").clone();
    if kept.len() != 4 * BLOCKS {
        return Err(format!("the start function kept {} blocks", kept.len()));
    }
    for (number, &(address, layout)) in kept[heap * BLOCKS..][..BLOCKS].iter().enumerate() {
        let (_, byte) = block(heap, number);
        let block = address as *mut u8;
        if address == 0 || address % layout.align() != 0 {
            return Err(format!("{name}: block {number} is at {address:#x}"));
        }
        // SAFETY: live since the start function, this long, given back once.
        unsafe {
            if !std::slice::from_raw_parts(block, layout.size()).iter().all(|&found| found == byte) {
                return Err(format!("{name}: block {number} was overwritten"));
            }
            allocator.deallocate(block, layout);
        }
    }
    shadow::drive(allocator, &mut shadow::Random::new(7), 2_000, 100, 20_000, 10)?;
    allocator.check().map_err(broken)?;
    match allocator.stats().live_blocks {
        0 => Ok(()),
        live => Err(format!("{name}: {live} blocks are live")),
    }
}

/// For a module that has it as its start function.
#[unsafe(no_mangle)]
pub extern "C" fn in_start() {
    allocate(0, &DLMALLOC);
    allocate(1, &WEE);
    allocate(2, &JEMALLOC);
    allocate(3, &HOARD);
}

/// What the start function allocated is there, and the heaps go on with it; 0 if all is well.
#[unsafe(no_mangle)]
pub extern "C" fn after_start() -> u32 {
    super::keep_panics();
    let outcome = verify(0, "Dlmalloc", &DLMALLOC)
        .and_then(|()| verify(1, "Wee", &WEE))
        .and_then(|()| verify(2, "Jemalloc", &JEMALLOC))
        .and_then(|()| verify(3, "Hoard", &HOARD));
    super::report(outcome)
}
