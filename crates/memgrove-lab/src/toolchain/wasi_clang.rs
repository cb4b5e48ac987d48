//! clang, with two C libraries: wasi-libc, and our stand-in for 2018's musl; and with none.

use std::path::PathBuf;

use super::{Absence, Driver, Plan, Recipe, Step, Toolchain, Tools, Workplace};

/// The name Debian gives the version its linker package goes with, then the plain one.
const CLANG: &[&str] = &["clang-22", "clang"];
const CLANGPP: &[&str] = &["clang++-22", "clang++"];

/// What a module is made with, whatever the library. `clang` runs a `wasm-opt` that it finds: not here, for
/// the survey measures before and after it.
const COMMON: &[&str] = &["-Os", "--no-wasm-opt", "-Wl,--strip-debug"];

pub(super) struct WasiClang;

impl Toolchain for WasiClang {
    fn id(&self) -> &'static str {
        "clang-wasi-libc"
    }

    fn name(&self) -> &'static str {
        "clang + wasi-libc"
    }

    fn install(&self) -> &'static str {
        "apt-get install clang-22 lld-22 wasi-libc libclang-rt-22-dev-wasm32"
    }

    fn detect(&self, tools: &Tools) -> Result<Box<dyn Driver>, Absence> {
        let clang = Clang::find(tools)?;
        let libc = ["/usr/lib/wasm32-wasi/libc.a", "/opt/wasi-sdk/share/wasi-sysroot/lib/wasm32-wasi/libc.a"];
        if !libc.iter().any(|path| std::path::Path::new(path).is_file()) {
            return Err(Absence::Missing("wasi-libc's libc.a for wasm32-wasi".into()));
        }
        Ok(Box::new(WithWasiLibc(clang)))
    }
}

pub(super) struct PlainClang;

impl Toolchain for PlainClang {
    fn id(&self) -> &'static str {
        "clang"
    }

    fn name(&self) -> &'static str {
        "clang without libc"
    }

    fn install(&self) -> &'static str {
        "apt-get install clang-22 lld-22"
    }

    fn detect(&self, tools: &Tools) -> Result<Box<dyn Driver>, Absence> {
        Ok(Box::new(WithoutLibrary(Clang::find(tools)?)))
    }
}

pub(super) struct MuslClang;

impl Toolchain for MuslClang {
    fn id(&self) -> &'static str {
        "clang-musl2018"
    }

    fn name(&self) -> &'static str {
        "clang + musl's 2018 system calls"
    }

    fn install(&self) -> &'static str {
        "apt-get install clang-22 lld-22 (the library is in samples/study/musl2018)"
    }

    fn detect(&self, tools: &Tools) -> Result<Box<dyn Driver>, Absence> {
        Ok(Box::new(WithMusl2018(Clang::find(tools)?)))
    }
}

/// A clang and its linker.
pub(super) struct Clang {
    pub(super) c: PathBuf,
    pub(super) cpp: PathBuf,
    version: String,
}

impl Clang {
    pub(super) fn find(tools: &Tools) -> Result<Self, Absence> {
        let missing = |names: &[&str]| Absence::Missing(names.join(" or "));
        let (_, c) = tools.find_any(CLANG).ok_or_else(|| missing(CLANG))?;
        let (_, cpp) = tools.find_any(CLANGPP).ok_or_else(|| missing(CLANGPP))?;
        // The version the linker package carries in its name has to go with the compiler's.
        tools
            .find_any(&["wasm-ld-22", "wasm-ld"])
            .ok_or_else(|| Absence::Missing("wasm-ld-22 or wasm-ld".into()))?;
        let said = tools.ask(&c, &["--version"]).map_err(Absence::Broken)?;
        let version = said.lines().next().unwrap_or_default().to_owned();
        Ok(Self { c, cpp, version })
    }

    fn compiler(&self, recipe: &Recipe) -> Step {
        Step::new(if recipe.program.is_cpp() { &self.cpp } else { &self.c })
    }
}

struct WithWasiLibc(Clang);

impl Driver for WithWasiLibc {
    fn versions(&self) -> Vec<String> {
        vec![self.0.version.clone()]
    }

    fn plan(&self, recipe: &Recipe, place: &Workplace) -> Plan {
        let module = place.output.join("module.wasm");
        let mut step = self.0.compiler(recipe).args(["--target=wasm32-wasi", "-Wno-deprecated"]).args(COMMON);
        if recipe.program.is_cpp() {
            // No exception and no class of the C++ library is used: none has to be installed.
            step = step.args(["-fno-exceptions", "-nostdlib++"]);
        }
        let step = step.args(recipe.options).arg(recipe.source()).args(place.archive(recipe));
        let step = step.arg("-o").arg(&module);
        Plan { steps: vec![step], module, glue: None }
    }
}

struct WithoutLibrary(Clang);

/// For a program without a C library, which still finds two headers and the functions on strings.
const NO_LIBRARY: &[&str] = &[
    "--target=wasm32-unknown-unknown",
    "-fno-builtin",
    "-nostdlib",
    "-nostdlibinc",
    "-isystem",
    "study/musl2018/include",
];

impl Driver for WithoutLibrary {
    fn versions(&self) -> Vec<String> {
        vec![self.0.version.clone()]
    }

    fn plan(&self, recipe: &Recipe, place: &Workplace) -> Plan {
        let module = place.output.join("module.wasm");
        let objects = place.output.join("string.o");
        let strings = Step::new(&self.0.c)
            .args(NO_LIBRARY)
            .args(["-Os", "-c", "study/musl2018/src/string.c", "-o"])
            .arg(&objects);
        let mut step = self.0.compiler(recipe).args(NO_LIBRARY).args(COMMON);
        if recipe.program.is_cpp() {
            // Nobody tells a module of its end, so nothing would ever run the destructors.
            step = step.args(["-fno-exceptions", "-nostdlib++", "-fno-c++-static-destructors"]);
        }
        let step = step
            // What clang calls a `main` that takes arguments.
            .arg("-Wl,--no-entry,--export=__main_argc_argv")
            .args(recipe.options)
            .arg(recipe.source())
            .arg(objects)
            .args(place.archive(recipe))
            .arg("-o")
            .arg(&module);
        Plan { steps: vec![strings, step], module, glue: None }
    }
}

struct WithMusl2018(Clang);

/// The stand-in's sources.
const MUSL: &[&str] =
    &["study/musl2018/src/start.c", "study/musl2018/src/malloc.c", "study/musl2018/src/string.c"];

impl Driver for WithMusl2018 {
    fn versions(&self) -> Vec<String> {
        vec![self.0.version.clone()]
    }

    fn plan(&self, recipe: &Recipe, place: &Workplace) -> Plan {
        let module = place.output.join("module.wasm");
        let step = self
            .0
            .compiler(recipe)
            .args(NO_LIBRARY)
            .arg("-ffreestanding")
            .args(COMMON)
            .arg("-Wl,--no-gc-sections,--export=__heap_base,--export=main,--entry=_start")
            .args(recipe.options)
            .arg(recipe.source())
            .args(MUSL)
            .arg("-o")
            .arg(&module);
        Plan { steps: vec![step], module, glue: None }
    }
}
