//! How a heap stops the program when it finds misuse: for [`Hardened`](crate::Hardened) heaps, and for lists with encoded links.
//!
//! The reason is told in three ways: by the name of the function that traps, which stack traces show; by a text that a debugger
//! finds; by [`trapped`], for a handler or a host that looks at the memory afterwards.

use core::ffi::{CStr, c_char};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicUsize, Ordering};

/// What a [`Hardened`](crate::Hardened) heap, or a list with encoded links, has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Reason {
    /// A block was given back twice.
    DoubleFree = 1,
    /// What was given back is no block of this heap, or its header was overwritten.
    NotABlock = 2,
    /// A block was given back with another size or alignment than it was allocated with.
    WrongLayout = 3,
    /// Bytes right behind a block were overwritten.
    Overflow = 4,
    /// A block was written to after it was given back.
    WriteAfterFree = 5,
    /// The allocator handed out a block that is in use: its lists were overwritten.
    HandedOutTwice = 6,
    /// A link in free memory was overwritten: with the feature `encoded-links`, any of them, for any allocator.
    ForgedLink = 7,
}

impl Reason {
    const ALL: [Self; 7] = [
        Self::DoubleFree,
        Self::NotABlock,
        Self::WrongLayout,
        Self::Overflow,
        Self::WriteAfterFree,
        Self::HandedOutTwice,
        Self::ForgedLink,
    ];

    /// It in words.
    pub const fn text(self) -> &'static CStr {
        match self {
            Self::DoubleFree => c"memgrove: a block was freed twice",
            Self::NotABlock => c"memgrove: not a block of this heap, or its header was overwritten",
            Self::WrongLayout => c"memgrove: a block was freed with another layout than its own",
            Self::Overflow => c"memgrove: bytes behind a block were overwritten",
            Self::WriteAfterFree => c"memgrove: a block was written to after it was freed",
            Self::HandedOutTwice => {
                c"memgrove: a block in use was handed out, the heap's lists were overwritten"
            }
            Self::ForgedLink => c"memgrove: a link between free blocks was overwritten",
        }
    }
}

/// The text of the reason, for a debugger: null as long as nothing was found. `used`, because nothing reads it here.
#[cfg_attr(not(feature = "_donor"), used)]
#[cfg_attr(feature = "_donor", allow(dead_code, reason = "nothing is noted"))]
static TEXT: AtomicPtr<c_char> = AtomicPtr::new(null_mut());
#[cfg_attr(not(feature = "_donor"), used)]
static REASON: AtomicU8 = AtomicU8::new(0);
#[cfg_attr(not(feature = "_donor"), used)]
static BLOCK: AtomicUsize = AtomicUsize::new(0);

/// What was found, and the address of the block; `None` as long as nothing was. For a signal handler, or for a host
/// that calls into the module once more after it trapped.
pub fn trapped() -> Option<(Reason, usize)> {
    let number = REASON.load(Ordering::Acquire);
    let reason = Reason::ALL.into_iter().find(|&reason| reason as u8 == number)?;
    Some((reason, BLOCK.load(Ordering::Relaxed)))
}

/// Takes note and stops. Inlined, so that it is the function with the name that traps.
#[cfg_attr(feature = "_donor", allow(dead_code, reason = "nothing is noted"))]
#[inline(always)]
fn stop(reason: Reason, block: *const u8) -> ! {
    BLOCK.store(block.addr(), Ordering::Relaxed);
    TEXT.store(reason.text().as_ptr().cast_mut(), Ordering::Relaxed);
    REASON.store(reason as u8, Ordering::Release);
    trap()
}

/// Stops the program: on wasm by `unreachable`, natively by `abort`.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
pub(crate) fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

/// Stops the program.
#[cfg(target_arch = "wasm64")]
#[inline(always)]
pub(crate) fn trap() -> ! {
    core::arch::wasm64::unreachable()
}

#[cfg(all(any(unix, windows), not(any(target_arch = "wasm32", target_arch = "wasm64"))))]
#[inline(always)]
pub(crate) fn trap() -> ! {
    // Of the C library, as in `source::System`: a core file, or SIGABRT for a debugger.
    unsafe extern "C" {
        fn abort() -> !;
    }
    // SAFETY: it may be called from anywhere.
    unsafe { abort() }
}

#[cfg(not(any(unix, windows, target_arch = "wasm32", target_arch = "wasm64")))]
#[inline(always)]
pub(crate) fn trap() -> ! {
    // Without a system there is nobody to stop the program for us.
    loop {
        core::hint::spin_loop();
    }
}

/// Two functions a reason: the one that is called, and the one that traps, so that a stack trace tells which it was. It
/// is called through memory, because `wasm-opt` takes no notice of `inline(never)`.
#[cfg(not(feature = "_donor"))]
macro_rules! reasons {
    ($($name:ident $trap:ident $reason:ident)*) => {$(
        #[cold]
        pub(crate) fn $name(block: *const u8) -> ! {
            static TRAP: fn(*const u8) -> ! = $trap;
            // SAFETY: a static that nobody writes to.
            unsafe { (&raw const TRAP).read_volatile()(block) }
        }

        #[cold]
        #[inline(never)]
        fn $trap(block: *const u8) -> ! {
            stop(Reason::$reason, block)
        }
    )*};
}

/// One function a reason, which its name tells; nothing is noted in memory.
#[cfg(feature = "_donor")]
macro_rules! reasons {
    ($($name:ident $trap:ident $reason:ident)*) => {$(
        #[cold]
        pub(crate) fn $name(_: *const u8) -> ! {
            $trap()
        }

        #[cold]
        #[inline(never)]
        #[unsafe(no_mangle)]
        extern "C" fn $trap() -> ! {
            // Functions that do the same would become one.
            core::hint::black_box(Reason::$reason as u8);
            trap()
        }
    )*};
}

reasons! {
    double_free trap_double_free DoubleFree
    not_a_block trap_not_a_block NotABlock
    wrong_layout trap_wrong_layout WrongLayout
    overflow trap_overflow Overflow
    write_after_free trap_write_after_free WriteAfterFree
    handed_out_twice trap_handed_out_twice HandedOutTwice
}

#[cfg(feature = "encoded-links")]
reasons! {
    forged_link trap_forged_link ForgedLink
}
