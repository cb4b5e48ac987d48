//! Running a module under the very JavaScript that Emscripten made beside it, on Node.

use std::process::Command;

use serde::Deserialize;

use super::Trial;
use super::host::Start;
use super::trial::{Candidate, complaint};
use crate::engine::Limits;
use crate::engine::node::arguments;
use crate::engine::process::output;
use crate::toolchain::Tools;

const SCRIPT: &str = include_str!("glue.mjs");

/// What the script prints on its last line.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Status { status: i32, memory_bytes: u64 },
    Aborted { words: String },
}

/// Both runs under `glue`.
pub(super) fn try_with(tools: &Tools, candidate: &Candidate<'_>, glue: &[u8]) -> Trial {
    match both(tools, candidate, glue) {
        Ok(trial) => trial,
        Err(words) => Trial::Fails { words },
    }
}

fn both(tools: &Tools, candidate: &Candidate<'_>, glue: &[u8]) -> Result<Trial, String> {
    let node = tools.find("node").ok_or("node is not there")?;
    let io = |error: std::io::Error| error.to_string();
    let folder = tempfile::tempdir().map_err(io)?;
    let [script, module, javascript] =
        ["run.mjs", "module.wasm", "module.cjs"].map(|name| folder.path().join(name));
    std::fs::write(&script, SCRIPT).map_err(io)?;
    std::fs::write(&module, candidate.wasm).map_err(io)?;
    std::fs::write(&javascript, glue).map_err(io)?;

    let mut memory = 0;
    for start in Start::both(candidate.program) {
        let mut command = Command::new(&node);
        command.args(arguments(&Limits::SURVEY)).arg(&script).args([&javascript, &module]).arg(start.name());
        let output = output(&mut command, &Limits::SURVEY).map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let answer = text.lines().next_back().and_then(|line| serde_json::from_str(line).ok());
        let answer = match answer {
            Some(Answer::Status { status, memory_bytes }) => {
                memory = memory_bytes;
                Ok(status)
            }
            Some(Answer::Aborted { words }) => Err(words),
            None => Err(format!("node ended with {}: {}", output.status, complaint_of(&output.stderr))),
        };
        if let Some(words) = complaint(start, answer) {
            return Ok(Trial::Fails { words });
        }
    }
    Ok(Trial::Runs { memory_bytes: memory })
}

/// The line with the error: around it Node prints the source, which may be one line of many kilobytes.
fn complaint_of(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().find(|line| line.contains("Error")).or(text.lines().next_back());
    line.unwrap_or("it said nothing").chars().take(300).collect()
}
