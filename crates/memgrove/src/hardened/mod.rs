//! [`Hardened`]: any allocator, with its misuse caught in the act.
//!
//! A layer between the program and an allocator of this crate. It gives each block a header and a canary, and lets freed
//! blocks wait in a quarantine before they may be used again. What it finds, it does not report and go on: it traps (on
//! wasm `unreachable`, natively `abort`), in a function that is named after the reason, so that a stack trace tells
//! it; [`trapped`] tells it as well.
//!
//! | misuse | found when | reason |
//! |---|---|---|
//! | freed twice | freed again, while in quarantine | [`Reason::DoubleFree`] |
//! | free of a pointer into a block, to the stack, of another heap | freed | [`Reason::NotABlock`] |
//! | header overwritten by the block before it | freed | [`Reason::NotABlock`] |
//! | written past the end | freed | [`Reason::Overflow`] |
//! | freed or reallocated with another layout | freed | [`Reason::WrongLayout`] |
//! | written after it was freed | it leaves the quarantine | [`Reason::WriteAfterFree`] |
//! | the allocator's own list overwritten so that it leads to a live block | handed out | [`Reason::HandedOutTwice`] |
//! | the allocator's own list overwritten in any way, with the feature `encoded-links` | followed | [`Reason::ForgedLink`] |
//!
//! # A block
//!
//! ```text
//!  the allocator's block
//!  | padding, if aligned to more than two words | size | tag | the program's bytes ........ | canary |
//!                                                            a                      a + size
//! ```
//!
//! The tag is a hash of the address, the layout, whether the block is live or freed, and a secret of the heap; only the
//! binary logarithm of the alignment can be read from it. So a copy of a header is no header elsewhere. The canary
//! hangs on the address and the secret; its first byte is never zero, because the commonest overflow is a string's
//! terminator. The allocators keep the links of their lists in the first two words of a free block, which are padding or
//! header here: a program that writes to a block after it was freed does not reach them.
//!
//! # What it is not
//!
//! - A tag has 26 bits on 32-bit machines, and a canary's first byte 7 that differ: chance misses one overflow by one byte
//!   in 128, and an attacker who knows the secret misses nothing. A module has no source of randomness without an
//!   import, so the secret is the address of the first block unless the program gives one ([`Hardened::with_secret`],
//!   [`Hardened::seed`]): natively the system chooses that address; on wasm it is the same in every run.
//! - Reading after free and reading past the end are not found; poison makes them conspicuous.
//! - What happens to a block after it has left the quarantine is found by chance only. Blocks of more than
//!   [`BLOCK_BYTES_MAX`] bytes do not enter it.
//!
//! # Links between free blocks
//!
//! The allocators keep their lists in free blocks. With the cargo feature `encoded-links` every such link, of all
//! allocators of the program, with or without this type before them, is mixed with its place and a secret, so that who
//! writes into a free block cannot choose where it leads; and what was written there stops the program when the list is
//! followed. `seed_links` (there with the feature) sets the secret apart from that of a heap. Without the feature, what a
//! forged link is good for, a block that overlaps a live one from its start, is still found.
//!
//! # What it costs
//!
//! Measured with allocation and release only, as `-Oz` and `wasm-opt` leave it: 1.8 KiB of code and 0.4 KiB of data, mostly
//! the reasons' texts. A block takes three words more, or an alignment and a word if that is wider than two words. The
//! quarantine takes up to 64 KiB of heap, and three words a place. A pair of calls takes some 0.1 µs more for blocks of
//! up to 512 bytes (`cargo run --release -p memgrove --example hardened_cost`: 6 to 14 times what the allocators take
//! alone), most of it for poison and its verification. Reallocation of blocks up to [`BLOCK_BYTES_MAX`] always moves
//! them. A program that does not name the type pays nothing.
//!
//! Encoded links cost 0.2 to 0.6 KiB of code (`Wee` 221 bytes, `Dlmalloc` 387, `Jemalloc` 396, `Hoard` 549), and time in each
//! call that takes a block from a list or puts one there. Over the lab's 23 workloads, relative to the `dlmalloc` crate
//! without anything of the kind, in fuel and in wall time on wasmtime:
//!
//! | | plain | encoded |
//! |---|--:|--:|
//! | `Wee` | 0.71, 0.72 | 0.79, 0.85 |
//! | `Dlmalloc` | 0.85, 0.89 | 1.09, 1.14 |
//! | `Jemalloc` | 0.74, 0.73 | 0.86, 0.83 |
//! | `Hoard` | 0.76, 0.77 | 1.05, 1.09 |
//!
//! # Invariants
//!
//! - G1: A block in quarantine has the header of a freed block of its layout.
//! - G2: Its bytes and its canary are poison.
//! - G3: No more than `QUARANTINE` blocks are in quarantine, and no more than `QUARANTINE * BLOCK_BYTES_MEAN` bytes.

