//! What the passes decide, in terms of the original module's indices.
//!
//! Indices of the output exist only in `edit`: until then an imported function keeps its
//! identity whether it stays or is given a body.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{ExternalKind, MemoryType, TableType};

pub(crate) use crate::edit::Value;
use crate::heap::{Allocator, HeapFunction};
use crate::runtime::RuntimeFunction;

/// Changes to a module. Applying none gives back the same bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edits {
    /// Bodies for imported functions, by function index.
    pub funcs: BTreeMap<u32, StandIn>,
    /// Imported memories that become the module's own, with their new type.
    pub memories: BTreeMap<u32, MemoryType>,
    /// New limits for memories that are the module's own already.
    pub own_memories: BTreeMap<u32, MemoryType>,
    /// A memory for a module that has none and whose host asks for one.
    pub added_memory: Option<MemoryType>,
    /// Imported tables that become the module's own.
    pub tables: BTreeMap<u32, TableType>,
    /// Imported globals that become the module's own, with their value.
    pub globals: BTreeMap<u32, Value>,
    /// Active data segments to add to memory 0.
    pub data: Vec<(u32, Vec<u8>)>,
    /// Constructors: run once, at instantiation; their exports do nothing the second time.
    pub constructors: Vec<u32>,
    /// Exports to add.
    pub exports: Vec<(String, ExternalKind, u32)>,
    /// Store instructions that move a break: growth is put behind them (see `pass/host_grown`).
    pub watched_breaks: Vec<WatchedBreak>,
    /// Atomic waits have nobody to wait for.
    pub never_waits: bool,
    /// Where the program ends, if a stand-in ends it.
    pub exit: Option<Exit>,
    /// Layout constants that stand-ins refer to.
    pub layout: Layout,
    /// Contents of the section that says what has been decided (see `mark.rs`).
    pub mark: Option<[u8; 8]>,
    /// Exports to leave out, by name.
    pub drop_exports: Vec<String>,
    /// Custom sections to leave out, by name.
    pub drop_customs: Vec<String>,
}

/// Where the module keeps a break that it moves without ever growing memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatchedBreak {
    /// The break is a global.
    Global(u32),
    /// The break is an i32 at this address.
    Cell(u32),
}

/// How a program's end is told.
#[derive(Debug, Clone)]
pub(crate) struct Exit {
    /// The exported global that holds the exit code.
    pub name: String,
    /// The entry, where it may end by returning.
    pub start: Option<u32>,
    /// The functions that end the program: imports, and those that hand on to them.
    pub exits: BTreeSet<u32>,
}

/// The body of an imported function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StandIn {
    /// `unreachable`.
    Trap,
    /// Keeps its argument as the exit code, then `unreachable`.
    Exit,
    /// Ignores its arguments; every result is this number.
    Return(i64),
    /// A function of `runtime/*.wat`, its arguments and results adapted.
    Runtime(RuntimeFunction),
    /// A function of a heap that is put inside.
    Heap(Allocator, HeapFunction),
    /// Grows this table by four null entries.
    GrowTable(u32),
    /// Calls the table's entry given by the first argument with the others.
    Invoke,
    /// Stores its argument where the module's function (by index) says `errno` is.
    StoreErrno(u32),
    /// One operator on the arguments, like `f64.sqrt`.
    Operator(Op),
}

/// Operators that are exactly what an import asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    F64Sqrt,
    F64Floor,
    F64Ceil,
    F64Abs,
    F64Trunc,
    F64Nearest,
    F64Copysign,
    F32Sqrt,
    F32Floor,
    F32Ceil,
    F32Abs,
    F32Trunc,
    F32Nearest,
    F32Copysign,
    I32DivS,
    I32DivU,
    I32RemS,
    I32RemU,
    I32TruncF64,
    MemoryDiscard,
}

/// Constants that the stand-ins in `runtime/` import.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Layout {
    /// Address of the i32 that holds the program break.
    pub break_cell: u32,
    /// Where the heap begins; 0: at the end of memory as it is at the first request.
    pub heap_base: u32,
}

impl Edits {
    /// Nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.funcs.is_empty()
            && self.memories.is_empty()
            && self.own_memories.is_empty()
            && self.added_memory.is_none()
            && self.tables.is_empty()
            && self.globals.is_empty()
            && self.data.is_empty()
            && self.constructors.is_empty()
            && self.exports.is_empty()
            && self.drop_exports.is_empty()
            && self.watched_breaks.is_empty()
    }
}
