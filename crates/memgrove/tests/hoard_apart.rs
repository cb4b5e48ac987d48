//! What threads allocate lies apart: no cache line has blocks of two. Alone in its program, so that no other test's
//! threads are dealt the slots in between.
#![allow(unsafe_code, reason = "drives an allocator")]

use std::alloc::Layout;
use std::collections::HashMap;
use std::sync::Barrier;

use memgrove::{Allocate, Hoard, Inspect};

const THREADS: usize = 8;
const LINE_BYTES: usize = 64;

#[test]
fn no_cache_line_has_blocks_of_two_threads() {
    static HEAP: Hoard = Hoard::new();
    let barrier = Barrier::new(THREADS);
    let threads: Vec<Vec<(usize, usize)>> = std::thread::scope(|scope| {
        let spawned: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let mut live = Vec::new();
                    for step in 0..20_000usize {
                        let layout = Layout::from_size_align(1 + step * 7 % 40, 1).expect("a layout");
                        live.push((HEAP.allocate(layout) as usize, layout));
                        if step % 3 == 0 {
                            let (block, layout) = live.swap_remove(step * 31 % live.len());
                            // SAFETY: live, with its layout.
                            unsafe { HEAP.deallocate(block as *mut u8, layout) };
                        }
                    }
                    live.into_iter().map(|(block, layout)| (block, block + layout.size() - 1)).collect()
                })
            })
            .collect();
        spawned.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    HEAP.check().expect("a valid heap");
    let mut lines = HashMap::new();
    for (thread, blocks) in threads.into_iter().enumerate() {
        for (first, last) in blocks {
            for line in first / LINE_BYTES..=last / LINE_BYTES {
                let other = *lines.entry(line).or_insert(thread);
                assert_eq!(other, thread, "line {:#x} has blocks of two threads", line * LINE_BYTES);
            }
        }
    }
}
