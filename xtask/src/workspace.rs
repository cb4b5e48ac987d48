//! Where the checkout is, and a shell that finds the tools that set-up put into it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

/// The checkout that this binary was built from.
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds the root from the manifest folder that cargo names at build time or at run time.
    pub fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest.parent().context("xtask lies in the workspace's root")?.to_path_buf();
        Ok(Self { root })
    }

    /// The workspace's root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The `memgrove` command as the workspace's tests use it: `cargo run` alone resolves other features, and would
    /// compile the engines a second time. Beside it lies the example that writes the page of questions. One test must be
    /// named: without one, cargo leaves out the features that tests ask for.
    pub fn memgrove(&self, sh: &Shell) -> Result<PathBuf> {
        cmd!(sh, "cargo build --quiet --locked --workspace --bin memgrove --example questions --test cli")
            .run()?;
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from);
        Ok(target.join("debug/memgrove"))
    }

    /// Git-ignored folder for all that tasks download or make.
    pub fn out(&self) -> PathBuf {
        self.root.join("out")
    }

    /// Folder of the npm tools that set-up installs.
    pub fn npm_tools(&self) -> PathBuf {
        self.out().join("tools")
    }

    /// Folder of the Python tools that set-up installs.
    pub fn python_tools(&self) -> PathBuf {
        self.out().join("tools/python")
    }

    /// A shell in the root whose children find the installed tools: npm's on `PATH`, Python's on `PYTHONPATH`.
    pub fn shell(&self) -> Result<Shell> {
        let sh = Shell::new()?;
        sh.change_dir(&self.root);
        let mut path = vec![self.npm_tools().join("node_modules/.bin")];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        sh.set_var("PATH", env::join_paths(path)?);
        let mut python = vec![self.python_tools()];
        python.extend(env::split_paths(&env::var_os("PYTHONPATH").unwrap_or_default()));
        sh.set_var("PYTHONPATH", env::join_paths(python)?);
        Ok(sh)
    }
}

/// Installs npm packages into a folder, without running what they bring, and without a trace in the project that it lies in.
pub fn npm_install(sh: &Shell, folder: &Path, packages: &[impl AsRef<str>]) -> Result<()> {
    sh.create_dir(folder)?;
    let packages = packages.iter().map(AsRef::as_ref);
    let quiet = ["--silent", "--no-audit", "--no-fund"];
    Ok(cmd!(sh, "npm install {quiet...} --no-save --ignore-scripts --prefix {folder} {packages...}").run()?)
}

/// The files of a folder by name; none if it is not there.
pub fn folder(path: &Path) -> Result<BTreeMap<OsString, Vec<u8>>> {
    if !path.is_dir() {
        return Ok(BTreeMap::new());
    }
    let read = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name(), fs::read(entry.path())?))
    };
    fs::read_dir(path)?.map(read).collect()
}
