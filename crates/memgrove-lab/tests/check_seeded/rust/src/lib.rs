//! Programs with one misuse of the heap each, and their twins without it.
#![no_std]
#![cfg_attr(target_arch = "wasm64", feature(simd_wasm64))]

extern crate alloc;

use alloc::alloc::{alloc, alloc_zeroed, dealloc, realloc};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::hint::black_box;

#[path = "../../../guest_support/heap.rs"]
mod heap;

/// Functions that stay as they are, under their names.
macro_rules! kept {
    ($($name:ident($($arg:ident: $ty:ty),*) $(-> $result:ty)? $body:block)*) => {
        $(#[unsafe(no_mangle)] #[inline(never)]
        unsafe extern "C" fn $name($($arg: $ty),*) $(-> $result)? { unsafe { $body } })*
    };
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

kept! {
    take(size: usize, align: usize) -> *mut u8 {
        let block = black_box(alloc(layout(size, align)));
        fill(block, size);
        block
    }
    give(block: *mut u8, size: usize, align: usize) { dealloc(black_box(block), layout(size, align)) }
    get1(at: *const u8) -> i32 { i32::from(at.read_volatile()) }
    get2(at: *const u16) -> i32 { i32::from(at.read_volatile()) }
    get4(at: *const i32) -> i32 { at.read_volatile() }
    get8(at: *const i64) -> i32 { at.read_volatile() as i32 }
    put1(at: *mut u8) { at.write_volatile(1) }
    put2(at: *mut u16) { at.write_volatile(1) }
    put4(at: *mut i32) { at.write_volatile(1) }
    put8(at: *mut i64) { at.write_volatile(1) }
    copy(to: *mut u8, from: *const u8, bytes: usize) {
        black_box(to).copy_from_nonoverlapping(black_box(from), black_box(bytes))
    }
    fill(to: *mut u8, bytes: usize) { black_box(to).write_bytes(7, black_box(bytes)) }

    use_after_free_read(bad: usize) -> i32 {
        let block = take(13, 1);
        if bad == 1 { give(block, 13, 1) }
        let read = get1(black_box(block).add(3));
        if bad == 0 { give(block, 13, 1) }
        read
    }
    use_after_free_write(bad: usize) -> i32 {
        let block = take(64, 8);
        if bad == 1 { give(block, 64, 8) }
        put4(black_box(block).add(8).cast());
        if bad == 0 { give(block, 64, 8) }
        0
    }
    use_after_reuse(bad: usize) -> i32 {
        let block = take(40, 8);
        if bad == 1 { give(block, 40, 8) }
        let next = take(40, 8);
        put8(black_box(block).cast());
        give(next, 40, 8);
        if bad == 0 { give(block, 40, 8) }
        0
    }
    overflow_read_1(bad: usize) -> i32 { one(13, 1, |block| get1(block.add(12 + bad))) }
    overflow_write_1(bad: usize) -> i32 { one(13, 1, |block| { put1(block.add(12 + bad)); 0 }) }
    overflow_write_whole(bad: usize) -> i32 { one(64, 1, |block| { put1(block.add(63 + bad)); 0 }) }
    overflow_read_2(bad: usize) -> i32 { one(16, 2, |block| get2(block.add(14 + 2 * bad).cast())) }
    overflow_write_2(bad: usize) -> i32 { one(10, 2, |block| { put2(block.add(8 + 2 * bad).cast()); 0 }) }
    overflow_read_4(bad: usize) -> i32 { one(24, 4, |block| get4(block.add(20 + 4 * bad).cast())) }
    overflow_write_4(bad: usize) -> i32 { one(100, 4, |block| { put4(block.add(96 + 4 * bad).cast()); 0 }) }
    overflow_read_8(bad: usize) -> i32 { one(48, 8, |block| get8(block.add(40 + 8 * bad).cast())) }
    underflow_read_1(bad: usize) -> i32 { one(20, 1, |block| get1(block.sub(bad))) }
    underflow_write_4(bad: usize) -> i32 { one(20, 4, |block| { put4(block.sub(4 * bad).cast()); 0 }) }
    underflow_write_8(bad: usize) -> i32 { one(200, 8, |block| { put8(block.sub(8 * bad).cast()); 0 }) }
    overflow_copy_to(bad: usize) -> i32 {
        let from = [3_u8; 64];
        one(33, 1, |block| { copy(block, from.as_ptr(), 33 + bad); 0 })
    }
    overflow_copy_from(bad: usize) -> i32 {
        let mut to = [0_u8; 64];
        one(33, 1, |block| { copy(to.as_mut_ptr(), block, 33 + bad); i32::from(to[3]) })
    }
    overflow_fill(bad: usize) -> i32 { one(50, 1, |block| { fill(block, 50 + bad); 0 }) }
    double_free(bad: usize) -> i32 {
        let block = take(30, 1);
        give(block, 30, 1);
        if bad == 1 { give(black_box(block), 30, 1) }
        0
    }
    invalid_free_inside(bad: usize) -> i32 {
        let block = take(32, 1);
        give(block.add(bad), 32, 1);
        0
    }
    wrong_size(bad: usize) -> i32 {
        let block = take(32, 4);
        give(block, 32 - 8 * bad, 4);
        0
    }
    wrong_alignment(bad: usize) -> i32 {
        let block = take(32, 4);
        give(block, 32, 4 >> bad);
        0
    }
    wrong_size_of_realloc(bad: usize) -> i32 {
        let block = take(40, 4);
        let block = black_box(realloc(block, layout(40 - 4 * bad, 4), 100));
        give(block, 100, 4);
        0
    }
    use_after_realloc(bad: usize) -> i32 {
        let old = take(30, 1);
        let new = black_box(realloc(black_box(old), layout(30, 1), 3000));
        put1(if bad == 1 { old } else { new });
        give(new, 3000, 1);
        0
    }
    overflow_of_realloc(bad: usize) -> i32 {
        let block = black_box(realloc(take(30, 1), layout(30, 1), 77));
        put1(block.add(76 + bad));
        give(block, 77, 1);
        0
    }
    overflow_of_zeroed(bad: usize) -> i32 {
        let block = black_box(alloc_zeroed(layout(21, 1)));
        let read = get1(block.add(20 + bad));
        give(block, 21, 1);
        read & 0
    }
    overflow_of_aligned(bad: usize) -> i32 { one(128, 64, |block| { put1(block.add(127 + bad)); 0 }) }
    overflow_of_vector(bad: usize) -> i32 {
        let mut numbers: Vec<i32> = black_box(Vec::with_capacity(black_box(9)));
        numbers.extend([1, 2, 3]);
        put4(numbers.as_mut_ptr().add(8 + bad));
        numbers[2] & 0
    }
    use_of_dropped_box(bad: usize) -> i32 {
        let number = black_box(Box::new(black_box(5_i64)));
        let at: *const i64 = &*number;
        let kept = if bad == 1 { drop(number); None } else { Some(number) };
        let read = get8(black_box(at));
        drop(black_box(kept));
        read & 0
    }
}

unsafe fn one(size: usize, align: usize, work: impl FnOnce(*mut u8) -> i32) -> i32 {
    unsafe {
        let block = take(size, align);
        let result = work(black_box(block));
        give(block, size, align);
        result
    }
}

/// Correct uses that look like misuse.
fn clean() -> i32 {
    let mut sum = 0;
    for round in 0..20 {
        let mut all: Vec<Vec<u8>> = Vec::new();
        for i in 0..150 {
            let mut one = alloc::vec![round as u8; 1 + (i * 37 + round) % 500];
            one.extend_from_slice(&[1; 11]);
            one.shrink_to_fit();
            all.push(one);
        }
        all.sort();
        all.retain(|one| one.len() % 3 > 0);
        sum += all.iter().map(Vec::len).sum::<usize>() as i32;
        let words: alloc::string::String = all.iter().map(|one| char::from(b'a' + one[0] % 26)).collect();
        sum += words.to_uppercase().len() as i32;
    }
    sum
}

/// The block in the middle of three of one size: nothing wrong, its last byte; a byte behind it read or written, a byte
/// before. What was written over is not freed.
#[unsafe(no_mangle)]
unsafe extern "C" fn edge(size: i32, what: i32) -> i32 {
    let size = size as usize;
    unsafe {
        let [before, block, after] = [(); 3].map(|()| take(size, 1));
        let read = match what {
            0 => {
                put1(black_box(block).add(size - 1));
                get1(black_box(block).add(size - 1)) + get1(black_box(block))
            }
            1 => get1(black_box(block).add(size)),
            3 => get1(black_box(block).sub(1)),
            2 => {
                put1(black_box(block).add(size));
                return 0;
            }
            _ => {
                put1(black_box(block).sub(1));
                return 0;
            }
        };
        for block in [block, before, after] {
            give(block, size, 1);
        }
        read
    }
}

#[unsafe(no_mangle)]
extern "C" fn run(number: i32, bad: i32) -> i32 {
    let bad = bad as usize;
    type Case = unsafe extern "C" fn(usize) -> i32;
    let cases: &[Case] = &[
        use_after_free_read, use_after_free_write, use_after_reuse, overflow_read_1, overflow_write_1,
        overflow_write_whole, overflow_read_2, overflow_write_2, overflow_read_4, overflow_write_4,
        overflow_read_8, underflow_read_1, underflow_write_4, underflow_write_8, overflow_copy_to,
        overflow_copy_from, overflow_fill, double_free, invalid_free_inside, wrong_size, wrong_alignment,
        wrong_size_of_realloc, use_after_realloc, overflow_of_realloc, overflow_of_zeroed,
        overflow_of_aligned, overflow_of_vector, use_of_dropped_box,
    ];
    match usize::try_from(number) {
        Ok(number) => unsafe { black_box(cases)[number](bad) },
        Err(_) => clean(),
    }
}
