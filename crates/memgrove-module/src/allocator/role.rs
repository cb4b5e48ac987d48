//! The roles that functions of allocators have, each an operation and the order of its arguments.

use std::fmt;
use std::str::FromStr;

use super::{Operation, Param, Returned};

/// Makes the enum, the list of its values and what is known of each, so that none can be forgotten in one of them.
macro_rules! roles {
    ($($(#[$doc:meta])* $role:ident = $name:literal, $operation:ident [$($param:ident),*] -> $result:ident;)*) => {
        /// A function of an allocator, by what it promises and in which order its arguments come.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Role {
            $($(#[$doc])* $role,)*
        }

        /// Every role. Of two with the same operation and the same arguments, the one that is meant comes first.
        pub const ROLES: &[Role] = &[$(Role::$role),*];

        impl Role {
            /// The name by which it is given and shown.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$role => $name,)*
                }
            }

            /// What it does.
            #[must_use]
            pub const fn operation(self) -> Operation {
                match self {
                    $(Self::$role => Operation::$operation,)*
                }
            }

            /// What its parameters mean, in order. A method's heap, which comes before them, is not among them.
            #[must_use]
            pub const fn params(self) -> &'static [Param] {
                match self {
                    $(Self::$role => &[$(Param::$param),*],)*
                }
            }

            /// What its result means.
            #[must_use]
            pub const fn result(self) -> Returned {
                match self {
                    $(Self::$role => Returned::$result,)*
                }
            }
        }
    };
}

roles! {
    /// C's `malloc(size)`.
    Malloc = "malloc", Malloc [Size] -> Pointer;
    /// C's `calloc(count, size)`.
    Calloc = "calloc", Calloc [Count, Size] -> Pointer;
    /// C's `realloc(block, size)`.
    Realloc = "realloc", Realloc [Pointer, Size] -> Pointer;
    /// C's `free(block)`.
    Free = "free", Free [Pointer] -> Nothing;
    /// C's `aligned_alloc(align, size)`, or `memalign(align, size)`.
    Memalign = "memalign", Memalign [Align, Size] -> Pointer;
    /// `posix_memalign(out, align, size)`: the block's address is written to `out`; the result is an error number.
    PosixMemalign = "posix_memalign", Memalign [OutPointer, Align, Size] -> Status;
    /// `malloc_usable_size(block)`.
    UsableSize = "malloc_usable_size", UsableSize [Pointer] -> Size;
    /// Rust's `alloc(size, align)`.
    RustAlloc = "rust_alloc", Malloc [Size, Align] -> Pointer;
    /// The same with the alignment first.
    RustAllocAlignFirst = "rust_alloc_align_first", Malloc [Align, Size] -> Pointer;
    /// Rust's `alloc_zeroed(size, align)`.
    RustAllocZeroed = "rust_alloc_zeroed", Calloc [Size, Align] -> Pointer;
    /// Rust's `dealloc(block, size, align)`.
    RustDealloc = "rust_dealloc", Free [Pointer, OldSize, Align] -> Nothing;
    /// The same with the alignment before the size.
    RustDeallocAlignFirst = "rust_dealloc_align_first", Free [Pointer, Align, OldSize] -> Nothing;
    /// Rust's `realloc(block, old_size, align, size)`.
    RustRealloc = "rust_realloc", Realloc [Pointer, OldSize, Align, Size] -> Pointer;
    /// The same with the alignment before the old size.
    RustReallocAlignFirst = "rust_realloc_align_first", Realloc [Pointer, Align, OldSize, Size] -> Pointer;
    /// wasm-bindgen's `free(block, size)` before it had an alignment.
    SizedFree = "sized_free", Free [Pointer, OldSize] -> Nothing;
    /// wasm-bindgen's `realloc(block, old_size, size)` before it had an alignment.
    SizedRealloc = "sized_realloc", Realloc [Pointer, OldSize, Size] -> Pointer;
    /// wasm-bindgen's `realloc(block, old_size, size, align)`.
    BindgenRealloc = "bindgen_realloc", Realloc [Pointer, OldSize, Size, Align] -> Pointer;
    /// `cabi_realloc(block, old_size, align, size)` of the component model: `block` is 0 for a new one.
    CabiRealloc = "cabi_realloc", Realloc [Pointer, OldSize, Align, Size] -> Pointer;
    /// AssemblyScript's `__new(size, class)`.
    New = "new", Malloc [Size, Class] -> Pointer;
}

