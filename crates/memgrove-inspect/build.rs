//! Lists the files of `knowledge/` that are about more than imports and embeds them: a new one needs no line anywhere else.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

#[path = "src/knowledge/fnv.rs"]
mod fnv;

fn main() -> io::Result<()> {
    let folder = |name: &str| env::var(name).map(PathBuf::from).map_err(io::Error::other);
    let root = knowledge(&folder("CARGO_MANIFEST_DIR")?)?;
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();

    let library = root.join("fingerprints/library.bin");
    let mut version = fnv::OFFSET;
    for path in files.iter().chain([&library]) {
        version = fnv::fnv(version, &fs::read(path)?);
    }

    let mut code = "const FILES: &[(&str, &str)] = &[\n".to_owned();
    // The table of known imports is read by memgrove-module, which recognises them.
    files.retain(|path| path.file_name().is_none_or(|name| name != "imports.toml"));
    for path in &files {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.strip_prefix(&root).map_err(io::Error::other)?.to_string_lossy().replace('\\', "/");
        writeln!(code, "    ({name:?}, include_str!({path:?})),").map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    println!("cargo::rerun-if-changed={}", root.join("imports.toml").display());
    writeln!(
        code,
        "/// A hash of all knowledge, imports and fingerprints included.\nconst VERSION: u64 = {version:#x};"
    )
    .map_err(io::Error::other)?;
    println!("cargo::rerun-if-changed={}", library.display());
    writeln!(code, "/// The library of known allocators, encoded.\npub(crate) static FINGERPRINTS: &[u8] = include_bytes!({library:?});")
        .map_err(io::Error::other)?;
    fs::write(folder("OUT_DIR")?.join("knowledge.rs"), code)
}

/// The folder `knowledge`: in a package the crate's own; in a checkout that is a symbolic link, which not every system makes.
fn knowledge(manifest: &Path) -> io::Result<PathBuf> {
    let own = manifest.join("knowledge");
    if own.is_dir() { own } else { manifest.join("../../knowledge") }.canonicalize()
}

/// The TOML files of a folder, at any depth.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    Ok(())
}
