//! Not for measuring: std's allocator, with every call written into a trace. `cargo xtask guests record` runs it, so
//! the traces hold the sizes that a 32-bit program asks for.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::RefCell;
use std::alloc::System;
use std::collections::BTreeMap;

use memgrove_trace::{Block, Encoder};
use workloads::{Load, workloads};

pub struct Allocator;

pub const ALLOCATOR: Allocator = Allocator;

struct Recorder {
    encoder: Encoder,
    live: BTreeMap<usize, Block>,
}

thread_local! {
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

/// Hands the recorder over, if there is one and it is not at work: its own memory is no part of the trace.
fn note(write: impl FnOnce(&mut Recorder)) {
    RECORDER.with(|recorder| {
        if let Ok(mut recorder) = recorder.try_borrow_mut()
            && let Some(recorder) = recorder.as_mut()
        {
            write(recorder);
        }
    });
}

fn record_new(start: *mut u8, layout: Layout, zeroed: bool) {
    note(|recorder| {
        let block = recorder.encoder.allocate(layout.size() as u64, layout.align() as u64, zeroed);
        recorder.live.insert(start as usize, block);
    });
}

// SAFETY: System's; the notes do not touch its blocks.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        let start = unsafe { System.alloc(layout) };
        record_new(start, layout, false);
        start
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        let start = unsafe { System.alloc_zeroed(layout) };
        record_new(start, layout, true);
        start
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: passed on.
        let start = unsafe { System.realloc(block, layout, new_size) };
        note(|recorder| {
            // A block from before the recording enters the trace as a new one.
            let recorded = match recorder.live.remove(&(block as usize)) {
                Some(recorded) => {
                    recorder.encoder.reallocate(recorded, new_size as u64);
                    recorded
                }
                None => recorder.encoder.allocate(new_size as u64, layout.align() as u64, false),
            };
            recorder.live.insert(start as usize, recorded);
        });
        start
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note(|recorder| {
            if let Some(recorded) = recorder.live.remove(&(block as usize)) {
                recorder.encoder.free(recorded);
            }
        });
        // SAFETY: passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Runs a workload and answers address and length of its trace.
#[unsafe(no_mangle)]
extern "C" fn record(workload: u32, scale: u32, seed: u32) -> u64 {
    let Some(workload) = workloads().nth(workload as usize) else { return 0 };
    RECORDER.set(Some(Recorder { encoder: Encoder::new(), live: BTreeMap::new() }));
    (workload.run)(&Load::new(scale, seed));
    let Some(recorder) = RECORDER.take() else { return 0 };
    let trace = recorder.encoder.finish().leak();
    crate::pair(trace.as_ptr() as usize, trace.len())
}
