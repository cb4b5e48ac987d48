//! A Rust program with a global allocator of memgrove's that is linked with C or C++, which calls `malloc`. With the feature
//! `c_malloc` that is the Rust heap's; without it, an archive of memgrove's is linked, and the linker must refuse.
#![no_std]

extern crate alloc;

use alloc::vec;
use alloc::vec::Vec;
use core::ffi::c_void;

use memgrove::Inspect;

#[cfg(all(feature = "wee", not(feature = "hardened")))]
type Heap = memgrove::Wee;
#[cfg(all(feature = "dlmalloc", not(feature = "hardened")))]
type Heap = memgrove::Dlmalloc;
#[cfg(all(feature = "jemalloc", not(feature = "hardened")))]
type Heap = memgrove::Jemalloc;
#[cfg(all(feature = "hoard", not(feature = "hardened")))]
type Heap = memgrove::Hoard;

#[cfg(not(feature = "hardened"))]
#[global_allocator]
static HEAP: Heap = Heap::new();
#[cfg(feature = "hardened")]
#[global_allocator]
static HEAP: memgrove::Hardened<memgrove::Dlmalloc> = memgrove::Hardened::new(memgrove::Dlmalloc::new());

#[cfg(feature = "c_malloc")]
memgrove::c_malloc!(HEAP);
#[cfg(feature = "cxx_new")]
memgrove::cxx_new!();

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

unsafe extern "C" {
    safe fn malloc(size: usize) -> *mut c_void;
    safe fn calloc(count: usize, size: usize) -> *mut c_void;
    fn realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn free(block: *mut c_void);
}

/// A block of C's, filled.
struct Block(*mut u8, usize);

impl Block {
    fn new(size: usize, fill: u8) -> Option<Self> {
        let block = if fill % 2 == 0 { malloc(size) } else { calloc(1, size) }.cast::<u8>();
        // SAFETY: C gave that many bytes.
        unsafe {
            if block.is_null()
                || fill % 2 == 1 && core::slice::from_raw_parts(block, size).iter().any(|&byte| byte != 0)
            {
                return None;
            }
            block.write_bytes(fill, size);
        }
        Some(Self(block, size))
    }

    fn holds(&self, fill: u8) -> bool {
        // SAFETY: C gave that many bytes.
        unsafe { core::slice::from_raw_parts(self.0, self.1) }.iter().all(|&byte| byte == fill)
    }
}

/// Blocks of Rust's and of C's by turns, each filled with a number of its own, longer and shorter. Returns 0, or the step
/// at which one of them was overwritten, or memory that C was promised to be zero was not.
#[unsafe(no_mangle)]
pub extern "C" fn both(steps: u32) -> u32 {
    let mut vectors: Vec<(Vec<u8>, u8)> = Vec::new();
    let mut blocks: Vec<(Block, u8)> = Vec::new();
    let mut random = 1_u32;
    for step in 1..=steps {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (size, fill) = ((random >> 16) as usize % 4_000 + 1, (random >> 8) as u8);
        vectors.push((vec![fill; size], fill));
        let Some(block) = Block::new(size, fill) else { return step };
        blocks.push((block, fill));
        if vectors.len() > 50 {
            let (vector, fill) = vectors.swap_remove(random as usize % 50);
            if vector.iter().any(|&byte| byte != fill) {
                return step;
            }
            let (mut block, fill) = blocks.swap_remove(random as usize / 64 % 50);
            if !block.holds(fill) {
                return step;
            }
            // SAFETY: from C, given back once.
            unsafe {
                let longer = realloc(block.0.cast(), block.1 * 2).cast::<u8>();
                if longer.is_null() {
                    return step;
                }
                block.0 = longer;
                if !block.holds(fill) {
                    return step;
                }
                free(block.0.cast());
            }
        }
    }
    HEAP.check().is_err() as u32
}
