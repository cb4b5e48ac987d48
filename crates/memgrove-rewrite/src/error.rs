//! What can go wrong; every error says where.

use thiserror::Error;

/// Why a module could not be planned for or rewritten.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The input is not a valid core module.
    #[error("not a valid WebAssembly module: {message} (at offset {offset:#x})")]
    Invalid {
        /// What the validator says.
        message: String,
        /// Where, in bytes from the start of the file.
        offset: u64,
    },
    /// The input is a component: its core modules are what can be fixed.
    #[error("this is a component; extract a core module from it and fix that")]
    Component,
    /// Its imports have many times more names than it has bytes.
    #[error(
        "too complex to fix: the names of its imports are many times longer than the module (at offset {offset:#x})"
    )]
    TooComplex {
        /// Byte offset of the import section's contents.
        offset: u64,
    },
    /// The layout that the module needs does not fit into its address space.
    #[error("no room in a 32-bit memory: {what} would end at {end:#x}")]
    NoRoom {
        /// What was to be placed.
        what: &'static str,
        /// Where it would have ended, in bytes.
        end: u64,
    },
    /// A function cannot be edited as it was asked for.
    #[error("function {func} cannot be edited so: {why}")]
    NotEditable {
        /// Its index.
        func: u32,
        /// What speaks against it.
        why: &'static str,
    },
    /// A function that is to be instrumented holds an operator of which this crate does not know what it does.
    #[error("function {func} cannot be instrumented: it holds {operator} (at offset {offset:#x})")]
    NotUnderstood {
        /// Its index.
        func: u32,
        /// The operator's name.
        operator: String,
        /// Where, in bytes from the start of the file.
        offset: u64,
    },
    /// The rewritten module does not validate: a defect of this crate. Its bytes are not returned.
    #[error("the rewritten module would not be valid: {message} (at offset {offset:#x} of the output)")]
    Output {
        /// What the validator says.
        message: String,
        /// Where, in bytes from the start of the output.
        offset: u64,
    },
    /// Something that the encoder cannot express.
    #[error("cannot re-encode the module: {0}")]
    Encode(String),
}

impl From<wasmparser::Error> for Error {
    fn from(error: wasmparser::Error) -> Self {
        Self::Invalid { message: error.message().to_owned(), offset: error.offset() }
    }
}

impl From<wasm_encoder::reencode::Error> for Error {
    fn from(error: wasm_encoder::reencode::Error) -> Self {
        match error {
            wasm_encoder::reencode::Error::ParseError(error) => error.into(),
            other => Self::Encode(other.to_string()),
        }
    }
}
