//! Files and folders, in an order that does not depend on the machine.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Source;

/// How much of a file is looked at to see whether it holds WebAssembly.
const PEEK_BYTES: u64 = 4096;

/// What the arguments of the command line stand for.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What is to be read, in the order of the arguments and sorted within a folder.
    pub(crate) sources: Vec<Source>,
    /// Files in folders that hold no WebAssembly.
    pub(crate) skipped: u64,
    /// Whether one of the arguments is a folder.
    pub(crate) folders: bool,
    /// Folders that could not be read, with the reason.
    pub(crate) unreadable: Vec<(PathBuf, std::io::Error)>,
}

/// Looks into folders, at any depth; symbolic links inside a folder are not followed, so that every file
/// is met once.
///
/// A file that is named itself is taken whatever it is; one in a folder only if its first bytes are those of
/// a module, a component, the text format, or one of these compressed.
pub(crate) fn walk(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for path in paths {
        if path.as_os_str() == "-" {
            found.sources.push(Source::Stdin);
        } else if path.is_dir() {
            found.folders = true;
            walk_folder(path, &mut found);
        } else {
            found.sources.push(Source::File(path.clone()));
        }
    }
    found
}

fn walk_folder(folder: &Path, found: &mut Found) {
    // A stack of its own instead of recursion: folders can be nested deeper than the call stack.
    let mut pending = vec![folder.to_owned()];
    while let Some(path) = pending.pop() {
        let Ok(kind) = path.symlink_metadata().map(|metadata| metadata.file_type()) else { continue };
        let is_root = path == folder;
        if kind.is_dir() || (is_root && kind.is_symlink()) {
            match entries(&path) {
                Ok(entries) => pending.extend(entries),
                Err(error) => found.unreadable.push((path, error)),
            }
        } else if kind.is_file() {
            // A file that cannot be opened is not silently none of ours: reading it will say why.
            match holds_wasm(&path) {
                Ok(true) | Err(_) => found.sources.push(Source::File(path)),
                Ok(false) => found.skipped += 1,
            }
        }
    }
}

/// The entries of a folder, last name first: they are taken from the end.
fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut entries =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_unstable_by(|a, b| b.cmp(a));
    Ok(entries)
}

fn holds_wasm(path: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(PEEK_BYTES).read_to_end(&mut head)?;
    Ok(memgrove_open::holds_wasm(&head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_sorted_and_files_go_by_their_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        write("b/inner.bin", b"\0asm\x01\0\0\0");
        write("c.dat", b"  ;; text\n(module)");
        write("a.wasm", b"\0asm\x01\0\0\0");
        write("readme.wasm", b"not a module");
        let found = walk(&[folder.path().to_owned()]);
        let names: Vec<_> = found
            .sources
            .iter()
            .map(|source| source.name().rsplit('/').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(names, ["a.wasm", "inner.bin", "c.dat"]);
        assert_eq!(found.skipped, 1);
        assert!(found.folders);
    }

    #[cfg(unix)]
    #[test]
    fn links_inside_a_folder_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        assert!(walk(&[folder.path().to_owned()]).sources.is_empty());
    }
}
