//! `Hardened` before each allocator: every attack is caught, in a process of its own, for the reason that it is.
//! Correct programs are the cases in `reliability.rs`.
#![cfg(unix)]
#![allow(unsafe_code, reason = "misuses allocators on purpose")]

use std::alloc::Layout;
use std::ffi::c_int;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use memgrove::hardened::{BLOCK_BYTES_MAX, Reason, trapped};
use memgrove::{Allocate, Dlmalloc, Hardened, Hoard, Inspect, Jemalloc, Wee};

const ABORTED: c_int = 6;

unsafe extern "C" {
    fn signal(number: c_int, handler: extern "C" fn(c_int)) -> usize;
    fn _exit(code: c_int) -> !;
}

/// Tells the parent why the heap stopped: what a program's own handler would do.
extern "C" fn tell(_: c_int) {
    let code = trapped().map_or(99, |(reason, _)| 100 + reason as c_int);
    // SAFETY: it is made for signal handlers.
    unsafe { _exit(code) }
}

const CHILD: &str = "MEMGROVE_ATTACKS";

/// Runs this test once more, alone in a process, in which `attack` is made.
#[track_caller]
fn status_of(name: &str, handle: bool, attack: impl FnOnce()) -> ExitStatus {
    if std::env::var_os(CHILD).is_some() {
        if handle {
            // SAFETY: the handler only loads and exits.
            unsafe { signal(ABORTED, tell) };
        }
        attack();
        std::process::exit(0);
    }
    let this = std::env::current_exe().expect("this program");
    let mut child = Command::new(this);
    child.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    child.output().expect("a child process").status
}

#[track_caller]
fn caught(name: &str, reason: Reason, attack: impl FnOnce()) {
    let status = status_of(name, true, attack);
    assert_eq!(status.code(), Some(100 + reason as c_int), "{name}: {status}, expected {reason:?}");
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("a layout")
}

/// Frees enough for whatever is in quarantine to leave it.
fn churn(heap: &impl Allocate) {
    for _ in 0..200 {
        let block = heap.allocate(layout(40));
        // SAFETY: allocated in the line above.
        unsafe { heap.deallocate(block, layout(40)) };
    }
}

/// An encoded link gives itself away; else it is found by what it leads to.
const FOUND_BY_LINK: Reason =
    if cfg!(feature = "encoded-links") { Reason::ForgedLink } else { Reason::HandedOutTwice };

mod attacks {
    use super::*;

    pub fn double_free(heap: &impl Allocate) {
        let block = heap.allocate(layout(40));
        let other = heap.allocate(layout(40));
        // SAFETY: the second time it is not.
        unsafe {
            heap.deallocate(block, layout(40));
            heap.deallocate(other, layout(40));
            heap.deallocate(block, layout(40));
        }
    }

    pub fn double_free_by_reallocation(heap: &impl Allocate) {
        let block = heap.allocate(layout(40));
        // SAFETY: the block has moved when it is given back.
        unsafe {
            let longer = heap.reallocate(block, layout(40), 400);
            assert!(!longer.is_null());
            heap.deallocate(block, layout(40));
        }
    }

    pub fn free_on_the_stack(heap: &impl Allocate) {
        let mut words = [7_usize; 16];
        let kept = heap.allocate(layout(40));
        // SAFETY: it is no block at all.
        unsafe { heap.deallocate((&raw mut words[8]).cast(), layout(40)) };
        assert!(!kept.is_null());
    }

    pub fn free_in_the_middle(heap: &impl Allocate) {
        let block = heap.allocate(layout(400));
        // SAFETY: the bytes are the block's; the pointer that is given back is not.
        unsafe {
            // A copy of a header is no header elsewhere.
            block.copy_from(block.sub(2 * size_of::<usize>()), 2 * size_of::<usize>());
            heap.deallocate(block.add(2 * size_of::<usize>()), layout(400));
        }
    }

    pub fn free_of_an_odd_address(heap: &impl Allocate) {
        let block = heap.allocate(layout(400));
        // SAFETY: it is no block.
        unsafe { heap.deallocate(block.add(1), layout(399)) };
    }

    pub fn free_to_another_heap(heap: &impl Allocate) {
        let other = Hardened::new(Wee::new());
        let block = other.allocate(layout(40));
        heap.allocate(layout(40));
        // SAFETY: it is the other's.
        unsafe { heap.deallocate(block, layout(40)) };
    }

