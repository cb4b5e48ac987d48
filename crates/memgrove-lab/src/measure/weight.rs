//! What a module weighs to whoever downloads it.

use std::io::Write;

/// Brotli's quality: the highest that a server can afford while it answers. 11 takes ten times as long for a few percent.
const QUALITY: u32 = 9;
/// Brotli's window, as its command has it: 2 to this power.
const WINDOW_LOG2: u32 = 22;
const BUFFER_BYTES: usize = 1 << 16;

/// Bytes of a module under Brotli.
#[must_use]
pub fn brotli_bytes(wasm: &[u8]) -> u64 {
    let mut packed = brotli::CompressorWriter::new(Counted(0), BUFFER_BYTES, QUALITY, WINDOW_LOG2);
    // Counting does not fail.
    let _ = packed.write_all(wasm);
    packed.into_inner().0
}

/// Bytes that were written to it.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_packed_and_what_does_not_is_not() {
        let mut state = 1_u64;
        let mut next = || {
            // xorshift64*
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()[7]
        };
        let noise: Vec<u8> = (0..4096).map(|_| next()).collect();
        assert!(brotli_bytes(&[7; 4096]) < 64);
        assert!((3000..4200).contains(&brotli_bytes(&noise)), "{}", brotli_bytes(&noise));
    }
}
