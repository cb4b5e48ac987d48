//! The rows of the survey: which program, made by which toolchain, with which allocator.
//!
//! Adding a row is adding an entry to [`RECIPES`].

pub use memgrove_results::survey::{Contract, Program};
use memgrove_rewrite::swap::To;

/// One module to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// Stable and unique; the module's file name without `.wasm`.
    pub id: &'static str,
    /// What is built.
    pub program: Program,
    /// The toolchain's id.
    pub toolchain: &'static str,
    /// What the toolchain is asked to make, where it can make several things; empty where it cannot.
    pub variant: &'static str,
    /// The allocator linked in.
    pub allocator: &'static str,
    /// What this row adds to the toolchain's command: flags, or cargo features.
    pub options: &'static [&'static str],
    /// Which of our archives for C is linked in: a feature of `crates/memgrove-c`.
    pub archive: Option<&'static str>,
    /// Whether `memgrove fix` goes over what the toolchain made.
    pub fixed: bool,
    /// The heap that `memgrove swap` puts in the place of the allocator that was linked in.
    pub swapped: Option<To>,
    /// The host it is made for.
    pub contract: Contract,
}

/// The folders and files, relative to the samples, whose change makes a built module stale.
fn sources(program: Program) -> &'static [&'static str] {
    match program {
        Program::C => &["study/c"],
        Program::Cpp | Program::CppGlobal => &["study/cpp"],
        Program::RustNoStd => &["study/rust-no-std", "Cargo.toml", "Cargo.lock"],
        Program::RustStd => &["study/rust-std", "Cargo.toml", "Cargo.lock"],
        Program::Life => &["life", "bindgen-driver", "Cargo.toml", "Cargo.lock"],
    }
}

impl Recipe {
    /// The main source file, relative to the samples, for the languages whose compiler takes one.
    pub(super) fn source(&self) -> &'static str {
        match self.program {
            Program::C => "study/c/app.c",
            Program::Cpp => "study/cpp/app.cpp",
            Program::CppGlobal => "study/cpp/app_global.cpp",
            Program::RustNoStd => "study/rust-no-std/src/lib.rs",
            Program::RustStd => "study/rust-std/src/lib.rs",
            Program::Life => "life/src/lib.rs",
        }
    }

    /// What becomes stale when it changes, relative to the samples. What `fix` does to a module is not among it: a
    /// fixed module is stale when `fix` makes another of the original, whatever changed in its sources; a swapped one
    /// likewise.
    pub fn sources(&self) -> Vec<&'static str> {
        let mut sources = match self.toolchain {
            "handmade" => Vec::new(),
            _ => sources(self.program).to_vec(),
        };
        match self.toolchain {
            "handmade" => sources.push("study/fastcomp2018"),
            "clang-musl2018" => sources.push("study/musl2018"),
            "clang" => sources.push("study/musl2018"),
            _ => {}
        }
        if self.archive.is_some() {
            sources.extend([
                "../crates/memgrove/src",
                "../crates/memgrove-c/src",
                "../crates/memgrove-c/shim",
            ]);
        } else if self.options.iter().any(|option| option.starts_with("memgrove")) {
            sources.push("../crates/memgrove/src");
        }
        sources
    }

    /// The same with one of our archives linked in.
    const fn with(mut self, archive: &'static str) -> Self {
        self.archive = Some(archive);
        self
    }

    /// The same with `memgrove fix` applied to it, which leaves nothing to ask of a host.
    const fn fixed(mut self) -> Self {
        self.fixed = true;
        self.contract = Contract::Bare;
        self
    }

    /// The same with another allocator in the place of the one that was linked in.
    const fn swapped(mut self, to: To) -> Self {
        self.swapped = Some(to);
        self
    }

    /// Written by hand after an old toolchain's output, not made by one.
    pub fn is_handmade(&self) -> bool {
        self.toolchain == "handmade"
    }
}

/// The recipe called `id`.
pub fn recipe(id: &str) -> Option<&'static Recipe> {
    RECIPES.iter().find(|recipe| recipe.id == id)
}

