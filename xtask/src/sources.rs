//! Hashes of sources, by which one knows whether what was built from them is as they are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use sha2::{Digest, Sha256};

/// Hash of the sources in these folders, by path and content.
pub fn hash(root: &Path, folders: &[&str]) -> Result<String> {
    let mut files = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let name = file.strip_prefix(root)?.to_string_lossy().into_owned();
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(fs::read(&file)?);
        hash.update([0]);
    }
    Ok(hex(&hash.finalize()))
}

/// Hash of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["prebuilt", "target", "traces", "tests"].contains(&name.as_str()) {
                collect(&path, files)?;
            }
        } else if [".rs", ".toml", ".lock", ".c"].iter().any(|end| name.ends_with(end)) {
            files.push(path);
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_follows_sources_and_not_what_is_built() {
        const FOLDERS: [&str; 2] = ["guests", "crates/memgrove/src"];
        let root = tempfile::tempdir().unwrap();
        for folder in ["guests/prebuilt", "crates/memgrove/src"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let hash = || hash(root.path(), &FOLDERS).unwrap();
        let empty = hash();
        fs::write(root.path().join("guests/prebuilt/manifest.toml"), "x").unwrap();
        fs::write(root.path().join("guests/notes.md"), "x").unwrap();
        assert_eq!(hash(), empty);
        fs::write(root.path().join("crates/memgrove/src/lib.rs"), "x").unwrap();
        assert_ne!(hash(), empty);
    }
}
