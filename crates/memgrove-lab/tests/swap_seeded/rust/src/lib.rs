//! A program that asks its allocator for what Rust promises. What it returns does not depend on addresses.
#![no_std]

extern crate alloc;

use alloc::alloc::{alloc, alloc_zeroed, dealloc, realloc};
use core::alloc::Layout;

#[path = "../../../guest_support/heap.rs"]
mod heap;

/// For the host.
#[unsafe(no_mangle)]
unsafe extern "C" fn take(size: usize, align: usize) -> *mut u8 {
    unsafe { alloc(Layout::from_size_align_unchecked(size, align)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn resize(at: *mut u8, old: usize, new: usize, align: usize) -> *mut u8 {
    unsafe { realloc(at, Layout::from_size_align_unchecked(old, align), new) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn give(at: *mut u8, size: usize, align: usize) {
    unsafe { dealloc(at, Layout::from_size_align_unchecked(size, align)) }
}

struct Random(u32);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % end
    }

    fn size(&mut self) -> usize {
        1 + match self.below(16) {
            0 => self.below(150_000),
            1 | 2 => self.below(9000),
            _ => self.below(400),
        } as usize
    }
}

#[derive(Clone, Copy)]
struct Block {
    at: *mut u8,
    layout: Layout,
    mark: u8,
}

impl Block {
    unsafe fn is_kept(&self, bytes: usize) -> bool {
        (0..bytes).all(|at| unsafe { *self.at.add(at) } == self.mark)
    }
}

const BLOCKS: usize = 96;
/// So many alignments are asked for, from a byte up. wee_alloc grows by too little for a large one, and refuses it.
const ALIGNMENTS: u32 = if cfg!(feature = "wee_alloc") { 4 } else { 10 };

/// Takes and gives back at random. Returns what was broken in the upper half, and a hash of all that a program can see.
#[unsafe(no_mangle)]
unsafe extern "C" fn work(seed: u32, calls: u32) -> u64 {
    let (mut random, mut hash, mut broken) = (Random(seed | 1), 2_166_136_261_u32, 0_u64);
    let mut blocks: [Option<Block>; BLOCKS] = [None; BLOCKS];
    let mut expect = |holds: bool, what: u64| {
        if !holds && broken == 0 {
            broken = what;
        }
    };
    for _ in 0..calls {
        let slot = random.below(BLOCKS as u32) as usize;
        let (mark, size) = (1 + random.below(255) as u8, random.size());
        let (kind, align) = (random.below(8), 1_usize << random.below(ALIGNMENTS));
        let is_null = match blocks[slot] {
            Some(block) if kind < 4 => unsafe {
                expect(block.is_kept(block.layout.size()), 1);
                dealloc(block.at, block.layout);
                blocks[slot] = None;
                false
            },
            Some(block) => unsafe {
                let at = realloc(block.at, block.layout, size);
                if !at.is_null() {
                    expect(Block { at, ..block }.is_kept(size.min(block.layout.size())), 2);
                    expect(at as usize % block.layout.align() == 0, 3);
                    at.write_bytes(mark, size);
                    let layout = Layout::from_size_align_unchecked(size, block.layout.align());
                    blocks[slot] = Some(Block { at, layout, mark });
                }
                at.is_null()
            },
            None => unsafe {
                let layout = Layout::from_size_align_unchecked(size, align);
                let at = if kind < 3 { alloc_zeroed(layout) } else { alloc(layout) };
                if !at.is_null() {
                    expect(kind >= 3 || (0..size).all(|byte| *at.add(byte) == 0), 4);
                    expect(at as usize % align == 0, 5);
                    at.write_bytes(mark, size);
                    blocks[slot] = Some(Block { at, layout, mark });
                }
                at.is_null()
            },
        };
        hash = (hash ^ u32::from(is_null)).wrapping_mul(16_777_619);
    }
    for block in blocks.into_iter().flatten() {
        unsafe {
            expect(block.is_kept(block.layout.size()), 6);
            dealloc(block.at, block.layout);
        }
    }
    broken << 32 | u64::from(hash)
}

/// Until nothing is left, then all is given back and there is room again.
#[unsafe(no_mangle)]
unsafe extern "C" fn exhaust(bytes: usize) -> u64 {
    let layout = unsafe { Layout::from_size_align_unchecked(bytes, 8) };
    let mut last: *mut *mut u8 = core::ptr::null_mut();
    let mut count = 0;
    loop {
        let next = unsafe { alloc(layout) }.cast::<*mut u8>();
        if next.is_null() {
            break;
        }
        unsafe { *next = last.cast() };
        (last, count) = (next, count + 1);
    }
    while !last.is_null() {
        let next = unsafe { *last }.cast();
        unsafe { dealloc(last.cast(), layout) };
        last = next;
    }
    let again = unsafe { alloc(layout) };
    let is_room = !again.is_null();
    if is_room {
        unsafe { dealloc(again, layout) };
    }
    u64::from(count == 0 || !is_room) << 32
}

/// Another base for all that follows.
#[unsafe(no_mangle)]
unsafe extern "C" fn shift(bytes: usize) -> *mut u8 {
    unsafe { alloc(Layout::from_size_align_unchecked(bytes, 8)) }
}
