//! Node, that is V8.

use memgrove_verify::engine::messages::SERVER;

use super::process::Program;
use super::{EngineId, Limits};

/// What V8 keeps of its stack for itself.
const STACK_RESERVE_BYTES: usize = 40 << 10;

/// The arguments that bound V8 by itself, for every Node that runs a module.
pub(crate) fn arguments(limits: &Limits) -> [String; 2] {
    [
        // 0 would be no limit.
        format!("--max-old-space-size={}", (limits.process_bytes >> 20).max(1)),
        format!("--stack-size={}", limits.stack_bytes.saturating_sub(STACK_RESERVE_BYTES) >> 10),
    ]
}

/// A Node that runs `script`.
pub(super) fn running(script: &str, limits: &Limits) -> Program {
    let script = ["--no-warnings", "--eval", script].map(str::to_owned);
    Program {
        engine: EngineId::Node,
        command: "node",
        arguments: arguments(limits).into_iter().chain(script).collect(),
    }
}

/// The server, and the lines to it.
pub(super) fn program(limits: &Limits) -> Program {
    running(&format!("{SERVER}\n{}", include_str!("node.js")), limits)
}
