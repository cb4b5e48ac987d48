//! What the functions of an allocator do, and what their parameters mean.
//!
//! The one table of it is [`Role`]'s: who recognises, records, checks or replaces such functions asks there.

mod role;

pub use role::{Call, ROLES, Role, Size};

use serde::Serialize;

/// What a function does for the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Returns a new block.
    Malloc,
    /// Returns a new block that is cleared.
    Calloc,
    /// Changes the size of a block, which may move.
    Realloc,
    /// Takes a block back.
    Free,
    /// Returns a new block with an alignment.
    Memalign,
    /// Returns how much of a block may be used.
    UsableSize,
    /// Moves the end of the heap.
    Sbrk,
    /// Makes the memory larger.
    Grow,
}

/// What a function's parameters and result mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Abi {
    /// Whose convention it is.
    pub convention: Convention,
    /// One for each parameter.
    pub params: &'static [Param],
    /// The result.
    pub result: Returned,
}

/// Whose convention a function follows. Blocks of two conventions may be of one heap all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Convention {
    /// C's library: blocks know their size.
    C,
    /// Rust's `GlobalAlloc`: whoever frees says size and alignment.
    Rust,
    /// `cabi_realloc` of the component model.
    CanonicalAbi,
    /// What wasm-bindgen's glue calls.
    WasmBindgen,
    /// AssemblyScript's run-time.
    AssemblyScript,
    /// TinyGo's run-time.
    TinyGo,
    /// Zig's `std.mem.Allocator`.
    Zig,
}

impl Convention {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::C => "C",
            Self::Rust => "Rust",
            Self::CanonicalAbi => "component model",
            Self::WasmBindgen => "wasm-bindgen",
            Self::AssemblyScript => "AssemblyScript",
            Self::TinyGo => "TinyGo",
            Self::Zig => "Zig",
        }
    }
}

/// What a parameter means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Param {
    /// Size of the block wanted, in bytes.
    Size,
    /// Size that the block has, in bytes.
    OldSize,
    /// Alignment in bytes.
    Align,
    /// Binary logarithm of the alignment.
    AlignLog2,
    /// The block.
    Pointer,
    /// Number of elements of that size.
    Count,
    /// Where the block's address is to be stored.
    OutPointer,
    /// Bytes by which the end of the heap moves.
    Increment,
    /// Class of the object, or a description of its layout.
    Class,
    /// The heap itself.
    Heap,
    /// Something that the allocator need not know.
    Ignored,
}

impl Param {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::OldSize => "old size",
            Self::Align => "alignment",
            Self::AlignLog2 => "log2 of alignment",
            Self::Pointer => "pointer",
            Self::Count => "count",
            Self::OutPointer => "pointer to result",
            Self::Increment => "increment",
            Self::Class => "class",
            Self::Heap => "heap",
            Self::Ignored => "ignored",
        }
    }
}

/// What a result means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Returned {
    /// The block, or null.
    Pointer,
    /// A size in bytes.
    Size,
    /// Zero, or an error number.
    Status,
    /// Nothing.
    Nothing,
}

impl Returned {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Pointer => "pointer",
            Self::Size => "size",
            Self::Status => "status",
            Self::Nothing => "nothing",
        }
    }
}
