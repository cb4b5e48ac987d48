//! Replays a recorded trace. The table of live blocks is the caller's memory, so that the heap holds the trace's
//! blocks and nothing else.

use memgrove_trace::{Decoder, Event};

use crate::Block;
use crate::status::{Status, fail};

/// Bytes of the table for one block of the trace.
pub const SLOT_BYTES: usize = core::mem::size_of::<Option<Block>>();

/// Largest size that is believed: a trace asking for more cannot have been recorded in wasm32.
const MAX_SIZE_BYTES: u64 = 1 << 30;
const MAX_ALIGN_LOG2: u8 = 20;

/// Replays `trace` and frees what it leaves; answers the checksum. `table` has a slot for each block, all `None`.
pub fn replay(trace: &[u8], table: &mut [Option<Block>]) -> u64 {
    let Ok(decoder) = Decoder::new(trace) else { fail(Status::BadTrace) };
    if decoder.header().blocks > table.len() as u64 {
        fail(Status::BadTrace);
    }
    let mut seen = 0usize;
    let mut sum = 0u64;
    for event in decoder {
        match event {
            Ok(Event::Allocate { size_bytes, align_log2, zeroed }) => {
                if align_log2 > MAX_ALIGN_LOG2 {
                    fail(Status::BadTrace);
                }
                let size = size(size_bytes);
                let block = match zeroed {
                    true => Block::zeroed(size, seen as u32),
                    false => Block::aligned(size, 1 << align_log2, seen as u32),
                };
                table[seen] = Some(block);
                seen += 1;
            }
            Ok(Event::Reallocate { age, new_size_bytes }) => {
                let slot = &mut table[seen - 1 - age as usize];
                let Some(block) = slot.take() else { fail(Status::BadTrace) };
                *slot = Some(block.resize(size(new_size_bytes)));
            }
            Ok(Event::Free { age }) => {
                let Some(block) = table[seen - 1 - age as usize].take() else { fail(Status::BadTrace) };
                sum = sum.rotate_left(1) ^ block.free();
            }
            // One thread replays all: who asked is of interest only to a threaded replay.
            Ok(Event::Thread { .. }) => {}
            Err(_) => fail(Status::BadTrace),
        }
    }
    for block in table[..seen].iter_mut().filter_map(Option::take) {
        sum = sum.rotate_left(1) ^ block.free();
    }
    sum
}

/// Rust never asks for nothing, C may: such a call is replayed with one byte.
fn size(size_bytes: u64) -> usize {
    if size_bytes > MAX_SIZE_BYTES {
        fail(Status::BadTrace);
    }
    (size_bytes as usize).max(1)
}
