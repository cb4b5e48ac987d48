//! Grafting: functions of any module, with all that they need, become functions of another.
//!
//! ```text
//! donor bytes ─► Donor         what it defines, imports and exports            donor.rs
//!             ─► Closure       what its chosen functions reach                 closure.rs
//!             ─► graft()       all of that in the edits of the host module     copy.rs
//!             ─► wide          addresses of 32 bits in a memory of 64          wide.rs
//! ```
//!
//! The closure of a function is what it calls or refers to, the globals and tables that these use, the functions
//! in the element segments of these tables, and, if any of them touches memory, the data segments. Each import
//! of the donor that the closure uses is bound by its name to an item of the host, or to a constant that stands
//! in its place; the donor's own memory becomes a memory that the caller names. Tables stay apart, so that the
//! donor's function pointers keep their numbers.
//!
//! Data is put where the donor has it, so the caller sees to it that the host leaves this room: a donor that is
//! linked as position-independent code imports `__memory_base`, which can be bound to any address.
//!
//! What cannot be grafted is refused by its name: see [`GraftError`].

mod closure;
mod copy;
mod donor;
mod wide;

use thiserror::Error;
use wasmparser::Import;

pub use self::closure::Closure;
pub use self::copy::{Grafted, Roots, graft};
pub use self::donor::Donor;

/// What an import of the donor becomes, in the host's edit indices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item {
    /// A function of the same type.
    Func(u32),
    /// A global of the same type.
    Global(u32),
    /// A memory with addresses of the same size.
    Memory(u32),
    /// A memory with 64-bit addresses for one with 32-bit ones: the donor has its first 4 GiB.
    WideMemory(u32),
    /// A global of 64 bits for one of 32 that the donor's code does not write: it has the low half.
    WideGlobal(u32),
    /// A table with elements of the same type.
    Table(u32),
    /// A number in place of a global that the donor's code does not write.
    Constant(Constant),
}

/// A number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Constant {
    /// An i32, whatever its sign.
    I32(u32),
    /// An i64, whatever its sign.
    I64(u64),
    /// A 32-bit float, by its bits.
    F32(u32),
    /// A 64-bit float, by its bits.
    F64(u64),
}

impl Constant {
    fn instruction(self) -> wasm_encoder::Instruction<'static> {
        use wasm_encoder::Instruction;
        match self {
            Self::I32(value) => Instruction::I32Const(value.cast_signed()),
            Self::I64(value) => Instruction::I64Const(value.cast_signed()),
            Self::F32(bits) => Instruction::F32Const(f32::from_bits(bits).into()),
            Self::F64(bits) => Instruction::F64Const(f64::from_bits(bits).into()),
        }
    }

    fn ty(self) -> wasmparser::ValType {
        match self {
            Self::I32(_) => wasmparser::ValType::I32,
            Self::I64(_) => wasmparser::ValType::I64,
            Self::F32(_) => wasmparser::ValType::F32,
            Self::F64(_) => wasmparser::ValType::F64,
        }
    }
}

/// How a graft is joined to its host.
pub struct Joint<'j> {
    /// What becomes of an import; `None`: nothing in the host stands for it.
    pub bind: &'j dyn Fn(&Import<'_>) -> Option<Item>,
    /// The host's memory, by its edit index, that stands for the one that the donor defines.
    pub memory: Option<u32>,
    /// The name that a function of the donor, by its index, gets in the host.
    pub name: &'j dyn Fn(u32) -> String,
    /// Who puts the donor's active data into memory.
    pub data: Data,
}

/// Who puts the donor's active data into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Data {
    /// Segments of the host, at instantiation.
    #[default]
    Segments,
    /// Code of the host, when it knows where: [`Donor::placed_data`] says what.
    Code,
}

/// Why a module cannot be grafted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GraftError {
    /// The donor cannot be read.
    #[error(transparent)]
    Module(#[from] crate::Error),
    /// The donor exports no function of this name.
    #[error("the donor exports no function `{0}`")]
    NoExport(String),
    /// Nothing in the host stands for an import.
    #[error("nothing stands for the donor's import `{module}.{name}`")]
    Unbound {
        /// Its module.
        module: String,
        /// Its name.
        name: String,
    },
    /// An import is bound to something of another kind or type.
    #[error("the donor's import `{module}.{name}` is bound to an item of another type")]
    Mismatch {
        /// Its module.
        module: String,
        /// Its name.
        name: String,
    },
    /// The donor needs to run code before its functions are called.
    #[error("the donor has a start function, which nothing in the host would run")]
    StartFunction,
    /// The functions touch the donor's own memory, and the host gives none, or one of another address size.
    #[error("the donor's own memory has no counterpart in the host")]
    Memory,
    /// Something that grafting does not carry over.
    #[error("the donor uses {what}, which cannot be grafted")]
    Unsupported {
        /// What it is.
        what: &'static str,
    },
}

impl From<wasmparser::Error> for GraftError {
    fn from(error: wasmparser::Error) -> Self {
        Self::Module(error.into())
    }
}

/// Something that grafting does not carry over.
fn unsupported(what: &'static str) -> GraftError {
    GraftError::Unsupported { what }
}

/// An error of the walk over a donor's instructions.
fn from_reencode(error: wasm_encoder::reencode::Error<GraftError>) -> GraftError {
    use wasm_encoder::reencode::Error;
    match error {
        Error::UserError(error) => error,
        Error::ParseError(error) => error.into(),
        other => GraftError::Module(crate::Error::Encode(other.to_string())),
    }
}
