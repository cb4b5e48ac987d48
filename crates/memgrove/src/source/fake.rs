//! A source that makes trouble, for tests.

use super::{PageSource, Region};

/// What a [`Fake`] does besides giving memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Bytes of the region given as slack before the first growth.
    pub slack_bytes: usize,
    /// Refuses the growth with this number, counted from 0, and every later one.
    pub refuse_from: Option<usize>,
    /// Refuses only the growth with this number.
    pub refuse_at: Option<usize>,
    /// Before every growth whose number is a multiple of this, a stranger takes a page.
    pub stranger_every: Option<usize>,
}

/// Grows through a region of the test's own as `memory.grow` grows through memory: by whole pages, upwards, until it
/// ends.
#[derive(Debug)]
pub struct Fake {
    rest: Region,
    trouble: Trouble,
    growths: usize,
    slack_end: usize,
}

impl Fake {
    /// Bytes of a page, as in WebAssembly.
    pub const PAGE_BYTES: usize = 1 << 16;

    /// A source over `bytes` zeroed bytes from `start`.
    ///
    /// # Safety
    /// The memory is readable, writable and zero, belongs to nobody else for as long as the allocator or a block of
    /// its lives, starts at a multiple of 16 and does not contain the last byte of the address space.
    pub unsafe fn new(start: *mut u8, bytes: usize, trouble: Trouble) -> Self {
        let start = start.expose_provenance();
        Self {
            rest: Region { start, end: start + bytes },
            trouble,
            growths: 0,
            slack_end: start + trouble.slack_bytes,
        }
    }

    fn take(&mut self, bytes: usize) -> Option<Region> {
        if bytes > self.rest.bytes() {
            return None;
        }
        let start = self.rest.start;
        self.rest.start += bytes;
        Some(Region { start, end: self.rest.start })
    }
}

// SAFETY: whoever made it promised S1 and zero bytes; `take` goes upwards by whole pages from a multiple of 16 (S2),
// within one allocation (S3).
unsafe impl PageSource for Fake {
    const ZEROED: bool = true;

    fn zeroed_from(&self) -> usize {
        self.slack_end
    }

    fn slack(&mut self) -> Region {
        self.take(self.trouble.slack_bytes).unwrap_or(Region::EMPTY)
    }

    fn next_address(&self) -> usize {
        // The stranger has been there before anybody asks.
        let strange = self.trouble.stranger_every.is_some_and(|every| self.growths % every == 0);
        self.rest.start + if strange { Self::PAGE_BYTES } else { 0 }
    }

    fn grow(&mut self, bytes: usize) -> Option<Region> {
        let number = self.growths;
        self.growths += 1;
        if self.trouble.refuse_from.is_some_and(|from| number >= from)
            || self.trouble.refuse_at == Some(number)
        {
            return None;
        }
        if self.trouble.stranger_every.is_some_and(|every| number % every == 0) {
            self.take(Self::PAGE_BYTES)?;
        }
        self.take(bytes.checked_next_multiple_of(Self::PAGE_BYTES)?)
    }
}
