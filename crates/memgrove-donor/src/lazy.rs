//! The heap that `memgrove fix --allocator wee` puts into a module: C's `malloc` and its family over [`Wee`].
//!
//! It has no data, no stack, no table. What the heap has to remember lies at the start of the first page that it grew, and where that is, in
//! a global of the module, behind the two functions that it imports.
//!
//! ```text
//! memory of the module | Heap | blocks ... | of somebody else's growth | blocks ...
//!                      ^ heap()
//! ```
use core::ptr::null_mut;

use memgrove::Wee;
use memgrove::c::CHeap;
use memgrove::source::{Grow, PageSource, Region};

#[link(wasm_import_module = "memgrove")]
unsafe extern "C" {
    /// The heap's address, or 0 before the first growth.
    safe fn heap() -> usize;
    /// Keeps the heap's address.
    safe fn set_heap(address: usize);
}

/// The heap itself.
type Heap = Wee<AfterHeap>;

/// First what is left of the first growth behind the heap itself, then what `memory.grow` gives.
struct AfterHeap(Region);

// SAFETY: the rest of the first growth is as fresh as all of it, and is handed out once: `Wee` asks for slack once, and
// for nothing before (S1, S2). It ends where a next growth may begin (S3). The rest is `Grow`'s.
unsafe impl PageSource for AfterHeap {
    const ZEROED: bool = true;

    fn slack(&mut self) -> Region {
        core::mem::replace(&mut self.0, Region::EMPTY)
    }

    fn next_address(&self) -> usize {
        Grow.next_address()
    }

    fn grow(&mut self, bytes: usize) -> Option<Region> {
        Grow.grow(bytes)
    }
}

/// Makes the heap, in memory that nobody has used; `None` if the host refuses it.
#[cold]
fn make() -> Option<&'static Heap> {
    const HEAP_BYTES: usize = size_of::<Heap>().next_multiple_of(memgrove::c::ALIGN);
    let page = Grow.grow(HEAP_BYTES)?;
    let heap = pointer(page.start);
    let rest = Region { start: page.start + HEAP_BYTES, end: page.end };
    // SAFETY: the page is this heap's, at least as long as was asked for, and begins at a multiple of 64 KiB.
    unsafe { heap.write(Wee::with_source(AfterHeap(rest))) };
    set_heap(page.start);
    // SAFETY: it was just written, and stays there for good.
    Some(unsafe { &*heap })
}

/// Its provenance was exposed when the memory was grown.
fn pointer(address: usize) -> *mut Heap {
    core::ptr::with_exposed_provenance_mut(address)
}

/// The heap, made when it is first asked for.
struct Lazy;

static HEAP: Lazy = Lazy;

impl Lazy {
    fn get(&self) -> Option<&'static Heap> {
        // SAFETY: a heap that was kept was made, and stays there for good.
        unsafe { pointer(heap()).as_ref() }
    }

    fn or_null(&self, allocate: impl FnOnce(&Heap) -> *mut u8) -> *mut u8 {
        self.get().or_else(make).map_or(null_mut(), allocate)
    }
}

// SAFETY: `Wee` makes the same promises; without a heap there are no blocks.
unsafe impl CHeap for Lazy {
    fn c_allocate(&self, size: usize) -> *mut u8 {
        self.or_null(|heap| heap.c_allocate(size))
    }

    fn c_allocate_zeroed(&self, size: usize) -> *mut u8 {
        self.or_null(|heap| heap.c_allocate_zeroed(size))
    }

    fn c_allocate_aligned(&self, align: usize, size: usize) -> *mut u8 {
        self.or_null(|heap| heap.c_allocate_aligned(align, size))
    }

    unsafe fn c_reallocate(&self, block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        self.or_null(|heap| unsafe { heap.c_reallocate(block, size) })
    }

    unsafe fn c_free(&self, block: *mut u8) {
        if let Some(heap) = self.get() {
            // SAFETY: the caller's promise.
            unsafe { heap.c_free(block) }
        }
    }

    unsafe fn c_usable_size(&self, block: *mut u8) -> usize {
        // SAFETY: the caller's promise.
        self.get().map_or(0, |heap| unsafe { heap.c_usable_size(block) })
    }
}

memgrove::c_malloc!(HEAP);
