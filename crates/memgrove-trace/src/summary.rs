use alloc::vec::Vec;

use crate::{Decoder, Error, Event, Fault};

/// What a trace holds. Sizes are requested bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of threads.
    pub threads: u64,
    /// Calls that allocate, zeroed ones included.
    pub allocations: u64,
    /// Those whose bytes had to be zero.
    pub zeroed: u64,
    /// Calls that change a size.
    pub reallocations: u64,
    /// Calls that give back.
    pub frees: u64,
    /// Bytes that a heap copies which moves a block whenever its size changes: the smaller of both sizes each time.
    pub copied_bytes: u64,
    /// Sum of the sizes of all allocations.
    pub allocated_bytes: u64,
    /// Largest sum of live bytes.
    pub peak_live_bytes: u64,
    /// Largest number of live blocks.
    pub peak_live_blocks: u64,
    /// Bytes live at the end.
    pub live_bytes: u64,
}

/// Reads a whole trace and checks all of it, that no block is used after it was freed included.
/// O(events), with a table of nine to sixteen bytes for each allocation.
///
/// # Errors
/// The first fault, with its offset.
pub fn summarize(bytes: &[u8]) -> Result<Summary, Error> {
    let mut decoder = Decoder::new(bytes)?;
    let mut sizes: Vec<Option<u64>> = Vec::new();
    let mut summary = Summary { threads: decoder.header().threads, ..Summary::default() };
    let mut live_blocks = 0u64;
    loop {
        let offset = decoder.offset();
        let Some(event) = decoder.next() else { break };
        match event? {
            Event::Allocate { size_bytes, zeroed, .. } => {
                sizes.push(Some(size_bytes));
                summary.allocations += 1;
                summary.zeroed += u64::from(zeroed);
                summary.allocated_bytes = summary.allocated_bytes.saturating_add(size_bytes);
                summary.live_bytes = summary.live_bytes.saturating_add(size_bytes);
                live_blocks += 1;
            }
            Event::Reallocate { age, new_size_bytes } => {
                let old = slot(&mut sizes, age, offset)?.replace(new_size_bytes).unwrap_or(0);
                summary.reallocations += 1;
                summary.copied_bytes = summary.copied_bytes.saturating_add(old.min(new_size_bytes));
                summary.live_bytes = summary.live_bytes.saturating_sub(old).saturating_add(new_size_bytes);
            }
            Event::Free { age } => {
                let old = slot(&mut sizes, age, offset)?.take().unwrap_or(0);
                summary.frees += 1;
                summary.live_bytes = summary.live_bytes.saturating_sub(old);
                live_blocks -= 1;
            }
            Event::Thread { .. } => {}
        }
        summary.peak_live_bytes = summary.peak_live_bytes.max(summary.live_bytes);
        summary.peak_live_blocks = summary.peak_live_blocks.max(live_blocks);
    }
    Ok(summary)
}

fn slot(sizes: &mut [Option<u64>], age: u64, offset: usize) -> Result<&mut Option<u64>, Error> {
    let index = usize::try_from(age).ok().and_then(|age| sizes.len().checked_sub(age.checked_add(1)?));
    match index.and_then(|index| sizes.get_mut(index)) {
        Some(slot @ Some(_)) => Ok(slot),
        _ => Err(Error { offset, fault: Fault::FreedBefore { age } }),
    }
}
