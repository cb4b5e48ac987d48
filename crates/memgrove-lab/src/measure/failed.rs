//! From how a guest's call ended to the failure that is recorded.

use super::failure::Failure;
use crate::engine::{EngineError, TrapReason};
use crate::guest::Status;

/// The failure behind an error of the engine, with the status that the guest reports after it.
pub(super) fn failure(error: &EngineError, status: Option<Status>, fuel_limit: u64) -> Failure {
    match (error, status) {
        (EngineError::Trap { reason: TrapReason::OutOfFuel, .. }, _) => Failure::Collapses { fuel_limit },
        (EngineError::Trap { .. }, Some(status)) if status != Status::Sound => Failure::from_status(status),
        (EngineError::Trap { reason, .. }, _) => Failure::Traps { words: reason.to_string() },
        (EngineError::Timeout { .. }, _) => Failure::TimesOut,
        (error, _) => Failure::Unusable { words: error.to_string() },
    }
}
