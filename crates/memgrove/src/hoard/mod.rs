//! [`Hoard`]: a heap for each thread, superblocks that move between them, and a bound on what they hold.
//!
//! After Emery Berger, Kathryn McKinley, Robert Blumofe and Paul Wilson, *Hoard: A Scalable Memory Allocator for
//! Multithreaded Applications* (ASPLOS 2000). Memory is cut into *superblocks* of S bytes, each with blocks of one size
//! class. Each thread allocates from superblocks that its heap owns, so threads share neither a lock nor a cache line.
//! A block that is freed goes home to its superblock: its heap's own thread puts it there under the heap's lock; another one
//! sends it, some 32 at once, to the heap's *mailbox*, without that lock. A heap that has too little in use gives a superblock
//! to the *global heap*, from which any heap may take it.
//!
//! # Layout
//!
//! ```text
//!  heap 0, global     heap 1     heap 2     …     heap 16           each with its lock, on cache lines of its own
//!                       │
//!                       ├─ active: the superblock that each class is allocated from
//!                       └─ lists: dense and sparse superblocks of each class, empty ones
//!                               │
//!  a superblock, at a           ▼
//!  multiple of S: | header | block | block | block | … | not yet cut        |
//!                 | owner  |
//!                 | free ──┼─────────► next ──────► …
//!
//!  each heap's post: an outbox, behind a lock of its own, and a mailbox, without any (`post.rs`)
//!
//!  pages, behind a lock of their own:
//!  | page map | superblock | large block    | free | superblock | large block | … | top |
//! ```
//!
//! Large blocks and superblocks are extents of pages (`pages/mod.rs`). Blocks are taken and given back here, superblocks move in
//! `transfer.rs`, blocks that others have freed in `post.rs`; one heap is `heap.rs`, one superblock `superblock.rs`.
//!
//! C's `free` is not told a size, and needs no table to find out: a large block begins at a multiple of a page, and no
//! block of a superblock does. Their places are chosen so that most classes lose nothing by it (`superblock.rs`).
//!
//! # Invariants
//!
//! - B1: A superblock is an extent of S bytes at a multiple of S; its header tells its class and how many blocks fit.
//!   No block of it begins at a multiple of a page. Every other extent in use is a large block.
//! - B2: A superblock's owner is a heap, and leads to nothing but it: only the owner's lists and active superblocks hold
//!   it. The owner changes under the lock of the heap that it names before.
//! - B3: The blocks of a superblock are in use, on their way home, in its list of free ones, or not yet cut; each is one of these.
//!   One on its way counts as in use, so a superblock that it belongs to is neither empty nor another class's.
//! - B4: A superblock's group is that of its blocks in use, and the heap's lists hold just the superblocks of theirs.
//! - B5: A heap's *u* and *a* are the sums over its superblocks, of blocks in use and of all blocks, in bytes; active
//!   ones do not count.
//! - B6: The emptiness invariant of each heap but the global one: `u >= a - K·S` or `u >= (1 - f)·a`; K is 8 and f a
//!   quarter.
//! - B7: The superblocks of the global heap are at least f empty, and not all empty: those go back to the pages.
//! - B8: A block on its way home is in one list, in an outbox or in a mailbox, or in the hands of the thread that carries it. No outbox
//!   has blocks for its own heap, nor so many that they are to be sent; outboxes and mailboxes tell what they hold.
//! - The pages hold to P1 to P6 (`pages/mod.rs`).
//!
//! What differs from the paper: a heap's active superblocks, at most one for each class, do not count in *u* and *a*.
//! So to allocate is to take a block and count it, and what a thread works with is never taken from it. The bound stays
//! O(U + P): with C classes and P heaps, at most `U / (1 - f) + P·(K + C)·S` bytes are in superblocks, and what their
//! headers and rests take. The second term is less than 5 MiB for 16 heaps, if each of them has used every class. U counts what is on
//! its way: less than 4 KiB in each outbox, and in a mailbox 16 KiB, with which the sender takes the owner's lock and empties it, and
//! what others send in that moment; half a megabyte for 16 heaps. So a thread that has ended, or allocates no more, keeps no more than
//! that of what others free. All of it comes home before memory grows.
//!
//! # Threads
//!
//! A thread's heap is chosen by its slot (`thread.rs`), of which there are 16. More threads share heaps, which costs them
//! waiting for each other's few instructions, and nothing else. When a thread ends its heap stays and serves the next
//! thread with that slot; meanwhile other threads may free its blocks, and by B6 it gives up what they leave empty.
//! Memory that is empty in any heap is asked back before an allocation fails, after all that is on its way came home.
//!
//! The order of locks is: a thread's heap, the global heap, an outbox, the pages; whoever holds one takes later ones only. Nobody holds
//! two threads' heaps or two outboxes but who looks at everything (`check.rs`, which says in what order). A thread that frees another's
//! block holds its outbox's lock alone, under which it puts chains into mailboxes, by one exchange each. A mailbox is emptied
//! under its heap's lock; a block in it whose superblock has moved on meanwhile is carried to the new owner after that lock was let go of,
//! as blocks of the global heap are at once.
//!
//! # Complexity
//!
//! Constant time for each call: the lock of a heap, and a block of a list. Once in a superblock's blocks (or 16 of them)
//! constant time more: a superblock moves between lists, heaps or the pages. A large block takes the pages' lock.
//! Emptying a mailbox is linear in its blocks, and so a call's share of it is constant. Asking memory back is linear in the classes, in the
//! superblocks that are empty and in the blocks on their way, and happens only before memory grows.
//!
//! # A program that lives long
//!
//! Before memory grows, every heap gives up what it has empty. In a module without threads all superblocks go back to the pages
//! when the last block is freed, unless they lie close together anyway, and the pages are as good as new (P6): the same work finds
//! the same places again. With threads a heap keeps its active superblocks until memory would grow, so that a round begins with blocks
//! of superblocks wherever they lie, and six of 21 loads still grow after the second round, by one to four pages (`tests/rounds.rs`).
//! That all heaps give back what is idle before one with nothing in use takes new pages was tried, and helps little: three loads took one
//! or two pages less, but two that begin with large blocks 4 and 17 more. To see every emptying would cost the owner of a block that is
//! taken and given back again and again two locks each time.

