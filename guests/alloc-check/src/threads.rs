//! One heap in the hands of several threads: instances of this module over one shared memory.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering};

use memgrove::source::{Grow, notice_growth};
use memgrove::{Allocate, Dlmalloc, Hardened, Hoard, Inspect, Jemalloc, Wee};

use crate::shadow::exchange::{Exchange, Work};
use crate::{keep_panics, report};

/// A thread's stack and thread-local storage.
const AREA_BYTES: usize = 256 << 10;

static EXCHANGE: Exchange = Exchange::new();
static DLMALLOC: Dlmalloc = Dlmalloc::new();
static WEE: Wee = Wee::new();
static JEMALLOC: Jemalloc = Jemalloc::new();
static HOARD: Hoard = Hoard::new();
static HARDENED: Hardened<Wee> = Hardened::new(Wee::new());

/// What keeps the shadow: the stranger in between. Not the standard library's own, which grows memory that V8 lets other
/// threads use late.
#[global_allocator]
static STRANGER: Stranger =
    Stranger { heap: Dlmalloc::with_source(Grow), refused_bytes: AtomicUsize::new(0) };

/// The standard library stops a program that is refused memory without a word, so this remembers what was asked for.
struct Stranger {
    heap: Dlmalloc<Grow>,
    refused_bytes: AtomicUsize,
}

impl Stranger {
    fn noted(&self, block: *mut u8, bytes: usize) -> *mut u8 {
        if block.is_null() {
            self.refused_bytes.store(bytes, Ordering::Relaxed);
        }
        block
    }
}

// SAFETY: the heap makes the same promises.
unsafe impl GlobalAlloc for Stranger {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.noted(self.heap.allocate(layout), layout.size())
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, which is the same.
        unsafe { self.heap.deallocate(block, layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise, which is the same.
        self.noted(unsafe { self.heap.reallocate(block, layout, new_size) }, new_size)
    }
}

/// How many bytes the standard library was refused last, or 0.
#[unsafe(no_mangle)]
pub extern "C" fn refused_bytes() -> usize {
    STRANGER.refused_bytes.load(Ordering::Relaxed)
}

/// Calls the work with the heap that has this number, the same in every thread.
macro_rules! with_heap {
    ($number:expr, $work:expr) => {
        match $number {
            0 => $work(&DLMALLOC),
            1 => $work(&WEE),
            2 => $work(&JEMALLOC),
            3 => $work(&HOARD),
            4 => $work(&HARDENED),
            other => Err(format!("there is no heap {other}")),
        }
    };
}

unsafe extern "C" {
    /// Defined by wasm-ld: the first byte after static data and stack.
    static __heap_base: u8;
    /// Defined by wasm-ld: the end of the initial memory.
    static __heap_end: u8;
}

/// What a tool has put after static data once the module was linked, as wasm-bindgen does up to 0.2.126: a counter of
/// threads, a lock and a stack.
fn tenant() -> &'static [AtomicUsize] {
    let start = (&raw const __heap_base).addr().next_multiple_of(size_of::<usize>());
    let words = ((&raw const __heap_end).addr() - start) / size_of::<usize>();
    // SAFETY: initial memory that the linker gave to nothing, aligned, and accessed atomically only. An allocator that
    // hands it out is what the tests look for.
    unsafe { core::slice::from_raw_parts((&raw const __heap_base).with_addr(start).cast(), words) }
}

/// What the tenant has written to a word of its own.
fn tenant_word(index: usize) -> usize {
    index.wrapping_mul(0x9e37_79b9) ^ 0x5a5a_5a5a
}

/// Before any heap is used: the tool writes to all of its memory. Returns how many words that are.
#[unsafe(no_mangle)]
pub extern "C" fn settle() -> usize {
    for (index, word) in tenant().iter().enumerate() {
        word.store(tenant_word(index), Ordering::Relaxed);
    }
    tenant().len()
}

/// After the heaps' work: how many words of the tool's were written to by somebody else.
#[unsafe(no_mangle)]
pub extern "C" fn unsettled() -> usize {
    let words = tenant().iter().enumerate();
    words.filter(|(index, word)| word.load(Ordering::Relaxed) != tenant_word(*index)).count()
}

/// How many heaps there are.
#[unsafe(no_mangle)]
pub extern "C" fn heaps() -> u32 {
    5
}

/// How many bytes each of the [`areas`] has.
#[unsafe(no_mangle)]
pub extern "C" fn area_bytes() -> usize {
    AREA_BYTES
}

