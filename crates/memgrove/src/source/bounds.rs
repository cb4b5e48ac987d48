//! Sources that give less or more at once than the one they stand before.

use super::{PLATFORM, PageSource, Platform, Region};

/// Gives no memory from the address `END` on, a multiple of 64 KiB: for hosts that cannot use higher ones, such as bindings that
/// take addresses for signed numbers (2 GiB).
///
/// ```
/// use memgrove::{Allocate, Wee, source::Below};
///
/// static HEAP: Wee<Below<{ 1 << 31 }>> = Wee::with_source(Below::new());
/// # #[cfg(target_pointer_width = "64")] // natively the system gives higher addresses
/// assert!(HEAP.allocate(core::alloc::Layout::new::<u64>()).is_null());
/// ```
///
/// A module's maximum (`--max-memory`) does the same for the whole memory; this is for memory that others may have more of, or
/// whose maximum somebody else declares. Where another thread grows memory in the middle of a call, what was grown
/// beyond `END` by that call is lost.
#[derive(Clone, Copy, Debug)]
pub struct Below<const END: usize, S: PageSource = Platform> {
    source: S,
}

impl<const END: usize> Below<END> {
    /// The source that fits the target, up to `END`.
    #[expect(clippy::new_without_default, reason = "as for the sources that it stands before")]
    pub const fn new() -> Self {
        Self::over(PLATFORM)
    }
}

impl<const END: usize, S: PageSource> Below<END, S> {
    const CHECKED: () = assert!(END % (1 << 16) == 0 && END != 0, "the end is a multiple of 64 KiB");

    /// What `source` gives up to `END`.
    pub const fn over(source: S) -> Self {
        let () = Self::CHECKED;
        Self { source }
    }

    fn cut(region: Region) -> Region {
        if region.start < END { Region { end: region.end.min(END), ..region } } else { Region::EMPTY }
    }
}

// SAFETY: regions are the other source's, or their beginnings up to a multiple of 16; they are shorter than asked for only
// where another thread grew meanwhile or the other source does not tell where it goes on, and then the next is refused.
unsafe impl<const END: usize, S: PageSource> PageSource for Below<END, S> {
    const ZEROED: bool = S::ZEROED;
    const GROWS: bool = S::GROWS;

    #[inline(always)]
    fn zeroed_from(&self) -> usize {
        self.source.zeroed_from()
    }

    #[inline(always)]
    fn slack(&mut self) -> Region {
        Self::cut(self.source.slack())
    }

    #[inline(always)]
    fn next_address(&self) -> usize {
        self.source.next_address()
    }

    #[inline(always)]
    fn grow(&mut self, bytes: usize) -> Option<Region> {
        if bytes > END.saturating_sub(self.source.next_address()) {
            return None;
        }
        let region = Self::cut(self.source.grow(bytes)?);
        (region.bytes() != 0).then_some(region)
    }
}

/// Asks for `STEP` bytes at least, and for what is needed where that is refused: for engines that move the whole memory whenever
/// it grows. A heap holds up to `STEP` bytes more for it.
///
/// ```
/// use memgrove::{Allocate, Dlmalloc, Inspect, source::Stepped};
///
/// static HEAP: Dlmalloc<Stepped<{ 1 << 20 }>> = Dlmalloc::with_source(Stepped::new());
/// assert!(!HEAP.allocate(core::alloc::Layout::new::<u64>()).is_null());
/// assert_eq!(HEAP.stats().heap_bytes >> 20, 1);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Stepped<const STEP: usize, S: PageSource = Platform> {
    source: S,
}

impl<const STEP: usize> Stepped<STEP> {
    /// The source that fits the target, by steps.
    #[expect(clippy::new_without_default, reason = "as for the sources that it stands before")]
    pub const fn new() -> Self {
        Self::over(PLATFORM)
    }
}

impl<const STEP: usize, S: PageSource> Stepped<STEP, S> {
    /// What `source` gives, by steps.
    pub const fn over(source: S) -> Self {
        Self { source }
    }
}

// SAFETY: as for the other source, which is asked for as much or for more.
unsafe impl<const STEP: usize, S: PageSource> PageSource for Stepped<STEP, S> {
    const ZEROED: bool = S::ZEROED;
    const GROWS: bool = S::GROWS;

