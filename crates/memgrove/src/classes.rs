//! Size classes: the linear tiny ones, then four to each doubling.
//!
//! ```text
//!  8 16 24 32 | 40 48 56 64 | 80 96 112 128 | 160 192 224 256 | … | 1280 1536 1792 2048
//! ```
//!
//! Four to a doubling bounds what rounding up wastes at a fifth of the block (Evans, *A Scalable Concurrent
//! malloc(3) Implementation for FreeBSD*, 2006, and jemalloc's documentation, "Size classes").

/// Every class is a multiple of this, so it is the alignment that costs nothing, in bytes.
pub(crate) const QUANTUM: usize = 8;

/// How many classes there are, 28.
pub(crate) const COUNT: usize = class_of(SMALL_MAX) + 1;

/// Blocks up to this size come from slabs; larger ones are extents of their own, to the page. In bytes.
pub(crate) const SMALL_MAX: usize = 2048;

/// The sizes that [`TABLE`] knows. In bytes.
pub(crate) const TABLE_MAX: usize = 1024;

/// For sizes up to [`TABLE_MAX`] in quanta, rounded up: the class, times the size of a pointer, which makes it the
/// byte offset into an array of list heads. One load instead of a dozen instructions on the way of every call.
pub(crate) static TABLE: [u8; TABLE_MAX / QUANTUM + 1] = {
    let mut table = [0; TABLE_MAX / QUANTUM + 1];
    let mut quanta = 0;
    while quanta < table.len() {
        let offset = class_of(quanta * QUANTUM) * size_of::<usize>();
        assert!(offset <= u8::MAX as usize);
        #[allow(clippy::cast_possible_truncation, reason = "asserted in the line above, at compile time")]
        let byte = offset as u8;
        table[quanta] = byte;
        quanta += 1;
    }
    table
};

/// The byte offset that [`TABLE`] knows for a size of at most [`TABLE_MAX`].
#[inline(always)]
#[expect(clippy::manual_div_ceil, reason = "`div_ceil` guards against overflow, which costs instructions")]
pub(crate) fn head_offset(size: usize) -> usize {
    debug_assert!(size <= TABLE_MAX);
    // SAFETY: the table has an entry for each size up to TABLE_MAX.
    unsafe { *TABLE.get_unchecked((size + (QUANTUM - 1)) / QUANTUM) as usize }
}

/// A region must hold two links, which on 64-bit machines the first class has no room for. In bytes.
const LEAST: usize = 2 * size_of::<usize>();

/// The smallest class that holds `size` bytes; `size` is at most [`SMALL_MAX`]. No loop, no table.
pub(crate) const fn class_of(size: usize) -> usize {
    let last = if size < LEAST { LEAST } else { size } - 1;
    // Sizes below 32 share the spacing of the first doubling, hence the bit that is always set.
    let shift = (usize::BITS - 3 - (last | 32).leading_zeros()) as usize;
    (last >> shift) + shift * 4 - 12
}

/// The size of a class's blocks, in bytes.
pub(crate) const fn size_of_class(class: usize) -> usize {
    if class < 4 { (class + 1) * QUANTUM } else { ((class & 3) + 5) << (class / 4 + 2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_goes_to_the_smallest_class_that_holds_it() {
        for size in 0..=SMALL_MAX {
            let class = class_of(size);
            assert!(size <= size_of_class(class), "{size}");
            assert!(class == 0 || size.max(LEAST) > size_of_class(class - 1), "{size}");
            if size <= TABLE_MAX {
                assert_eq!(TABLE[size.div_ceil(QUANTUM)] as usize, class * size_of::<usize>());
            }
        }
    }

    #[test]
    fn a_size_that_is_a_multiple_of_an_alignment_lands_in_a_class_that_is_one_too() {
        for align in [16, 32, 64, 128, 256, 512, 1024] {
            for size in (align..=SMALL_MAX).step_by(align) {
                assert_eq!(size_of_class(class_of(size)) % align, 0, "{size} at {align}");
            }
        }
    }
}
