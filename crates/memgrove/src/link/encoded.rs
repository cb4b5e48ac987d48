//! Encoded links: what the feature `encoded-links` makes of the links that the allocators keep in free memory.
//!
//! A link is mixed with its own place and a secret of the program, after the *safe-linking* of glibc 2.32 (Itkin, *Safe-
//! Linking: Eliminating a 20 year-old malloc() exploit primitive*, Check Point 2020), which shifts and xors only; here
//! every bit that is overwritten changes all bits above half a word of what is read. What is read must be a multiple of
//! a word and lie in memory, or the program stops with [`Reason::ForgedLink`](crate::hardened::Reason::ForgedLink): of links that are
//! overwritten without knowledge of the secret, one in 1024 passes on wasm32 with a memory of 16 MiB (one in four if the
//! memory is 4 GiB), and one in half a million natively. Zeros never pass. The same bytes mean something else elsewhere, and an
//! older link at its old place is found in the lists of both directions, when their member is taken out.
//!
//! The secret is that of the first [`Hardened`](crate::Hardened) heap that allocates and was given one, or of
//! [`seed_links`], or the address of a variable: natively the system chooses that, on wasm it is the same in every run.

use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::source::beyond_memory;
use crate::trap;
use crate::word::{MIX, WORD, mix, pointer};

/// 0 until the first link was made.
static SECRET: AtomicUsize = AtomicUsize::new(0);

/// What undoes a multiplication by [`MIX`], which is odd.
const INVERSE: usize = {
    // Newton's iteration doubles the correct bits; an odd number is its own inverse in the lowest three.
    let mut inverse = MIX;
    let mut bits = 3;
    while bits < usize::BITS {
        inverse = inverse.wrapping_mul(2_usize.wrapping_sub(MIX.wrapping_mul(inverse)));
        bits *= 2;
    }
    inverse
};

/// Sets the secret that links are encoded with, if there is none yet: before anything was freed. Returns whether it did.
/// 0 is none.
pub fn seed_links(secret: usize) -> bool {
    secret != 0 && SECRET.compare_exchange(0, secret, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

/// There is no link yet: the address of a variable must do, which the system chooses in each run where it does such things.
#[cold]
#[inline(never)]
fn choose_secret() -> usize {
    let local = 0_u8;
    seed_links(mix((&raw const local).addr() ^ (&raw const SECRET).addr().rotate_left(7)) | 1);
    SECRET.load(Ordering::Relaxed)
}

/// Odd, so that no address of a word, nor null, has the encoding 0.
#[inline(always)]
fn key(secret: usize, place: usize) -> usize {
    mix(place ^ secret) | 1
}

fn scramble(target: usize, key: usize) -> usize {
    (target ^ key).wrapping_mul(MIX).rotate_left(usize::BITS / 2).wrapping_mul(MIX)
}

fn unscramble(link: usize, key: usize) -> usize {
    link.wrapping_mul(INVERSE).rotate_right(usize::BITS / 2).wrapping_mul(INVERSE) ^ key
}

/// Whether a link may lead there: null can be told from a forged one, too.
fn is_plausible(target: usize) -> bool {
    target % WORD == 0 && !beyond_memory(target)
}

/// The link to `target`, for this place.
#[inline]
pub(super) fn encode<T>(target: *mut T, place: usize) -> *mut T {
    let secret = SECRET.load(Ordering::Relaxed);
    let secret = if secret == 0 { choose_secret() } else { secret };
    ptr::without_provenance_mut(scramble(target.addr(), key(secret, place)))
}

/// Where the link at this place leads, if anywhere.
#[inline(always)]
fn target_of<T>(link: *mut T, place: usize) -> usize {
    unscramble(link.addr(), key(SECRET.load(Ordering::Relaxed), place))
}

/// Where the link at this place leads; stops the program if that is nowhere.
#[inline]
pub(super) fn decode<T>(link: *mut T, place: usize) -> *mut T {
    let target = target_of(link, place);
    if !is_plausible(target) {
        trap::forged_link(ptr::without_provenance(place));
    }
    pointer(target).cast()
}

/// Whether the link at this place leads somewhere.
pub(super) fn is_sound<T>(link: *mut T, place: usize) -> bool {
    is_plausible(target_of(link, place))
}

/// Stops the program unless a neighbour in a list leads to the member.
#[inline]
pub(super) fn expect(said: usize, member: usize) {
    if said != member {
        trap::forged_link(ptr::without_provenance(member));
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    /// Places and targets as a heap has them, all different.
    fn links() -> impl Iterator<Item = (usize, usize, usize)> {
        (0..2000).map(|n| {
            let secret = mix(n * 77 + 1);
            (secret, 0x0010_0000 + n * 24, 0x0020_0000 + (n * 7919 % 10_000) * WORD)
        })
    }

    #[test]
    fn a_link_is_read_as_it_was_written_and_is_never_zero() {
        for (secret, place, target) in links() {
            for target in [target, 0] {
                let link = scramble(target, key(secret, place));
                assert_ne!(link, 0);
                assert_eq!(unscramble(link, key(secret, place)), target);
            }
            assert!(!is_plausible(unscramble(0, key(secret, place))), "zeros pass");
        }
    }

    /// Whatever overwrites the first bytes of a link (those in front on a little-endian machine), or all of them.
    #[test]
    fn an_overwritten_link_leads_nowhere() {
        let (mut tried, mut passed) = (0, 0);
        for (secret, place, target) in links() {
            let link = scramble(target, key(secret, place));
            for bytes in 1..=WORD {
                let mask = usize::MAX >> (usize::BITS as usize - 8 * bytes);
                for by in [0, usize::MAX, target, 0x4141_4141, mix(place)] {
                    let forged = link & !mask | by & mask;
                    if forged != link {
                        tried += 1;
                        passed += usize::from(is_plausible(unscramble(forged, key(secret, place))));
                    }
                }
            }
        }
        assert!(tried > 20_000);
        // The least that a 32-bit machine finds without knowing where memory ends is what is no multiple of a word.
        let most = if WORD == 8 { tried / 10_000 } else { tried / 3 };
        assert!(passed <= most, "{passed} of {tried}");
    }

    #[test]
    fn a_link_means_nothing_elsewhere() {
        let mut passed = 0;
        for (secret, place, target) in links() {
            let link = scramble(target, key(secret, place));
            passed += usize::from(is_plausible(unscramble(link, key(secret, place + WORD))));
        }
        assert!(passed <= if WORD == 8 { 2 } else { 700 }, "{passed} of 2000");
    }
}