mod block;
mod quarantine;

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::c;
use crate::face::{Allocate, Inspect};
#[cfg(feature = "encoded-links")]
pub use crate::link::seed_links;
use crate::stats::{Broken, Stats};
use crate::sync::Lock;
use crate::trap;
pub use crate::trap::{Reason, trapped};
use block::{Found, Seal};
pub use quarantine::{BLOCK_BYTES_MAX, BLOCK_BYTES_MEAN};
use quarantine::{Offer, Quarantine};

/// An allocator with a guard before it, for tests and for programs whose input is not to be trusted.
///
/// `QUARANTINE` is how many freed blocks wait before they are used again; 0 is allowed.
///
/// ```
/// # #[cfg(not(target_family = "wasm"))] {
/// use memgrove::{Dlmalloc, Hardened};
///
/// #[global_allocator]
/// static HEAP: Hardened<Dlmalloc> = Hardened::new(Dlmalloc::new());
///
/// assert_eq!(format!("{}-{}", 1, 2), "1-2");
/// # }
/// ```
pub struct Hardened<A, const QUARANTINE: usize = 64> {
    /// 0 until the first block was given.
    secret: AtomicUsize,
    quarantine: Lock<Quarantine<QUARANTINE>>,
    inner: A,
}

impl<A> Hardened<A> {
    /// The guard before `inner`, with a quarantine of 64 blocks.
    pub const fn new(inner: A) -> Self {
        Self::with_secret(inner, 0)
    }
}

impl<A, const QUARANTINE: usize> Hardened<A, QUARANTINE> {
    /// The guard before `inner`, with a secret of the program's own; 0 stands for the address of the first block.
    pub const fn with_secret(inner: A, secret: usize) -> Self {
        Self { secret: AtomicUsize::new(secret), quarantine: Lock::new(Quarantine::EMPTY), inner }
    }

