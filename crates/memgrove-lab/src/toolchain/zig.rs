//! Zig as a C and C++ compiler: it brings its own wasi-libc.

use std::path::PathBuf;

use super::{Absence, Driver, Plan, Recipe, Step, Toolchain, Tools, Workplace};

pub(super) struct Zig;

impl Toolchain for Zig {
    fn id(&self) -> &'static str {
        "zig-cc"
    }

    fn name(&self) -> &'static str {
        "zig cc"
    }

    fn install(&self) -> &'static str {
        "pip install ziglang, or https://ziglang.org/download"
    }

    fn detect(&self, tools: &Tools) -> Result<Box<dyn Driver>, Absence> {
        if let Some(zig) = tools.find("zig") {
            let version = tools.ask(&zig, &["version"]).map_err(Absence::Broken)?;
            return Ok(Box::new(Found { program: zig, before: &[], version }));
        }
        let python =
            tools.find("python3").ok_or_else(|| Absence::Missing("zig, or python3 with ziglang".into()))?;
        match tools.ask(&python, &["-m", "ziglang", "version"]) {
            Ok(version) => Ok(Box::new(Found { program: python, before: &["-m", "ziglang"], version })),
            Err(words) if words.contains("No module named") => {
                Err(Absence::Missing("zig, or python3 with ziglang".into()))
            }
            Err(words) => Err(Absence::Broken(words)),
        }
    }
}

struct Found {
    program: PathBuf,
    /// What stands before zig's own arguments.
    before: &'static [&'static str],
    version: String,
}

impl Driver for Found {
    fn versions(&self) -> Vec<String> {
        vec![format!("zig {}", self.version)]
    }

    fn plan(&self, recipe: &Recipe, place: &Workplace) -> Plan {
        let module = place.output.join("module.wasm");
        // `zig cc` takes C++ too, and then does not build a C++ library that the program does not use.
        let mut step =
            Step::new(&self.program).args(self.before).args(["cc", "-target", "wasm32-wasi", "-Os"]);
        if recipe.program.is_cpp() {
            step = step.arg("-fno-exceptions");
        }
        let step = step
            .args(recipe.options)
            .arg(recipe.source())
            .arg("-o")
            .arg(&module)
            .env("ZIG_LOCAL_CACHE_DIR", place.cache.join("zig"));
        Plan { steps: vec![step], module, glue: None }
    }
}
