//! The items of a module, in the terms of the WebAssembly specification.
//!
//! Everything that is text or bytes borrows from the input.

use super::Numbers;
use super::value_types::ValType;
use serde::Serialize;

/// Binary logarithm of [`PAGE_BYTES`].
pub const PAGE_SIZE_LOG2: u32 = 16;

/// Bytes of a page, where the type of the memory does not say otherwise.
pub const PAGE_BYTES: u64 = 1 << PAGE_SIZE_LOG2;

/// A memory's type. Sizes are in pages of `page_size_log2` ([`PAGE_SIZE_LOG2`] unless the module says otherwise).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MemoryType {
    /// Initial size in pages.
    pub min_pages: u64,
    /// Declared maximum in pages.
    pub max_pages: Option<u64>,
    /// Whether the memory is shared between threads.
    pub shared: bool,
    /// Whether addresses are 64 bits wide.
    pub memory64: bool,
    /// Logarithm of the page size in bytes: 16 by default, 0 with the custom-page-sizes proposal.
    pub page_size_log2: u32,
}

impl MemoryType {
    /// Size of a page in bytes.
    #[must_use]
    pub fn page_size_bytes(&self) -> u64 {
        1 << self.page_size_log2
    }

    /// Initial size in bytes; saturates for a 64-bit memory that covers the address space.
    #[must_use]
    pub fn min_bytes(&self) -> u64 {
        self.min_pages.saturating_mul(self.page_size_bytes())
    }

    /// Declared maximum in bytes; saturates like [`min_bytes`](Self::min_bytes).
    #[must_use]
    pub fn max_bytes(&self) -> Option<u64> {
        self.max_pages.map(|pages| pages.saturating_mul(self.page_size_bytes()))
    }
}

/// A table's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TableType {
    /// Type of the elements.
    pub element: ValType,
    /// Initial number of elements.
    pub min: u64,
    /// Declared maximum.
    pub max: Option<u64>,
}

/// A global's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GlobalType {
    /// Type of the value.
    pub content: ValType,
    /// Whether it can be set.
    pub mutable: bool,
}

/// The type of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternType {
    /// A function with an index into the type index space.
    Func(u32),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
    /// An exception tag with an index into the type index space.
    Tag(u32),
}

/// The five kinds of things a module can import and export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExternKind {
    /// Function.
    Func,
    /// Table.
    Table,
    /// Memory.
    Memory,
    /// Global.
    Global,
    /// Exception tag.
    Tag,
}

impl ExternType {
    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> ExternKind {
        match self {
            Self::Func(_) => ExternKind::Func,
            Self::Table(_) => ExternKind::Table,
            Self::Memory(_) => ExternKind::Memory,
            Self::Global(_) => ExternKind::Global,
            Self::Tag(_) => ExternKind::Tag,
        }
    }
}

/// Something the module needs to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import<'a> {
    /// First name.
    pub module: &'a str,
    /// Second name.
    pub name: &'a str,
    /// What is imported.
    pub ty: ExternType,
    /// Index in the index space of its kind.
    pub index: u32,
    /// Byte offset of the entry.
    pub offset: u32,
}

/// An imported function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedFunc {
    /// Index into the type index space.
    pub type_index: u32,
    /// Position in [`Facts::imports`](super::Facts::imports).
    pub import: u32,
}

/// Something the module gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export<'a> {
    /// Its name.
    pub name: &'a str,
    /// What is exported.
    pub kind: ExternKind,
    /// Index in the index space of its kind.
    pub index: u32,
    /// Byte offset of the entry.
    pub offset: u32,
}

/// A constant expression, as far as addresses need it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ConstExpr {
    /// `i32.const`.
    I32(i32),
    /// `i64.const`.
    I64(i64),
    /// `f32.const`, as bits.
    F32(u32),
    /// `f64.const`, as bits.
    F64(u64),
    /// `global.get`.
    Global(u32),
    /// `global.get` plus a constant (extended-const), the form position-independent code uses.
    GlobalPlus {
        /// The global.
        global: u32,
        /// What is added to it.
        addend: i64,
    },
    /// `ref.func`.
    RefFunc(u32),
    /// `ref.null`.
    RefNull,
    /// Anything else.
    Other,
}

impl ConstExpr {
    /// The address that the expression stands for, where it is a plain constant. An `i32` is unsigned here.
    #[must_use]
    pub fn address(&self) -> Option<u64> {
        match *self {
            Self::I32(value) => Some(u64::from(value.cast_unsigned())),
            Self::I64(value) => Some(value.cast_unsigned()),
            _ => None,
        }
    }
}

