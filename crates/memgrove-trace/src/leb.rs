use alloc::vec::Vec;

use crate::{Error, Fault};

/// A cursor over the bytes of a trace.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    pub(crate) offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    pub(crate) fn rest(&self) -> usize {
        self.bytes.len() - self.offset
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        let byte = *self.bytes.get(self.offset).ok_or(self.error(Fault::UnexpectedEnd))?;
        self.offset += 1;
        Ok(byte)
    }

    /// An unsigned LEB128 integer; an error carries the offset of its first byte.
    pub(crate) fn unsigned(&mut self) -> Result<u64, Error> {
        let start = self.offset;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Error { offset: start, fault: Fault::BadInteger });
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Error { offset: start, fault: Fault::BadInteger })
    }

    pub(crate) fn error(&self, fault: Fault) -> Error {
        Error { offset: self.offset, fault }
    }
}

pub(crate) fn write(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}
