//! What a function does for the allocator that is replaced.

use wasm_encoder::ValType;

pub use memgrove_module::allocator::{ROLES, Role};
use memgrove_module::facts::{self, Facts, FuncType};

/// Whether there is an adaptor for it. The others stand on functions that are replaced, and call them.
#[must_use]
pub const fn is_replaceable(role: Role) -> bool {
    !matches!(
        role,
        Role::SizedFree | Role::SizedRealloc | Role::BindgenRealloc | Role::CabiRealloc | Role::New
    )
}

/// Addresses of the module's first memory have 64 bits.
pub(crate) fn has_wide_addresses(facts: &Facts<'_>) -> bool {
    facts.memories.first().is_some_and(|memory| memory.ty.memory64)
}

/// A function of the allocator that is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its index.
    pub func: u32,
    /// What it does.
    pub role: Role,
    /// Its first parameter is the heap itself, which the other heap does not need.
    pub has_heap: bool,
    /// That it has this role cannot be otherwise. If not, it has to be shown by running it.
    pub is_certain: bool,
}

impl Member {
    /// The parameter that is a block, by its index.
    pub(super) fn block_param(&self) -> Option<u32> {
        self.role.takes_block().then_some(u32::from(self.has_heap))
    }

    /// Whether a function of this type can have the role, where addresses are of this type.
    pub(crate) fn fits(&self, ty: &FuncType, address: facts::ValType) -> bool {
        self.role.fits(self.has_heap, &address, &facts::ValType::I32, (ty.params(), ty.results()))
    }
}

/// The type of a function of i32s.
pub(super) fn i32s(params: usize, results: usize) -> (Vec<ValType>, Vec<ValType>) {
    (vec![ValType::I32; params], vec![ValType::I32; results])
}
