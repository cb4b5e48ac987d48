//! Embeds the modules of `samples/prebuilt` and `guests/prebuilt`, so that a survey or a measurement needs no
//! file beside the command.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root =
        Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("../..").canonicalize()?;
    guests(&root.join("guests/prebuilt"))?;
    let folder = root.join("samples/prebuilt");
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

/// `guests.rs`: the manifest's text and the compressed guests by file name.
fn guests(folder: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut packed: Vec<_> = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "zst"))
        .collect();
    packed.sort();
    let manifest = folder.join("manifest.json");
    println!("cargo::rerun-if-changed={}", manifest.display());
    let mut code =
        format!("const MANIFEST: &str = include_str!({manifest:?});\nconst GUESTS: &[(&str, &[u8])] = &[\n");
    for path in &packed {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(code, "    ({name:?}, include_bytes!({path:?})),").map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("guests.rs"), code)
}