    /// Sets the secret, if there is none yet: before the first block is allocated. Returns whether it did.
    pub fn seed(&self, secret: usize) -> bool {
        #[cfg(feature = "encoded-links")]
        seed_links(secret);
        self.secret.compare_exchange(0, secret, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The allocator behind. Blocks of its own may be had from it, but not given back here.
    pub const fn inner(&self) -> &A {
        &self.inner
    }

    #[inline(always)]
    fn seal(&self) -> Seal {
        Seal::new(self.secret.load(Ordering::Relaxed))
    }
}

impl<A: Allocate, const QUARANTINE: usize> Hardened<A, QUARANTINE> {
    /// C's `malloc`: `size` bytes at a multiple of 16, or null.
    pub fn malloc(&self, size: usize) -> *mut u8 {
        Layout::from_size_align(size, c::ALIGN).map_or(null_mut(), |layout| self.allocate(layout))
    }

    /// C's `free`, without a size: the header knows it. `block` may not be null.
    ///
    /// # Safety
    /// None of the other functions' promises are needed: what did not come from this heap, or was given back, is found
    /// and traps, as far as the [module](self) tells. Memory before `block` must be readable.
    pub unsafe fn free(&self, block: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { self.release(block, None) };
    }

    /// The bytes that the program may use in `block`: as many as it asked for.
    ///
    /// # Safety
    /// As for [`free`](Self::free).
    pub unsafe fn usable_size(&self, block: *mut u8) -> usize {
        // SAFETY: the caller's promise.
        unsafe { self.expect_live(block, None).size() }
    }

    /// Makes `block` `new_size` bytes long, by moving it unless it is large; null if exhausted, and then the old block
    /// stays. Its alignment is kept.
    ///
    /// # Safety
    /// As for [`free`](Self::free); on success only the answer is used afterwards.
    pub unsafe fn resize(&self, block: *mut u8, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            let layout = self.expect_live(block, None);
            match Layout::from_size_align(new_size, layout.align()) {
                Ok(new_layout) => self.renew(block, layout, new_layout),
                Err(_) => null_mut(),
            }
        }
    }

    /// Gets a block through `get` and gives it header and canary.
    #[inline(always)]
    fn obtain(&self, layout: Layout, get: impl Fn(&A, Layout) -> *mut u8) -> *mut u8 {
        let Some(outer) = block::outer_layout(layout) else { return null_mut() };
        #[cfg(feature = "encoded-links")]
        seed_links(self.secret.load(Ordering::Relaxed));
        let mut start = get(&self.inner, outer);
        if start.is_null() {
            // What waits in quarantine may be what is missing.
            self.empty_quarantine();
            start = get(&self.inner, outer);
            if start.is_null() {
                return start;
            }
        }
        if self.secret.load(Ordering::Relaxed) == 0 {
            self.seed(Seal::new(start.expose_provenance()).secret_from_address());
        }
        let seal = self.seal();
        let block = start.wrapping_add(block::offset(layout.align()));
        // SAFETY: the allocator has just given the memory around it (its promise as `Allocate`).
        unsafe {
            if let Found::Live(_) = seal.look_at(block) {
                trap::handed_out_twice(block);
            }
            seal.write_header(block, layout);
            seal.write_canary(block, layout);
        }
        block
    }

    /// The layout of a live block; traps if there is no live block, or one of another layout than `expected`.
    unsafe fn expect_live(&self, block: *mut u8, expected: Option<Layout>) -> Layout {
        let seal = self.seal();
        // SAFETY: the caller promises memory before `block`; a header that fits its address and the secret is ours,
        // so that the memory behind it is, too.
        unsafe {
            let layout = match seal.look_at(block) {
                Found::Live(layout) => layout,
                Found::Freed(_) => trap::double_free(block),
                Found::Nothing => trap::not_a_block(block),
            };
            if expected.is_some_and(|expected| expected != layout) {
                trap::wrong_layout(block);
            }
            if !seal.has_canary(block, layout) {
                trap::overflow(block);
            }
            layout
        }
    }

    /// Gives a block back: into quarantine, or if it is large to the allocator.
    unsafe fn release(&self, block: *mut u8, expected: Option<Layout>) {
        // SAFETY: the caller's promise, and `expect_live` has verified it: the block is ours and live.
        unsafe {
            let layout = self.expect_live(block, expected);
            let seal = self.seal();
            if !seal.mark_freed(block, layout) {
                // Another thread was faster.
                trap::double_free(block);
            }
            if layout.size() > BLOCK_BYTES_MAX || QUARANTINE == 0 {
                self.give_back(block, layout);
                return;
            }
            block::poison(block, layout);
            loop {
                match self.quarantine.with(|quarantine| quarantine.offer(block, layout)) {
                    Offer::Taken => return,
                    Offer::First(oldest, layout) => self.let_go(oldest, layout),
                }
            }
        }
    }

    /// Verifies a block that leaves the quarantine, and gives it back to the allocator.
    unsafe fn let_go(&self, block: *mut u8, layout: Layout) {
        // SAFETY: blocks in quarantine are the heap's own (G1).
        unsafe {
            if !self.seal().is_freed(block, layout) || !block::is_poison(block, layout) {
                trap::write_after_free(block);
            }
            self.give_back(block, layout);
        }
    }

    unsafe fn give_back(&self, block: *mut u8, layout: Layout) {
        if let Some(outer) = block::outer_layout(layout) {
            // SAFETY: so it was allocated in `obtain`; nobody uses it.
            unsafe { self.inner.deallocate(block.wrapping_sub(block::offset(layout.align())), outer) };
        }
    }

    fn empty_quarantine(&self) {
        while let Some((block, layout)) = self.quarantine.with(Quarantine::pop) {
            // SAFETY: it was in quarantine (G1).
            unsafe { self.let_go(block, layout) };
        }
    }

    /// Reallocates a block that was found to be live, with this layout.
    unsafe fn renew(&self, block: *mut u8, layout: Layout, new_layout: Layout) -> *mut u8 {
        let (Some(outer), Some(new_outer)) = (block::outer_layout(layout), block::outer_layout(new_layout))
        else {
            return null_mut();
        };
        // SAFETY: the block is live and has this layout; the new one is as long as what is copied.
        unsafe {
            if layout.size() <= BLOCK_BYTES_MAX {
                let moved = self.allocate(new_layout);
                if !moved.is_null() {
                    moved.copy_from_nonoverlapping(block, layout.size().min(new_layout.size()));
                    self.release(block, Some(layout));
                }
                return moved;
            }
            // It would not enter the quarantine, so it may stay where it is. If it does not, no live header may
            // be left behind.
            let seal = self.seal();
            if !seal.mark_freed(block, layout) {
                trap::double_free(block);
            }
            let offset = block::offset(layout.align());
            let start = self.inner.reallocate(block.wrapping_sub(offset), outer, new_outer.size());
            if start.is_null() {
                seal.write_header(block, layout);
                return start;
            }
            let block = start.wrapping_add(offset);
            seal.write_header(block, new_layout);
            seal.write_canary(block, new_layout);
            block
        }
    }
}

// SAFETY: a block is a part of one of the allocator's own; what it promises holds of the part.
unsafe impl<A: Allocate, const QUARANTINE: usize> Allocate for Hardened<A, QUARANTINE> {
    fn allocate(&self, layout: Layout) -> *mut u8 {
        self.obtain(layout, A::allocate)
    }

