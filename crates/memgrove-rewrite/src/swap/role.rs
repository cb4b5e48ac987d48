//! What a function does for the allocator that is replaced.

use wasm_encoder::ValType;

use memgrove_module::facts::FuncType;

/// A function of the allocator, by what it promises and in which order its arguments come. Every argument and result is
/// an i32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// `malloc_usable_size(block)`.
    UsableSize,
    /// Rust's `alloc(size, align)`.
    RustAlloc,
    /// The same with the alignment first.
    RustAllocAlignFirst,
    /// Rust's `alloc_zeroed(size, align)`.
    RustAllocZeroed,
    /// Rust's `dealloc(block, size, align)`.
    RustDealloc,
    /// The same with the alignment before the size.
    RustDeallocAlignFirst,
    /// Rust's `realloc(block, old_size, align, size)`.
    RustRealloc,
}

/// Every role, with its name and its number of parameters.
pub const ROLES: &[(Role, &str, usize)] = &[
    (Role::Malloc, "malloc", 1),
    (Role::Calloc, "calloc", 2),
    (Role::Realloc, "realloc", 2),
    (Role::Free, "free", 1),
    (Role::Memalign, "memalign", 2),
    (Role::PosixMemalign, "posix_memalign", 3),
    (Role::UsableSize, "malloc_usable_size", 1),
    (Role::RustAlloc, "rust_alloc", 2),
    (Role::RustAllocAlignFirst, "rust_alloc(align, size)", 2),
    (Role::RustAllocZeroed, "rust_alloc_zeroed", 2),
    (Role::RustDealloc, "rust_dealloc", 3),
    (Role::RustDeallocAlignFirst, "rust_dealloc(block, align, size)", 3),
    (Role::RustRealloc, "rust_realloc", 4),
];

impl Role {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        ROLES.iter().find(|(role, ..)| *role == self).map_or("", |(_, name, _)| name)
    }

    /// How many parameters it has, without a heap before them.
    #[must_use]
    pub fn params(self) -> u32 {
        let params = ROLES.iter().find(|(role, ..)| *role == self).map_or(0, |(.., params)| *params);
        u32::try_from(params).unwrap_or(u32::MAX)
    }

    /// It returns something.
    pub(crate) const fn returns(self) -> bool {
        !self.frees()
    }

    /// It gives a block back.
    #[must_use]
    pub const fn frees(self) -> bool {
        matches!(self, Self::Free | Self::RustDealloc | Self::RustDeallocAlignFirst)
    }

    /// It gives out blocks and takes none: what it returns is a new block.
    pub(crate) const fn is_new_block(self) -> bool {
        matches!(
            self,
            Self::Malloc
                | Self::Calloc
                | Self::Memalign
                | Self::RustAlloc
                | Self::RustAllocAlignFirst
                | Self::RustAllocZeroed
        )
    }

    /// Which of its parameters is a block, without a heap before them.
    pub(crate) const fn takes_block(self) -> bool {
        self.frees() || matches!(self, Self::Realloc | Self::UsableSize | Self::RustRealloc)
    }
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
        let is_i32 = |types: &[memgrove_module::facts::ValType]| {
            types.iter().all(|ty| *ty == memgrove_module::facts::ValType::I32)
        };
        let params = self.role.params() as usize + usize::from(self.has_heap);
        ty.params().len() == params
            && ty.results().len() == usize::from(self.role.returns())
            && is_i32(ty.params())
            && is_i32(ty.results())
    }
}

/// The type of a function of i32s.
pub(super) fn i32s(params: usize, results: usize) -> (Vec<ValType>, Vec<ValType>) {
    (vec![ValType::I32; params], vec![ValType::I32; results])
}
