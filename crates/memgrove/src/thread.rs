//! Which thread is this? A small number, the thread's *slot*, by which an allocator chooses among a fixed number of
//! heaps or caches.
//!
//! **Nothing but locality depends on the answer.** Two threads may have the same slot, and a thread may have another
//! slot at its next call; what a slot leads to is behind a lock. So a cheap answer that is mostly good will do, and it
//! needs no notice when a thread ends: the threads that start later take its slot.
//!
//! | built for | a slot is | told apart |
//! |---|---|---|
//! | wasm without `atomics` | the constant 0 | there is one thread |
//! | feature `std`, or `--cfg memgrove_thread_local` | a thread-local word, dealt in turn | any [`SLOTS`] threads that start one after the other |
//! | else | the place of the thread's stack, hashed | most threads; one that uses more than 64 KiB of its stack has several slots |
//!
//! - Feature `std` uses `std::thread_local!` with a constant and nothing to drop. On the targets it is used for that is
//!   a word of the thread's static storage: the first use neither allocates, which an allocator could not bear,
//!   nor registers a destructor.
//! - `RUSTFLAGS="--cfg memgrove_thread_local"` uses `#[thread_local]`, for a `no_std` module with threads; it needs a
//!   nightly compiler, as building the library with `atomics` for wasm32-unknown-unknown does anyway.
//! - In wasm both are a load at an offset from `__tls_base`, which whatever starts a thread sets by calling
//!   `__wasm_init_tls`: wasm-bindgen does so for each worker (so each worker of a wasm-bindgen-rayon pool has a slot of
//!   its own for as long as it lives), wasi-libc for each thread of wasi-threads, Emscripten for each pthread.
//! - There a thread's storage is itself a block of this heap, and **a thread calls again after it has freed it**: the last
//!   act of Emscripten's and wasm-bindgen's is to free one more block. So the word may be anything by then, a link of a free list
//!   or another's data, and it is written only where it still says that none was dealt. wasm-bindgen even sets `__tls_base`
//!   to the middle of all addresses, so that whatever reads there traps: from there on every thread has slot 0, unasked.
//! - Nothing here waits: no `memory.atomic.wait`, which traps on the main thread of a browser.

/// How many slots there are: a power of two. More threads than this share them.
pub(crate) const SLOTS: usize =
    if cfg!(all(target_family = "wasm", not(target_feature = "atomics"))) { 1 } else { 16 };

/// The slot of the calling thread, below [`SLOTS`]. Constant time, a handful of instructions.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
#[inline(always)]
pub(crate) fn slot() -> usize {
    0
}

/// The slot of the calling thread, below [`SLOTS`]. Constant time, a handful of instructions.
#[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
#[inline(always)]
pub(crate) fn slot() -> usize {
    several::slot()
}

#[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
mod several {
    use core::cell::Cell;

    use super::SLOTS;

    /// What the word says before a slot was dealt: odd, so that it is no link, and too long to come about by chance.
    const UNDEALT: u64 = 0x9e37_79b9_7f4a_7c15;

