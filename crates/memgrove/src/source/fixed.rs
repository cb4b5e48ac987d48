//! One region of the program's own.

use super::{PageSource, Region};

/// One region, handed out whole at the first call, never more: for a machine without an operating system, or a heap
/// that must not grow.
///
/// ```
/// use memgrove::{Allocate, Dlmalloc, source::Fixed};
///
/// let memory = Box::leak(vec![0u8; 1 << 16].into_boxed_slice());
/// let heap = Dlmalloc::with_source(Fixed::new(memory));
/// assert!(!heap.allocate(core::alloc::Layout::new::<u64>()).is_null());
/// assert!(heap.allocate(core::alloc::Layout::new::<[u8; 1 << 16]>()).is_null());
/// ```
#[derive(Debug)]
pub struct Fixed {
    start: *mut u8,
    bytes: usize,
}

// SAFETY: the memory belongs to the source alone, whichever thread holds it.
unsafe impl Send for Fixed {}

impl Fixed {
    /// A source with no memory at all.
    pub const EMPTY: Self = Self { start: core::ptr::null_mut(), bytes: 0 };

    /// The source that gives `memory`.
    pub const fn new(memory: &'static mut [u8]) -> Self {
        Self { start: memory.as_mut_ptr(), bytes: memory.len() }
    }

    /// The source that gives `bytes` from `start`.
    ///
    /// # Safety
    /// The memory is readable and writable, belongs to nobody else for as long as the allocator or a block of its
    /// lives, and does not contain the last byte of the address space.
    pub const unsafe fn from_raw(start: *mut u8, bytes: usize) -> Self {
        Self { start, bytes }
    }
}

impl Default for Fixed {
    fn default() -> Self {
        Self::EMPTY
    }
}

// SAFETY: whoever made it promised S1; `grow` gives nothing, so S2 and S3 hold of it.
unsafe impl PageSource for Fixed {
    const ZEROED: bool = false;
    const GROWS: bool = false;

    fn slack(&mut self) -> Region {
        let start = self.start.expose_provenance();
        let end = (start + core::mem::take(&mut self.bytes)) & !15;
        let start = crate::word::align_up(start, 16);
        if start < end { Region { start, end } } else { Region::EMPTY }
    }

    fn grow(&mut self, _bytes: usize) -> Option<Region> {
        None
    }
}