    fn allocate_zeroed(&self, layout: Layout) -> *mut u8 {
        self.obtain(layout, A::allocate_zeroed)
    }

    unsafe fn deallocate(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.release(block, Some(layout)) }
    }

    unsafe fn reallocate(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise, about the new size as well.
        unsafe {
            self.expect_live(block, Some(layout));
            self.renew(block, layout, Layout::from_size_align_unchecked(new_size, layout.align()))
        }
    }
}

impl<A: Allocate + Inspect, const QUARANTINE: usize> Inspect for Hardened<A, QUARANTINE> {
    /// Empties the quarantine first, verifying it, so that what waits there is counted as free.
    fn stats(&self) -> Stats {
        self.empty_quarantine();
        self.inner.stats()
    }

    fn check(&self) -> Result<(), Broken> {
        self.quarantine.with(|quarantine| quarantine.check(self.seal()))?;
        self.inner.check()
    }
}

// SAFETY: `Allocate` makes the same promises.
unsafe impl<A: Allocate, const QUARANTINE: usize> GlobalAlloc for Hardened<A, QUARANTINE> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.allocate(layout)
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.allocate_zeroed(layout)
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, which is the same.
        unsafe { self.deallocate(block, layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise, which is the same.
        unsafe { self.reallocate(block, layout, new_size) }
    }
}