    pub fn wrong_size(heap: &impl Allocate) {
        let block = heap.allocate(layout(40));
        // SAFETY: it was 40.
        unsafe { heap.deallocate(block, layout(48)) };
    }

    pub fn wrong_alignment(heap: &impl Allocate) {
        let block = heap.allocate(layout(64));
        // SAFETY: it was 8.
        unsafe { heap.deallocate(block, Layout::from_size_align_unchecked(64, 16)) };
    }

    pub fn wrong_size_reallocated(heap: &impl Allocate) {
        let block = heap.allocate(layout(40));
        // SAFETY: it was 40.
        unsafe { heap.reallocate(block, layout(48), 100) };
    }

    /// A string's terminator, just past the end: at every length, since a block has no rounding to hide it in.
    pub fn overflow_by_a_zero(heap: &impl Allocate) {
        for size in 0..70 {
            let block = heap.allocate(layout(size));
            // SAFETY: as many bytes as the block has.
            unsafe {
                block.write_bytes(b'x', size);
                heap.deallocate(block, layout(size));
            }
        }
        let block = heap.allocate(layout(13));
        // SAFETY: one too many.
        unsafe {
            block.add(13).write(0);
            heap.deallocate(block, layout(13));
        }
    }

    pub fn overflow_found_by_reallocation(heap: &impl Allocate) {
        let block = heap.allocate(layout(BLOCK_BYTES_MAX + 5));
        // SAFETY: one too many.
        unsafe {
            block.add(BLOCK_BYTES_MAX + 5).write(0);
            heap.reallocate(block, layout(BLOCK_BYTES_MAX + 5), 2 * BLOCK_BYTES_MAX);
        }
    }

    /// The block behind is freed first: its header is what the overflow has hit.
    pub fn overflow_into_a_header(heap: &impl Allocate) {
        let blocks = [(); 200].map(|()| heap.allocate(layout(40)).addr());
        let (first, next) = blocks
            .iter()
            .flat_map(|&first| blocks.iter().map(move |&next| (first, next)))
            .find(|&(first, next)| next > first && next - first < 128)
            .expect("two neighbours");
        let first: *mut u8 = std::ptr::with_exposed_provenance_mut(first);
        // SAFETY: all of the gap belongs to the heap.
        unsafe {
            first.write_bytes(b'A', next - first.addr());
            heap.deallocate(first.add(next - first.addr()), layout(40));
        }
    }

    pub fn write_after_free(heap: &impl Allocate) {
        let block = heap.allocate(layout(40));
        // SAFETY: the write comes too late.
        unsafe {
            heap.deallocate(block, layout(40));
            block.add(33).write(0);
        }
        churn(heap);
    }

    pub fn write_to_the_header_after_free(heap: &impl Allocate) {
        let block = heap.allocate(layout(40));
        // SAFETY: nothing before a block is the program's.
        unsafe {
            heap.deallocate(block, layout(40));
            block.cast::<usize>().sub(2).write(0);
        }
        churn(heap);
    }

    /// A dangling pointer to before the block forges the link of the allocator's list, so that a live block would be
    /// handed out again.
    pub fn forged_link(heap: &impl Allocate) {
        let headers = 2 * size_of::<usize>();
        let blocks = [(); 300].map(|()| heap.allocate(layout(40)));
        // SAFETY: the writes come when the blocks are long in a list of the allocator's.
        unsafe {
            let live = blocks[0].sub(headers);
            for &block in &blocks[1..] {
                heap.deallocate(block, layout(40));
            }
            // The last ones are in quarantine.
            for &block in &blocks[1..blocks.len() - 64] {
                block.sub(headers).cast::<*mut u8>().write(live);
            }
            for _ in 0..300 {
                heap.allocate(layout(40));
            }
        }
    }
}

