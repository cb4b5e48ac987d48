//! Paths of the program, which lead to files of the folder and to no others.

use std::collections::VecDeque;
use std::path::{Component, Path, PathBuf};

use super::errno::Errno;

/// Links followed on one way, as Linux does.
const MOST_LINKS: usize = 40;

/// The file of `root`, a path without links, that `path` names. Links on the way are followed, and one at its end if
/// `follows`; what it names need not be there.
pub(super) fn resolve(root: &Path, path: &str, follows: bool) -> Result<PathBuf, Errno> {
    if path.is_empty() {
        return Err(Errno::NOENT);
    }
    let mut open = parts(Path::new(path))?;
    let mut inside = PathBuf::new();
    let mut links = 0;
    while let Some(part) = open.pop_front() {
        if part == ".." {
            // Above the folder there is nothing.
            if !inside.pop() {
                return Err(Errno::NOTCAPABLE);
            }
            continue;
        }
        let next = root.join(&inside).join(&part);
        let is_link = next.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_symlink());
        if is_link && (follows || !open.is_empty()) {
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::LOOP);
            }
            let mut target = parts(&next.read_link()?)?;
            target.append(&mut open);
            open = target;
        } else {
            inside.push(part);
        }
    }
    Ok(root.join(inside))
}

/// The names that a path consists of, with `..`. None leads elsewhere by itself.
fn parts(path: &Path) -> Result<VecDeque<String>, Errno> {
    let mut parts = VecDeque::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => {
                let name = name.to_str().ok_or(Errno::ILSEQ)?;
                // On Windows, a stream of a file; nowhere a name.
                if name.contains('\0') || cfg!(windows) && name.contains(':') {
                    return Err(Errno::INVAL);
                }
                parts.push_back(name.to_owned());
            }
            Component::CurDir => {}
            Component::ParentDir => parts.push_back("..".to_owned()),
            Component::RootDir | Component::Prefix(_) => return Err(Errno::NOTCAPABLE),
        }
    }
    Ok(parts)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_path_leads_out() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        let root = root.canonicalize().unwrap();
        std::fs::write(outside.path().join("secret"), "no").unwrap();
        symlink("../secret", root.join("up")).unwrap();
        symlink(outside.path().join("secret"), root.join("absolute")).unwrap();
        symlink("../..", root.join("a/out")).unwrap();
        symlink("b", root.join("a/in")).unwrap();
        symlink("again", root.join("again")).unwrap();
        let found = |path: &str| resolve(&root, path, true);
        for path in [
            "..",
            "a/../..",
            "a/../../secret",
            "/etc/passwd",
            "up",
            "absolute",
            "a/out/secret",
            "a/in/../../../x",
        ] {
            assert_eq!(found(path), Err(Errno::NOTCAPABLE), "{path}");
        }
        assert_eq!(found("again"), Err(Errno::LOOP));
        assert_eq!(found("a\0b"), Err(Errno::INVAL));
        assert_eq!(found(""), Err(Errno::NOENT));
        assert_eq!(found("a/in/new"), Ok(root.join("a/b/new")));
        assert_eq!(found("./a//b/../c"), Ok(root.join("a/c")));
        assert_eq!(found("."), Ok(root.clone()));
        // The link itself, not what it leads to.
        assert_eq!(resolve(&root, "up", false), Ok(root.join("up")));
    }
}
