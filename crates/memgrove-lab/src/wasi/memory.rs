//! The program's memory as the interface sees it: numbers, lists of texts, scattered buffers.

use super::MOST_BYTES;
use super::errno::Errno;
use crate::engine::{Caller, Value};

/// Buffers that one call may name.
const MOST_BUFFERS: u32 = 1024;
/// Bytes of the longest path.
const MOST_PATH_BYTES: u32 = 4096;

/// The arguments of a call. An import of another type than the interface's is an invalid argument.
#[derive(Clone, Copy)]
pub(super) struct Arguments<'a>(pub &'a [Value]);

impl Arguments<'_> {
    pub(super) fn u32(self, at: usize) -> Result<u32, Errno> {
        match self.0.get(at) {
            Some(Value::I32(value)) => Ok(value.cast_unsigned()),
            _ => Err(Errno::INVAL),
        }
    }

    pub(super) fn u64(self, at: usize) -> Result<u64, Errno> {
        match self.0.get(at) {
            Some(Value::I64(value)) => Ok(value.cast_unsigned()),
            _ => Err(Errno::INVAL),
        }
    }
}

/// The program that calls.
pub(super) struct Guest<'c>(pub &'c mut dyn Caller);

impl Guest<'_> {
    /// Whether a range lies in the memory: before anything as long as it is made.
    pub(super) fn check(&mut self, address: u32, length_bytes: u32) -> Result<(), Errno> {
        let end = u64::from(address) + u64::from(length_bytes);
        if end > self.0.memory_bytes()? { Err(Errno::FAULT) } else { Ok(()) }
    }

    pub(super) fn read(&mut self, address: u32, length_bytes: u32) -> Result<Vec<u8>, Errno> {
        self.check(address, length_bytes)?;
        Ok(self.0.read(u64::from(address), u64::from(length_bytes))?)
    }

    pub(super) fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Errno> {
        Ok(self.0.write(u64::from(address), bytes)?)
    }

    pub(super) fn write_u32(&mut self, address: u32, value: u32) -> Result<(), Errno> {
        self.write(address, &value.to_le_bytes())
    }

    pub(super) fn write_u64(&mut self, address: u32, value: u64) -> Result<(), Errno> {
        self.write(address, &value.to_le_bytes())
    }

    /// Writes texts one behind the other, and where each begins.
    pub(super) fn write_list(&mut self, pointers: u32, mut text: u32, list: &[Vec<u8>]) -> Result<(), Errno> {
        for (at, bytes) in (0u32..).zip(list) {
            self.write_u32(pointers.wrapping_add(at.wrapping_mul(4)), text)?;
            self.write(text, bytes)?;
            text = text.wrapping_add(u32::try_from(bytes.len())?);
        }
        Ok(())
    }

    /// Writes how many texts there are, and how long they are together.
    pub(super) fn write_sizes(&mut self, count: u32, bytes: u32, list: &[Vec<u8>]) -> Result<(), Errno> {
        self.write_u32(count, u32::try_from(list.len())?)?;
        self.write_u32(bytes, u32::try_from(list.iter().map(Vec::len).sum::<usize>())?)
    }

    pub(super) fn path(&mut self, address: u32, length_bytes: u32) -> Result<String, Errno> {
        if length_bytes > MOST_PATH_BYTES {
            return Err(Errno::NAMETOOLONG);
        }
        String::from_utf8(self.read(address, length_bytes)?).map_err(|_| Errno::ILSEQ)
    }

    /// The buffers that a list names, as address and length.
    fn buffers(&mut self, list: u32, count: u32) -> Result<Vec<(u32, u32)>, Errno> {
        if count > MOST_BUFFERS {
            return Err(Errno::INVAL);
        }
        let bytes = self.read(list, count * 8)?;
        let (words, _) = bytes.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let buffers: Vec<(u32, u32)> =
            words.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect();
        for &(address, length) in &buffers {
            self.check(address, length)?;
        }
        Ok(buffers)
    }

    /// The bytes of scattered buffers, as many as one call takes.
    pub(super) fn gather(&mut self, list: u32, count: u32) -> Result<Vec<u8>, Errno> {
        let mut bytes = Vec::new();
        for (address, length) in self.buffers(list, count)? {
            let room = MOST_BYTES - u32::try_from(bytes.len())?;
            bytes.extend(self.read(address, length.min(room))?);
        }
        Ok(bytes)
    }

    /// Reads once into scattered buffers, and writes how many bytes there were.
    pub(super) fn scatter(
        &mut self,
        list: u32,
        count: u32,
        read_bytes: u32,
        read: impl FnOnce(&mut [u8]) -> Result<usize, Errno>,
    ) -> Result<(), Errno> {
        let buffers = self.buffers(list, count)?;
        let room: u64 = buffers.iter().map(|(_, length)| u64::from(*length)).sum();
        let mut bytes = vec![0; usize::try_from(room.min(u64::from(MOST_BYTES)))?];
        let read = read(&mut bytes)?.min(bytes.len());
        let mut rest = &bytes[..read];
        for (address, length) in buffers {
            let (first, later) = rest.split_at(rest.len().min(length as usize));
            self.write(address, first)?;
            rest = later;
        }
        self.write_u32(read_bytes, u32::try_from(read)?)
    }
}
