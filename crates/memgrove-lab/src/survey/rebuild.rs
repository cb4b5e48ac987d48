//! Building every module that this machine's toolchains can make.
//!
//! Each module is put in place, with its manifest entry, as soon as it is made, by renaming a finished file: an
//! interrupted run leaves whole files and a manifest that tells the truth, and can simply be repeated.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{Entry, MANIFEST_FILE, Manifest};
use super::{ModuleFacts, ToolchainState};
use crate::toolchain::{
    Absence, BUILDING, BuildError, Driver, Optimised, RECIPES, Recipe, Tools, WasmOpt, build, toolchains,
};

/// What to build and where.
pub struct Rebuild<'a> {
    /// The samples' sources.
    pub samples: &'a Path,
    /// Where finished modules and their manifest go.
    pub modules: &'a Path,
    /// What compilers keep between builds.
    pub cache: &'a Path,
    /// Where programs are looked for.
    pub tools: &'a Tools,
    /// Writes a file whole or not at all. What it leaves beside it for a moment begins with [`UNFINISHED`].
    pub write: &'a dyn Fn(&Path, &[u8]) -> io::Result<()>,
}

/// One recipe's result.
#[derive(Debug)]
pub struct Rebuilt {
    /// What was to be made.
    pub recipe: &'static Recipe,
    /// The module and its record, or why there is none.
    pub result: Result<Made, Failure>,
}

/// Why a module was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Its toolchain cannot be used here.
    #[error(transparent)]
    Toolchain(#[from] Absence),
    /// The toolchain is here and failed; the text is its own words.
    #[error("{0}")]
    Build(String),
}

impl Failure {
    /// The toolchain is simply not installed; nothing is broken.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Toolchain(Absence::Missing(_)))
    }
}

/// A module built now.
#[derive(Debug, Clone)]
pub struct Made {
    /// The module.
    pub wasm: Vec<u8>,
    /// JavaScript made beside it.
    pub glue: Option<Vec<u8>>,
    /// Its record.
    pub entry: Entry,
}

/// Why nothing could be built at all.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// A folder or file cannot be written.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A manifest is there and is none.
    #[error("{path} is not a manifest: {error}")]
    Manifest {
        /// Which.
        path: PathBuf,
        /// Why.
        error: serde_json::Error,
    },
}

impl RebuildError {
    /// What to try.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { .. } => None,
            Self::Manifest { .. } => Some("remove it; the next run writes it again"),
        }
    }
}

/// Progress of a rebuild.
pub trait Progress {
    /// `recipe`, number `index` of `total`, is being built.
    fn building(&mut self, recipe: &Recipe, index: usize, total: usize);
    /// It is done.
    fn built(&mut self, rebuilt: &Rebuilt);
}

/// Says nothing.
impl Progress for () {
    fn building(&mut self, _: &Recipe, _: usize, _: usize) {}
    fn built(&mut self, _: &Rebuilt) {}
}

/// Builds all recipes whose toolchain is here; the others' results say why not.
///
/// # Errors
/// Only when results cannot be written: a toolchain that fails is a result.
pub fn rebuild(
    plan: &Rebuild<'_>,
    progress: &mut dyn Progress,
) -> Result<(Vec<ToolchainState>, Vec<Rebuilt>), RebuildError> {
    std::fs::create_dir_all(plan.modules).map_err(|error| io_at(plan.modules, error))?;
    sweep(plan.modules, UNFINISHED);
    sweep(plan.cache, BUILDING);
    let manifest_path = plan.modules.join(MANIFEST_FILE);
    let mut manifest = read_manifest(&manifest_path)?;
    let (states, drivers) = detect_all(plan.tools);
    let wasm_opt = WasmOpt::detect(plan.tools).ok();

    let mut all = Vec::new();
    for (index, recipe) in RECIPES.iter().enumerate() {
        progress.building(recipe, index, RECIPES.len());
        let result = match &drivers[recipe.toolchain] {
            Ok(driver) => make(plan, recipe, driver.as_ref(), wasm_opt.as_ref()),
            Err(absence) => Err(absence.clone().into()),
        };
        if let Ok(made) = &result {
            // The module first: an entry without its module would be a lie, a module without entry is a file.
            put(plan, &plan.modules.join(format!("{}.wasm", recipe.id)), &made.wasm)?;
            manifest.put(made.entry.clone());
            put(plan, &manifest_path, manifest_text(&manifest).as_bytes())?;
        }
        let rebuilt = Rebuilt { recipe, result };
        progress.built(&rebuilt);
        all.push(rebuilt);
    }
    Ok((states, all))
}

