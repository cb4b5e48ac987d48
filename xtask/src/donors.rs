//! The donors: modules whose functions `memgrove fix` puts into others. Builds them and writes their manifest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

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
const MANIFEST: &str = "manifest.json";
/// The heaps of `memgrove fix --allocator`, by the feature that chooses each.
const LAZY: [&str; 1] = ["wee"];
/// The heaps of `memgrove swap`, by the feature that chooses each.
const PLACED: [&str; 5] = ["wee", "dlmalloc", "jemalloc", "hoard", "hardened"];
/// What a heap exports: C's functions, those that its adaptors need, and those that trap.
const EXPORTS: [&str; 8] =
    ["malloc", "calloc", "realloc", "memalign", "posix_memalign", "free", "malloc_usable_size", "memcpy"];
const TRAPS: [&str; 6] =
    ["double_free", "not_a_block", "wrong_layout", "overflow", "write_after_free", "handed_out_twice"];

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
    let built = target.join("wasm32-unknown-unknown/release/memgrove_donor.wasm");
    let mut modules = BTreeMap::new();
    for feature in LAZY {
        cmd!(sh, "cargo build --quiet --locked --release --no-default-features --features {feature}")
            .args(rust.arguments("core"))
            .quiet()
            .run()?;
        let module = fs::read(&built).with_context(|| built.display().to_string())?;
        modules.insert(format!("{feature}.wasm"), module);
    }
    for feature in PLACED {
        let module = build_placed(workspace, &rust, &target, feature)?;
        modules.insert(format!("placed/{feature}.wasm"), module);
    }
    let prebuilt = workspace.root().join(PREBUILT);
    let described: BTreeMap<&str, Value> = modules
        .iter()
        .map(|(name, module)| {
            let facts = json!({ "size_bytes": module.len(), "sha256": sources::digest(module) });
            (name.as_str(), facts)
        })
        .collect();
    let manifest = json!({
        "donors": described,
        "sources_sha256": sources::hash(workspace.root(), &SOURCES)?,
        "tools": [rust.version(&workspace.shell()?)?],
    });
    fs::create_dir_all(prebuilt.join("placed"))?;
    for (name, module) in &modules {
        fs::write(prebuilt.join(name), module)?;
    }
    fs::write(prebuilt.join(MANIFEST), serde_json::to_string_pretty(&manifest)? + "\n")?;
    Ok(())
}

/// A heap as position-independent code: compiled to an archive, and linked as a side module.
fn build_placed(workspace: &Workspace, rust: &WasmRust, target: &Path, feature: &str) -> Result<Vec<u8>> {
    let sh = workspace.shell()?;
    sh.change_dir(workspace.root());
    rust.enter(&sh, &["-Ctarget-cpu=mvp", "-Crelocation-model=pic"])?;
    let target = target.join("placed");
    sh.set_var("CARGO_TARGET_DIR", &target);
    sh.change_dir(PACKAGE);
    let arguments = rust.arguments("core");
    let features = format!("{feature},placed");
    cmd!(sh, "cargo rustc --quiet --locked --release --no-default-features --features {features} --crate-type staticlib")
        .args(arguments)
        .quiet()
        .run()?;
    let archive = target.join("wasm32-unknown-unknown/release/libmemgrove_donor.a");
    let linked = target.join(format!("{feature}.wasm"));
    let linker = rust.linker();
    let exports = EXPORTS.iter().map(|name| format!("--export={name}"));
    let traps = TRAPS.iter().map(|name| format!("--export-if-defined=trap_{name}"));
    let exports: Vec<String> = exports.chain(["--export=memset".to_owned()]).chain(traps).collect();
    cmd!(sh, "{linker} --experimental-pic -shared --no-entry --strip-all --gc-sections {exports...} {archive} -o {linked}")
        .quiet()
        .run()?;
    fs::read(&linked).with_context(|| linked.display().to_string())
}

fn check(workspace: &Workspace) -> Result<()> {
    const HINT: &str = "hint: cargo xtask donors build";
    let prebuilt = workspace.root().join(PREBUILT);
    let manifest: Value = serde_json::from_slice(&fs::read(prebuilt.join(MANIFEST))?)?;
    if manifest["sources_sha256"] != sources::hash(workspace.root(), &SOURCES)? {
        bail!("the donors are older than their sources\n{HINT}");
    }
    let placed = PLACED.iter().map(|feature| format!("placed/{feature}.wasm"));
    let lazy = LAZY.iter().map(|feature| format!("{feature}.wasm"));
    for name in placed.chain(lazy) {
        if manifest["donors"][&name]["sha256"] != sources::digest(&fs::read(prebuilt.join(&name))?) {
            bail!("{PREBUILT}/{name} is not what was built\n{HINT}");
        }
    }
    println!("donors: built from the sources as they are");
    Ok(())
}
