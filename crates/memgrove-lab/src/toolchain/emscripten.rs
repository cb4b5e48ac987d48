//! Emscripten: C and C++ with JavaScript beside the module, or standing alone.

use std::path::{Path, PathBuf};

use super::{Absence, Driver, Plan, Recipe, Step, Toolchain, Tools, Workplace};

pub(super) struct Emscripten;

/// Debian's Emscripten needs the JavaScript parser that Debian's Node finds here; another Node does not.
const DEBIAN_NODE_MODULES: &str = "/usr/share/nodejs";

impl Toolchain for Emscripten {
    fn id(&self) -> &'static str {
        "emscripten"
    }

    fn name(&self) -> &'static str {
        "Emscripten"
    }

    fn install(&self) -> &'static str {
        "apt-get install emscripten, or emsdk from https://emscripten.org"
    }

    fn detect(&self, tools: &Tools) -> Result<Box<dyn Driver>, Absence> {
        let emcc = tools.find("emcc").ok_or_else(|| Absence::Missing("emcc".into()))?;
        let empp = tools.find("em++").ok_or_else(|| Absence::Missing("em++".into()))?;
        let said = tools.ask(&emcc, &["--version"]).map_err(Absence::Broken)?;
        // emcc (Emscripten gcc/clang-like replacement + linker emulating GNU ld) 3.1.6 ()
        let version = said
            .lines()
            .next()
            .and_then(|line| line.split_whitespace().find(|word| is_version(word)))
            .ok_or_else(|| Absence::Broken(format!("emcc --version said: {said}")))?;
        Ok(Box::new(Found { emcc, empp, version: format!("emcc {version}") }))
    }
}

fn is_version(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.')
}

struct Found {
    emcc: PathBuf,
    empp: PathBuf,
    version: String,
}

impl Driver for Found {
    fn versions(&self) -> Vec<String> {
        vec![self.version.clone()]
    }

    fn plan(&self, recipe: &Recipe, place: &Workplace) -> Plan {
        let standalone = recipe.options.iter().any(|option| option.contains("STANDALONE_WASM"));
        let compiler = if recipe.program.is_cpp() { &self.empp } else { &self.emcc };
        let target = place.output.join(if standalone { "module.wasm" } else { "module.js" });
        let mut step = Step::new(compiler)
            .args([recipe.source(), "-O2", "-sALLOW_MEMORY_GROWTH=1"])
            .args(recipe.options)
            .args(place.archive(recipe))
            .arg("-o")
            .arg(&target);
        if Path::new(DEBIAN_NODE_MODULES).join("acorn").exists() {
            step = step.env("NODE_PATH", DEBIAN_NODE_MODULES);
        }
        let glue = (!standalone).then_some(target);
        Plan { steps: vec![step], module: place.output.join("module.wasm"), glue }
    }
}