macro_rules! against {
    ($name:ident, $heap:expr) => {
        mod $name {
            use super::*;

            against! { @ $name, $heap,
                double_free => Reason::DoubleFree;
                double_free_by_reallocation => Reason::DoubleFree;
                free_on_the_stack => Reason::NotABlock;
                free_in_the_middle => Reason::NotABlock;
                free_of_an_odd_address => Reason::NotABlock;
                free_to_another_heap => Reason::NotABlock;
                wrong_size => Reason::WrongLayout;
                wrong_alignment => Reason::WrongLayout;
                wrong_size_reallocated => Reason::WrongLayout;
                overflow_by_a_zero => Reason::Overflow;
                overflow_found_by_reallocation => Reason::Overflow;
                overflow_into_a_header => Reason::NotABlock;
                write_after_free => Reason::WriteAfterFree;
                write_to_the_header_after_free => Reason::WriteAfterFree;
                forged_link => FOUND_BY_LINK;
            }

            #[test]
            fn c_finds_the_same() {
                let heap = Hardened::new($heap);
                let name = concat!(stringify!($name), "::c_finds_the_same");
                caught(name, Reason::DoubleFree, || {
                    let block = heap.malloc(100);
                    // SAFETY: until the second `free`, it is right.
                    unsafe {
                        assert_eq!(block.addr() % 16, 0);
                        assert_eq!(heap.usable_size(block), 100);
                        block.write_bytes(1, 100);
                        let longer = heap.resize(block, 100_000);
                        let longer = heap.resize(longer, 200_000);
                        assert!((0..100).all(|i| longer.add(i).read() == 1));
                        heap.free(longer);
                        heap.free(heap.malloc(0));
                        heap.check().expect("a valid heap");
                        heap.free(block);
                    }
                });
            }
        }
    };
    (@ $name:ident, $heap:expr, $($attack:ident => $reason:expr;)*) => {$(
        #[test]
        fn $attack() {
            let name = concat!(stringify!($name), "::", stringify!($attack));
            caught(name, $reason, || attacks::$attack(&Hardened::new($heap)));
        }
    )*};
}

against!(wee, Wee::new());
against!(dlmalloc, Dlmalloc::new());
against!(jemalloc, Jemalloc::new());
against!(hoard, Hoard::new());

#[test]
fn without_a_handler_the_process_aborts() {
    let status = status_of("without_a_handler_the_process_aborts", false, || {
        attacks::double_free(&Hardened::new(Wee::new()));
    });
    assert_eq!(status.signal(), Some(ABORTED), "{status}");
}

#[test]
fn an_attack_that_is_none_is_not_caught() {
    let status =
        status_of("an_attack_that_is_none_is_not_caught", true, || churn(&Hardened::new(Wee::new())));
    assert_eq!(status.code(), Some(0), "{status}");
}

#[test]
fn check_tells_of_a_write_after_free_without_stopping() {
    let heap = Hardened::new(Jemalloc::new());
    let block = heap.allocate(layout(40));
    // SAFETY: the block is in quarantine, so nobody else's; what is written is taken back.
    unsafe {
        heap.deallocate(block, layout(40));
        let before = block.read();
        block.write(!before);
        assert_eq!(heap.check().expect_err("a broken heap").invariant, "G2");
        block.write(before);
    }
    heap.check().expect("a valid heap");
}

#[test]
fn a_secret_of_ones_own_is_kept() {
    let heap: Hardened<Wee, 8> = Hardened::with_secret(Wee::new(), 0);
    assert!(heap.seed(12345), "no block yet");
    let block = heap.allocate(layout(8));
    assert!(!heap.seed(54321), "blocks are sealed with the first");
    // SAFETY: live.
    unsafe { heap.deallocate(block, layout(8)) };
    let drawn = Hardened::new(Wee::new());
    drawn.allocate(layout(8));
    assert!(!drawn.seed(1), "the first block's address was taken");
}

/// Attacks on allocators with nothing before them: what encoded links find alone.
#[cfg(feature = "encoded-links")]
mod encoded_links {
    use super::*;

    /// Live blocks with free ones between them, and all free ones.
    fn every_other(heap: &impl Allocate, size: usize) -> (Vec<*mut u8>, Vec<*mut u8>) {
        let blocks: Vec<_> = (0..400).map(|_| heap.allocate(layout(size))).collect();
        let (freed, live): (Vec<_>, Vec<_>) =
            blocks.iter().enumerate().partition(|(index, _)| index % 2 == 0);
        let [freed, live] =
            [freed, live].map(|list| list.into_iter().map(|(_, &block)| block).collect::<Vec<_>>());
        for &block in &freed {
            // SAFETY: live until now.
            unsafe { heap.deallocate(block, layout(size)) };
        }
        (live, freed)
    }

    fn allocate_many(heap: &impl Allocate, size: usize) {
        for _ in 0..400 {
            heap.allocate(layout(size));
        }
    }

    /// A string that is too long runs into the free block behind its own.
    pub fn overflow_into_a_link(heap: &impl Allocate) {
        let (live, freed) = every_other(heap, 40);
        for block in live {
            let next = freed.iter().filter(|next| next.addr() > block.addr()).min();
            // Up to the first byte of the next block, which has 40 as well.
            if let Some(next) = next.filter(|next| next.addr() - block.addr() <= 64) {
                // SAFETY: both blocks are the heap's.
                unsafe { block.write_bytes(b'A', next.addr() - block.addr() + 1) };
            }
        }
        allocate_many(heap, 40);
    }

