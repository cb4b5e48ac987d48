//! What one file may cost.
//!
//! Facts and report are linear in the file, so that no honest file comes near the limit. It stops what says little
//! and means much: a module name that the compact form of imports gives to a hundred thousand of them.

use crate::Error;

/// Bytes that every file may cost, however small it is.
const BASE_BYTES: u64 = 1 << 20;
/// Bytes for each byte of the file: an import without names, of which there are four bytes, counts as 150.
const BYTES_PER_BYTE: u64 = 256;

/// Bytes of names that every file may give to its imports.
const BASE_NAME_BYTES: u64 = 64 << 10;
/// Bytes of names for each byte of the file. Names that stand in the file count once; those of the compact form
/// count for each import that has them.
const NAME_BYTES_PER_BYTE: u64 = 16;

/// Counts what the facts about a file and its report will hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    limit_bytes: u64,
    left_bytes: u64,
}

impl Budget {
    /// For everything about a file of this size.
    pub(super) fn whole(file_bytes: usize) -> Self {
        Self::new(file_bytes, BYTES_PER_BYTE, BASE_BYTES)
    }

    /// For the names of the imports of a file of this size.
    pub(super) fn names(file_bytes: usize) -> Self {
        Self::new(file_bytes, NAME_BYTES_PER_BYTE, BASE_NAME_BYTES)
    }

    fn new(file_bytes: usize, per_byte: u64, base: u64) -> Self {
        let limit_bytes = (file_bytes as u64).saturating_mul(per_byte).saturating_add(base);
        Self { limit_bytes, left_bytes: limit_bytes }
    }

    /// Takes bytes away, or says what was too much.
    pub(super) fn spend(&mut self, bytes: u64, what: &'static str, offset: u64) -> Result<(), Error> {
        match self.left_bytes.checked_sub(bytes) {
            Some(left) => {
                self.left_bytes = left;
                Ok(())
            }
            None => Err(Error::TooComplex { what, limit: self.limit_bytes, offset }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_with_what_was_too_much() {
        let mut budget = Budget::whole(1);
        budget.spend(BASE_BYTES, "names", 8).unwrap();
        budget.spend(BYTES_PER_BYTE, "names", 9).unwrap();
        let error = budget.spend(1, "types", 10).unwrap_err();
        assert_eq!(
            error,
            Error::TooComplex { what: "types", limit: BASE_BYTES + BYTES_PER_BYTE, offset: 10 }
        );
    }
}
