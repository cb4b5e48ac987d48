//! Heaps in regions of a few KiB: `crates/memgrove/tests/fixed` with words of this target.

#[path = "../../../crates/memgrove/tests/fixed/mod.rs"]
mod bodies;

/// The bytes that blocks of one length get together out of a region, from the allocator with this number in the order of
/// `bodies::NAMES`; `u64::MAX` if something was wrong.
#[unsafe(no_mangle)]
pub extern "C" fn usable_bytes(allocator: u32, region_bytes: u32, block_bytes: u32) -> u64 {
    super::keep_panics();
    match bodies::usable(allocator, region_bytes as usize, block_bytes as usize) {
        Ok(bytes) => bytes as u64,
        Err(error) => {
            super::report(Err(error));
            u64::MAX
        }
    }
}
