//! gzip and zstd, with a bound on what comes out.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::{OpenError, read_at_most};

/// The largest window a zstd frame may ask for: what `zstd --ultra -22 --long=27` uses.
const ZSTD_WINDOW_BYTES: u64 = 128 << 20;

/// A compression that has a magic number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// The compression of bytes that begin like this.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// All that is inside, but no more than `max_bytes`.
    pub(super) fn unpack(self, bytes: &[u8], max_bytes: u64) -> Result<Vec<u8>, OpenError> {
        let unpacked = match self {
            Self::Gzip => read_at_most(MultiGzDecoder::new(bytes), max_bytes),
            Self::Zstd => zstd(bytes).map_err(OpenError::from).and_then(|zstd| read_at_most(zstd, max_bytes)),
        };
        unpacked.map_err(|error| self.fault(error))
    }

    /// All that is inside, as it is unpacked.
    pub(super) fn reader(self, bytes: &[u8]) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(bytes)),
            Self::Zstd => Box::new(zstd(bytes)?),
        })
    }

    /// An error that is about what is inside.
    pub(super) fn fault(self, error: OpenError) -> OpenError {
        OpenError::Unpack { compression: self.name(), source: Box::new(error) }
    }

    /// As much as can be unpacked of a file's first bytes, up to `wanted`.
    pub(super) fn peek(self, head: &[u8], wanted: u64) -> Vec<u8> {
        let mut out = Vec::new();
        // The head ends somewhere inside, so an error at its end is expected; what came before is good.
        let _ = match self {
            Self::Gzip => MultiGzDecoder::new(head).take(wanted).read_to_end(&mut out),
            Self::Zstd => match zstd(head) {
                Ok(decoder) => decoder.take(wanted).read_to_end(&mut out),
                Err(_) => Ok(0),
            },
        };
        out
    }
}

fn zstd(bytes: &[u8]) -> io::Result<StreamingDecoder<&[u8], FrameDecoder>> {
    StreamingDecoder::new_with_max_window_size(bytes, ZSTD_WINDOW_BYTES).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd_of(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn unpacks_both() {
        for (packed, name) in [(gzip(b"\0asm"), "gzip"), (zstd_of(b"\0asm"), "zstd")] {
            let compression = Compression::of(&packed).unwrap();
            assert_eq!(compression.name(), name);
            assert_eq!(compression.unpack(&packed, 4).unwrap(), b"\0asm");
            assert_eq!(compression.peek(&packed, 2), b"\0a");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_bound() {
        for packed in [gzip(&vec![0; 1 << 20]), zstd_of(&vec![0; 1 << 20])] {
            assert!(packed.len() < 4096, "{}", packed.len());
            let error = Compression::of(&packed).unwrap().unpack(&packed, 1000).unwrap_err();
            assert!(error.is_too_large(), "{error:?}");
            assert_eq!(error.offset(), Some(1000));
        }
    }

    #[test]
    fn cut_short_is_an_error_not_a_panic() {
        for packed in [gzip(b"\0asm\x01\0\0\0"), zstd_of(b"\0asm\x01\0\0\0")] {
            for end in 4..packed.len() {
                assert!(Compression::of(&packed).unwrap().unpack(&packed[..end], 100).is_err(), "{end}");
            }
        }
    }
}
