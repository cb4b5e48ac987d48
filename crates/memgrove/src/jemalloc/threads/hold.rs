//! Several locks at once.
//!
//! A file of its own because `tests/loom.rs` includes it: every interleaving of it is run there.

use core::ptr::null_mut;

use crate::sync::Lock;

/// Runs `f` under all of these locks, with what is behind each. They are taken in their order, so two who do this wait for each other
/// and never for ever; nor does anyone who holds one of them and takes later ones only.
pub(crate) fn hold<T, const N: usize>(locks: &[Lock<T>; N], f: &mut dyn FnMut(&mut [*mut T; N])) {
    hold_from(locks, &mut [null_mut(); N], f);
}

/// The same for the rest of them.
fn hold_from<T, const N: usize>(
    locks: &[Lock<T>],
    held: &mut [*mut T; N],
    f: &mut dyn FnMut(&mut [*mut T; N]),
) {
    let Some((first, others)) = locks.split_first() else { return f(held) };
    first.with(|value| {
        if let Some(place) = held.get_mut(N - locks.len()) {
            *place = value;
        }
        hold_from(others, held, f);
    });
}
