//! Why a binary could not be read, and where.

/// The bytes are not something that can be inspected.
///
/// Every variant knows the byte offset in the input at which reading stopped ([`Error::offset`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input does not start with `\0asm`.
    #[error("not a WebAssembly binary: it starts with {found} (at offset 0x0)")]
    NotWasm {
        /// The first bytes, in hexadecimal and as text, or a name where the format was recognised.
        found: String,
    },
    /// The magic number is there, but the version is neither a core module's nor a component's.
    #[error("unknown WebAssembly version {version:#x} (at offset 0x4)")]
    UnknownVersion {
        /// The version word as it stands in the file.
        version: u32,
    },
    /// The module breaks the specification (or is cut short).
    #[error("{message} (at offset {offset:#x})")]
    Invalid {
        /// What the parser or the validator said.
        message: String,
        /// Byte offset in the input.
        offset: u64,
        /// The input ended before the structure that was being read did.
        truncated: bool,
    },
    /// Reading it or reporting on it would take more memory than a file of its size may.
    #[error("too complex to inspect: {what} would take more than {limit} bytes (at offset {offset:#x})")]
    TooComplex {
        /// What there is too much of.
        what: &'static str,
        /// Bytes that a file of this size may take.
        limit: u64,
        /// Byte offset in the input of the section in which the limit was exceeded.
        offset: u64,
    },
    /// Offsets are kept as 32-bit numbers, so inputs of 4 GiB and more are refused.
    #[error("the input has {size_bytes} bytes; the limit is 4294967295")]
    TooLarge {
        /// Size of the input.
        size_bytes: u64,
    },
}

impl Error {
    /// Byte offset in the input at which reading stopped.
    #[must_use]
    pub fn offset(&self) -> u64 {
        match self {
            Self::NotWasm { .. } => 0,
            Self::UnknownVersion { .. } => 4,
            Self::Invalid { offset, .. } | Self::TooComplex { offset, .. } => *offset,
            Self::TooLarge { .. } => u64::from(u32::MAX),
        }
    }

    /// What the user could try, where something is known to help.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Invalid { truncated: true, .. } => Some("the file may be cut short"),
            Self::NotWasm { .. } => Some("a WebAssembly binary starts with the bytes 00 61 73 6d"),
            Self::TooComplex { .. } => {
                Some("no compiler writes such a file; it may be made to exhaust those who read it")
            }
            _ => None,
        }
    }

    pub(crate) fn from_parser(error: &wasmparser::Error, input_len: usize) -> Self {
        // wasmparser tells "the input ended" from "the input is wrong" only in its message.
        let truncated = error.message().contains("unexpected end") || error.offset() >= input_len as u64;
        Self::Invalid { message: error.message().to_owned(), offset: error.offset(), truncated }
    }
}