const fn row(
    id: &'static str,
    program: Program,
    toolchain: &'static str,
    variant: &'static str,
    allocator: &'static str,
    options: &'static [&'static str],
    contract: Contract,
) -> Recipe {
    Recipe {
        id,
        program,
        toolchain,
        variant,
        allocator,
        options,
        archive: None,
        fixed: false,
        swapped: None,
        contract,
    }
}

/// Every row of the survey.
#[rustfmt::skip] // a table is read by its columns
pub const RECIPES: &[Recipe] = &[
    row("c-emscripten-dlmalloc", Program::C, "emscripten", "JavaScript glue", "dlmalloc",
        &["-sMALLOC=dlmalloc"], Contract::EmscriptenGlue),
    row("c-emscripten-emmalloc", Program::C, "emscripten", "JavaScript glue", "emmalloc",
        &["-sMALLOC=emmalloc"], Contract::EmscriptenGlue),
    row("c-emscripten-standalone-dlmalloc", Program::C, "emscripten", "STANDALONE_WASM", "dlmalloc",
        &["-sMALLOC=dlmalloc", "-sSTANDALONE_WASM=1"], Contract::EmscriptenStandalone),
    row("c-emscripten-standalone-emmalloc", Program::C, "emscripten", "STANDALONE_WASM", "emmalloc",
        &["-sMALLOC=emmalloc", "-sSTANDALONE_WASM=1"], Contract::EmscriptenStandalone),
    row("cpp-emscripten-dlmalloc", Program::Cpp, "emscripten", "JavaScript glue", "dlmalloc",
        &["-sMALLOC=dlmalloc"], Contract::EmscriptenGlue),
    row("cpp-global-emscripten-dlmalloc", Program::CppGlobal, "emscripten", "JavaScript glue", "dlmalloc",
        &["-sMALLOC=dlmalloc"], Contract::EmscriptenGlue),
    row("c-fastcomp2018-handmade", Program::C, "handmade", "2018 import list", "bump",
        &[], Contract::EmscriptenFastcomp),
    row("c-wasi-libc-dlmalloc", Program::C, "clang-wasi-libc", "", "dlmalloc", &[], Contract::WasiP1),
    row("cpp-wasi-libc-dlmalloc", Program::Cpp, "clang-wasi-libc", "", "dlmalloc", &[], Contract::WasiP1),
    row("cpp-global-wasi-libc-dlmalloc", Program::CppGlobal, "clang-wasi-libc", "", "dlmalloc",
        &[], Contract::WasiP1),
    row("c-musl2018", Program::C, "clang-musl2018", "", "first fit",
        &[], Contract::LinuxSyscalls),
    row("c-zig", Program::C, "zig-cc", "", "Zig's", &[], Contract::WasiP1),
    row("cpp-zig", Program::Cpp, "zig-cc", "", "Zig's", &[], Contract::WasiP1),
    row("cpp-global-zig", Program::CppGlobal, "zig-cc", "", "Zig's", &[], Contract::WasiP1),
    row("rust-std-dlmalloc", Program::RustStd, "rustc", "", "dlmalloc", &[], Contract::Bare),
    row("rust-no-std-wee_alloc", Program::RustNoStd, "rustc", "", "wee_alloc", &["wee_alloc"], Contract::Bare),
    row("rust-no-std-talc", Program::RustNoStd, "rustc", "", "talc", &["talc"], Contract::Bare),
    row("rust-no-std-lol_alloc", Program::RustNoStd, "rustc", "", "lol_alloc", &["lol_alloc"], Contract::Bare),
    row("rust-no-std-dlmalloc", Program::RustNoStd, "rustc", "", "dlmalloc", &["dlmalloc"], Contract::Bare),
    row("rust-no-std-memgrove-wee", Program::RustNoStd, "rustc", "", "memgrove Wee",
        &["memgrove-wee"], Contract::Bare),
    row("rust-no-std-memgrove-dlmalloc", Program::RustNoStd, "rustc", "", "memgrove Dlmalloc",
        &["memgrove-dlmalloc"], Contract::Bare),
    row("rust-no-std-memgrove-jemalloc", Program::RustNoStd, "rustc", "", "memgrove Jemalloc",
        &["memgrove-jemalloc"], Contract::Bare),
    row("rust-no-std-memgrove-hoard", Program::RustNoStd, "rustc", "", "memgrove Hoard",
        &["memgrove-hoard"], Contract::Bare),
    row("c-memgrove-wee", Program::C, "clang", "", "memgrove Wee", &[], Contract::Bare).with("wee"),
    row("c-memgrove-dlmalloc", Program::C, "clang", "", "memgrove Dlmalloc", &[], Contract::Bare).with("dlmalloc"),
    row("c-memgrove-jemalloc", Program::C, "clang", "", "memgrove Jemalloc", &[], Contract::Bare).with("jemalloc"),
    row("c-memgrove-hoard", Program::C, "clang", "", "memgrove Hoard", &[], Contract::Bare).with("hoard"),
    row("cpp-memgrove-dlmalloc", Program::Cpp, "clang", "", "memgrove Dlmalloc",
        &[], Contract::Bare).with("dlmalloc"),
    row("cpp-global-memgrove-dlmalloc", Program::CppGlobal, "clang", "", "memgrove Dlmalloc",
        &[], Contract::Bare).with("dlmalloc"),
    row("c-wasi-libc-memgrove-dlmalloc", Program::C, "clang-wasi-libc", "", "memgrove Dlmalloc",
        &[], Contract::WasiP1).with("dlmalloc"),
    row("c-emscripten-memgrove-dlmalloc", Program::C, "emscripten", "JavaScript glue", "memgrove Dlmalloc",
        &["-sMALLOC=none", "-Wl,-u,memgrove_emscripten_grow"], Contract::EmscriptenGlue).with("dlmalloc"),
    row("c-emscripten-dlmalloc-fixed", Program::C, "emscripten", "fixed", "dlmalloc",
        &["-sMALLOC=dlmalloc"], Contract::EmscriptenGlue).fixed(),
    row("c-emscripten-emmalloc-fixed", Program::C, "emscripten", "fixed", "emmalloc",
        &["-sMALLOC=emmalloc"], Contract::EmscriptenGlue).fixed(),
    row("cpp-global-emscripten-dlmalloc-fixed", Program::CppGlobal, "emscripten", "fixed", "dlmalloc",
        &["-sMALLOC=dlmalloc"], Contract::EmscriptenGlue).fixed(),
    row("c-fastcomp2018-handmade-fixed", Program::C, "handmade", "fixed", "bump",
        &[], Contract::EmscriptenFastcomp).fixed(),
    row("c-musl2018-fixed", Program::C, "clang-musl2018", "fixed", "first fit",
        &[], Contract::LinuxSyscalls).fixed(),
    row("life-wasm-bindgen-memgrove-wee", Program::Life, "wasm-bindgen", "", "memgrove Wee",
        &["memgrove-wee"], Contract::WasmBindgen),
    row("life-wasm-bindgen-memgrove-dlmalloc", Program::Life, "wasm-bindgen", "", "memgrove Dlmalloc",
        &["memgrove-dlmalloc"], Contract::WasmBindgen),
    row("life-wasm-bindgen-dlmalloc", Program::Life, "wasm-bindgen", "", "dlmalloc",
        &[], Contract::WasmBindgen),
    row("life-wasm-bindgen-wee_alloc", Program::Life, "wasm-bindgen", "", "wee_alloc",
        &["wee_alloc"], Contract::WasmBindgen),
    row("life-wasm-bindgen-wee_alloc-swapped", Program::Life, "wasm-bindgen", "swapped", "memgrove Dlmalloc",
        &["wee_alloc"], Contract::WasmBindgen).swapped(To::Dlmalloc),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_file_names_and_toolchains_are_known() {
        let mut seen = BTreeSet::new();
        for recipe in RECIPES {
            assert!(seen.insert(recipe.id), "{} twice", recipe.id);
            assert!(
                recipe.id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)),
                "{}",
                recipe.id
            );
            assert!(
                super::super::toolchain(recipe.toolchain).is_some(),
                "{}: {}",
                recipe.id,
                recipe.toolchain
            );
        }
    }
}
