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
    /// It says little and means much: reading it would take more memory than a file of its size may.
    #[error(
        "too complex to fix: {what} would take too much memory for a file of its size (at offset {offset:#x})"
    )]
    TooComplex {
        /// What there is too much of.
        what: &'static str,
        /// Byte offset of the section in which it became too much.
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
    /// An item cannot be edited as it was asked for.
    #[error("{item} {index} cannot be edited so: {why}")]
    NotEditable {
        /// What it is: `function`, `memory`, `table`, `global`.
        item: &'static str,
        /// Its index.
        index: u32,
        /// What speaks against it.
        why: &'static str,
    },
    /// The module has an export of this name already.
    #[error("the module has an export `{name}` already")]
    ExportExists {
        /// The name.
        name: String,
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
    /// The JavaScript beside the module is not its glue.
    #[error("the glue was not understood: {0}")]
    Glue(crate::glue::GlueError),
    /// Something that the encoder cannot express.
    #[error("cannot re-encode the module: {0}")]
    Encode(String),
}

impl From<memgrove_module::Error> for Error {
    fn from(error: memgrove_module::Error) -> Self {
        use memgrove_module::Error as E;
        let offset = error.offset();
        match error {
            E::TooComplex { what, .. } => Self::TooComplex { what, offset },
            E::Invalid { message, .. } => Self::Invalid { message, offset },
            other => Self::Invalid { message: other.to_string(), offset },
        }
    }
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
