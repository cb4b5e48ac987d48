//! Addresses of 32 or 64 bits. The checker knows the first 4 GiB: what a longer address means to it is decided here.

use memgrove_module::Facts;
use wasm_encoder::{BlockType, Function, Instruction as I, MemArg, ValType};

use crate::edit::Edits;
use crate::frames::IF;
use crate::graft::Item;
use crate::swap::has_wide_addresses;

/// How long the addresses of a program are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Width {
    /// 32 bits.
    Narrow,
    /// 64 bits.
    Wide,
}

/// The 64-bit number in a local as one of 32, or the greatest of these if it is greater.
pub(super) fn low_or_most(local: u32) -> [I<'static>; 8] {
    [
        I::LocalGet(local),
        I::I32WrapI64,
        I::I32Const(-1),
        I::LocalGet(local),
        I::I64Const(32),
        I::I64ShrU,
        I::I64Eqz,
        I::Select,
    ]
}

impl Width {
    pub fn of(facts: &Facts<'_>) -> Self {
        if has_wide_addresses(facts) { Self::Wide } else { Self::Narrow }
    }

    /// Bytes of an address.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Narrow => 4,
            Self::Wide => 8,
        }
    }

    /// The type of addresses and sizes.
    pub const fn ty(self) -> ValType {
        match self {
            Self::Narrow => ValType::I32,
            Self::Wide => ValType::I64,
        }
    }

    /// The same as operands have it.
    pub const fn of_operands(self) -> wasmparser::ValType {
        match self {
            Self::Narrow => wasmparser::ValType::I32,
            Self::Wide => wasmparser::ValType::I64,
        }
    }

    /// An address or a size that is known.
    pub fn constant(self, number: u32) -> I<'static> {
        match self {
            Self::Narrow => I::I32Const(number.cast_signed()),
            Self::Wide => I::I64Const(i64::from(number)),
        }
    }

    /// Makes an i32 on the stack one of the program's addresses or sizes.
    pub const fn widen(self) -> &'static [I<'static>] {
        match self {
            Self::Narrow => &[],
            Self::Wide => &[I::I64ExtendI32U],
        }
    }

    /// Makes an address on the stack an i32 again, whatever is above.
    pub const fn cut(self) -> &'static [I<'static>] {
        match self {
            Self::Narrow => &[],
            Self::Wide => &[I::I32WrapI64],
        }
    }

    /// Stores an address.
    pub fn store(self, at: MemArg) -> I<'static> {
        match self {
            Self::Narrow => I::I32Store(MemArg { align: 2, ..at }),
            Self::Wide => I::I64Store(MemArg { align: 3, ..at }),
        }
    }

    /// A memory of the program's, for a donor with 32-bit addresses.
    pub const fn memory(self, index: u32) -> Item {
        match self {
            Self::Narrow => Item::Memory(index),
            Self::Wide => Item::WideMemory(index),
        }
    }

    /// A global of the program's that holds an address, for a donor that has 32 bits of it.
    pub const fn global(self, index: u32) -> Item {
        match self {
            Self::Narrow => Item::Global(index),
            Self::Wide => Item::WideGlobal(index),
        }
    }

    /// The function to be called with an address of the program's in place of one of the checker's. It does nothing for one
    /// beyond 4 GiB: no block lies there.
    pub fn around(self, edits: &mut Edits<'_, '_>, func: u32, kind: Kind) -> u32 {
        if self == Self::Narrow {
            return func;
        }
        let (params, result) = kind.ty();
        let mut body = Function::new([]);
        let mut push = |instructions: &[I<'_>]| {
            for instruction in instructions {
                body.instruction(instruction);
            }
        };
        const IS_LOW: [I<'_>; 4] = [I::LocalGet(0), I::I64Const(32), I::I64ShrU, I::I64Eqz];
        match kind {
            Kind::Access | Kind::Pass => {
                push(&IS_LOW);
                push(&[IF, I::LocalGet(0), I::I32WrapI64, I::LocalGet(1), I::LocalGet(2), I::Call(func)]);
                match kind {
                    Kind::Pass => push(&[I::Drop, I::End, I::LocalGet(0), I::End]),
                    _ => push(&[I::End, I::End]),
                }
            }
            // A range as long as that ends outside of the memory.
            Kind::Range => {
                push(&IS_LOW);
                push(&[IF, I::LocalGet(0), I::I32WrapI64]);
                push(&low_or_most(1));
                push(&[I::LocalGet(2), I::Call(func), I::End, I::End]);
            }
            // Below 0 it lies far above.
            Kind::Stack => {
                push(&[I::LocalGet(0), I::I64Const(32), I::I64ShrS, I::I64Const(0), I::I64LeS, IF]);
                push(&[I::LocalGet(0), I::I32WrapI64, I::LocalGet(1), I::Call(func), I::Drop]);
                push(&[I::End, I::LocalGet(0), I::End]);
            }
            Kind::Grow { beyond } => {
                push(&IS_LOW);
                push(&[I::If(BlockType::Result(ValType::I32)), I::LocalGet(0), I::I32WrapI64, I::Call(func)]);
                push(&[I::Else, I::Call(beyond), I::End, I::I64ExtendI32S, I::End]);
            }
        }
        let ty = edits.add_type(params.to_vec(), result.into_iter().collect());
        edits.add_func(ty, body, "memgrove.checker.wide")
    }
}

/// How a function of the checker is called, by what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An address, a distance, a site.
    Access,
    /// The same, and the address is handed on.
    Pass,
    /// An address, a length, a site.
    Range,
    /// A stack pointer, which is handed on, and a site.
    Stack,
    /// Pages; where they are too many, this other function says so.
    Grow { beyond: u32 },
}

impl Kind {
    /// With 64-bit addresses.
    const fn ty(self) -> (&'static [ValType], Option<ValType>) {
        const ADDRESS: ValType = ValType::I64;
        match self {
            Self::Access => (&[ADDRESS, ValType::I32, ValType::I32], None),
            Self::Pass => (&[ADDRESS, ValType::I32, ValType::I32], Some(ADDRESS)),
            Self::Range => (&[ADDRESS, ADDRESS, ValType::I32], None),
            Self::Stack => (&[ADDRESS, ValType::I32], Some(ADDRESS)),
            Self::Grow { .. } => (&[ADDRESS], Some(ADDRESS)),
        }
    }
}