    /// Where the standard library's thread-local variables are known to be static storage. Elsewhere they may be
    /// allocated at their first use, by the very allocator that asks here.
    #[cfg(all(
        feature = "std",
        not(memgrove_thread_local),
        any(
            target_family = "wasm",
            target_os = "linux",
            target_vendor = "apple",
            all(windows, target_env = "msvc")
        )
    ))]
    #[inline(always)]
    pub(super) fn slot() -> usize {
        extern crate std;
        std::thread_local! {
            static NUMBER: Cell<u64> = const { Cell::new(UNDEALT) };
        }
        // It cannot fail: nothing is to be dropped. Said this way, no panic is compiled for it.
        NUMBER.try_with(slot_from).unwrap_or(0)
    }

    #[cfg(memgrove_thread_local)]
    #[inline(always)]
    pub(super) fn slot() -> usize {
        #[thread_local]
        static NUMBER: Cell<u64> = Cell::new(UNDEALT);
        slot_from(&NUMBER)
    }

    #[cfg(not(any(
        memgrove_thread_local,
        all(
            feature = "std",
            any(
                target_family = "wasm",
                target_os = "linux",
                target_vendor = "apple",
                all(windows, target_env = "msvc")
            )
        )
    )))]
    #[inline(always)]
    pub(super) fn slot() -> usize {
        slot_of_stack()
    }

    /// The slot that the thread's number stands for; its first use deals one.
    ///
    /// Masked at each use, so that it is below [`SLOTS`] even in a thread whose storage nobody has initialised, or that has
    /// freed it.
    #[cfg_attr(not(any(feature = "std", memgrove_thread_local)), allow(dead_code, reason = "for tests only"))]
    #[inline(always)]
    fn slot_from(number: &Cell<u64>) -> usize {
        let place = number.as_ptr();
        if cfg!(target_family = "wasm") && place.addr() > usize::MAX / 2 {
            return 0;
        }
        // SAFETY: a thread's storage, or where it was, lies in memory; and no other thread writes there meanwhile, or what is
        // read does not matter. Volatile, because the compiler takes it for readable and would read before it asks where
        // it lies.
        let mut word = unsafe { place.read_volatile() };
        if word == UNDEALT {
            word = deal();
            number.set(word);
        }
        #[expect(clippy::cast_possible_truncation, reason = "the mask keeps less")]
        let low = word as usize;
        low & (SLOTS - 1)
    }

    #[cfg_attr(not(any(feature = "std", memgrove_thread_local)), allow(dead_code, reason = "for tests only"))]
    #[cold]
    #[inline(never)]
    fn deal() -> u64 {
        use core::sync::atomic::{AtomicUsize, Ordering};

        static DEALT: AtomicUsize = AtomicUsize::new(0);
        (DEALT.fetch_add(1, Ordering::Relaxed) % SLOTS) as u64
    }

    /// The slot from the address of a local variable. Stacks are apart by their length, often a power of two; Fibonacci
    /// hashing (Knuth, *The Art of Computer Programming* 3, 6.4) spreads what is equally spaced evenly.
    #[cfg_attr(any(feature = "std", memgrove_thread_local), allow(dead_code, reason = "for tests only"))]
    #[inline(always)]
    fn slot_of_stack() -> usize {
        let local = 0u8;
        // Hidden from the compiler, so that the variable has a place.
        slot_of_address(core::hint::black_box(&raw const local).addr())
    }

    /// [`slot_of_stack`] for a stack at this address: the same one for all of 64 KiB.
    #[cfg_attr(any(feature = "std", memgrove_thread_local), allow(dead_code, reason = "for tests only"))]
    #[inline(always)]
    fn slot_of_address(address: usize) -> usize {
        /// 2^32 divided by the golden ratio.
        const MULTIPLIER: u32 = 0x9e37_79b9;
        #[expect(clippy::cast_possible_truncation, reason = "a hash may drop what lies above 48 bits")]
        let place = (address >> 16) as u32;
        (place.wrapping_mul(MULTIPLIER) >> (u32::BITS - SLOTS.trailing_zeros())) as usize
    }

    #[cfg(test)]
    mod tests {
        extern crate std;

        use super::*;
        use std::vec::Vec;

        #[test]
        fn a_thread_keeps_its_slot() {
            let first = super::super::slot();
            assert!(first < SLOTS);
            assert!((0..100).all(|_| super::super::slot() == first));
        }

        #[test]
        fn threads_are_dealt_all_slots_before_one_twice() {
            let numbers: Vec<_> = (0..SLOTS * 2).map(|_| Cell::new(UNDEALT)).collect();
            let mut used = [0; SLOTS];
            for number in &numbers {
                used[slot_from(number)] += 1;
                assert_eq!(slot_from(number), slot_from(number));
            }
            // Two each, less or more one that another test's thread was dealt in between.
            assert!(used.iter().all(|threads| (1..=3).contains(threads)), "{used:?}");
        }

        #[test]
        fn storage_that_was_freed_is_only_read() {
            let low = UNDEALT & u64::from(u32::MAX);
            for word in [0, 1, 0x0050_3370, 0x0050_3370_0000_0000, low, UNDEALT ^ low, UNDEALT + 1, u64::MAX]
            {
                let number = Cell::new(word);
                assert!(slot_from(&number) < SLOTS);
                assert_eq!(number.get(), word, "{word:#x}");
            }
        }

        #[test]
        fn stacks_at_equal_distances_are_spread() {
            for (length, most) in
                [(64 << 10, 2), (1 << 20, 2), (2 << 20, 2), ((8 << 20) + 4096, 2), (128 << 10, 2)]
            {
                let mut used = [0; SLOTS];
                for stack in 0..SLOTS {
                    used[slot_of_address((5 << 20) + stack * length)] += 1;
                }
                assert!(used.iter().all(|&threads| threads <= most), "{length}: {used:?}");
            }
            assert!(slot_of_stack() < SLOTS);
        }
    }
}
