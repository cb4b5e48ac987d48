//! Binaryen's `wasm-opt`, for the size a module has when it is shipped with care.

use std::path::PathBuf;

use super::{Absence, Step, StepError, Tools};

/// `wasm-opt` as found on this machine.
#[derive(Debug, Clone)]
pub struct WasmOpt {
    program: PathBuf,
    version: String,
}

/// A module after `wasm-opt`.
#[derive(Debug, Clone)]
pub struct Optimised {
    /// The module.
    pub wasm: Vec<u8>,
    /// Version and options.
    pub how: String,
}

/// Smallest code; every feature on, for a module may use any that its toolchain turns on by default.
const OPTIONS: &[&str] = &["-Oz", "--all-features", "--strip-debug", "--strip-producers"];

impl WasmOpt {
    /// Looks for `wasm-opt`.
    ///
    /// # Errors
    /// [`Absence`], as for a toolchain.
    pub fn detect(tools: &Tools) -> Result<Self, Absence> {
        let program = tools.find("wasm-opt").ok_or_else(|| Absence::Missing("wasm-opt".into()))?;
        let said = tools.ask(&program, &["--version"]).map_err(Absence::Broken)?;
        // "wasm-opt version 132 (version_132)"
        let version = said.split(" (").next().unwrap_or(&said).to_owned();
        Ok(Self { program, version })
    }

    /// How to get it.
    pub fn install() -> &'static str {
        "npm install binaryen"
    }

    /// Version and options, as recorded beside a size.
    pub fn describe(&self) -> String {
        format!("{} {}", self.version, OPTIONS.join(" "))
    }

    /// Optimises a module for size.
    ///
    /// # Errors
    /// `wasm-opt`'s own words, or why its files could not be written and read.
    pub fn optimise(&self, tools: &Tools, wasm: &[u8]) -> Result<Optimised, StepError> {
        let io = |error: std::io::Error| StepError { program: "wasm-opt".into(), words: error.to_string() };
        let folder = tempfile::tempdir().map_err(io)?;
        let (from, to) = (folder.path().join("in.wasm"), folder.path().join("out.wasm"));
        std::fs::write(&from, wasm).map_err(io)?;
        let step = Step::new(&self.program).args(OPTIONS).arg(&from).arg("-o").arg(&to);
        tools.run(&step, folder.path())?;
        Ok(Optimised { wasm: std::fs::read(&to).map_err(io)?, how: self.describe() })
    }
}
