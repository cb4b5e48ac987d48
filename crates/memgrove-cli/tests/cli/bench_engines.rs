//! Engines that `bench` times on and that a machine may lack.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::memgrove;

/// What `bench` says on standard error, with status 1, when it is to time on PyPI's wasmtime and cannot.
fn refused(folder: &Path, variable: &str, value: &Path) -> String {
    let done = memgrove(folder)
        .args(["bench", "--engine", "wasmtime-py", "--rounds", "3", "--workloads", "lifo"])
        .env(variable, value)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{words}");
    assert!(words.starts_with("error: wasmtime-py is not available: "), "{words}");
    assert!(words.contains("\nhint: in a virtual environment"), "{words}");
    assert!(words.contains("`pip install wasmtime=="), "{words}");
    words
}

#[test]
fn without_python_it_says_how_to_get_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let words = refused(folder.path(), "PATH", folder.path());
    assert!(words.contains("cannot be started"), "{words}");
}

/// Where it is not asked for it is left out with a line, and nothing else fails.
#[test]
fn what_is_missing_is_left_out_of_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let done = memgrove(folder.path())
        .args(["bench", "--rounds", "1", "--workloads", "none-such"])
        .env("PATH", folder.path())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&done.stderr).into_owned();
    for engine in ["node", "wasmtime-py"] {
        assert!(words.contains(&format!("skipped: {engine} is not available: ")), "{words}");
    }
    assert!(words.contains("no workload `none-such`"), "{words}");
}

/// An older package is none, and what lies in the folder that somebody is in is not imported.
#[test]
#[expect(clippy::print_stderr, reason = "a test says what it left out")]
fn an_old_package_is_refused_and_the_folder_is_not_searched() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: no Python");
        return;
    }
    let (folder, packages) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = |name: &str, text: &str| {
        let path = packages.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("wasmtime/__init__.py", "");
    write("wasmtime/_ffi.py", "");
    write("wasmtime-30.0.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: wasmtime\nVersion: 30.0.0\n");
    for module in ["json", "struct", "wasmtime"] {
        fs::write(folder.path().join(format!("{module}.py")), "open('ran', 'w').close()\n").unwrap();
    }
    let words = refused(folder.path(), "PYTHONPATH", packages.path());
    assert!(words.contains("the package wasmtime is 30.0.0, older than 50"), "{words}");
    assert!(!folder.path().join("ran").exists(), "a file of the folder was imported");
}
