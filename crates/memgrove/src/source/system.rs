//! The operating system's pages, so that a program built for wasm also runs and is tested natively.

use super::{PAGE_BYTES, PageSource, Region};

/// Address space asked for at once. Only pages that are touched cost memory (on Windows they count as committed, so it asks for less).
const RESERVE_BYTES: usize = if size_of::<usize>() == 8 && cfg!(unix) { 1 << 30 } else { 1 << 26 };

/// The operating system's pages: `mmap` on Unix, `VirtualAlloc` on Windows. Reserves address space in large pieces and
/// grows through it, so that regions are mostly adjacent, as in a linear memory. Gives nothing back.
#[derive(Debug)]
pub struct System {
    /// Reserved and not yet given out.
    reserved: Region,
}

impl System {
    /// A source that has reserved nothing yet.
    pub const fn new() -> Self {
        Self { reserved: Region::EMPTY }
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: each piece of a mapping is given out once and never unmapped (S1), by whole pages of a page-aligned, zero
// mapping (S2). Two mappings that happen to touch are joined by nobody but the operating system's address space (S3).
unsafe impl PageSource for System {
    const ZEROED: bool = true;

    fn next_address(&self) -> usize {
        self.reserved.start.max(1)
    }

    fn grow(&mut self, bytes: usize) -> Option<Region> {
        let bytes = bytes.checked_next_multiple_of(PAGE_BYTES)?;
        if bytes > self.reserved.bytes() {
            let reserve = bytes.max(RESERVE_BYTES);
            // Where address space is limited, a piece of exactly the right length may still be had.
            let (start, length) =
                map(reserve).map(|start| (start, reserve)).or_else(|| Some((map(bytes)?, bytes)))?;
            self.reserved = Region::from_growth(start, length);
        }
        let start = self.reserved.start;
        self.reserved.start += bytes;
        Some(Region { start, end: self.reserved.start })
    }
}

#[cfg(unix)]
fn map(bytes: usize) -> Option<usize> {
    use core::ffi::{c_int, c_long, c_void};

    // Every Unix program is linked with its C library; asking for the `libc` crate would be this crate's only dependency.
    unsafe extern "C" {
        fn mmap(
            address: *mut c_void,
            bytes: usize,
            protection: c_int,
            flags: c_int,
            file: c_int,
            offset: c_long,
        ) -> *mut c_void;
    }
    const READ_WRITE: c_int = 1 | 2;
    /// MAP_PRIVATE and MAP_ANON; on Linux also MAP_NORESERVE: address space, not memory, is what is asked for.
    const FLAGS: c_int = if cfg!(any(target_os = "linux", target_os = "android")) {
        0x2 | 0x20 | 0x4000
    } else {
        0x2 | 0x1000
    };

    // SAFETY: a new private anonymous mapping at an address of the system's choice touches nothing that exists.
    let start = unsafe { mmap(core::ptr::null_mut(), bytes, READ_WRITE, FLAGS, -1, 0) };
    let start = start.expose_provenance();
    (start != usize::MAX).then_some(start)
}

#[cfg(windows)]
fn map(bytes: usize) -> Option<usize> {
    use core::ffi::c_void;

    unsafe extern "system" {
        fn VirtualAlloc(address: *mut c_void, bytes: usize, kind: u32, protection: u32) -> *mut c_void;
    }
    const RESERVE_AND_COMMIT: u32 = 0x3000;
    const READ_WRITE: u32 = 0x04;

    // SAFETY: new pages at an address of the system's choice touch nothing that exists.
    let start = unsafe { VirtualAlloc(core::ptr::null_mut(), bytes, RESERVE_AND_COMMIT, READ_WRITE) };
    (!start.is_null()).then(|| start.expose_provenance())
}
