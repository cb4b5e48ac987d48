//! How a thread comes to hold the lock of the heap that owns a superblock, while others move superblocks about.
//!
//! A file of its own because `tests/loom.rs` includes it: every interleaving of it is run there.

use crate::sync::Lock;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// Runs `f` under the lock of the heap that `owner` names, and with its number: reads the number, takes the lock, reads
/// it again, and begins anew if the superblock was moved in between (Berger et al., section 3).
///
/// `owner` is written under the lock of the heap that it names before the write. So once it was read under the lock of
/// the heap that it names, it stays; and the lock has made that reading the newest, which is why both may be relaxed.
#[inline(always)]
pub(crate) fn with_owner<'a, T: 'a, R>(
    owner: &AtomicUsize,
    heap: impl Fn(usize) -> &'a Lock<T>,
    mut f: impl FnOnce(usize, &mut T) -> R,
) -> R {
    loop {
        let number = owner.load(Ordering::Relaxed);
        let attempt = heap(number)
            .with(|heap| if owner.load(Ordering::Relaxed) == number { Ok(f(number, heap)) } else { Err(f) });
        match attempt {
            Ok(result) => return result,
            Err(unused) => f = unused,
        }
    }
}
