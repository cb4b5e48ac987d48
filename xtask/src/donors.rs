//! The donors: modules whose functions `memgrove fix` puts into others. Builds them and writes their manifest.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use xshell::cmd;

use crate::sources;
use crate::wasm_rust::WasmRust;
use crate::workspace::Workspace;

#[derive(clap::Subcommand)]
pub enum DonorsTask {
    /// Build the donors into `crates/memgrove-rewrite/donors` and write their manifest.
    Build,
    /// Say whether they were built from the sources as they are, and are what was built.
    Check,
}

/// What the donors are built from in this repository.
const SOURCES: [&str; 2] = ["crates/memgrove-donor", "crates/memgrove/src"];
const PACKAGE: &str = "crates/memgrove-donor";
const PREBUILT: &str = "crates/memgrove-rewrite/donors";
const DONOR: &str = "wee.wasm";
const MANIFEST: &str = "manifest.json";

pub fn run(workspace: &Workspace, task: &DonorsTask) -> Result<()> {
    match task {
        DonorsTask::Build => build(workspace),
        DonorsTask::Check => check(workspace),
    }
}

fn build(workspace: &Workspace) -> Result<()> {
    let sh = workspace.shell()?;
    let rust = WasmRust::find(&sh)?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.out().join("target"), PathBuf::from)
        .join("donors");
    sh.change_dir(workspace.root());
    // The module that it is put into may be meant for an engine that knows no later proposal.
    rust.enter(&sh, &["-Ctarget-cpu=mvp"])?;
    sh.set_var("CARGO_TARGET_DIR", &target);
    sh.change_dir(PACKAGE);
    let arguments = rust.arguments("core");
    cmd!(sh, "cargo build --quiet --locked --release").args(arguments).quiet().run()?;
    let built = target.join("wasm32-unknown-unknown/release/memgrove_donor.wasm");
    let module = fs::read(&built).with_context(|| built.display().to_string())?;

    let prebuilt = workspace.root().join(PREBUILT);
    let manifest = json!({
        "donors": { DONOR: { "size_bytes": module.len(), "sha256": sources::digest(&module) } },
        "sources_sha256": sources::hash(workspace.root(), &SOURCES)?,
        "tools": [rust.version(&workspace.shell()?)?],
    });
    fs::create_dir_all(&prebuilt)?;
    fs::write(prebuilt.join(DONOR), module)?;
    fs::write(prebuilt.join(MANIFEST), serde_json::to_string_pretty(&manifest)? + "\n")?;
    Ok(())
}

fn check(workspace: &Workspace) -> Result<()> {
    const HINT: &str = "hint: cargo xtask donors build";
    let prebuilt = workspace.root().join(PREBUILT);
    let manifest: Value = serde_json::from_slice(&fs::read(prebuilt.join(MANIFEST))?)?;
    if manifest["sources_sha256"] != sources::hash(workspace.root(), &SOURCES)? {
        bail!("the donors are older than their sources\n{HINT}");
    }
    if manifest["donors"][DONOR]["sha256"] != sources::digest(&fs::read(prebuilt.join(DONOR))?) {
        bail!("{PREBUILT}/{DONOR} is not what was built\n{HINT}");
    }
    println!("donors: built from the sources as they are");
    Ok(())
}
