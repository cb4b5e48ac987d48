//! Our allocators for C: the archive that a row links, built as a step before the row's own.

use std::path::PathBuf;

use super::rustc::RustForWasm;
use super::wasi_clang::Clang;
use super::{Absence, Recipe, Step, Tools, Workplace};

/// What makes `libmemgrove_c.a`: a Rust for wasm32, and a clang for the few shims in C.
pub(super) struct ArchiveMaker {
    rust: RustForWasm,
    clang: Clang,
}

impl ArchiveMaker {
    /// Looks for both.
    pub(super) fn find(tools: &Tools) -> Result<Self, Absence> {
        Ok(Self { rust: RustForWasm::find(tools)?, clang: Clang::find(tools)? })
    }

    /// What it says of itself.
    pub(super) fn version(&self) -> &str {
        self.rust.version()
    }

    /// The command that leaves the archive of `allocator`, a feature of `crates/memgrove-c`, at
    /// [`Workplace::archive`].
    pub(super) fn step(&self, allocator: &str, place: &Workplace) -> Step {
        self.rust
            .command(place, &place.archives(), "core,compiler_builtins", &["-Ctarget-feature=+bulk-memory"])
            .args(["--manifest-path", "../crates/memgrove-c/Cargo.toml", "--features", allocator])
            .env("CC_wasm32_unknown_unknown", &self.clang.c)
            .env("CXX_wasm32_unknown_unknown", &self.clang.cpp)
            // It only collects the objects; rustc writes the archive and its index.
            .env("AR_wasm32_unknown_unknown", "ar")
    }
}

impl Workplace {
    /// Cargo's target folder for archives.
    fn archives(&self) -> PathBuf {
        self.cache.join("archives")
    }

    /// The archive that `recipe` links, if it does.
    pub(super) fn archive(&self, recipe: &Recipe) -> Option<PathBuf> {
        let file = self.archives().join("wasm32-unknown-unknown/release/libmemgrove_c.a");
        recipe.archive.map(|_| file)
    }
}
