//! Embeds the modules of `samples/prebuilt` and `guests/prebuilt`, so that a survey or a measurement needs no
//! file beside the command.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    guests(&prebuilt(&manifest, "guests")?)?;
    engine_versions(&manifest)?;
    let folder = prebuilt(&manifest, "samples")?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut modules: Vec<_> = fs::read_dir(&folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    modules.sort();

    let mut code = format!(
        "const MANIFEST: &str = include_str!({:?});\nconst MODULES: &[(&str, &[u8])] = &[\n",
        folder.join("manifest.json")
    );
    for module in &modules {
        println!("cargo::rerun-if-changed={}", module.display());
        let id = module.file_stem().unwrap_or_default().to_string_lossy();
        writeln!(code, "    ({id:?}, include_bytes!({module:?})),").map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("prebuilt.rs"), code)
}

/// A folder of modules: in a package the crate's own; in a checkout that is a symbolic link, which not every system makes.
fn prebuilt(manifest: &Path, of: &str) -> io::Result<PathBuf> {
    let own = manifest.join("prebuilt").join(of);
    if own.is_dir() { own } else { manifest.join("../..").join(of).join("prebuilt") }.canonicalize()
}

/// `versions.rs`: the versions of the engines' crates, which do not tell them at run time. In a checkout they are those of the
/// lock file. A package is built with whatever its requirement allows, so the requirement is all that is known.
fn engine_versions(manifest: &Path) -> io::Result<()> {
    let lock = manifest.join("../../Cargo.lock");
    let is_checkout = manifest.join("../../crates/memgrove-lab/Cargo.toml").is_file();
    let path = if is_checkout { lock } else { manifest.join("Cargo.toml") };
    println!("cargo::rerun-if-changed={}", path.display());
    let text = fs::read_to_string(&path)?;
    let mut code = String::new();
    for engine in ["wasmtime", "wasmi"] {
        let version = if is_checkout {
            let heading = format!("[[package]]\nname = \"{engine}\"\n");
            version_below(&text.replace("\r\n", "\n"), &heading).map(str::to_owned)
        } else {
            version_below(&text, &format!("[dependencies.{engine}]\n")).map(|version| format!("{version}.x"))
        };
        let version = version.unwrap_or_else(|| "unknown".to_owned());
        writeln!(code, "pub(super) const {}: &str = {version:?};", engine.to_uppercase())
            .map_err(io::Error::other)?;
    }
    fs::write(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("versions.rs"), code)
}

/// The `version` in the first line below a heading.
fn version_below<'t>(text: &'t str, heading: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(heading)?;
    rest.lines().next()?.strip_prefix("version = \"")?.strip_suffix('"')
}

/// `guests.rs`: the manifest's text and the guests, compressed as one.
fn guests(folder: &Path) -> io::Result<()> {
    // The name is `memgrove_results::guest::PACKED`, which a test compares.
    let (manifest, packed) = (folder.join("manifest.json"), folder.join("guests.zst"));
    println!("cargo::rerun-if-changed={}", manifest.display());
    println!("cargo::rerun-if-changed={}", packed.display());
    let code = format!(
        "const MANIFEST: &str = include_str!({manifest:?});\nstatic GUESTS: &[u8] = include_bytes!({packed:?});\n"
    );
    fs::write(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("guests.rs"), code)
}
