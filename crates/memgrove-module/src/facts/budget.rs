//! What one file may cost.
//!
//! Facts and report are linear in the file, so that no honest file comes near the limit. It stops what says little
//! and means much: a module name that the compact form of imports gives to a hundred thousand of them.

use crate::Error;

use super::Facts;

/// Bytes that every file may cost, however small it is.
const BASE_BYTES: u64 = 1 << 20;
/// Bytes for each byte of the file: an import without names, of which there are four bytes, counts as 150.
const BYTES_PER_BYTE: u64 = 256;
/// Bytes for each byte of a large file, beyond [`LARGE_BASE_BYTES`]: machines are not larger because a file is.
const LARGE_BYTES_PER_BYTE: u64 = 8;
/// Bytes that a large file may cost in any case: validation allows no more than a million imports, and the like.
const LARGE_BASE_BYTES: u64 = 1 << 30;

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
        let small = Self::new(file_bytes, BYTES_PER_BYTE, BASE_BYTES);
        let large = Self::new(file_bytes, LARGE_BYTES_PER_BYTE, LARGE_BASE_BYTES);
        if small.limit_bytes < large.limit_bytes { small } else { large }
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

/// What the parts of facts and report take, names apart: of facts, report and JSON together, for each part about as much
/// as was measured.
pub(super) fn weights(facts: &Facts<'_>) -> [(&'static str, u64); 14] {
    let weigh = |count: usize, bytes: u64| (count as u64).saturating_mul(bytes);
    [
        ("its imports", weigh(facts.imports.len(), 900)),
        ("its exports", weigh(facts.exports.len(), 400)),
        ("its instructions that size memory", weigh(facts.sites.len(), 100)),
        ("its functions", weigh(facts.functions.len(), 40)),
        ("its calls", weigh(facts.call_graph.edge_count(), 16)),
        ("its types", weigh(facts.types.len(), 64)),
        ("its globals", weigh(facts.globals.len(), 48)),
        ("its tables", weigh(facts.tables.len(), 32)),
        ("its data segments", weigh(facts.data.len(), 64)),
        ("its element segments", weigh(facts.elements.len() * 6 + facts.element_funcs.len(), 8)),
        ("its sections", weigh(facts.sections.len(), 200)),
        ("its function names", weigh(facts.names.funcs.len(), 64)),
        ("its producers", weigh(facts.custom.producers.len(), 400)),
        ("its target features", weigh(facts.custom.target_features.len(), 100)),
    ]
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

    #[test]
    fn a_large_file_does_not_make_the_machine_large() {
        assert_eq!(Budget::whole(1 << 20).limit_bytes, (1 << 20) * 257);
        assert_eq!(Budget::whole(512 << 20).limit_bytes, 5 << 30);
    }
}
