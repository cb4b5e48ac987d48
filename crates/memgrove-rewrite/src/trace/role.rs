//! What a function does for the allocator, and how it is told what.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use wasmparser::{FuncType, ValType};

/// A function of the allocator, by what it promises and in which order its arguments come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// `malloc(size)`.
    Malloc,
    /// `calloc(count, size)`.
    Calloc,
    /// `realloc(block, size)`.
    Realloc,
    /// `free(block)`.
    Free,
    /// `aligned_alloc(align, size)` or `memalign(align, size)`.
    Memalign,
    /// `posix_memalign(out, align, size)`: the block's address is written to `out`; the result is an error's number.
    PosixMemalign,
    /// Rust's `alloc(size, align)`.
    RustAlloc,
    /// Rust's `dealloc(block, size, align)`.
    RustDealloc,
    /// Rust's `realloc(block, old_size, align, size)`.
    RustRealloc,
    /// wasm-bindgen's `free(block, size)` before it had an alignment.
    SizedFree,
    /// wasm-bindgen's `realloc(block, old_size, size)` before it had an alignment.
    SizedRealloc,
    /// wasm-bindgen's `realloc(block, old_size, size, align)`.
    BindgenRealloc,
    /// `cabi_realloc(block, old_size, align, size)` of the component model: `block` is 0 for a new one.
    CabiRealloc,
    /// AssemblyScript's `__new(size, class)`.
    New,
}

/// Which parameter means what, by position.
pub(super) struct Shape {
    pub call: Call,
    pub params: usize,
    /// Types of the results are i32; how many.
    pub results: usize,
}

/// What a call asks for.
#[derive(Clone, Copy)]
pub(super) enum Call {
    Allocate { size: Size, align: Option<u32>, out: Option<u32> },
    Reallocate { block: u32, size: u32, align: Option<u32> },
    Free { block: u32, size: Option<u32> },
}

/// The parameters that tell a block's size.
#[derive(Clone, Copy)]
pub(super) enum Size {
    Param(u32),
    Product(u32, u32),
}

/// Every role, with the name by which it is given.
pub const ROLES: &[(Role, &str)] = &[
    (Role::Malloc, "malloc"),
    (Role::Calloc, "calloc"),
    (Role::Realloc, "realloc"),
    (Role::Free, "free"),
    (Role::Memalign, "memalign"),
    (Role::PosixMemalign, "posix_memalign"),
    (Role::RustAlloc, "rust_alloc"),
    (Role::RustDealloc, "rust_dealloc"),
    (Role::RustRealloc, "rust_realloc"),
    (Role::SizedFree, "sized_free"),
    (Role::SizedRealloc, "sized_realloc"),
    (Role::BindgenRealloc, "bindgen_realloc"),
    (Role::CabiRealloc, "cabi_realloc"),
    (Role::New, "new"),
];

impl Role {
    /// The name by which it is given.
    #[must_use]
    pub fn name(self) -> &'static str {
        ROLES.iter().find(|(role, _)| *role == self).map_or("", |(_, name)| name)
    }

    /// Whether a function of this type can have the role where addresses and sizes have this type: so do all its parameters
    /// and its result. An error's number is an i32.
    #[must_use]
    pub fn fits(self, ty: &FuncType, address: ValType) -> bool {
        let shape = self.shape();
        // AssemblyScript has 32-bit addresses.
        let is_known = self != Self::New || address == ValType::I32;
        let result = if self == Self::PosixMemalign { ValType::I32 } else { address };
        is_known
            && ty.params().len() == shape.params
            && ty.results().len() == shape.results
            && ty.params().iter().all(|ty| *ty == address)
            && ty.results().iter().all(|ty| *ty == result)
    }

    /// It hands out blocks.
    #[must_use]
    pub fn allocates(self) -> bool {
        !self.frees()
    }

    /// It takes blocks back and does nothing else.
    #[must_use]
    pub fn frees(self) -> bool {
        matches!(self.shape().call, Call::Free { .. })
    }

    pub(super) fn shape(self) -> Shape {
        use Call::{Allocate, Free, Reallocate};
        let one = Size::Param;
        let (params, call) = match self {
            Self::Malloc => (1, Allocate { size: one(0), align: None, out: None }),
            Self::Calloc => (2, Allocate { size: Size::Product(0, 1), align: None, out: None }),
            Self::Memalign => (2, Allocate { size: one(1), align: Some(0), out: None }),
            Self::PosixMemalign => (3, Allocate { size: one(2), align: Some(1), out: Some(0) }),
            Self::RustAlloc => (2, Allocate { size: one(0), align: Some(1), out: None }),
            Self::New => (2, Allocate { size: one(0), align: None, out: None }),
            Self::Realloc => (2, Reallocate { block: 0, size: 1, align: None }),
            Self::RustRealloc | Self::CabiRealloc => (4, Reallocate { block: 0, size: 3, align: Some(2) }),
            Self::SizedRealloc => (3, Reallocate { block: 0, size: 2, align: None }),
            Self::BindgenRealloc => (4, Reallocate { block: 0, size: 2, align: Some(3) }),
            Self::Free => (1, Free { block: 0, size: None }),
            Self::SizedFree => (2, Free { block: 0, size: Some(1) }),
            Self::RustDealloc => (3, Free { block: 0, size: Some(1) }),
        };
        let results = usize::from(!matches!(call, Free { .. }));
        Shape { call, params, results }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        ROLES.iter().find(|(_, name)| *name == text).map(|(role, _)| *role).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_a_name_of_its_own() {
        for (role, name) in ROLES {
            assert_eq!(name.parse(), Ok(*role));
            assert_eq!(role.name(), *name);
        }
    }
}
