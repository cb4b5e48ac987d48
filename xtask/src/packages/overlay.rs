//! A program that uses `memgrove` by version, from the packages alone: a registry of files takes the place of the real one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;
use wasmparser::{Parser, Payload};
use xshell::cmd;

use crate::sources;
use crate::wasm_rust::WasmRust;
use crate::workspace::Workspace;

/// As a user writes it.
const MANIFEST: &str = r#"
[package]
name = "plain"
version = "0.0.0"
edition = "2024"

[lib]
crate-type = ["cdylib", "rlib"]

[dependencies]
memgrove = "0.1"

[workspace]
"#;

const PROGRAM: &str = r#"
#[global_allocator]
static HEAP: memgrove::Dlmalloc = memgrove::Dlmalloc::new();

#[unsafe(no_mangle)]
pub extern "C" fn sum(count: u32) -> u32 {
    let numbers: Vec<u32> = (0..count).collect();
    numbers.iter().sum()
}
"#;

const MAIN: &str = r#"
fn main() {
    assert_eq!(plain::sum(100), 4950);
    println!("{}", plain::sum(1000));
}
"#;

/// Builds and runs it natively, then for wasm32, where it must import nothing.
pub fn check(workspace: &Workspace, packages: &[PathBuf]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let project = folder.path().join("plain");
    fs::create_dir_all(project.join("src"))?;
    fs::create_dir_all(project.join(".cargo"))?;
    let registry = folder.path().join("registry");
    write_registry(workspace, packages, &registry)?;
    fs::write(project.join("Cargo.toml"), MANIFEST)?;
    fs::write(project.join("src/lib.rs"), PROGRAM)?;
    fs::write(project.join("src/main.rs"), MAIN)?;
    let replaced = format!(
        "[source.crates-io]\nreplace-with = 'packages'\n[source.packages]\nlocal-registry = '{}'\n",
        registry.display()
    );
    fs::write(project.join(".cargo/config.toml"), replaced)?;

    let sh = workspace.shell()?;
    sh.change_dir(&project);
    sh.set_var("CARGO_TARGET_DIR", workspace.out().join("target/plain"));
    // Cargo keeps what it unpacks of a registry, and each of these has another path.
    let home = folder.path().join("cargo-home");
    let said = cmd!(sh, "cargo run --quiet --offline").env("CARGO_HOME", home).quiet().read()?;
    if said != "499500" {
        bail!("a program that uses the package says {said}");
    }
    let Ok(rust) = WasmRust::find(&sh) else {
        println!(
            "skipped: no Rust compiler for wasm32, so the package was used natively only (cargo xtask setup)"
        );
        return Ok(());
    };
    // Where the compiler builds its standard library, that asks for crates of the real registry. So the version is met by
    // the unpacked package, in place of a registry.
    let package = packages.first().context("memgrove is published first")?;
    let package = unpack(workspace, package, folder.path())?;
    let patch = format!("[patch.crates-io]\nmemgrove.path = '{}'\n", package.display());
    fs::write(project.join(".cargo/config.toml"), patch)?;
    fs::remove_file(project.join("Cargo.lock"))?;
    // And without std it builds in seconds.
    let program = format!(
        "#![no_std]\nextern crate alloc;\nuse alloc::vec::Vec;\n{PROGRAM}\n\
         #[panic_handler]\nfn panic(_: &core::panic::PanicInfo<'_>) -> ! {{ core::arch::wasm32::unreachable() }}\n"
    );
    fs::write(project.join("src/lib.rs"), program)?;
    fs::remove_file(project.join("src/main.rs"))?;
    rust.enter(&sh, &[])?;
    cmd!(sh, "cargo build --quiet --offline --release").args(rust.arguments("core,alloc")).quiet().run()?;
    let module = workspace.out().join("target/plain/wasm32-unknown-unknown/release/plain.wasm");
    let imports = imports(&fs::read(&module).with_context(|| module.display().to_string())?)?;
    if imports > 0 {
        bail!("a module that uses the package has {imports} imports");
    }
    println!("packages: memgrove is used by version, natively and in a module without imports");
    Ok(())
}

/// A registry as cargo's `local-registry` reads it: packages, and an index with a line for each.
fn write_registry(workspace: &Workspace, packages: &[PathBuf], registry: &Path) -> Result<()> {
    let unpacked = registry.join("unpacked");
    fs::create_dir_all(&unpacked)?;
    for package in packages {
        let bytes = fs::read(package)?;
        fs::copy(package, registry.join(package.file_name().context("a package has a name")?))?;
        let folder = unpack(workspace, package, &unpacked)?;
        let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml"))?.parse()?;
        let line = index_line(&manifest, &sources::digest(&bytes))?;
        let name = manifest["package"]["name"].as_str().context("a package has a name")?;
        let place = registry.join("index").join(&name[..2]).join(&name[2..4]);
        fs::create_dir_all(&place)?;
        fs::write(place.join(name), line + "\n")?;
    }
    fs::remove_dir_all(unpacked)?;
    Ok(())
}

/// Unpacks a `.crate` file into a folder; returns the package's folder.
fn unpack(workspace: &Workspace, package: &Path, into: &Path) -> Result<PathBuf> {
    let sh = workspace.shell()?;
    cmd!(sh, "tar --extract --gzip --file {package} --directory {into}").quiet().run()?;
    let stem = package.file_stem().context("a package has a name")?;
    Ok(into.join(stem))
}

/// A package's line in the index, from the manifest in the package.
fn index_line(manifest: &toml::Table, checksum: &str) -> Result<String> {
    let package = &manifest["package"];
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
    let dependencies = dependencies.into_iter().flatten().map(|(name, value)| {
        json!({
            "name": name,
            "req": value["version"].as_str(),
            "features": value.get("features").cloned().unwrap_or(toml::Value::Array(Vec::new())),
            "optional": value.get("optional").and_then(toml::Value::as_bool).unwrap_or(false),
            "default_features": value.get("default-features").and_then(toml::Value::as_bool).unwrap_or(true),
            "target": null,
            "kind": "normal",
        })
    });
    let features =
        manifest.get("features").cloned().unwrap_or_else(|| toml::Value::Table(toml::Table::new()));
    Ok(serde_json::to_string(&json!({
        "v": 2,
        "name": package["name"],
        "vers": package["version"],
        "deps": dependencies.collect::<Vec<_>>(),
        "features": {},
        // The newer place of features, which may name `dep:…`.
        "features2": features,
        "cksum": checksum,
        "yanked": false,
        "rust_version": package.get("rust-version"),
    }))?)
}

fn imports(module: &[u8]) -> Result<u32> {
    let mut imports = 0;
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ImportSection(section) = payload? {
            imports += section.count();
        }
    }
    Ok(imports)
}
