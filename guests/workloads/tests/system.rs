//! The workloads over the system's allocator, behind the guests' wrapper.

mod common;

use std::alloc::System;

use workloads::{Counting, Load, threaded};

#[global_allocator]
static ALLOCATOR: Counting<System> = Counting(System);

#[test]
fn workloads_answer_the_recorded_checksums() {
    common::all_workloads_answer_the_recorded_checksum();
}

#[test]
fn threads_do_what_one_does() {
    threads_agree(3);
}

/// Runs every threaded workload on `threads` threads; each must end, and those apart must answer what one alone does.
fn threads_agree(threads: usize) {
    for (index, workload) in threaded::TABLE.iter().enumerate() {
        threaded::reset();
        let load = || Load::new(5, 7);
        let answers: Vec<u64> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..threads)
                .map(|thread| scope.spawn(move || threaded::run(index, thread, threads, &load())))
                .collect();
            started
                .into_iter()
                .map(|thread| thread.join().expect("no check failed").expect("known"))
                .collect()
        });
        if !workload.passing {
            threaded::reset();
            let alone = threaded::run(index, 0, 1, &load()).expect("known");
            assert!(answers.iter().all(|&answer| answer == alone), "{}: {answers:x?} {alone:x}", workload.id);
        }
    }
}
