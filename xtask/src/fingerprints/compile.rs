//! Runs the recipes: source in, module out, under out/fingerprints. What is there is not built again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use super::recipe::{Build, Driver, Recipe};
use crate::wasm_rust::WasmRust;
use crate::workspace::{Workspace, npm_install};

/// Compiles builds into a folder of their own.
pub struct Compiler {
    sh: Shell,
    source: PathBuf,
    out: PathBuf,
}

impl Compiler {
    pub fn new(workspace: &Workspace) -> Result<Self> {
        let sh = workspace.shell()?;
        let out = workspace.out().join("fingerprints");
        fs::create_dir_all(out.join("modules"))?;
        // Debian's emcc looks for its JavaScript parts here; elsewhere the folder is just absent.
        sh.set_var("NODE_PATH", "/usr/share/nodejs");
        Ok(Self { sh, source: workspace.root().join("xtask/fingerprints"), out })
    }

    /// Where the module of a build lies.
    pub fn path(&self, build: &Build<'_>) -> PathBuf {
        self.out.join("modules").join(build.name()).with_added_extension("wasm")
    }

    /// Makes the module of a build, unless it is there.
    pub fn make(&self, build: &Build<'_>) -> Result<PathBuf> {
        let path = self.path(build);
        if path.exists() {
            return Ok(path);
        }
        if let Some(flag) = build.wasm_opt {
            let plain = Build { wasm_opt: None, ..*build };
            let input = self.make(&plain)?;
            // Every proposal on: what is measured is the code, not what an engine takes.
            cmd!(self.sh, "wasm-opt --all-features {flag} {input} -o {path}").quiet().run()?;
            return Ok(path);
        }
        let recipe = build.recipe;
        for tool in &recipe.tool {
            self.install(tool)?;
        }
        match recipe.driver {
            Driver::Rust => self.rust(recipe, build.level, &path),
            Driver::Command => self.command(recipe, build.level, &path),
        }
        .with_context(|| build.name())?;
        Ok(path)
    }

    fn tool_dir(&self, tool: &str) -> PathBuf {
        self.out.join("tools").join(tool)
    }

    /// Unpacks one version of Zig (PyPI) or AssemblyScript (npm) into a folder of its own.
    fn install(&self, tool: &str) -> Result<()> {
        let dir = self.tool_dir(tool);
        if dir.exists() {
            return Ok(());
        }
        fs::create_dir_all(&dir)?;
        let done = if let Some(version) = tool.strip_prefix("zig-") {
            println!("fingerprints: PyPI package ziglang=={version} into {}", dir.display());
            cmd!(self.sh, "python3 -m pip install --quiet --no-deps --target {dir} ziglang=={version}")
                .run()
                .map_err(Into::into)
        } else if let Some(version) = tool.strip_prefix("as-") {
            println!("fingerprints: npm package assemblyscript@{version} into {}", dir.display());
            npm_install(&self.sh, &dir, &[format!("assemblyscript@{version}")])
        } else {
            bail!("no way to install {tool}")
        };
        if done.is_err() {
            fs::remove_dir_all(&dir)?;
        }
        done
    }

