//! What can go wrong between handing bytes to an engine and getting a result back.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An engine could not do what it was asked. Each carries the engine's own words where there are any.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine is not on this machine, or was left out of this build.
    #[error("{engine} is not available: {reason}")]
    Absent {
        /// Which one.
        engine: &'static str,
        /// Why.
        reason: String,
        /// How to get it.
        install: &'static str,
    },
    /// The bytes are no module, or need a proposal that the engine does not have.
    #[error("the module does not compile: {words}")]
    Compile {
        /// The engine's words.
        words: String,
    },
    /// An import is not there, or has another type than the module wants.
    #[error("import {module}.{name} stopped it: {words}")]
    Import {
        /// Module name of the import.
        module: String,
        /// Field name of the import.
        name: String,
        /// The engine's words.
        words: String,
        /// Every import that nothing was supplied for, as `module.name`, in the module's order.
        unsupplied: Vec<String>,
    },
    /// Instantiation failed for another reason: a segment out of bounds, too much memory.
    #[error("the module does not instantiate: {words}")]
    Instantiate {
        /// The engine's words.
        words: String,
    },
    /// Running it ended in a trap, in `start` or in a call.
    #[error("trap: {reason}")]
    Trap {
        /// Why.
        reason: TrapReason,
        /// The engine's words.
        words: String,
    },
    /// The export does not exist or is of another kind or type.
    #[error("export `{name}`: {words}")]
    Export {
        /// Its name.
        name: String,
        /// What is wrong.
        words: String,
    },
    /// An access from outside lies beyond the memory.
    #[error("{length_bytes} bytes at {address:#x} are outside of the memory")]
    OutOfBounds {
        /// First byte.
        address: u64,
        /// Number of bytes.
        length_bytes: u64,
    },
    /// It took too long and was ended.
    #[error("no answer within {} s", limit.as_secs())]
    Timeout {
        /// The time it had.
        limit: Duration,
    },
    /// The run's budget does not cover it. What the module would have done otherwise is not known.
    #[error("beyond the budget: {0}")]
    Budget(Exceeded),
    /// The engine itself failed: its process died, or it cannot do this at all.
    #[error("the engine failed: {words}")]
    Engine {
        /// What is known.
        words: String,
    },
}

/// Why a run ended in a trap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrapReason {
    /// The instruction `unreachable`: how programs abort.
    Unreachable,
    /// A load or store outside of memory.
    MemoryOutOfBounds,
    /// A table access out of bounds.
    TableOutOfBounds,
    /// An indirect call to null or to a function of another type.
    IndirectCall,
    /// Division by zero, or a result that does not fit.
    Arithmetic,
    /// The engine's call stack is exhausted.
    StackOverflow,
    /// The instructions that were allowed are used up.
    OutOfFuel,
    /// The engine has no memory for an object that it keeps itself, or for an operation.
    OutOfMemory,
    /// An atomic access that is not aligned.
    Unaligned,
    /// A function of the host refused, with its words.
    Host(String),
    /// Another reason; see the engine's words.
    Other,
}

impl fmt::Display for TrapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "unreachable was executed",
            Self::MemoryOutOfBounds => "memory access out of bounds",
            Self::TableOutOfBounds => "table access out of bounds",
            Self::IndirectCall => "indirect call to null or to a function of another type",
            Self::Arithmetic => "division by zero, or a result that does not fit",
            Self::StackOverflow => "call stack exhausted",
            Self::OutOfFuel => "the allowed number of instructions is used up",
            Self::OutOfMemory => "the engine has no memory for it",
            Self::Unaligned => "unaligned atomic access",
            Self::Host(words) => words,
            Self::Other => "see the engine's words",
        })
    }
}

impl EngineError {
    /// The trap's reason, if this is a trap.
    pub const fn trap(&self) -> Option<&TrapReason> {
        match self {
            Self::Trap { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Whether the run ended because it was bounded, which says nothing about the module: it may not be compared with
    /// how another run ended.
    pub const fn is_exhausted(&self) -> bool {
        matches!(
            self,
            Self::Budget(_)
                | Self::Timeout { .. }
                | Self::Trap {
                    reason: TrapReason::OutOfFuel | TrapReason::StackOverflow | TrapReason::OutOfMemory,
                    ..
                }
        )
    }

    /// The import that stopped the module, as `(module, name)`.
    pub fn import(&self) -> Option<(&str, &str)> {
        match self {
            Self::Import { module, name, .. } => Some((module, name)),
            _ => None,
        }
    }

    /// The engine itself failed, in its own words.
    pub fn engine(words: impl fmt::Display) -> Self {
        Self::Engine { words: words.to_string() }
    }

    /// The import cannot be what the host has for it.
    pub fn refused_import(module: &str, name: &str, words: impl fmt::Display) -> Self {
        let (module, name, words) = (module.to_owned(), name.to_owned(), words.to_string());
        Self::Import { module, name, words, unsupplied: Vec::new() }
    }

    /// Something is wrong with the export `name`.
    pub fn export(name: &str, words: impl fmt::Display) -> Self {
        Self::Export { name: name.to_owned(), words: words.to_string() }
    }
}

/// What there was not enough of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Bytes of linear memories and collected heaps.
    MemoryBytes,
    /// Elements of tables.
    TableElements,
    /// Instances.
    Instances,
    /// Memories.
    Memories,
    /// Tables.
    Tables,
    /// Bytes of one function's body.
    BodyBytes,
    /// Bytes of the engine's process.
    ProcessBytes,
    /// Bytes of a message from the engine's process.
    MessageBytes,
    /// Memory of this machine: the budget had room, the operating system did not.
    HostMemory,
}

/// A request that the budget did not cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Exceeded {
    /// What there was not enough of.
    pub resource: Resource,
    /// What there would have been in all, with the request. A lower bound for a process that was ended; 0 for what only
    /// the engine knows.
    pub asked: u64,
    /// The limit.
    pub limit: u64,
}

impl std::error::Error for Exceeded {}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, asked, limit } = self;
        match resource {
            Resource::MemoryBytes => {
                write!(f, "{asked} bytes in all memories together; the limit is {limit}")
            }
            Resource::TableElements => {
                write!(f, "{asked} elements in all tables together; the limit is {limit}")
            }
            Resource::Instances => write!(f, "{asked} instances; the limit is {limit}"),
            Resource::Memories => write!(f, "{asked} memories; the limit is {limit}"),
            Resource::Tables => write!(f, "{asked} tables; the limit is {limit}"),
            Resource::BodyBytes => {
                write!(f, "a function with a body of {asked} bytes; the limit is {limit}")
            }
            Resource::ProcessBytes => {
                write!(f, "{asked} bytes in the engine's process; the limit is {limit}")
            }
            Resource::MessageBytes => {
                write!(f, "{asked} bytes in one message from the engine; the limit is {limit}")
            }
            Resource::HostMemory => {
                f.write_str("this machine has not the memory, or the address space, that the engine asks for")
            }
        }
    }
}