mod away;
mod check;
mod heap;
mod mailbox;
mod owner;
mod post;
mod superblock;
#[cfg(test)]
mod tests;
mod transfer;

use core::alloc::Layout;
use core::ptr::null_mut;
use core::sync::atomic::Ordering;

use crate::c;
use crate::face::{Allocate, Inspect, move_block};
use crate::pages::Pages;
use crate::source::{PageSource, Platform, notice_growth};
use crate::stats::{Broken, Stats};
use crate::sync::Lock;
use crate::thread::{SLOTS, slot};
use crate::word::pointer;
use heap::{Heap, SHARED, SLACK_BYTES};
use post::{POSTS, Post};
use superblock::{Superblock, is_large, quick_class, size_at, small_class, superblock_of};

/// How many heaps there are: one for each slot and the global one, or one alone.
const HEAPS: usize = if SHARED { SLOTS + 1 } else { 1 };

/// The global heap; without threads, the only one.
const GLOBAL: usize = 0;

/// What [`Pages`] remembers of a superblock, and of a large block.
const TAG_LARGE: u8 = 0;
const TAG_SUPERBLOCK: u8 = 1;

/// [`superblock_of`], whose header is about to be read before a lock was taken.
#[inline(always)]
fn known_superblock_of(block: *mut u8) -> *mut Superblock {
    notice_growth();
    superblock_of(block)
}

/// A value on cache lines of its own.
#[repr(align(64))]
struct Lines<T>(T);

/// The one for threads: each has a heap of its own, and what they hold together stays bounded.
///
/// Enable the feature `std` in a program with threads, so that they are told apart by more than their stacks.
///
/// ```
/// # #[cfg(not(target_family = "wasm"))] {
/// use memgrove::Hoard;
///
/// #[global_allocator]
/// static HEAP: Hoard = Hoard::new();
///
/// let lengths: Vec<_> = (0..4)
///     .map(|n| std::thread::spawn(move || vec![n; 1000].into_iter().map(|n| n.to_string()).collect::<String>().len()))
///     .map(|thread| thread.join().unwrap())
///     .collect();
/// assert_eq!(lengths, [1000; 4]);
/// # }
/// ```
pub struct Hoard<S: PageSource = Platform> {
    heaps: [Lines<Lock<Heap>>; HEAPS],
    pages: Lines<Lock<Pages<S>>>,
    posts: [Post; POSTS],
}