    pub fn zeros_after_free(heap: &impl Allocate) {
        let (_, freed) = every_other(heap, 40);
        for block in freed {
            // SAFETY: the heap's; the write comes too late.
            unsafe { block.write_bytes(0, size_of::<usize>()) };
        }
        allocate_many(heap, 40);
    }

    pub fn a_link_to_the_stack(heap: &impl Allocate) {
        let mut target = [0_usize; 8];
        let (_, freed) = every_other(heap, 40);
        for block in freed {
            // SAFETY: the heap's; the write comes too late.
            unsafe { block.cast::<*mut usize>().write(&raw mut target[0]) };
        }
        allocate_many(heap, 40);
    }

    /// A link that was read where it may be read is not one elsewhere.
    pub fn a_link_from_another_block(heap: &impl Allocate) {
        let (_, freed) = every_other(heap, 40);
        // SAFETY: the heap's; the writes come too late.
        unsafe {
            let link = freed[0].cast::<usize>().read();
            for block in &freed[1..] {
                block.cast::<usize>().write(link);
            }
        }
        allocate_many(heap, 40);
    }

    /// Links that were right once, at the same place: found where lists have two directions.
    pub fn older_links(heap: &impl Allocate) {
        const SIZE: usize = 5000;
        const WORDS: usize = 2;
        let (live, freed) = every_other(heap, SIZE);
        let read = |block: &*mut u8| -> [usize; WORDS] {
            // SAFETY: the heap's.
            unsafe { block.cast::<[usize; WORDS]>().read() }
        };
        let older: Vec<_> = freed.iter().map(read).collect();
        // The same blocks, in another order.
        let again: Vec<_> = freed.iter().map(|_| heap.allocate(layout(SIZE))).collect();
        for &block in again.iter().step_by(3).chain(again.iter().skip(1).step_by(3)) {
            // SAFETY: allocated above.
            unsafe { heap.deallocate(block, layout(SIZE)) };
        }
        let kept: Vec<_> = again.iter().skip(2).step_by(3).collect();
        for (block, older) in freed.iter().zip(older) {
            if !kept.contains(&block) {
                // SAFETY: the heap's; the write comes too late.
                unsafe { block.cast::<[usize; WORDS]>().write(older) };
            }
        }
        // Freed neighbours are merged with those, and so taken out of their lists.
        for block in live {
            // SAFETY: allocated by `every_other`.
            unsafe { heap.deallocate(block, layout(SIZE)) };
        }
    }

    macro_rules! found {
        ($($name:ident, $heap:expr, $($attack:ident)*;)*) => {$(
            mod $name {
                use super::*;
                $(
                    #[test]
                    fn $attack() {
                        let name = concat!("encoded_links::", stringify!($name), "::", stringify!($attack));
                        caught(name, Reason::ForgedLink, || super::$attack(&$heap));
                    }
                )*
            }
        )*};
    }

    found! {
        wee, Wee::new(), zeros_after_free a_link_to_the_stack a_link_from_another_block;
        dlmalloc, Dlmalloc::new(), overflow_into_a_link zeros_after_free a_link_to_the_stack a_link_from_another_block older_links;
        jemalloc, Jemalloc::new(), overflow_into_a_link zeros_after_free a_link_to_the_stack a_link_from_another_block older_links;
        hoard, Hoard::new(), overflow_into_a_link zeros_after_free a_link_to_the_stack a_link_from_another_block older_links;
    }

    #[test]
    fn check_tells_of_a_forged_link_without_stopping() {
        let heap = Wee::new();
        let (_, freed) = every_other(&heap, 64);
        heap.check().expect("a valid heap");
        // SAFETY: the heap's; the write comes too late.
        unsafe { freed[7].cast::<usize>().write(0) };
        let broken = heap.check().expect_err("a broken heap");
        assert_eq!((broken.invariant, broken.address), ("H1", freed[7].addr()));
    }

    #[test]
    fn the_first_secret_is_kept() {
        let heap: Hardened<Wee> = Hardened::with_secret(Wee::new(), 4711);
        heap.allocate(layout(8));
        assert!(!memgrove::hardened::seed_links(12), "there is a secret");
        assert!(!memgrove::hardened::seed_links(0), "none is no secret");
    }
}