/// A global, imported or defined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Global {
    /// Its type.
    pub ty: GlobalType,
    /// Initial value; `None` where it is imported.
    pub init: Option<ConstExpr>,
    /// Byte offset of the entry (of the import where it is imported).
    pub offset: u32,
}

/// A memory, imported or defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Its type.
    pub ty: MemoryType,
    /// Position in [`Facts::imports`](super::Facts::imports) where it is imported.
    pub import: Option<u32>,
    /// Byte offset of the entry.
    pub offset: u32,
}

/// A data segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DataSegment<'a> {
    /// Where it is copied at instantiation; `None` where it is passive.
    pub active: Option<ActiveData>,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Byte offset in the file of the first of its bytes.
    pub offset: u32,
}

/// Destination of an active data segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActiveData {
    /// Memory index.
    pub memory: u32,
    /// Address.
    pub address: ConstExpr,
}

/// How an element segment is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ElementMode {
    /// Copied into a table at instantiation.
    Active {
        /// Table index.
        table: u32,
        /// Index of the first element.
        start: ConstExpr,
    },
    /// For `table.init`.
    Passive,
    /// Only declares that references to these functions are taken.
    Declared,
}

/// An element segment. Its functions are `Facts::element_funcs[funcs]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ElementSegment {
    /// How it is used.
    pub mode: ElementMode,
    /// Range in [`Facts::element_funcs`](super::Facts::element_funcs); `u32::MAX` stands there for an
    /// element that is no function.
    pub funcs: std::ops::Range<u32>,
    /// Byte offset of the segment.
    pub offset: u32,
}

/// A function defined in the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// Index into the type index space.
    pub type_index: u32,
    /// Byte offset of the body (its local declarations).
    pub body_offset: u32,
    /// Length of the body in bytes.
    pub body_len: u32,
    /// Constants and globals that it may name.
    pub numbers: Numbers,
}

/// A section of the binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section<'a> {
    /// Its name in the specification (`code`), or a custom section's own name.
    pub name: &'a str,
    /// Whether it is a custom section.
    pub custom: bool,
    /// Byte offset of its contents (a custom section's name included).
    pub offset: u32,
    /// Length of its contents in bytes.
    pub size_bytes: u32,
}

/// An instruction that matters for memory, with where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// What it does.
    pub kind: SiteKind,
    /// The function that holds it (function index space).
    pub func: u32,
    /// Byte offset in the file.
    pub offset: u32,
}

/// The instructions recorded as [`Site`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SiteKind {
    /// `memory.grow` of a memory.
    Grow {
        /// Memory index.
        memory: u32,
    },
    /// `memory.size` of a memory.
    Size {
        /// Memory index.
        memory: u32,
    },
    /// `memory.init` of a data segment.
    Init {
        /// Data segment index.
        segment: u32,
        /// Memory index.
        memory: u32,
    },
    /// `memory.atomic.wait32` or `wait64`.
    Wait,
    /// `table.grow` of a table.
    GrowTable {
        /// Table index.
        table: u32,
    },
}

impl ExternType {
    /// In words: `(i32) -> i32`, `memory 256 512 shared`, `global mut i32`, `table 1 funcref`, `tag (i32)`.
    #[must_use]
    pub fn describe(&self, facts: &super::Facts<'_>) -> String {
        let limits = |min: u64, max: Option<u64>| match max {
            Some(max) => format!("{min} {max}"),
            None => min.to_string(),
        };
        match self {
            Self::Func(type_index) => {
                facts.func_type_at(*type_index).map(ToString::to_string).unwrap_or_default()
            }
            Self::Table(ty) => format!("table {} {}", limits(ty.min, ty.max), ty.element.name()),
            Self::Memory(ty) => format!(
                "memory {}{}{}",
                limits(ty.min_pages, ty.max_pages),
                if ty.memory64 { " i64" } else { "" },
                if ty.shared { " shared" } else { "" },
            ),
            Self::Global(ty) => {
                format!("global {}{}", if ty.mutable { "mut " } else { "" }, ty.content.name())
            }
            Self::Tag(type_index) => {
                format!(
                    "tag {}",
                    facts.func_type_at(*type_index).map(ToString::to_string).unwrap_or_default()
                )
            }
        }
    }
}
