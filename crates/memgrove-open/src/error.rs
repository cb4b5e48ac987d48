//! Why nothing could be opened, and where.

use std::io;

/// A file's bytes hold no module or component, or one that cannot be unpacked or assembled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no WebAssembly in it.
    #[error("not WebAssembly: {what} (at offset 0x0)")]
    NoModule {
        /// What it is instead, with its article: `an ELF file`.
        what: String,
        /// What the user could try.
        hint: Option<&'static str>,
    },
    /// It has more bytes than it may.
    #[error("it has more than {max_bytes} bytes")]
    TooLarge {
        /// The most it may have.
        max_bytes: u64,
    },
    /// It is compressed or an archive, and cannot be unpacked.
    #[error("unpacking {compression}")]
    Unpack {
        /// `gzip`, `zstd`, `tar` or `zip`.
        compression: &'static str,
        /// What is wrong.
        source: Box<OpenError>,
    },
    /// It is compressed too many times over.
    #[error("it is compressed more than {limit} times over")]
    TooDeep {
        /// How many times it may be.
        limit: usize,
    },
    /// It unpacks to far more than anything does that was made to be used.
    #[error("more than {limit} bytes come out of each of its bytes")]
    TooCompressed {
        /// How many may.
        limit: u64,
    },
    /// It is an archive in so many archives.
    #[error("it is an archive in {limit} archives")]
    TooNested {
        /// How many archives may lie in each other.
        limit: usize,
    },
    /// A member of an archive cannot be unpacked or assembled.
    #[error("its member {path:?}")]
    Member {
        /// Its path in the archive.
        path: String,
        /// What is wrong.
        source: Box<OpenError>,
    },
    /// An archive has too many members.
    #[error("it has more than {limit} members")]
    TooManyMembers {
        /// How many it may have.
        limit: usize,
    },
    /// There is more of the text format than is assembled.
    #[error("it has {size_bytes} bytes of the text format; the limit is {limit_bytes}")]
    TextTooLarge {
        /// What it has.
        size_bytes: usize,
        /// What it may have.
        limit_bytes: usize,
    },
    /// It begins like the text format, which is UTF-8, and is not.
    #[error("the text format is UTF-8, and this is not: {source}")]
    NotUtf8 {
        /// Where it is not.
        source: std::str::Utf8Error,
    },
    /// It cannot be assembled.
    #[error("{message} (at line {}, column {})", place.line, place.column)]
    Text {
        /// The assembler's words.
        message: String,
        /// Where.
        place: Place,
    },
    /// It cannot be read, or the compressed data is damaged.
    #[error(transparent)]
    Read(#[from] io::Error),
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Byte offset in what was read or unpacked.
    pub offset: u64,
}

impl OpenError {
    /// Byte offset at which it stopped, in what was read or unpacked, where that is known.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        match self {
            Self::NoModule { .. } => Some(0),
            Self::TooLarge { max_bytes } => Some(*max_bytes),
            Self::NotUtf8 { source } => Some(source.valid_up_to() as u64),
            Self::Text { place, .. } => Some(place.offset),
            Self::Unpack { source, .. } | Self::Member { source, .. } => source.offset(),
            Self::TooDeep { .. }
            | Self::TooManyMembers { .. }
            | Self::TooCompressed { .. }
            | Self::TooNested { .. }
            | Self::TextTooLarge { .. }
            | Self::Read(_) => None,
        }
    }

    /// What the user could try, where something is known to help.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoModule { hint, .. } => *hint,
            Self::TextTooLarge { .. } => Some("assemble it with another tool and inspect the binary"),
            Self::Unpack { source, .. } => source.hint(),
            _ => None,
        }
    }

    /// Whether a larger limit would help.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        match self {
            Self::TooLarge { .. } => true,
            Self::Unpack { source, .. } => source.is_too_large(),
            _ => false,
        }
    }
}