impl Hoard {
    /// Empty heaps on the source that fits the target.
    #[expect(clippy::new_without_default, reason = "a default value of a heap would be a new heap each time")]
    pub const fn new() -> Self {
        Self::with_source(crate::source::PLATFORM)
    }
}

impl<S: PageSource> Hoard<S> {
    /// Empty heaps on `source`.
    pub const fn with_source(source: S) -> Self {
        let mut heaps = [const { Lines(Lock::new(Heap::new(SLACK_BYTES))) }; HEAPS];
        heaps[GLOBAL] = Lines(Lock::new(Heap::new(usize::MAX)));
        Self { heaps, pages: Lines(Lock::new(Pages::new(source))), posts: [const { Post::new() }; POSTS] }
    }

    #[inline(always)]
    fn heap(&self, number: usize) -> &Lock<Heap> {
        debug_assert!(number < HEAPS);
        // SAFETY: a number comes from a slot, from a superblock's owner (B2), or from counting to HEAPS.
        unsafe { &self.heaps.get_unchecked(number).0 }
    }

    /// The number of the calling thread's heap.
    #[inline(always)]
    fn mine() -> usize {
        if SHARED { slot() + 1 } else { GLOBAL }
    }

    #[inline]
    fn allocate_bytes(&self, size: usize, align: usize) -> *mut u8 {
        match quick_class(size, align) {
            Some(class) => self.allocate_small(class),
            None => self.allocate_other(size, align),
        }
    }

    /// Larger and more aligned blocks: kept out of the way of the others.
    #[inline(never)]
    fn allocate_other(&self, size: usize, align: usize) -> *mut u8 {
        match small_class(size, align) {
            Some(class) => self.allocate_small(class),
            None => self.allocate_large(size, align, false),
        }
    }

    #[inline(always)]
    fn allocate_small(&self, class: usize) -> *mut u8 {
        let mine = Self::mine();
        let block = self.heap(mine).with(|heap| {
            let block = heap.take(class);
            if block.is_null() && !(SHARED && self.has_mail(mine)) {
                self.refill(heap, mine, class, false)
            } else {
                block
            }
        });
        if !block.is_null() {
            block
        } else if SHARED {
            self.allocate_after_mail(mine, class)
        } else {
            self.allocate_small_at_last(class)
        }
    }

    /// Memory would have to grow: asks all heaps for what they have empty, and tries once more.
    #[cold]
    #[inline(never)]
    fn allocate_small_at_last(&self, class: usize) -> *mut u8 {
        self.ask_back();
        let mine = Self::mine();
        self.heap(mine).with(|heap| {
            // Nobody held the lock meanwhile: another thread may have given a block back, or got the heap a superblock.
            let block = if SHARED { heap.take(class) } else { null_mut() };
            if block.is_null() { self.refill(heap, mine, class, true) } else { block }
        })
    }

    fn allocate_large(&self, size: usize, align: usize, zeroed: bool) -> *mut u8 {
        let attempt = |may_grow| {
            self.pages.0.with(|pages| {
                let address = pages.allocate(size, align, TAG_LARGE, may_grow);
                let dirty = if zeroed { pages.dirty_bytes(address, size) } else { 0 };
                (pointer(address), dirty)
            })
        };
        // Superblocks that are empty, each between large blocks, may be what keeps free memory in pieces.
        let (mut block, mut dirty) = attempt(false);
        if block.is_null() {
            self.ask_back();
            (block, dirty) = attempt(true);
        }
        if !block.is_null() {
            // SAFETY: the block is at least `size` bytes long.
            unsafe { block.write_bytes(0, dirty) };
        }
        block
    }

    /// Gives a block back that only the heap knows the size of.
    #[inline]
    unsafe fn free_block(&self, block: *mut u8) {
        if is_large(block) {
            self.free_extent(block);
            if !SHARED {
                self.heap(GLOBAL).with(|heap| self.start_anew(heap));
            }
            return;
        }
        let superblock = known_superblock_of(block);
        // SAFETY: the block lies in a superblock (B1), whose owner's lock is held (B2), or it is sent there.
        unsafe {
            if SHARED {
                let mine = Self::mine();
                let number = (*superblock).owner.load(Ordering::Relaxed);
                if number != mine {
                    return self.free_of_another(block, superblock, number, mine);
                }
                let is_home = self.heap(mine).with(|heap| {
                    let is_mine = (*superblock).owner.load(Ordering::Relaxed) == mine;
                    if is_mine {
                        self.put_home(heap, mine, block, superblock);
                    }
                    is_mine
                });
                if !is_home {
                    self.take_home(block, superblock);
                }
            } else {
                self.heap(GLOBAL).with(|heap| self.put_home(heap, GLOBAL, block, superblock));
            }
        }
    }

