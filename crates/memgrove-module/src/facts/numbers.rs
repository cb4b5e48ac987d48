//! Which numbers a function may name: a filter that spares reading most functions again.

use std::ops::RangeInclusive;

/// Numbers below are in every function, so a filter of them would tell nothing; nor are they addresses of data, since
/// linkers leave the first kilobyte free.
const FIRST: u64 = 1024;
/// Numbers of one bucket share their higher bits: what belongs together lies together.
const BUCKET_BITS: u32 = 8;

/// The constants (`i32.const`, `i64.const`, offsets of memory accesses) and globals that a function may name: a Bloom
/// filter with one hash of 64 values. It says "no" truly and "yes" perhaps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbers(u64);

impl Numbers {
    /// What passes everywhere, also where nothing was noted.
    const ANY: Self = Self(u64::MAX);

    /// The filter that all numbers of a range pass. Small ones pass everywhere. O(1).
    #[must_use]
    pub fn of_range(range: &RangeInclusive<u64>) -> Self {
        let (first, last) = (*range.start(), *range.end());
        let buckets = (first >> BUCKET_BITS)..=(last >> BUCKET_BITS);
        if first < FIRST || last.saturating_sub(first) >> BUCKET_BITS >= 64 {
            return Self::ANY;
        }
        buckets.fold(Self(0), |all, bucket| Self(all.0 | bit(bucket)))
    }

    /// The filter that a global passes.
    #[must_use]
    pub fn of_global(global: u32) -> Self {
        // Odd, so that it is no bucket of an address that a module could have.
        Self(bit(!u64::from(global)))
    }

    /// Both together.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a number of both may be the same.
    #[must_use]
    pub fn may_meet(self, other: Self) -> bool {
        self.0 & other.0 != 0 || self == Self::ANY || other == Self::ANY
    }

    #[inline]
    pub(super) fn note(&mut self, number: u64) {
        if number >= FIRST {
            self.0 |= bit(number >> BUCKET_BITS);
        }
    }

    #[inline]
    pub(super) fn note_global(&mut self, global: u32) {
        self.0 |= Self::of_global(global).0;
    }
}

/// One of 64 bits, by multiplicative hashing (Knuth, The Art of Computer Programming 3, 6.4).
#[inline]
fn bit(value: u64) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    1 << (value.wrapping_mul(GOLDEN) >> 58)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_noted_is_found() {
        for number in [1024, 1279, 1280, 70_000, u64::from(u32::MAX), u64::MAX] {
            let mut numbers = Numbers::default();
            numbers.note(number);
            assert!(numbers.may_meet(Numbers::of_range(&(number..=number))), "{number}");
            assert!(numbers.may_meet(Numbers::of_range(&(number - 300..=number))), "{number}");
            assert!(numbers.may_meet(Numbers::of_range(&(number..=number.saturating_add(300)))), "{number}");
        }
        let mut numbers = Numbers::default();
        numbers.note_global(7);
        assert!(numbers.may_meet(Numbers::of_global(7)));
    }

    #[test]
    fn most_others_are_not() {
        let mut numbers = Numbers::default();
        numbers.note(70_000);
        let range = |at: u64| Numbers::of_range(&(at..=at + 100));
        let found = (8..1008).filter(|at| numbers.may_meet(range(at * 4096))).count();
        assert!(found < 100, "{found} of 1000");
    }

    #[test]
    fn small_numbers_and_long_ranges_are_everywhere() {
        let numbers = Numbers::default();
        assert!(numbers.may_meet(Numbers::of_range(&(1023..=1023))));
        assert!(numbers.may_meet(Numbers::of_range(&(4096..=1 << 20))));
    }
}
