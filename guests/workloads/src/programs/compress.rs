use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec;

use super::{hash, prose, wrong};
use crate::Load;

/// Compresses text and takes it apart again: few and large blocks, among them the compressor's own state.
pub fn run(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut sum = 0u64;
    for round in 0..load.times(8) {
        let text = prose(&mut rng, 300 + 150 * (round % 5));
        let packed = compress_to_vec(text.as_bytes(), 4);
        match decompress_to_vec(&packed) {
            Ok(back) if back == text.as_bytes() => sum = sum.rotate_left(7) ^ hash(&packed),
            _ => wrong(),
        }
    }
    sum
}