    /// Whether the block can have the new size where it is; if so, it has. `old_class` and `new_class` as of
    /// [`small_class`].
    unsafe fn resize_in_place(&self, block: *mut u8, new_class: Option<usize>, new_size: usize) -> bool {
        if is_large(block) {
            // SAFETY: a live large block is an extent (B1).
            return new_class.is_none()
                && self.pages.0.with(|pages| unsafe { pages.resize_at(block.addr(), new_size) });
        }
        // SAFETY: the class of a superblock with a live block does not change.
        new_class == Some(unsafe { (*known_superblock_of(block)).class }.into())
    }

    /// C's `malloc`: a block of at least `size` bytes at a multiple of 16, or null.
    #[inline]
    pub fn malloc(&self, size: usize) -> *mut u8 {
        // Above this the rounding could wrap; C forbids such objects anyway.
        if size > isize::MAX as usize {
            return null_mut();
        }
        self.allocate_bytes(c::rounded(size), 1)
    }

    /// C's `free`, without a size: the block's place tells what it is. `block` may not be null.
    ///
    /// # Safety
    /// `block` came from this heap, by whichever function, and is not used afterwards.
    #[inline]
    pub unsafe fn free(&self, block: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { self.free_block(block) };
    }

    /// The bytes that the program may use in `block`: at least as many as it asked for. O(1).
    ///
    /// # Safety
    /// `block` came from this heap and was not given back.
    #[inline]
    pub unsafe fn usable_size(&self, block: *mut u8) -> usize {
        // SAFETY: a live block lies in a superblock, whose size does not change meanwhile, or is an extent (B1).
        unsafe {
            if is_large(block) {
                self.pages.0.with(|pages| pages.bytes_at(block.addr()))
            } else {
                size_at(known_superblock_of(block))
            }
        }
    }

    /// Makes `block` at least `new_size` bytes long, in place or by moving it; null if exhausted, and then the old
    /// block stays. The alignment that survives a move is 16.
    ///
    /// # Safety
    /// `block` came from this heap and was not given back; on success only the answer is used afterwards.
    pub unsafe fn resize(&self, block: *mut u8, new_size: usize) -> *mut u8 {
        if new_size > isize::MAX as usize {
            return null_mut();
        }
        let new_size = c::rounded(new_size);
        // SAFETY: the caller's promise; both blocks are at least as long as what is copied and do not overlap, and
        // the old one is given back once.
        unsafe {
            if self.resize_in_place(block, small_class(new_size, 1), new_size) {
                return block;
            }
            let moved = self.malloc(new_size);
            if !moved.is_null() {
                core::ptr::copy_nonoverlapping(block, moved, self.usable_size(block).min(new_size));
                self.free_block(block);
            }
            moved
        }
    }
}

// SAFETY: B1 and B3 say that live blocks are disjoint; what a heap and the pages hold is behind their locks (B2).
unsafe impl<S: PageSource> Allocate for Hoard<S> {
    #[inline]
    fn allocate(&self, layout: Layout) -> *mut u8 {
        self.allocate_bytes(layout.size(), layout.align())
    }

    fn allocate_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(class) = small_class(layout.size(), layout.align()) else {
            return self.allocate_large(layout.size(), layout.align(), true);
        };
        let block = self.allocate_small(class);
        if !block.is_null() {
            // SAFETY: the block is this long.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    #[inline]
    unsafe fn deallocate(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.free_block(block) };
    }

    #[inline]
    unsafe fn reallocate(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            if self.resize_in_place(block, small_class(new_size, layout.align()), new_size) {
                block
            } else {
                move_block(self, block, layout, new_size)
            }
        }
    }
}

impl<S: PageSource> Inspect for Hoard<S> {
    fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        self.alone(|all| stats = check::stats(all));
        stats
    }

    fn check(&self) -> Result<(), Broken> {
        let mut outcome = Ok(());
        self.alone(|all| outcome = check::check(all));
        outcome
    }
}
