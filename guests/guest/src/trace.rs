//! Replay of a trace that the host put into a buffer outside the heap.

use core::sync::atomic::{AtomicUsize, Ordering};

use workloads::{Block, SLOT_BYTES, counting, replay, status};

static BUFFER: AtomicUsize = AtomicUsize::new(0);
static BUFFER_BYTES: AtomicUsize = AtomicUsize::new(0);
static SLOTS: AtomicUsize = AtomicUsize::new(0);

/// The table of slots comes first, because it must be aligned.
#[unsafe(no_mangle)]
extern "C" fn trace_buffer(trace_bytes: u32, slots: u32) -> u32 {
    let table_bytes = slots as usize * SLOT_BYTES;
    let start = crate::take(table_bytes + trace_bytes as usize);
    if start.is_null() {
        return 0;
    }
    BUFFER.store(start as usize + table_bytes, Ordering::Relaxed);
    BUFFER_BYTES.store(trace_bytes as usize, Ordering::Relaxed);
    SLOTS.store(slots as usize, Ordering::Relaxed);
    (start as usize + table_bytes) as u32
}

#[unsafe(export_name = "replay")]
extern "C" fn replay_trace(trace_bytes: u32) -> u64 {
    status::reset();
    counting::reset();
    let buffer = BUFFER.load(Ordering::Relaxed);
    let slots = SLOTS.load(Ordering::Relaxed);
    if buffer == 0 || trace_bytes as usize > BUFFER_BYTES.load(Ordering::Relaxed) {
        status::set(status::Status::BadTrace);
        return 0;
    }
    let table = (buffer - slots * SLOT_BYTES) as *mut Option<Block>;
    // SAFETY: `trace_buffer` took the table and the buffer behind it, and only the host writes there, between
    // calls. Slots hold whatever an earlier replay left there, so each is written before it is seen.
    let (trace, table) = unsafe {
        for slot in 0..slots {
            table.add(slot).write(None);
        }
        (
            core::slice::from_raw_parts(buffer as *const u8, trace_bytes as usize),
            core::slice::from_raw_parts_mut(table, slots),
        )
    };
    replay(trace, table)
}
