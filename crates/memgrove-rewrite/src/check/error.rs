//! Why a module cannot be checked.

use thiserror::Error;

use crate::graft::GraftError;
use crate::swap::Refusal;

/// Why a module cannot be checked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckError {
    /// It cannot be read or written.
    #[error(transparent)]
    Module(#[from] crate::Error),
    /// It cannot be shown what its allocator is.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No function of an allocator is known.
    #[error("no function of an allocator is known")]
    NoFunctions,
    /// Nothing is known that frees: what does may look for the allocator's headers.
    #[error("no function that frees blocks is known")]
    NothingFrees,
    /// Nothing is known that allocates above which nothing else does.
    #[error("no function that allocates blocks is known, which stands on no other")]
    NothingAllocates,
    /// The allocator is not in the module.
    #[error("its allocator is the host's: function {func} is imported")]
    Imported {
        /// The function.
        func: u32,
    },
    /// A function of the allocator cannot be built on others.
    #[error("function {func} is {role}, and it is not known which function allocates or frees its blocks")]
    Alone {
        /// Its index.
        func: u32,
        /// What it does.
        role: &'static str,
    },
    /// A function knows a block's header, and what it promises is not known.
    #[error("function {func} looks before the blocks that it is given")]
    Header {
        /// Its index.
        func: u32,
    },
    /// In the same layout: memory that is freed may be handed out by others than those that are known.
    #[error(
        "what is freed goes to function {func}, from which others than the known functions may get it; with blocks apart it can be checked"
    )]
    SharedHeap {
        /// Its index.
        func: u32,
    },
    /// It was checked already.
    #[error("it is checked already, by memgrove {version}")]
    Already {
        /// The version that did it.
        version: String,
    },
    /// It has an export of a name that is needed.
    #[error("it exports `{0}` itself")]
    ExportTaken(&'static str),
    /// It has no memory.
    #[error("it has no memory")]
    NoMemory,
    /// Its memory begins with more than can be checked.
    #[error("its memory begins with more than 4 GiB, which is as much as can be checked")]
    TooLong,
    /// Its memory is shared between threads, and it cannot be checked so.
    #[error("a module whose memory threads share cannot be checked {}", .0.words())]
    Shared(NotShared),
    /// A defect of this crate.
    #[error("the checker cannot be grafted: {0}")]
    Graft(GraftError),
}

impl From<GraftError> for CheckError {
    fn from(error: GraftError) -> Self {
        match error {
            GraftError::Module(error) => Self::Module(error),
            other => Self::Graft(other),
        }
    }
}

/// Why a module whose memory threads share cannot be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotShared {
    /// With blocks where they lie without a check.
    SameLayout,
    /// Its addresses have 64 bits.
    Wide,
    /// Another of its memories is shared.
    Other,
    /// No word of its memory is known to be free, by which threads would find the shadow.
    NoWord,
}

impl NotShared {
    fn words(self) -> &'static str {
        match self {
            Self::SameLayout => {
                "in the same layout: what is kept of blocks is an instance's own; with blocks apart it can be"
            }
            Self::Wide => "if its addresses have 64 bits: the shadow is found by an address of 32",
            Self::Other => "where that is not its first",
            Self::NoWord => {
                "where data may lie at its lowest addresses: threads find the shadow by a word there that nothing else uses"
            }
        }
    }
}
