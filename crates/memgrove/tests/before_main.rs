//! The global allocator at work before `main`, and two heaps in one program.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "registers a constructor")]

use std::sync::atomic::{AtomicUsize, Ordering};

use memgrove::{Dlmalloc, Inspect, Wee};

#[global_allocator]
static HEAP: Dlmalloc = Dlmalloc::new();
static OTHER: Wee = Wee::new();

static MADE_BEFORE_MAIN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn construct() {
    let words: Vec<String> = (0..100).map(|i| i.to_string()).collect();
    MADE_BEFORE_MAIN.store(Box::leak(Box::new(words)) as *const Vec<String> as usize, Ordering::Relaxed);
}

#[used]
// SAFETY: the loader calls the functions in this section once, before `main`, on the only thread there is.
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = construct;

#[test]
fn blocks_made_before_main_are_there() {
    // SAFETY: the constructor leaked it.
    let words = unsafe { &*(MADE_BEFORE_MAIN.load(Ordering::Relaxed) as *const Vec<String>) };
    assert_eq!(words[99], "99");
    let block = OTHER.malloc(100);
    // SAFETY: live, and this long.
    unsafe {
        block.write_bytes(7, OTHER.usable_size(block));
        OTHER.free(block);
    }
    HEAP.check().expect("a valid heap");
    OTHER.check().expect("a valid heap");
    assert!(HEAP.stats().live_blocks > 100);
}

#[test]
fn collections_and_threads_work() {
    let threads: Vec<_> = (0..4u64)
        .map(|thread| {
            std::thread::spawn(move || {
                let mut map = std::collections::BTreeMap::new();
                for i in 0..2_000u64 {
                    map.insert(i.wrapping_mul(0x9e37_79b9) % 5_000 + thread, i.to_string());
                    map.remove(&(i % 777));
                }
                map.len()
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().expect("no panic") > 0));
    HEAP.check().expect("a valid heap");
}