/// What a call of a role asks for, by the positions of its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// A new block.
    Allocate {
        /// How long it is to be.
        size: Size,
        /// Its alignment.
        align: Option<u32>,
        /// Where its address is to be written; without it, it is the result.
        out: Option<u32>,
    },
    /// Another length of a block.
    Reallocate {
        /// The block.
        block: u32,
        /// How long it is to be.
        size: u32,
        /// Its alignment.
        align: Option<u32>,
    },
    /// A block is given back.
    Free {
        /// The block.
        block: u32,
        /// How long it is said to be.
        size: Option<u32>,
    },
    /// How much of a block may be used.
    Measure {
        /// The block.
        block: u32,
    },
}

/// The parameters that tell how long a block is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// This one.
    Param(u32),
    /// The product of two.
    Product(u32, u32),
}

impl Role {
    /// The role of a function that does this and whose parameters mean that, and whether a heap comes before them.
    #[must_use]
    pub fn of(operation: Operation, params: &[Param]) -> Option<(Self, bool)> {
        let (has_heap, params) = match params {
            [Param::Heap, params @ ..] => (true, params),
            params => (false, params),
        };
        let role = ROLES.iter().find(|role| role.operation() == operation && role.params() == params);
        role.map(|role| (*role, has_heap))
    }

    /// The position of the first parameter with this meaning, without a heap before them.
    #[must_use]
    pub fn position(self, wanted: Param) -> Option<u32> {
        (0..).zip(self.params()).find(|(_, param)| **param == wanted).map(|(at, _)| at)
    }

    /// What a call of it asks for.
    #[must_use]
    pub fn call(self) -> Call {
        let at = |param| self.position(param);
        // Each row of the table has what its operation needs, as a test sees to.
        let needed = |param| at(param).unwrap_or(0);
        let (block, align) = (needed(Param::Pointer), at(Param::Align));
        match self.operation() {
            Operation::Free => Call::Free { block, size: at(Param::OldSize) },
            Operation::Realloc => Call::Reallocate { block, size: needed(Param::Size), align },
            Operation::UsableSize => Call::Measure { block },
            Operation::Malloc
            | Operation::Calloc
            | Operation::Memalign
            | Operation::Sbrk
            | Operation::Grow => {
                let size = needed(Param::Size);
                let size = at(Param::Count).map_or(Size::Param(size), |count| Size::Product(count, size));
                Call::Allocate { size, align, out: at(Param::OutPointer) }
            }
        }
    }

    /// How many parameters it has, without a heap before them.
    #[must_use]
    pub fn param_count(self) -> u32 {
        u32::try_from(self.params().len()).unwrap_or(u32::MAX)
    }

    /// It returns something.
    #[must_use]
    pub const fn returns(self) -> bool {
        !matches!(self.result(), Returned::Nothing)
    }

    /// It is told, or tells back, what Rust's `Layout` holds.
    #[must_use]
    pub const fn is_rust(self) -> bool {
        matches!(
            self,
            Self::RustAlloc
                | Self::RustAllocAlignFirst
                | Self::RustAllocZeroed
                | Self::RustDealloc
                | Self::RustDeallocAlignFirst
                | Self::RustRealloc
                | Self::RustReallocAlignFirst
        )
    }

    /// It takes blocks back and does nothing else.
    #[must_use]
    pub const fn frees(self) -> bool {
        matches!(self.operation(), Operation::Free)
    }

    /// It hands out blocks, new ones or moved ones.
    #[must_use]
    pub const fn allocates(self) -> bool {
        !matches!(self.operation(), Operation::Free | Operation::UsableSize)
    }

    /// The blocks that it hands out are all zero.
    #[must_use]
    pub const fn clears(self) -> bool {
        matches!(self.operation(), Operation::Calloc)
    }