/// Room for the stacks and the storage of so many threads.
#[unsafe(no_mangle)]
pub extern "C" fn areas(threads: usize) -> *const u8 {
    Vec::leak(Vec::<u128>::with_capacity(threads * AREA_BYTES / size_of::<u128>())).as_ptr().cast()
}

/// One thread's work on a heap that others work on at the same time. Answers how many blocks came from other threads
/// (the upper half) and how many calls it made; 0 if something went wrong.
#[unsafe(no_mangle)]
pub extern "C" fn pass(heap: u32, thread: u32, steps: u32) -> u64 {
    keep_panics();
    let work = Work { steps: steps as usize, target: 2_000, largest: 20_000, check_every: 5_000 };
    let outcome = with_heap!(heap, |heap| EXCHANGE.drive(heap, thread as usize, work));
    figure(outcome.map(|tally| (tally.received as u64) << 32 | tally.operations as u64))
}

/// Two threads by turns: the first allocates, so that memory grows; the second, which calls nothing that could tell it,
/// notices that and fills the block. Answers the rounds; 0 if something went wrong.
#[unsafe(no_mangle)]
pub extern "C" fn relay(heap: u32, thread: u32, rounds: u32) -> u64 {
    /// The block on its way, or 0: the first thread's turn.
    static BLOCK: AtomicUsize = AtomicUsize::new(0);
    const LAYOUT: Layout = Layout::new::<[u32; 18_000]>();

    keep_panics();
    for round in 0..rounds {
        while (BLOCK.load(Ordering::Acquire) == 0) != (thread == 0) {
            std::hint::spin_loop();
        }
        if thread == 0 {
            // Kept, so that every round grows.
            let block = with_heap!(heap, |heap: &dyn Allocate| Ok(heap.allocate(LAYOUT) as usize));
            match block {
                Ok(0) | Err(_) => return figure(Err("memory is exhausted".to_owned())),
                Ok(block) => BLOCK.store(block, Ordering::Release),
            }
        } else {
            let block = BLOCK.load(Ordering::Relaxed) as *mut u8;
            notice_growth();
            // SAFETY: live, and this long.
            unsafe { block.write_bytes(round as u8, LAYOUT.size()) };
            BLOCK.store(0, Ordering::Release);
        }
    }
    rounds.into()
}

/// When all threads are done: gives back what nobody took, and looks for lost blocks; 0 if all is well.
#[unsafe(no_mangle)]
pub extern "C" fn finish(heap: u32) -> u32 {
    report(with_heap!(heap, |heap| EXCHANGE.finish(heap)))
}

/// One thread's part in exhausting the memory `rounds` times: takes blocks until it is refused, and gives them back.
/// Answers how many it got; 0 if something went wrong.
#[unsafe(no_mangle)]
pub extern "C" fn exhaust(heap: u32, thread: u32, rounds: u32) -> u64 {
    fn work<A: Allocate + Inspect>(heap: &A, thread: u32, rounds: u32) -> Result<u64, String> {
        // On the stack: the standard library's allocator cannot have memory either.
        let mut blocks = [core::ptr::null_mut::<u8>(); 2_048];
        let mut sum = 0;
        for round in 0..rounds {
            let size = [200_000, 9_000, 70_000][(thread + round) as usize % 3];
            let layout = Layout::from_size_align(size, 16).map_err(|error| error.to_string())?;
            let mut count = 0;
            for slot in &mut blocks {
                *slot = heap.allocate(layout);
                if slot.is_null() {
                    break;
                }
                // SAFETY: live, and this long.
                unsafe { slot.write_bytes(thread as u8 + 1, size) };
                count += 1;
            }
            heap.check().map_err(|broken| broken.to_string())?;
            for &block in &blocks[..count] {
                // SAFETY: live, this long, given back once.
                unsafe {
                    let bytes = std::slice::from_raw_parts(block, size);
                    if bytes.iter().any(|&byte| byte != thread as u8 + 1) {
                        return Err(format!("thread {thread}: {block:p} was overwritten"));
                    }
                    heap.deallocate(block, layout);
                }
            }
            sum += count as u64;
        }
        Ok(sum)
    }
    figure(with_heap!(heap, |heap| work(heap, thread, rounds)))
}

/// What a thread answers: a figure, or 0 with a message.
fn figure(outcome: Result<u64, String>) -> u64 {
    outcome.unwrap_or_else(|error| {
        report(Err(error));
        0
    })
}
