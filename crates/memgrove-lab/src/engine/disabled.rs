//! The twin of an engine that was left out of this build.
#![cfg(not(all(feature = "wasmtime", feature = "wasmi")))]

use super::{EngineError, EngineId};

/// Answers politely for it.
pub(super) fn absent(engine: EngineId) -> EngineError {
    EngineError::Absent {
        engine: engine.name(),
        reason: format!("this memgrove was built without the feature `{engine}`"),
        install: engine.install(),
    }
}
