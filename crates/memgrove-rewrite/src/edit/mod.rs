//! Edits of any function, memory, table or global of a module, and where everything went.
//!
//! ```text
//! bytes ─► Sections     where sections lie, how large the index spaces are         sections.rs
//!       ─► Edits        what is to change, in edit indices                         edits.rs
//!       ─► Spaces       edit indices to output indices                             spaces.rs
//!       ─► bodies       copied, renumbered, or instrumented; one exit              body.rs, splice.rs
//!       ─► sections     written in their order, custom sections kept right         write.rs, custom.rs
//!       ─► Edited       validated bytes, Map of functions and offsets, notes       map.rs
//! ```
//!
//! **Edit indices.** What the original has keeps its index; what an edit adds follows it in the order of the
//! calls of `add_…`. All bodies and constants that are handed in use these indices. They become the output's
//! only when it is written, so edits do not depend on each other's order.
//!
//! **Wrapping** moves a definition to a new function, and the wrapper takes its index: exports, element
//! segments, `ref.func`, calls from inside and by the host all pass through it.
//!
//! **One exit.** An instrumented function with code for its exit has that code behind a block that holds all
//! of the body: a branch to the function's label is one to the block's, `return` becomes such a branch, and
//! `return_call` in all its forms runs the code before the jump (its arguments stay on the stack). An exception
//! or a trap that leaves the function does not run it: state that must survive one is restored by the caller,
//! from a local of its own. No handler is added, so that a debugger and the host see exceptions where they rise.

mod body;
mod custom;
mod edits;
mod map;
mod record;
mod reencode;
mod sections;
mod spaces;
mod splice;
mod types;
mod write;

use wasm_encoder::{Function, ValType};

pub(crate) use self::body::is_tail_call;
pub(crate) use self::custom::refers_to_offsets;
pub use self::edits::Edits;
pub use self::map::{AddedFunction, Map};
pub use self::record::{Applied, applied};
pub use self::sections::Sections;
pub(crate) use self::sections::{ImportEntry, id};
pub use self::splice::{Code, Frame, Instrument, Site, Splice, Subject, Untouched};
pub(crate) use self::types::signature;

/// Parameters and results of a function type, as the encoder has them.
pub(crate) type Signature = (Vec<ValType>, Vec<ValType>);

/// A function's locals and code in edit indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body(Vec<u8>);

impl From<Function> for Body {
    fn from(function: Function) -> Self {
        Self(function.into_raw_body())
    }
}

/// The value of a global that was imported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// An i32, whatever its sign.
    I32(u32),
    /// A 64-bit float.
    F64(f64),
}

/// A data segment to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it is put at instantiation: memory (edit index) and address; `None` for a passive segment.
    pub active: Option<(u32, Address)>,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// An address in memory, known when the module is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// In a memory with 32-bit addresses.
    I32(u32),
    /// In a memory with 64-bit addresses.
    I64(u64),
}

/// An element segment of functions to add. Active, in a table with 32-bit indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elements {
    /// The table, by its edit index.
    pub table: u32,
    /// Index of the first entry.
    pub at: u32,
    /// Edit indices.
    pub funcs: Vec<u32>,
}

/// A module that has been edited.
#[derive(Debug, Clone)]
pub struct Edited {
    /// The new module: validated.
    pub wasm: Vec<u8>,
    /// Where functions and instructions went.
    pub map: Map,
    /// What was left out or could not be kept right, for people.
    pub notes: Vec<String>,
}

/// Counts of things in a module fit into 32 bits: each takes a byte of a file at least.
pub(crate) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