/// Looks for every toolchain, without building anything.
pub fn detect(tools: &Tools) -> Vec<ToolchainState> {
    detect_all(tools).0
}

type Drivers = BTreeMap<&'static str, Result<Box<dyn Driver>, Absence>>;

fn detect_all(tools: &Tools) -> (Vec<ToolchainState>, Drivers) {
    let mut drivers = Drivers::new();
    let states = toolchains()
        .iter()
        .map(|toolchain| {
            let found = toolchain.detect(tools);
            let state = ToolchainState {
                id: toolchain.id(),
                name: toolchain.name(),
                versions: found.as_ref().map(|driver| driver.versions()).unwrap_or_default(),
                absence: found.as_ref().err().map(ToString::to_string),
                install: toolchain.install(),
            };
            drivers.insert(toolchain.id(), found);
            state
        })
        .collect();
    (states, drivers)
}

fn make(
    plan: &Rebuild<'_>,
    recipe: &Recipe,
    driver: &dyn Driver,
    wasm_opt: Option<&WasmOpt>,
) -> Result<Made, Failure> {
    let built = build(driver, recipe, plan.tools, plan.samples, plan.cache).map_err(|error| match error {
        BuildError::Archive(absence) => Failure::Toolchain(absence),
        other => Failure::Build(other.to_string()),
    })?;
    let facts = memgrove_inspect::facts(&built.wasm).map_err(|error| {
        Failure::Build(format!("the toolchain left something that cannot be read: {error}"))
    })?;
    let facts = ModuleFacts::of(&memgrove_inspect::conclude(&facts));
    let optimised: Option<Optimised> = match wasm_opt {
        Some(wasm_opt) => {
            let optimised = wasm_opt.optimise(plan.tools, &built.wasm);
            Some(optimised.map_err(|error| Failure::Build(error.to_string()))?)
        }
        None => None,
    };
    let entry = Entry::new(recipe, &built, optimised.as_ref(), facts, plan.samples)
        .map_err(|error| Failure::Build(format!("the samples cannot be read: {error}")))?;
    Ok(Made { wasm: built.wasm, glue: built.glue, entry })
}

fn read_manifest(path: &Path) -> Result<Manifest, RebuildError> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|error| RebuildError::Manifest { path: path.to_owned(), error }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Manifest::default()),
        Err(error) => Err(io_at(path, error)),
    }
}

fn manifest_text(manifest: &Manifest) -> String {
    // A struct of strings and numbers always becomes JSON.
    let mut text = serde_json::to_string_pretty(manifest).unwrap_or_default();
    text.push('\n');
    text
}

/// How the name of a file begins that is not yet in its place: whoever writes for us names it so.
pub const UNFINISHED: &str = ".unfinished-";

/// Removes what a run that was killed could not. What cannot be removed is in nobody's way.
fn sweep(folder: &Path, prefix: &str) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            let _ = std::fs::remove_file(entry.path()).or_else(|_| std::fs::remove_dir_all(entry.path()));
        }
    }
}

fn put(plan: &Rebuild<'_>, path: &Path, bytes: &[u8]) -> Result<(), RebuildError> {
    (plan.write)(path, bytes).map_err(|error| io_at(path, error))
}

fn io_at(path: &Path, error: io::Error) -> RebuildError {
    RebuildError::Io { path: path.to_owned(), error }
}
