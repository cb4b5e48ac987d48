//! The compilers of this machine, and how each makes the study's program.
//!
//! A [`Recipe`] says what is to be made: one row of the survey. A [`Toolchain`] says how: it finds itself,
//! tells its version or how to install it, and plans the commands. [`build`] carries a plan out.

mod archive;
mod build;
mod emscripten;
mod handmade;
mod process;
mod recipe;
mod rustc;
mod wasi_clang;
mod wasm_bindgen;
mod wasm_opt;
mod zig;

use std::path::Path;

pub use build::{BUILDING, BuildError, Built, Workplace, build};
pub use process::{Step, StepError, Tools};
pub use recipe::{Contract, Program, RECIPES, Recipe, recipe};
pub use wasm_opt::{Optimised, WasmOpt};

/// A family of compilers that the survey knows how to drive.
pub trait Toolchain: Sync {
    /// Stable name, as recipes refer to it.
    fn id(&self) -> &'static str;

    /// The name people know it by.
    fn name(&self) -> &'static str;

    /// How to get it, one line for a person.
    fn install(&self) -> &'static str;

    /// Looks for it on this machine.
    ///
    /// # Errors
    /// [`Absence::Missing`] when it is not there, [`Absence::Broken`] when it is and does not work.
    fn detect(&self, tools: &Tools) -> Result<Box<dyn Driver>, Absence>;
}

/// A toolchain found on this machine.
pub trait Driver: Send + Sync {
    /// What it says of itself, e.g. `emcc 3.1.6`.
    fn versions(&self) -> Vec<String>;

    /// The commands that make `recipe`, run in the folder of the samples.
    fn plan(&self, recipe: &Recipe, place: &Workplace) -> Plan;
}

/// What a driver wants done.
#[derive(Debug)]
pub struct Plan {
    /// Run one after another; the first failure ends the build.
    pub steps: Vec<Step>,
    /// The module that the last step leaves.
    pub module: std::path::PathBuf,
    /// JavaScript that the toolchain made beside the module, to be kept with it.
    pub glue: Option<std::path::PathBuf>,
}

/// Why a toolchain cannot be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Absence {
    /// Not installed; the text says what was looked for.
    #[error("not found: {0}")]
    Missing(String),
    /// Installed, but it fails when asked for its version; the text is its own words.
    #[error("found, but it does not work: {0}")]
    Broken(String),
}

/// Every toolchain the survey knows, in the order of the study.
pub fn toolchains() -> &'static [&'static dyn Toolchain] {
    &[
        &emscripten::Emscripten,
        &wasi_clang::PlainClang,
        &wasi_clang::WasiClang,
        &wasi_clang::MuslClang,
        &zig::Zig,
        &rustc::Rustc,
        &wasm_bindgen::WasmBindgen,
        &handmade::Handmade,
    ]
}

/// The toolchain that recipes call `id`.
pub fn toolchain(id: &str) -> Option<&'static dyn Toolchain> {
    toolchains().iter().copied().find(|toolchain| toolchain.id() == id)
}

/// The folder of the samples at or above `from`, told by the study's program in it.
pub fn find_samples(from: &Path) -> Option<std::path::PathBuf> {
    from.ancestors()
        .map(|folder| folder.join("samples"))
        .find(|samples| samples.join("study/c/app.c").is_file())
}
