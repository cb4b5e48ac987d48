//! Heaps that are put into a module in place of C's `malloc` and its family, which it imports.
//!
//! A heap is a donor (see `graft/mod.rs`), built from `crates/memgrove-donor` and kept in `donors/`. It has neither
//! data nor stack nor table: what it remembers lies in memory that it grew, and where that is, in a global that
//! is added with it.

use crate::contract::Types;

/// A heap that can be put into a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Allocator {
    /// memgrove's `Wee`: the smallest code, every call O(1).
    Wee,
}

impl Allocator {
    /// Every heap.
    pub const ALL: [Self; 1] = [Self::Wee];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wee => "wee",
        }
    }

    /// The heap of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|allocator| allocator.name() == name)
    }

    /// Its name as a title.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Wee => "Wee",
        }
    }

    /// The module that its functions are in.
    pub(crate) const fn donor(self) -> &'static [u8] {
        match self {
            Self::Wee => include_bytes!("../donors/wee.wasm"),
        }
    }
}

/// A function of C's heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeapFunction {
    /// `malloc`
    Malloc,
    /// `calloc`
    Calloc,
    /// `realloc`
    Realloc,
    /// `reallocarray`
    Reallocarray,
    /// `aligned_alloc`
    AlignedAlloc,
    /// `memalign`
    Memalign,
    /// `posix_memalign`
    PosixMemalign,
    /// `free`
    Free,
    /// `free_sized`
    FreeSized,
    /// `free_aligned_sized`
    FreeAlignedSized,
    /// `malloc_usable_size`
    UsableSize,
}

impl HeapFunction {
    /// Every function.
    pub const ALL: [Self; 11] = [
        Self::Malloc,
        Self::Calloc,
        Self::Realloc,
        Self::Reallocarray,
        Self::AlignedAlloc,
        Self::Memalign,
        Self::PosixMemalign,
        Self::Free,
        Self::FreeSized,
        Self::FreeAlignedSized,
        Self::UsableSize,
    ];

    /// C's name for it, which is also the donor's, and its type where an address is an i32.
    pub(crate) const fn signature(self) -> (&'static str, Types) {
        match self {
            Self::Malloc => ("malloc", &["i32 -> i32"]),
            Self::Calloc => ("calloc", &["i32 i32 -> i32"]),
            Self::Realloc => ("realloc", &["i32 i32 -> i32"]),
            Self::Reallocarray => ("reallocarray", &["i32 i32 i32 -> i32"]),
            Self::AlignedAlloc => ("aligned_alloc", &["i32 i32 -> i32"]),
            Self::Memalign => ("memalign", &["i32 i32 -> i32"]),
            Self::PosixMemalign => ("posix_memalign", &["i32 i32 i32 -> i32"]),
            Self::Free => ("free", &["i32 ->"]),
            Self::FreeSized => ("free_sized", &["i32 i32 ->"]),
            Self::FreeAlignedSized => ("free_aligned_sized", &["i32 i32 i32 ->"]),
            Self::UsableSize => ("malloc_usable_size", &["i32 -> i32"]),
        }
    }

    /// C's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.signature().0
    }

    /// The function that an import asks for by its name; fastcomp put an underscore before it.
    pub(crate) fn imported(module: &str, name: &str) -> Option<Self> {
        let plain = name.strip_prefix('_').unwrap_or(name);
        Self::ALL.into_iter().find(|function| module == "env" && function.name() == plain)
    }

    /// It gives out blocks.
    #[must_use]
    pub const fn allocates(self) -> bool {
        !matches!(self, Self::Free | Self::FreeSized | Self::FreeAlignedSized | Self::UsableSize)
    }
}

#[cfg(test)]
mod tests {
    use wasmparser::{Validator, WasmFeatures};

    use super::*;
    use crate::graft::Donor;
    use crate::structure::signature_text;

    #[test]
    fn a_donor_has_every_function_and_nothing_with_an_address() {
        for allocator in Allocator::ALL {
            let wasm = allocator.donor();
            // It is for engines that know no later proposal.
            if let Err(error) = Validator::new_with_features(WasmFeatures::WASM1).validate_all(wasm) {
                panic!("{allocator:?} is not WebAssembly 1.0: {error}");
            }
            let donor = Donor::read(wasm).expect("it can be read");
            let mut roots = Vec::new();
            for function in HeapFunction::ALL {
                let (name, types) = function.signature();
                let func = donor.func(name).unwrap_or_else(|| panic!("{allocator:?} has no {name}"));
                let ty = donor.func_type(func).map(signature_text);
                assert_eq!(ty.as_deref(), types.first().copied(), "{name}");
                roots.push(func);
            }
            let closure = donor.closure(roots).expect("it can be grafted");
            assert!(donor.data_range().is_none(), "its data would overwrite the module's");
            assert!(closure.globals.is_empty(), "its stack would lie in the module's memory");
            assert!(closure.tables.is_empty() && closure.passive_data.is_empty());
            assert!(closure.grows);
        }
    }

    #[test]
    fn names_count_in_env_with_at_most_one_underscore() {
        assert_eq!(HeapFunction::imported("env", "malloc"), Some(HeapFunction::Malloc));
        assert_eq!(HeapFunction::imported("env", "_free"), Some(HeapFunction::Free));
        for (module, name) in [("env", "__malloc"), ("game", "malloc"), ("env", "mallocs")] {
            assert_eq!(HeapFunction::imported(module, name), None, "{module}.{name}");
        }
    }
}
