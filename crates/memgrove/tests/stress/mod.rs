//! Threads that pass blocks to each other through a few shared places, and verify every byte.
//!
//! Included by the native tests and by the long run.

use std::alloc::Layout;
use std::sync::Mutex;

use memgrove::{Allocate, Inspect};

use crate::shadow::Random;

/// Places where blocks change hands.
const PLACES: usize = 256;

/// A block on its way to whoever takes it.
struct Parcel {
    address: usize,
    layout: Layout,
    byte: u8,
}

impl Parcel {
    fn new<A: Allocate>(heap: &A, random: &mut Random) -> Self {
        let size = if random.below(64) == 0 { random.below(40_000) } else { random.size(1_500) };
        let align = if random.below(16) == 0 { 1 << random.below(8) } else { 8 };
        let layout = Layout::from_size_align(size, align).expect("a layout");
        let byte = random.below(256).to_le_bytes()[0];
        let block = if byte == 0 { heap.allocate_zeroed(layout) } else { heap.allocate(layout) };
        assert!(!block.is_null(), "there was memory enough");
        assert_eq!(block as usize % align, 0, "{layout:?}");
        if byte != 0 {
            // SAFETY: the block is live and this long.
            unsafe { block.write_bytes(byte, size) };
        }
        Self { address: block as usize, layout, byte }
    }

    fn verify(&self) {
        // SAFETY: the block is live, this long, and this thread's.
        let bytes = unsafe { std::slice::from_raw_parts(self.address as *const u8, self.layout.size()) };
        assert!(bytes.iter().all(|&byte| byte == self.byte), "{:?} was overwritten", self.layout);
    }

    fn free<A: Allocate>(self, heap: &A) {
        self.verify();
        // SAFETY: live, with its layout, given back once.
        unsafe { heap.deallocate(self.address as *mut u8, self.layout) };
    }

    fn lengthen<A: Allocate>(&mut self, heap: &A, size: usize) {
        self.verify();
        // SAFETY: live, with its layout; the answer takes its place.
        let block = unsafe { heap.reallocate(self.address as *mut u8, self.layout, size) };
        assert!(!block.is_null(), "there was memory enough");
        let kept = self.layout.size().min(size);
        self.layout = Layout::from_size_align(size, self.layout.align()).expect("a layout");
        // SAFETY: the block is live and this long.
        let bytes = unsafe { std::slice::from_raw_parts_mut(block, size) };
        assert!(bytes[..kept].iter().all(|&byte| byte == self.byte), "reallocation lost bytes");
        bytes.fill(self.byte);
        self.address = block as usize;
    }
}

/// `operations` in all by so many threads, each with blocks of its own too; then everything is given back, and the
/// heap must be valid and empty.
pub fn pass_blocks<A: Allocate + Inspect + Sync>(heap: &A, threads: usize, operations: usize, seed: u64) {
    let places: Vec<Mutex<Option<Parcel>>> = (0..PLACES).map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let places = &places;
            scope.spawn(move || {
                let mut random = Random::new(seed * 1_000 + thread as u64);
                let mut own: Vec<Parcel> = Vec::new();
                for _ in 0..operations / threads {
                    match random.below(8) {
                        0..4 => {
                            let parcel = Parcel::new(heap, &mut random);
                            let place = random.below(PLACES);
                            let before = places[place].lock().expect("no panic").replace(parcel);
                            if let Some(parcel) = before {
                                parcel.free(heap);
                            }
                        }
                        4 | 5 => own.push(Parcel::new(heap, &mut random)),
                        6 if !own.is_empty() => {
                            let which = random.below(own.len());
                            own[which].lengthen(heap, random.below(3_000));
                        }
                        _ if own.len() > 200 => own.drain(100..).for_each(|parcel| parcel.free(heap)),
                        _ => {
                            if let Some(parcel) = own.pop() {
                                parcel.free(heap);
                            }
                        }
                    }
                }
                own.into_iter().for_each(|parcel| parcel.free(heap));
            });
        }
        // Beside them, somebody looks at the heap now and then: every lock is taken at once.
        for _ in 0..20 {
            std::thread::sleep(std::time::Duration::from_millis(1));
            heap.check().expect("a valid heap while threads work");
        }
    });
    for place in places {
        if let Some(parcel) = place.into_inner().expect("no panic") {
            parcel.free(heap);
        }
    }
    heap.check().expect("a valid heap");
    assert_eq!(heap.stats().live_blocks, 0, "everything was given back");
}
