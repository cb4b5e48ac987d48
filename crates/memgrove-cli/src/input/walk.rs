//! Files and folders, in an order that does not depend on the machine.

use std::fs::{self, File};
use std::io::{Cursor, Read};
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
    /// Whether one of the arguments is a folder or an archive.
    pub(crate) folders: bool,
    /// Folders that could not be read, with the reason.
    pub(crate) unreadable: Vec<(PathBuf, std::io::Error)>,
}

/// Looks into folders, at any depth; symbolic links inside a folder are not followed, so that every file
/// is met once.
///
/// A file that is named itself is taken whatever it is; one in a folder only if its first bytes are those of
/// a module, a component, the text format, or one of these compressed, or if it is an archive, a script or a page with a
/// module inside. Of these no more than `max_bytes` are read.
pub(crate) fn walk(paths: &[PathBuf], max_bytes: u64) -> Found {
    let mut found = Found::default();
    for path in paths {
        if path.as_os_str() == "-" {
            found.sources.push(Source::Stdin);
        } else if path.is_dir() {
            found.folders = true;
            walk_folder(path, max_bytes, &mut found);
        } else {
            // A pipe would lose what is looked at. What cannot be read will say so when it is its turn.
            found.folders |=
                path.is_file() && head(path).is_ok_and(|(head, _)| memgrove_open::is_archive(&head));
            found.sources.push(Source::File(path.clone()));
        }
    }
    found
}

fn walk_folder(folder: &Path, max_bytes: u64, found: &mut Found) {
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
            match holds_wasm(&path, max_bytes) {
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

/// The first bytes of a file, and the file behind them.
fn head(path: &Path) -> std::io::Result<(Vec<u8>, File)> {
    let mut head = Vec::new();
    let mut file = File::open(path)?;
    (&mut file).take(PEEK_BYTES).read_to_end(&mut head)?;
    Ok((head, file))
}

fn holds_wasm(path: &Path, max_bytes: u64) -> std::io::Result<bool> {
    let (head, file) = head(path)?;
    let name = path.to_string_lossy();
    if !memgrove_open::is_archive(&head) && !memgrove_open::may_inline(&name, &head) {
        return Ok(memgrove_open::holds_wasm(&head));
    }
    let Ok(bytes) = memgrove_open::read_at_most(Cursor::new(head).chain(file), max_bytes) else {
        return Ok(false);
    };
    Ok(memgrove_open::binaries(bytes, &name, max_bytes).is_ok())
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
        write("d.js", b"load('AGFzbQEAAAA=')");
        write("e.js", b"load('nothing')");
        let found = walk(&[folder.path().to_owned()], 1000);
        let names: Vec<_> = found
            .sources
            .iter()
            .map(|source| source.name().rsplit('/').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(names, ["a.wasm", "inner.bin", "c.dat", "d.js"]);
        assert_eq!(found.skipped, 2);
        assert!(found.folders);
    }

    #[cfg(unix)]
    #[test]
    fn links_inside_a_folder_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        assert!(walk(&[folder.path().to_owned()], 1000).sources.is_empty());
    }
}