    #[inline(always)]
    fn zeroed_from(&self) -> usize {
        self.source.zeroed_from()
    }

    #[inline(always)]
    fn slack(&mut self) -> Region {
        self.source.slack()
    }

    #[inline(always)]
    fn next_address(&self) -> usize {
        self.source.next_address()
    }

    #[inline(always)]
    fn grow(&mut self, bytes: usize) -> Option<Region> {
        let stepped = if bytes < STEP { self.source.grow(STEP) } else { None };
        stepped.or_else(|| self.source.grow(bytes))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::alloc::Layout;
    use std::{boxed::Box, vec};

    use super::*;
    use crate::source::{Fake, Trouble};
    use crate::{Allocate, Dlmalloc, Hoard, Inspect, Jemalloc, Wee};

    const PAGES: usize = 64;

    /// A fake with so many pages after a multiple of their bytes, whose lower half ends at the address that is answered.
    fn memory() -> (Fake, usize) {
        let bytes = PAGES * Fake::PAGE_BYTES;
        let whole = Box::leak(vec![0_u128; 2 * bytes / 16].into_boxed_slice());
        let start: *mut u8 = whole.as_mut_ptr().cast();
        let start = start.wrapping_add(start.align_offset(bytes));
        // SAFETY: leaked, zero, and nobody else's.
        (unsafe { Fake::new(start, bytes, Trouble::default()) }, start.addr() + bytes / 2)
    }

    /// Places the fake's memory where `END` is a constant: what it gives is that far lower.
    struct Moved(Fake, usize);

    const END: usize = 1 << 24;

    // SAFETY: as for `Fake`; addresses are only told lower, and given as they are.
    unsafe impl PageSource for Moved {
        const ZEROED: bool = true;
        fn next_address(&self) -> usize {
            self.0.next_address() - self.1
        }
        fn grow(&mut self, bytes: usize) -> Option<Region> {
            let region = self.0.grow(bytes)?;
            Some(Region { start: region.start - self.1, end: region.end - self.1 })
        }
    }

    /// The regions that are given, until none is.
    fn fill(mut source: impl PageSource, bytes: usize) -> (usize, usize) {
        let (mut sum, mut end) = (0, 0);
        while let Some(region) = source.grow(bytes) {
            (sum, end) = (sum + region.bytes(), region.end);
        }
        (sum, end)
    }

    #[test]
    fn nothing_is_given_beyond_the_end() {
        for bytes in [16, 65_536, 65_552, 300_000, 1 << 20] {
            let (fake, middle) = memory();
            let source = Below::<END, _>::over(Moved(fake, middle - END));
            let (sum, end) = fill(source, bytes);
            assert!(end <= END && sum + bytes + Fake::PAGE_BYTES > PAGES / 2 * Fake::PAGE_BYTES, "{sum}");
        }
        // A source that goes on beyond the end has nothing to give.
        let (fake, middle) = memory();
        assert_eq!(fill(Below::<END, _>::over(Moved(fake, middle - END - (PAGES << 16))), 16), (0, 0));
    }

    #[test]
    fn a_step_is_taken_where_it_can_be_had_and_the_rest_exactly() {
        const STEP: usize = 20 << 16;
        let (fake, _) = memory();
        assert_eq!(fill(Stepped::<STEP, _>::over(fake), 16).0, PAGES << 16);
        fn all<A: Allocate + Inspect>(make: impl Fn(Stepped<STEP, Fake>) -> A) {
            let heap = make(Stepped::over(memory().0));
            let layout = Layout::from_size_align(3_000, 8).expect("a layout");
            let first = heap.allocate(layout);
            assert!(!first.is_null());
            assert_eq!(heap.stats().heap_bytes / STEP, 1);
            let blocks = (0..).take_while(|_| !heap.allocate(layout).is_null()).count();
            heap.check().expect("a valid heap");
            assert_eq!(heap.stats().heap_bytes >> 16, PAGES);
            assert!(blocks * 4_096 > PAGES * Fake::PAGE_BYTES / 2, "{blocks}");
        }
        all(Wee::with_source);
        all(Dlmalloc::with_source);
        all(Jemalloc::with_source);
        all(Hoard::with_source);
    }
}
