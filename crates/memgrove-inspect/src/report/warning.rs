//! What will bite somebody although the module is valid, each with its cure.

use super::Evidence;
use serde::{Deserialize, Serialize};

/// A warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Which one.
    pub id: WarningId,
    /// What happens, and when.
    pub text: String,
    /// What to do about it.
    pub cure: String,
    /// What was seen in the file.
    pub evidence: Vec<Evidence>,
}

/// The warnings that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningId {
    /// The stack lies above static data and grows down into it.
    StackAboveData,
    /// Threads are started, and each gets a memory of its own.
    ThreadsWithoutSharedMemory,
    /// wasm-bindgen's thread counter and the allocator use the same addresses.
    BindgenThreadsAtHeapBase,
    /// The host has to pass a memory within bounds.
    MemoryThatTheHostPasses,
    /// Most of the initial memory is a stack of the default size.
    DefaultStack,
    /// wasm-bindgen has not been run on it.
    NotBound,
    /// A core module that is a part of a component.
    PartOfAComponent,
    /// Go for JavaScript, where Go for WASI would need less of a host.
    GoForJs,
    /// Only Emscripten's JavaScript file knows what the imports are.
    MinifiedImports,
    /// The module grows a table that cannot grow.
    TableCannotGrow,
    /// An export's name says another table than it exports.
    WrongTableExported,
}
