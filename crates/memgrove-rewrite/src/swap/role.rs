//! What a function does for the allocator that is replaced.

use wasm_encoder::ValType;

pub use memgrove_module::allocator::{ROLES, Role};
use memgrove_module::facts::{self, FuncType};

/// Whether there is an adaptor for it. The others stand on functions that are replaced, and call them.
#[must_use]
pub const fn is_replaceable(role: Role) -> bool {
    !matches!(
        role,
        Role::SizedFree | Role::SizedRealloc | Role::BindgenRealloc | Role::CabiRealloc | Role::New
    )
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

    /// Whether a function of this type can have the role.
    pub(crate) fn fits(&self, ty: &FuncType) -> bool {
        let i32 = facts::ValType::I32;
        self.role.fits(self.has_heap, &i32, &i32, (ty.params(), ty.results()))
    }
}

/// The type of a function of i32s.
pub(super) fn i32s(params: usize, results: usize) -> (Vec<ValType>, Vec<ValType>) {
    (vec![ValType::I32; params], vec![ValType::I32; results])
}
