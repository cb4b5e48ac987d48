//! C's family over every heap of the crate: what the functions return, natively, where no name of C's is defined.
#![allow(unsafe_code, reason = "C hands over raw pointers")]

use std::ffi::c_void;
use std::ptr::null_mut;

use memgrove::c::{self, CHeap};
use memgrove::source::{PLATFORM, Platform};
use memgrove::{Dlmalloc, Hardened, Hoard, Inspect, Jemalloc, Wee};

/// Defined at the top of a program: natively it must leave the machine's own `malloc` alone.
static HEAP: Dlmalloc = Dlmalloc::new();
memgrove::c_malloc!(HEAP);
memgrove::cxx_new!();

fn serves_c<H: CHeap + Inspect>(heap: &H) {
    let mut refusals = 0;
    let mut refused = || refusals += 1;
    let mut blocks: Vec<(*mut c_void, usize)> = Vec::new();
    // SAFETY: each block comes from this heap, is as long as asked for, and is given back once.
    unsafe {
        for size in (0..300).chain([5_000, 70_000, 1 << 20]) {
            for block in [
                c::malloc(heap, size, &mut refused),
                c::calloc(heap, 1, size, &mut refused),
                c::aligned_alloc(heap, 64, size, &mut refused),
                c::realloc(heap, null_mut(), size, &mut refused),
            ] {
                assert!(!block.is_null() && block.addr() % c::ALIGN == 0, "{size}: {block:p}");
                assert!(c::malloc_usable_size(heap, block) >= size);
                block.cast::<u8>().write_bytes(size.to_le_bytes()[0], size);
                blocks.push((block, size));
            }
        }
        for (block, size) in &mut blocks {
            let longer = *size * 2 + 100;
            let moved = c::realloc(heap, *block, longer, &mut refused);
            assert!(!moved.is_null() && moved.addr() % c::ALIGN == 0, "{longer}: {moved:p}");
            let bytes = std::slice::from_raw_parts(moved.cast::<u8>(), *size);
            assert!(bytes.iter().all(|&byte| byte == size.to_le_bytes()[0]), "{size}");
            *block = moved;
        }
        heap.check().unwrap();
        for (block, _) in blocks {
            c::free(heap, block);
        }
        c::free(heap, null_mut());
        heap.check().unwrap();
        // Fresh or used, what calloc gives is zero.
        let zero = c::calloc(heap, 100, 40, &mut refused);
        assert!(std::slice::from_raw_parts(zero.cast::<u8>(), 4_000).iter().all(|&byte| byte == 0));

        assert_eq!(refusals, 0);
        let mut refused = || refusals += 1;
        for size in [usize::MAX, usize::MAX - 15, isize::MAX as usize + 1, isize::MAX as usize] {
            assert!(c::malloc(heap, size, &mut refused).is_null());
            assert!(c::realloc(heap, zero, size, &mut refused).is_null());
            assert!(c::aligned_alloc(heap, 64, size, &mut refused).is_null());
        }
        assert!(c::calloc(heap, usize::MAX / 2, 3, &mut refused).is_null());
        assert!(c::reallocarray(heap, zero, usize::MAX / 2, 3, &mut refused).is_null());
        assert!(c::aligned_alloc(heap, 24, 8, &mut refused).is_null());
        assert!(c::aligned_alloc(heap, 0, 8, &mut refused).is_null());
        assert_eq!(refusals, 16);
        let mut out = null_mut();
        assert_eq!(c::posix_memalign(heap, &mut out, 3, 8), 28);
        assert_eq!(c::posix_memalign(heap, &mut out, 64, usize::MAX - 64), 48);
        assert!(out.is_null());
        assert_eq!(c::posix_memalign(heap, &mut out, 4096, 8), 0);
        assert_eq!(out.addr() % 4096, 0);
        c::free(heap, out);
        c::free(heap, zero);
    }
    heap.check().unwrap();
}

#[test]
fn every_heap_serves_c() {
    serves_c(&Dlmalloc::new());
    serves_c(&Dlmalloc::<Platform, 16>::with_grain(PLATFORM));
    serves_c(&Wee::new());
    serves_c(&Jemalloc::new());
    serves_c(&Hoard::new());
    serves_c(&Hardened::<Dlmalloc>::new(Dlmalloc::new()));
    serves_c(&Hardened::<Wee>::new(Wee::new()));
}

#[test]
fn natively_the_names_stay_the_machines() {
    // SAFETY: whoever answers `malloc` here takes its block back.
    unsafe extern "C" {
        fn malloc(size: usize) -> *mut c_void;
        fn free(block: *mut c_void);
    }
    let before = HEAP.stats().heap_bytes;
    // SAFETY: a block of the machine's, given back once.
    unsafe { free(std::hint::black_box(malloc(1 << 24))) };
    assert_eq!(HEAP.stats().heap_bytes, before);
}
