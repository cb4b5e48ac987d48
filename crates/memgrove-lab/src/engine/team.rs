//! Threads of one module over one shared memory: host threads on wasmtime, workers on Node.

use std::time::Duration;

use super::{EngineError, EngineId, Settings, Value};

/// How long the others have when one of them failed, which they may be waiting for: it may have held a lock.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// Instances of one module over one shared memory, each on a thread of its own; the first is on the
/// caller's.
pub trait Team: Send {
    /// Calls an export of the first instance.
    ///
    /// # Errors
    /// [`EngineError::Export`] or [`EngineError::Trap`].
    fn call(&mut self, export: &str, arguments: &[Value]) -> Result<Option<Value>, EngineError>;

    /// Reads from the shared memory.
    ///
    /// # Errors
    /// [`EngineError::OutOfBounds`], or what the engine says.
    fn read(&mut self, address: u64, length_bytes: u64) -> Result<Vec<u8>, EngineError>;

    /// Makes `count` more instances, each on a thread, with its stack and thread-local storage in one of the
    /// areas of `bytes_each` bytes that follow each other from `address`.
    ///
    /// # Errors
    /// [`EngineError`] of any of them.
    fn hire(&mut self, count: u32, address: u32, bytes_each: u32) -> Result<(), EngineError>;

    /// Calls an export on the first `threads` hired instances at the same time: with `before`, the thread's
    /// index, and `after`. Answers the results, and the time from when all were ready until the last was
    /// done.
    ///
    /// # Errors
    /// The first error of any thread; the others are not waited for much longer, as they may be waiting for it. After an
    /// error the team is of no more use.
    fn together(
        &mut self,
        export: &str,
        before: &[Value],
        after: &[Value],
        threads: u32,
    ) -> Result<(Vec<u64>, Duration), EngineError>;
}

/// Compiles a module that imports the shared memory `env.memory` and nothing else, and makes its first
/// instance.
///
/// # Errors
/// [`EngineError::Absent`] for an engine without threads, else as compiling and instantiating.
pub fn assemble(engine: EngineId, settings: &Settings, wasm: &[u8]) -> Result<Box<dyn Team>, EngineError> {
    match engine {
        #[cfg(feature = "wasmtime")]
        EngineId::Wasmtime => Ok(Box::new(super::wasmtime_team::HostThreads::new(settings, wasm)?)),
        EngineId::Node => Ok(Box::new(super::node_team::Workers::new(settings, wasm)?)),
        other => Err(EngineError::Absent {
            engine: other.name(),
            reason: "it has no threads here".to_owned(),
            install: other.install(),
        }),
    }
}

/// The limits of the shared memory that a module imports, in pages.
pub(super) fn shared_memory(shape: &super::Shape) -> Result<(u64, u64), EngineError> {
    let mut imports = shape.imports.iter();
    match (imports.next(), imports.next()) {
        (
            Some(super::Import {
                kind:
                    super::ImportKind::Memory {
                        minimum_pages, maximum_pages: Some(maximum), shared: true, ..
                    },
                ..
            }),
            None,
        ) => Ok((*minimum_pages, *maximum)),
        _ => Err(EngineError::Instantiate {
            words: "a module for threads imports one shared memory and nothing else".to_owned(),
        }),
    }
}
