//! What the survey builds, and for which host.

use serde::{Deserialize, Serialize};

/// The sources a row is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// The study's program in C.
    C,
    /// The same in C++.
    Cpp,
    /// In C++, with a global object that allocates before `main`.
    CppGlobal,
    /// In Rust without `std`.
    RustNoStd,
    /// In Rust with `std`.
    RustStd,
    /// The game of life behind wasm-bindgen.
    Life,
}

impl Program {
    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::C => "C",
            Self::Cpp => "C++",
            Self::CppGlobal => "C++, global object",
            Self::RustNoStd => "Rust, no_std",
            Self::RustStd => "Rust, std",
            Self::Life => "Rust, game of life",
        }
    }

    /// Whether this is the study's program; the game of life is measured beside it.
    pub fn is_study(self) -> bool {
        self != Self::Life
    }

    /// Whether the language is C++.
    #[must_use]
    pub fn is_cpp(self) -> bool {
        matches!(self, Self::Cpp | Self::CppGlobal)
    }
}

/// What a module counts on finding around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contract {
    /// Nothing: the host writes the arguments into its memory and calls `main`.
    Bare,
    /// WASI preview 1.
    WasiP1,
    /// WASI preview 1 and Emscripten's notice of a grown memory.
    EmscriptenStandalone,
    /// The JavaScript that Emscripten makes beside the module.
    EmscriptenGlue,
    /// The JavaScript of 2018's Emscripten, which owned the memory.
    EmscriptenFastcomp,
    /// A Linux kernel behind `env.__syscallN`.
    LinuxSyscalls,
    /// The JavaScript that wasm-bindgen makes beside the module.
    WasmBindgen,
}

impl Contract {
    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Bare => "none",
            Self::WasiP1 => "WASI preview 1",
            Self::EmscriptenStandalone => "WASI preview 1 + Emscripten",
            Self::EmscriptenGlue => "Emscripten's JavaScript",
            Self::EmscriptenFastcomp => "Emscripten's JavaScript of 2018",
            Self::LinuxSyscalls => "Linux system calls",
            Self::WasmBindgen => "wasm-bindgen's JavaScript",
        }
    }
}
