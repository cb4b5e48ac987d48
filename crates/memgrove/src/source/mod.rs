//! Where an allocator gets its memory: one small trait, and its implementations.
//!
//! | source | gives |
//! |---|---|
//! | `Grow` | what `memory.grow` gives, and nothing else |
//! | `GrowWithSlack` | first the rest of the initial memory after `__heap_base`, then `memory.grow`; with `atomics` as `Grow` |
//! | `InitialMemory` | the rest of the initial memory after `__heap_base`, and nothing else: for a memory that cannot grow |
//! | [`Below`] | what another source gives, up to an address |
//! | [`Stepped`] | what another source gives, in steps of a length |
//! | [`Fixed`] | one region of the program's own, never more |
//! | [`System`] | the operating system's pages, for the same program built natively |
//! | [`Fake`] | a region that refuses at a chosen call, or has a stranger growing in between: for tests |
//!
//! [`Platform`] is the one that fits the target.

mod bounds;
#[doc(hidden)]
pub mod claim;
mod fake;
mod fixed;
#[cfg(any(target_arch = "wasm32", target_arch = "wasm64"))]
mod grow;
mod notice;
#[cfg(any(unix, windows))]
mod system;

pub use bounds::{Below, Stepped};
pub use fake::{Fake, Trouble};
pub use fixed::Fixed;
#[cfg(any(target_arch = "wasm32", target_arch = "wasm64"))]
pub use grow::{Grow, GrowWithSlack, InitialMemory};
pub use notice::notice_growth;
pub(crate) use notice::{beyond_memory, obtain};
#[cfg(any(unix, windows))]
pub use system::System;

/// The source that fits the target.
///
/// On wasm32-unknown-unknown and wasm32v1-none without `atomics`, the initial memory after `__heap_base` is the allocator's. On WASI and
/// Emscripten the C library believes the same of its own allocator, and with `atomics` tools that prepare a module for
/// threads put data there after linking, so only grown pages are taken.
#[cfg(all(
    any(target_arch = "wasm32", target_arch = "wasm64"),
    any(target_os = "unknown", target_os = "none")
))]
pub type Platform = GrowWithSlack;
/// The source that fits the target.
#[cfg(all(
    any(target_arch = "wasm32", target_arch = "wasm64"),
    not(any(target_os = "unknown", target_os = "none"))
))]
pub type Platform = Grow;
/// The source that fits the target.
#[cfg(all(any(unix, windows), not(any(target_arch = "wasm32", target_arch = "wasm64"))))]
pub type Platform = System;
/// The source that fits the target: none is known, so give the allocator a [`Fixed`] one.
#[cfg(not(any(unix, windows, target_arch = "wasm32", target_arch = "wasm64")))]
pub type Platform = Fixed;

/// [`Platform`]'s value: a source that has given nothing yet.
#[cfg(all(
    any(target_arch = "wasm32", target_arch = "wasm64"),
    any(target_os = "unknown", target_os = "none")
))]
pub const PLATFORM: Platform = GrowWithSlack;
/// [`Platform`]'s value: a source that has given nothing yet.
#[cfg(all(
    any(target_arch = "wasm32", target_arch = "wasm64"),
    not(any(target_os = "unknown", target_os = "none"))
))]
pub const PLATFORM: Platform = Grow;
/// [`Platform`]'s value: a source that has given nothing yet.
#[cfg(all(any(unix, windows), not(any(target_arch = "wasm32", target_arch = "wasm64"))))]
pub const PLATFORM: Platform = System::new();
/// [`Platform`]'s value: a source that has given nothing yet.
#[cfg(not(any(unix, windows, target_arch = "wasm32", target_arch = "wasm64")))]
pub const PLATFORM: Platform = Fixed::EMPTY;

/// Bytes of a WebAssembly page; natively the same are taken at once.
#[cfg(any(unix, windows, target_arch = "wasm32", target_arch = "wasm64"))]
const PAGE_BYTES: usize = 1 << 16;

/// Bytes of a page of the program's memory, which the linker may have been told (`--page-size`).
#[cfg(any(target_arch = "wasm32", target_arch = "wasm64"))]
#[inline(always)]
pub(crate) fn page_bytes() -> usize {
    #[cfg(feature = "custom-page-sizes")]
    {
        unsafe extern "C" {
            /// Defined by wasm-ld (LLVM 21 and newer): where the first page ends.
            static __wasm_first_page_end: u8;
        }
        (&raw const __wasm_first_page_end).addr()
    }
    #[cfg(not(feature = "custom-page-sizes"))]
    PAGE_BYTES
}

/// A piece of memory from a page source, as addresses. Empty if `start == end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its first byte.
    pub start: usize,
    /// The byte after its last one. Never wraps to zero: see [`Region::from_growth`].
    pub end: usize,
}

impl Region {
    /// No memory.
    pub const EMPTY: Self = Self { start: 0, end: 0 };

    /// Where a region ends at the latest. The last 16 bytes of the address space are in none, so that the address after a
    /// block can always be told from null, in Rust and in C.
    pub const LAST_END: usize = 0usize.wrapping_sub(16);

    /// `bytes` (a multiple of 16, not zero) from `start`. A region that ends with the address space gives up what lies
    /// behind [`LAST_END`](Self::LAST_END).
    #[inline(always)]
    pub const fn from_growth(start: usize, bytes: usize) -> Self {
        let end = start.wrapping_add(bytes);
        Self { start, end: if end == 0 { Self::LAST_END } else { end } }
    }

    /// Its length in bytes.
    #[inline(always)]
    pub const fn bytes(&self) -> usize {
        self.end - self.start
    }
}

/// Where an allocator gets its memory.
///
/// # Safety
/// - S1: Memory in a region is readable and writable, belongs to nobody else, and stays so for good; its provenance is
///   exposed. Regions never overlap, and none contains address 0 or the last byte of the address space.
/// - S2: A region that is not empty starts and ends at a multiple of 16. One of [`grow`](Self::grow) is at least as long
///   as asked for (less 16 bytes at the end of the address space, if another thread grew meanwhile), and all zero bytes if [`ZEROED`](Self::ZEROED) says so.
/// - S3: A region that starts where an earlier one ended may be joined to it: blocks may span both.
pub unsafe trait PageSource: Send {
    /// Whether grown regions are known to be all zero bytes.
    const ZEROED: bool;

    /// Whether [`grow`](Self::grow) may ever give anything. A heap keeps less for itself where it does not.
    const GROWS: bool = true;

    /// Memory from this address on is all zero when it is handed out, grown or slack: the end of the
    /// slack, or 0 if there is none; `usize::MAX` for a source whose memory is arbitrary.
    #[inline(always)]
    fn zeroed_from(&self) -> usize {
        if Self::ZEROED { 0 } else { usize::MAX }
    }

    /// Memory that is there before any growth; asked for once, before the first growth. Its bytes are arbitrary.
    #[inline(always)]
    fn slack(&mut self) -> Region {
        Region::EMPTY
    }

    /// Where the next growth would begin, if nobody else grows before it; 1, the worst for any alignment, if that is not
    /// known. A heap that knows it asks for no more and no less than it needs, also where somebody else has grown memory.
    #[inline(always)]
    fn next_address(&self) -> usize {
        1
    }

    /// At least `bytes` (not zero) more, rounded up to what the source deals in. `None` if refused: the source may be
    /// asked again, for less or later.
    fn grow(&mut self, bytes: usize) -> Option<Region>;
}
