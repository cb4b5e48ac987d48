//! Links of the lists that lie in free memory: addresses as they are, or with the feature `encoded-links` such that
//! nobody can forge one who does not know a secret (`encoded.rs`).

#[cfg(feature = "encoded-links")]
mod encoded;

use crate::stats::{Broken, ensure};
use crate::word::at;

#[cfg(feature = "encoded-links")]
pub use encoded::seed_links;
#[cfg(feature = "encoded-links")]
use encoded::{decode, encode, is_sound};

/// A link, at its place in memory that is nobody's. It is written and read where it lies, because an encoded one means
/// something else anywhere else.
#[repr(transparent)]
pub(crate) struct Link<T>(*mut T);

impl<T> Link<T> {
    /// Where it leads.
    #[inline(always)]
    pub(crate) fn get(&self) -> *mut T {
        decode(self.0, (&raw const *self).addr())
    }

    /// As [`get`](Self::get), for [`Inspect::check`](crate::Inspect::check): a link that was overwritten does not stop the
    /// program, but breaks the invariant.
    pub(crate) fn check(&self, invariant: &'static str) -> Result<*mut T, Broken> {
        let place = (&raw const *self).addr();
        ensure(is_sound(self.0, place), invariant, "a link was overwritten", place)?;
        Ok(self.get())
    }

    #[inline(always)]
    pub(crate) fn set(&mut self, target: *mut T) {
        self.0 = encode(target, (&raw const *self).addr());
    }
}

/// [`Link::get`] for code that keeps addresses.
///
/// # Safety
/// A link lies at `place`.
#[inline(always)]
pub(crate) unsafe fn load_link(place: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { (*at::<Link<u8>>(place)).get().addr() }
}

/// [`Link::check`] for code that keeps addresses.
///
/// # Safety
/// As for [`load_link`].
pub(crate) unsafe fn check_link(place: usize, invariant: &'static str) -> Result<usize, Broken> {
    // SAFETY: the caller's promise.
    unsafe { Ok((*at::<Link<u8>>(place)).check(invariant)?.addr()) }
}

/// [`Link::set`] for code that keeps addresses.
///
/// # Safety
/// `place` is word-aligned and lies in memory that the caller owns.
#[inline(always)]
pub(crate) unsafe fn store_link(place: usize, target: usize) {
    // SAFETY: the caller's promise.
    unsafe { (*at::<Link<u8>>(place)).set(at(target)) }
}

/// Writes `count` links to null.
///
/// # Safety
/// As for [`store_link`], for as many words.
#[inline(always)]
pub(crate) unsafe fn clear_links(place: usize, count: usize) {
    // Said without a loop where it can be: the compiler does not see it at -Oz.
    // SAFETY: the caller's promise.
    #[cfg(not(feature = "encoded-links"))]
    unsafe {
        core::ptr::write_bytes(at::<usize>(place), 0, count);
    }
    #[cfg(feature = "encoded-links")]
    for index in 0..count {
        // SAFETY: the caller's promise.
        unsafe { store_link(place + index * size_of::<usize>(), 0) };
    }
}

/// For lists in both directions: what a neighbour says of a member that is about to be taken out. If links are encoded
/// and it says something else, the program stops: a link that was written over by an older one is found that way.
#[inline(always)]
pub(crate) fn expect_link<T>(said: impl FnOnce() -> *mut T, member: *mut T) {
    #[cfg(feature = "encoded-links")]
    encoded::expect(said().addr(), member.addr());
    #[cfg(not(feature = "encoded-links"))]
    let _ = (said, member);
}

#[cfg(not(feature = "encoded-links"))]
#[inline(always)]
fn encode<T>(target: *mut T, _place: usize) -> *mut T {
    target
}

#[cfg(not(feature = "encoded-links"))]
#[inline(always)]
fn decode<T>(link: *mut T, _place: usize) -> *mut T {
    link
}

#[cfg(not(feature = "encoded-links"))]
fn is_sound<T>(_link: *mut T, _place: usize) -> bool {
    true
}
