//! Names of engines.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The engines we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineId {
    /// Wasmtime: compiled code, fuel, threads over shared memory.
    Wasmtime,
    /// wasmi: an interpreter.
    Wasmi,
    /// Node, that is V8.
    Node,
    /// The wasmtime of PyPI, run by Python: a newer one than is linked in.
    #[serde(rename = "wasmtime-py")]
    WasmtimePy,
}

impl EngineId {
    /// Every engine, in the order of presentation.
    pub const ALL: [Self; 4] = [Self::Wasmtime, Self::Wasmi, Self::Node, Self::WasmtimePy];

    /// Stable name, as on the command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wasmtime => "wasmtime",
            Self::Wasmi => "wasmi",
            Self::Node => "node",
            Self::WasmtimePy => "wasmtime-py",
        }
    }

    /// Whether it is a process of its own, of a program that may be missing on a machine.
    pub const fn is_process(self) -> bool {
        matches!(self, Self::Node | Self::WasmtimePy)
    }

    /// Whether the lab runs threads on it: for the other two, instances over one memory are not made.
    pub const fn has_threads(self) -> bool {
        matches!(self, Self::Wasmtime | Self::Node)
    }

    /// How to get it where it is missing.
    pub const fn install(self) -> &'static str {
        match self {
            Self::Wasmtime => "build memgrove with its default features",
            Self::Wasmi => "build memgrove with its default features",
            Self::Node => "install Node 20 or later, so that `node` is found",
            Self::WasmtimePy => {
                "in a virtual environment (`python3 -m venv env`, activated), `pip install wasmtime==50.0.1`"
            }
        }
    }
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EngineId {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|engine| engine.name() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|engine| engine.name()).collect();
            format!("no engine `{name}`; there are {}", known.join(", "))
        })
    }
}
