//! Every allocator under the same cases: random work, memory refused, strangers, edges. `cases` holds the bodies.
#![allow(unsafe_code, reason = "drives allocators")]

mod cases;
mod shadow;

use memgrove::{Dlmalloc, Hardened, Hoard, Jemalloc, Wee};

macro_rules! suite {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn random_work_checked_after_every_step() {
                cases::random_work_checked_after_every_step($make);
            }
            #[test]
            fn much_random_work() {
                cases::much_random_work($make);
            }
            #[test]
            fn sequences_that_shrink() {
                cases::sequences_that_shrink($make);
            }
            #[test]
            fn growth_refused_at_every_call() {
                cases::growth_refused_at_every_call($make);
            }
            #[test]
            fn strangers_grow_in_between() {
                cases::strangers_grow_in_between($make);
            }
            #[test]
            fn slack_of_every_length() {
                cases::slack_of_every_length($make);
            }
            #[test]
            fn every_alignment() {
                cases::every_alignment($make);
            }
            #[test]
            fn sizes_around_every_boundary() {
                cases::sizes_around_every_boundary($make);
            }
            #[test]
            fn exhaustion_is_survived_and_nothing_leaks() {
                cases::exhaustion_is_survived_and_nothing_leaks($make);
            }
            #[test]
            fn the_same_work_twice_does_not_grow() {
                cases::the_same_work_twice_does_not_grow($make);
            }
            #[test]
            fn impossible_sizes_are_refused() {
                cases::impossible_sizes_are_refused($make);
            }
            #[test]
            fn two_heaps_do_not_mix() {
                cases::two_heaps_do_not_mix($make);
            }
            #[test]
            fn a_heap_may_be_moved() {
                cases::a_heap_may_be_moved($make);
            }
            #[test]
            fn threads_pass_blocks() {
                cases::threads_pass_blocks($make);
            }
            #[test]
            fn fresh_memory_is_not_cleared_again() {
                cases::fresh_memory_is_not_cleared_again($make);
            }
        }
    };
}

suite!(dlmalloc, Dlmalloc::with_source);
suite!(dlmalloc_wide_grain, Dlmalloc::<_, { 4 * size_of::<usize>() }>::with_grain);
suite!(hoard, Hoard::with_source);
suite!(jemalloc, Jemalloc::with_source);
suite!(wee, Wee::with_source);

suite!(hardened_dlmalloc, |source| Hardened::new(Dlmalloc::with_source(source)));
suite!(hardened_hoard, |source| Hardened::new(Hoard::with_source(source)));
suite!(hardened_jemalloc, |source| Hardened::new(Jemalloc::with_source(source)));
suite!(hardened_wee, |source| Hardened::new(Wee::with_source(source)));
suite!(hardened_without_quarantine, |source| Hardened::<_, 0>::with_secret(Dlmalloc::with_source(source), 7));
