//! The wasmtime of PyPI, run by Python: newer than the one that is linked in can be, which the compiler's version bounds.

use super::process::Program;
use super::{EngineId, Limits};

/// An older one would say nothing that the engine which is linked in does not, and lacks what the script asks for.
const OLDEST: u32 = 50;

/// Python's name.
const COMMAND: &str = if cfg!(windows) { "python" } else { "python3" };

/// The server, and the lines to it.
pub(super) fn program(limits: &Limits) -> Program {
    let script = format!("OLDEST = {OLDEST}\n{}", include_str!("wasmtime_py.py"));
    Program {
        engine: EngineId::WasmtimePy,
        command: COMMAND,
        arguments: vec!["-c".to_owned(), script, limits.stack_bytes.to_string()],
    }
}