    fn command(&self, recipe: &Recipe, level: &str, path: &Path) -> Result<()> {
        let template = recipe.run.as_deref().context("a command recipe has `run`")?;
        let emscripten = if template.contains("{emscripten}") { self.emscripten()? } else { PathBuf::new() };
        let cache = self.out.join("cache");
        // emcc decides by the extension what else it writes, so it gets its own name beside ours.
        let written = path.with_added_extension("tmp.wasm");
        let mut text = template
            .replace("{level}", level)
            .replace("{src}", &self.source.display().to_string())
            .replace("{emscripten}", &emscripten.display().to_string())
            .replace("{cache}", &cache.display().to_string());
        for tool in &recipe.tool {
            let inside = if tool.starts_with("zig-") { "ziglang" } else { "node_modules/assemblyscript" };
            let dir = self.tool_dir(tool).join(inside);
            text = text.replace(&format!("{{{tool}}}"), &dir.display().to_string());
        }
        let mut extra = None;
        if let Some(extension) = &recipe.output_extension {
            let script = path.with_added_extension("tmp").with_added_extension(extension);
            text = text.replace(&format!("{{out}}.{extension}"), &script.display().to_string());
            extra = Some(script);
        }
        text = text.replace("{out}", &written.display().to_string());
        let mut words = text.split_whitespace();
        let program = words.next().context("an empty command")?;
        cmd!(self.sh, "{program} {words...}").quiet().ignore_stdout().run()?;
        if let Some(script) = extra {
            fs::remove_file(script).ok();
        }
        fs::rename(&written, path)?;
        Ok(())
    }

    fn emscripten(&self) -> Result<PathBuf> {
        match cmd!(self.sh, "em-config EMSCRIPTEN_ROOT").quiet().ignore_stderr().read() {
            Ok(root) => Ok(PathBuf::from(root.trim())),
            // Debian ships no `em-config` on PATH in every release.
            Err(_) => Ok(PathBuf::from("/usr/share/emscripten")),
        }
    }

    /// Writes a package around the recipe's crate and builds it for wasm32.
    fn rust(&self, recipe: &Recipe, level: &str, path: &Path) -> Result<()> {
        let dir = self.out.join("rust").join(&recipe.id);
        fs::create_dir_all(dir.join("src"))?;
        let dependency = recipe.dependency.as_deref().unwrap_or("");
        fs::write(dir.join("Cargo.toml"), format!("{MANIFEST}\n[dependencies]\n{dependency}\n"))?;
        fs::write(dir.join("src/lib.rs"), self.rust_source(recipe)?)?;
        let target = self.out.join("target");
        let manifest = dir.join("Cargo.toml");
        // A shell of its own: the compiler's settings are not for the other drivers, nor are the outer cargo's.
        let sh = self.sh.clone();
        let rust = WasmRust::find(&sh)?;
        rust.enter(&sh, &[])?;
        let arguments = rust.arguments(if recipe.std { "std,panic_abort" } else { "core,alloc" });
        cmd!(sh, "cargo build --quiet --manifest-path {manifest} --target-dir {target} --profile {level} {arguments...}")
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUSTFLAGS")
            .env_remove("RUSTUP_TOOLCHAIN")
            .quiet()
            .run()?;
        fs::copy(target.join("wasm32-unknown-unknown").join(level).join("fingerprint_rust.wasm"), path)?;
        Ok(())
    }

    fn rust_source(&self, recipe: &Recipe) -> Result<String> {
        let read = |name: &str| fs::read_to_string(self.source.join("rust").join(name));
        if recipe.background {
            return Ok(read("background.rs")?);
        }
        let mut text = String::new();
        if !recipe.std {
            text.push_str("#![no_std]\n#[panic_handler]\nfn panic(_: &core::panic::PanicInfo) -> ! {\n    core::arch::wasm32::unreachable()\n}\n");
        }
        text.push_str("extern crate alloc;\n");
        if let Some(global) = &recipe.global {
            text.push_str(&format!("#[global_allocator]\nstatic A: {global};\n"));
        }
        text.push_str(&read("surface.rs")?);
        Ok(text)
    }
}

const MANIFEST: &str = r#"[package]
name = "fingerprint-rust"
version = "0.0.0"
edition = "2021"

[workspace]

[lib]
crate-type = ["cdylib"]

[profile.z]
inherits = "release"
opt-level = "z"
panic = "abort"
lto = true
codegen-units = 1

[profile.s]
inherits = "release"
opt-level = "s"
panic = "abort"

[profile.o2]
inherits = "release"
opt-level = 2
lto = true
panic = "abort"

[profile.o3]
inherits = "release"
opt-level = 3
panic = "abort"
"#;
