//! Unpacks Zstandard for JavaScript: `npm/memgrove/unpack.js` stands over it.
//!
//! Invariants:
//! 1. An address that [`memgrove_buffer`] or [`memgrove_unpacked`] returned is that of a live `Vec` until the next call of
//!    [`memgrove_buffer`]; JavaScript writes into the former before [`memgrove_unpack`], and reads the latter.
#![allow(unsafe_code, reason = "exports need names that are not mangled")]

use std::cell::RefCell;
use std::io::Read;

use ruzstd::decoding::StreamingDecoder;

/// Our own heap serves here, too.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static HEAP: memgrove::Wee = memgrove::Wee::new();

/// No module of ours is larger: what asks for more is none.
const MOST_BYTES: u64 = 64 << 20;

thread_local! {
    static PACKED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static UNPACKED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for what is packed and returns its address.
// SAFETY: no other function of this name is linked; the name begins with the crate's.
#[unsafe(no_mangle)]
pub extern "C" fn memgrove_buffer(length_bytes: usize) -> *mut u8 {
    UNPACKED.take();
    PACKED.with_borrow_mut(|packed| {
        *packed = vec![0; length_bytes];
        packed.as_mut_ptr()
    })
}

/// Unpacks it and returns the length in bytes; 0 if it is not packed so.
// SAFETY: no other function of this name is linked; the name begins with the crate's.
#[unsafe(no_mangle)]
pub extern "C" fn memgrove_unpack() -> usize {
    let unpacked = unpack(&PACKED.take()).unwrap_or_default();
    let length_bytes = unpacked.len();
    UNPACKED.set(unpacked);
    length_bytes
}

/// The address of what was unpacked.
// SAFETY: no other function of this name is linked; the name begins with the crate's.
#[unsafe(no_mangle)]
pub extern "C" fn memgrove_unpacked() -> *const u8 {
    UNPACKED.with_borrow(|unpacked| unpacked.as_ptr())
}

/// All of one frame; `None` if there is none, or it is broken or too large.
fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    let mut decoder = StreamingDecoder::new(packed).ok()?;
    (&mut decoder).take(MOST_BYTES + 1).read_to_end(&mut unpacked).ok()?;
    (unpacked.len() as u64 <= MOST_BYTES).then_some(unpacked)
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    #[test]
    fn what_was_packed_comes_out_and_nothing_else() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n / 7) as u8).collect();
        let packed = compress_to_vec(&bytes[..], CompressionLevel::Fastest);
        assert_eq!(unpack(&packed), Some(bytes));
        assert_eq!(unpack(b"hello"), None);
        assert_eq!(unpack(&packed[..packed.len() / 2]), None);
    }
}
