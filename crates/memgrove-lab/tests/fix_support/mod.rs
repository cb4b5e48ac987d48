//! What the tests of fixed modules share.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The modules in a folder of the repository as `(name, bytes)`; none if it is not there.
pub fn modules_in(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut modules: Vec<_> = fs::read_dir(root().join(folder))
        .into_iter()
        .flatten()
        .map_while(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (name, fs::read(&path).expect("a readable module"))
        })
        .collect();
    modules.sort();
    modules
}

/// The corpus as `(id, bytes)`, or `None` (said on standard error) if it is not there.
pub fn corpus() -> Option<Vec<(String, Vec<u8>)>> {
    let modules = modules_in("out/corpus");
    if modules.is_empty() {
        say("skipped: no corpus; `cargo xtask corpus fetch` gets it");
        return None;
    }
    Some(modules)
}

/// Says something in the test's output.
#[expect(clippy::print_stderr, reason = "a test's output is for people")]
pub fn say(text: &str) {
    eprintln!("{text}");
}

/// Fetches a package with npm, once, without running anything of it.
pub fn fetch(package: &str) -> Result<PathBuf, String> {
    let all = root().join("out/npm");
    let folder = all.join(package.replace(['/', '@'], "_"));
    if folder.exists() {
        return Ok(folder);
    }
    fs::create_dir_all(&all).map_err(|error| error.to_string())?;
    // Tests fetch side by side, and may be stopped: a package's folder appears whole or not at all.
    let unpacked =
        tempfile::Builder::new().prefix(".unpacked-").tempdir_in(&all).map_err(|error| error.to_string())?;
    let run = |program: &str, arguments: &[&str]| {
        let output = std::process::Command::new(program)
            .args(arguments)
            .current_dir(unpacked.path())
            .output()
            .map_err(|error| format!("{program}: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(format!("{program} failed: {:.200}", String::from_utf8_lossy(&output.stderr)))
        }
    };
    let archive = run("npm", &["pack", "--silent", "--ignore-scripts", package])?;
    let archive = archive.lines().last().unwrap_or_default().to_owned();
    run("tar", &["-xzf", &archive, "--strip-components=1", "--no-same-owner"])?;
    fs::remove_file(unpacked.path().join(&archive)).map_err(|error| error.to_string())?;
    let unpacked = unpacked.keep();
    if let Err(error) = fs::rename(&unpacked, &folder) {
        let _ = fs::remove_dir_all(&unpacked);
        // Another test was faster.
        if !folder.exists() {
            return Err(error.to_string());
        }
    }
    Ok(folder)
}
