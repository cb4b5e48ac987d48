//! The exports of a threaded guest.

use workloads::{Load, status, threaded};

/// A thread's stack and thread-local storage.
const AREA_BYTES: usize = 256 << 10;

#[unsafe(no_mangle)]
extern "C" fn thread_areas(threads: u32) -> u64 {
    crate::pair(crate::take(threads as usize * AREA_BYTES) as usize, AREA_BYTES)
}

#[unsafe(no_mangle)]
extern "C" fn thread_workload_count() -> u32 {
    threaded::TABLE.len() as u32
}

#[unsafe(no_mangle)]
extern "C" fn thread_workload_name(index: u32) -> u64 {
    let id = threaded::TABLE.get(index as usize).map_or("", |workload| workload.id);
    crate::pair(id.as_ptr() as usize, id.len())
}

#[unsafe(no_mangle)]
extern "C" fn thread_workload_kind(index: u32) -> u32 {
    threaded::TABLE.get(index as usize).map_or(0, |workload| u32::from(workload.passing))
}

#[unsafe(no_mangle)]
extern "C" fn thread_reset(_workload: u32, _threads: u32) {
    status::reset();
    threaded::reset();
}

#[unsafe(no_mangle)]
extern "C" fn thread_run(workload: u32, thread: u32, threads: u32, scale: u32, seed: u32) -> u64 {
    let load = Load::new(scale, seed);
    match threaded::run(workload as usize, thread as usize, threads as usize, &load) {
        Some(checksum) => checksum,
        None => {
            status::set(status::Status::NoSuchWorkload);
            0
        }
    }
}
