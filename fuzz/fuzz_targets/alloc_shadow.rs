//! Bytes become steps on an allocator with trouble from its source; the shadow heap judges.
#![no_main]

use libfuzzer_sys::fuzz_target;
use memgrove::source::{Fake, Trouble};
use memgrove::{Allocate, Dlmalloc, Hoard, Inspect, Jemalloc, Wee};

#[path = "../../crates/memgrove/tests/shadow/mod.rs"]
#[allow(
    clippy::manual_is_multiple_of,
    clippy::collapsible_if,
    reason = "written for the compilers of the allocators' crate"
)]
mod shadow;

/// Memory for one heap.
const BYTES: usize = 16 << 20;

fn drive<A: Allocate + Inspect>(heap: &A, steps: &[u8]) -> Result<(), String> {
    let mut shadow = shadow::Shadow::new(heap);
    for step in steps.chunks_exact(4) {
        let number = usize::from(u16::from_le_bytes([step[1], step[2]]));
        // One byte of exponent makes all sizes up to a mebibyte reachable, small ones most easily.
        let size = number >> (step[3] % 16) << (step[3] >> 4).min(5);
        shadow.step(match step[0] % 4 {
            0 => shadow::Op::Free { which: number },
            1 => shadow::Op::Reallocate { which: usize::from(step[0] >> 2), size },
            _ => shadow::Op::Allocate { size, align: 1 << (step[0] >> 5), zeroed: step[0] & 16 != 0 },
        })?;
        shadow.check()?;
    }
    shadow.finish()
}

fuzz_target!(|data: &[u8]| {
    let [allocator, slack, refuse, stranger, steps @ ..] = data else { return };
    let layout = std::alloc::Layout::from_size_align(BYTES, 16).expect("a layout");
    // SAFETY: the size is not zero.
    let memory = unsafe { std::alloc::alloc_zeroed(layout) };
    assert!(!memory.is_null(), "no memory for the heap");
    let trouble = Trouble {
        slack_bytes: usize::from(*slack) * 48,
        refuse_at: (*refuse < 128).then_some(usize::from(*refuse)),
        refuse_from: None,
        stranger_every: (*stranger > 0).then_some(usize::from(*stranger)),
    };
    // SAFETY: fresh, zeroed, and given back when the heap is gone.
    let source = unsafe { Fake::new(memory, BYTES, trouble) };
    let outcome = match allocator % 5 {
        0 => drive(&Dlmalloc::with_source(source), steps),
        1 => drive(&Wee::with_source(source), steps),
        2 => drive(&Dlmalloc::<_, { 4 * size_of::<usize>() }>::with_grain(source), steps),
        3 => drive(&Jemalloc::with_source(source), steps),
        _ => drive(&Hoard::with_source(source), steps),
    };
    // SAFETY: allocated above; the heap was dropped.
    unsafe { std::alloc::dealloc(memory, layout) };
    if let Err(error) = outcome {
        panic!("{error}");
    }
});