    /// Its result is a new block: it takes none and writes the address nowhere.
    #[must_use]
    pub const fn is_new_block(self) -> bool {
        matches!(self.operation(), Operation::Malloc | Operation::Calloc | Operation::Memalign)
            && matches!(self.result(), Returned::Pointer)
    }

    /// One of its parameters is a block.
    #[must_use]
    pub fn takes_block(self) -> bool {
        self.position(Param::Pointer).is_some()
    }

    /// Whether a function of this type can have the role, `word` being the type of addresses and sizes, and `int` that
    /// of an error's number and of a class.
    #[must_use]
    pub fn fits<T: PartialEq>(
        self,
        has_heap: bool,
        word: &T,
        int: &T,
        (params, results): (&[T], &[T]),
    ) -> bool {
        let result = if self.result() == Returned::Status { int } else { word };
        let own = params.get(usize::from(has_heap)..).unwrap_or_default();
        let of = |param: &Param| if *param == Param::Class { int } else { word };
        params.len() == self.params().len() + usize::from(has_heap)
            && params.iter().take(usize::from(has_heap)).all(|ty| ty == word)
            && own.iter().zip(self.params()).all(|(ty, param)| ty == of(param))
            && results.len() == usize::from(self.returns())
            && results.iter().all(|ty| ty == result)
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
        ROLES.iter().find(|role| role.name() == text).copied().ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_a_name_of_its_own() {
        for role in ROLES {
            assert_eq!(role.name().parse(), Ok(*role));
        }
    }

    #[test]
    fn every_role_has_what_its_operation_needs() {
        use Param::{Align, Class, Count, Heap, Ignored, Increment, OldSize, OutPointer, Pointer, Size};
        for role in ROLES {
            let has = |param| role.position(param).is_some();
            let needed: &[Param] = match role.operation() {
                Operation::Malloc | Operation::Calloc | Operation::Memalign => &[Size],
                Operation::Realloc => &[Pointer, Size],
                Operation::Free | Operation::UsableSize => &[Pointer],
                Operation::Sbrk | Operation::Grow => panic!("{role} is no function for blocks"),
            };
            assert!(needed.iter().all(|param| has(*param)), "{role}");
            assert_eq!(has(OutPointer), role.result() == Returned::Status, "{role}");
            assert_eq!(role.operation() == Operation::Free, role.result() == Returned::Nothing, "{role}");
            let known = [Align, Class, Count, OldSize, OutPointer, Pointer, Size];
            assert!(role.params().iter().all(|param| known.contains(param)), "{role}");
            for (at, param) in role.params().iter().enumerate() {
                assert!(!role.params()[..at].contains(param), "{role} has two of {param:?}");
            }
            assert!(![Heap, Ignored, Increment].into_iter().any(has), "{role}");
        }
    }

    #[test]
    fn what_is_known_of_a_function_leads_to_its_role() {
        for role in ROLES {
            let found = Role::of(role.operation(), role.params()).map(|(role, _)| role.call());
            assert_eq!(found, Some(role.call()), "{role}");
            let method: Vec<Param> = [Param::Heap].iter().chain(role.params()).copied().collect();
            assert!(matches!(Role::of(role.operation(), &method), Some((_, true))), "{role}");
        }
        let dealloc = Role::of(Operation::Free, &[Param::Pointer, Param::OldSize, Param::Align]);
        assert_eq!(dealloc, Some((Role::RustDealloc, false)));
        assert_eq!(Role::of(Operation::Sbrk, &[Param::Increment]), None);
        assert_eq!(Role::of(Operation::Free, &[Param::Size]), None);
    }

    #[test]
    fn positions_follow_the_order_of_the_arguments() {
        let aligned = Call::Allocate { size: Size::Param(2), align: Some(1), out: Some(0) };
        assert_eq!(Role::PosixMemalign.call(), aligned);
        let cleared = Call::Allocate { size: Size::Product(0, 1), align: None, out: None };
        assert_eq!(Role::Calloc.call(), cleared);
        assert_eq!(Role::BindgenRealloc.call(), Call::Reallocate { block: 0, size: 2, align: Some(3) });
        assert_eq!(Role::RustDeallocAlignFirst.call(), Call::Free { block: 0, size: Some(2) });
    }
}
