//! Carrying out a plan: in a folder of its own, so that a failure or an interruption leaves nothing half-made.

use std::path::{Path, PathBuf};

use memgrove_rewrite::swap::{SwapError, To};

use super::archive::ArchiveMaker;
use super::{Absence, Driver, Recipe, StepError, Tools};

/// How the name of a build's temporary folder begins: one that a killed run left can be told by it.
pub const BUILDING: &str = "building-";

/// The folders of one build.
#[derive(Debug, Clone)]
pub struct Workplace {
    /// The samples; commands run here.
    pub samples: PathBuf,
    /// Where the build's files go; new and empty for every build.
    pub output: PathBuf,
    /// What compilers keep between builds.
    pub cache: PathBuf,
}

impl Workplace {
    /// The folders in which cargo keeps the sources of crates, one for each registry.
    pub(super) fn crate_sources(&self) -> Vec<PathBuf> {
        let cargo_home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        let Some(sources) = cargo_home.map(|home| home.join("registry/src")) else { return Vec::new() };
        let mut folders: Vec<PathBuf> = std::fs::read_dir(sources)
            .map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
            .unwrap_or_default();
        folders.sort();
        folders
    }

    /// The folder of memgrove's own crates.
    pub(super) fn crates(&self) -> PathBuf {
        self.samples.parent().unwrap_or(&self.samples).join("crates")
    }

    /// The places of this machine, longest first, and the names they go by in a record.
    fn names(&self) -> Vec<(PathBuf, &'static str)> {
        let mut names = vec![
            (self.output.clone(), "$OUT"),
            (self.cache.clone(), "$CACHE"),
            (self.samples.clone(), "$SAMPLES"),
            (self.crates(), "$MEMGROVE"),
        ];
        names.extend(self.crate_sources().into_iter().map(|folder| (folder, "$CRATES")));
        names.extend(std::env::home_dir().map(|home| (home, "$HOME")));
        names
    }
}

/// A module as its toolchain left it.
#[derive(Debug, Clone)]
pub struct Built {
    /// The module.
    pub wasm: Vec<u8>,
    /// The JavaScript made beside it.
    pub glue: Option<Vec<u8>>,
    /// The commands, without this machine's paths.
    pub commands: Vec<String>,
    /// What the tools say of themselves.
    pub tools: Vec<String>,
}

/// Why a module could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// It links one of our archives, and what makes those is not here.
    #[error(transparent)]
    Archive(Absence),
    /// It was built and keeps its allocator.
    #[error("its allocator cannot be swapped: {0}")]
    Swap(#[from] SwapError),
    /// It was built and cannot be fixed.
    #[error("memgrove fix: {0}")]
    Fix(#[from] memgrove_rewrite::Error),
    /// A command failed, in its own words.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The commands succeeded, and there is no module.
    #[error("the build left no readable module: {0}")]
    NoModule(std::io::Error),
    /// What they left is neither a module nor its text.
    #[error("the build left something that is not a module: {0}")]
    NotAModule(#[from] wat::Error),
    /// The folder for the build could not be made.
    #[error("cannot make a folder for the build: {0}")]
    Folder(std::io::Error),
}

/// Makes one module. Everything is written below a temporary folder in `cache`, which is gone afterwards.
///
/// # Errors
/// [`BuildError`]; the machine is then as it was before, but for compilers' caches.
pub fn build(
    driver: &dyn Driver,
    recipe: &Recipe,
    tools: &Tools,
    samples: &Path,
    cache: &Path,
) -> Result<Built, BuildError> {
    std::fs::create_dir_all(cache).map_err(BuildError::Folder)?;
    let output = tempfile::Builder::new()
        .prefix(&format!("{BUILDING}{}-", recipe.id))
        .tempdir_in(cache)
        .map_err(BuildError::Folder)?;
    let place = Workplace { samples: samples.into(), output: output.path().into(), cache: cache.into() };
    let plan = driver.plan(recipe, &place);
    let mut versions = driver.versions();
    let mut steps = plan.steps;
    if let Some(archive) = recipe.archive {
        let maker = ArchiveMaker::find(tools).map_err(BuildError::Archive)?;
        steps.insert(0, maker.step(archive, &place));
        versions.push(maker.version().to_owned());
    }
    for step in &steps {
        tools.run(step, samples)?;
    }
    let module = std::fs::read(&plan.module).map_err(BuildError::NoModule)?;
    let glue = match &plan.glue {
        Some(path) => Some(std::fs::read(path).map_err(BuildError::NoModule)?),
        None => None,
    };
    let names = place.names();
    let names: Vec<(&Path, &str)> = names.iter().map(|(path, name)| (path.as_path(), *name)).collect();
    let mut commands: Vec<String> = steps.iter().map(|step| step.describe(&names)).collect();
    if commands.is_empty() {
        let source = plan.module.strip_prefix(samples).unwrap_or(&plan.module);
        commands.push(format!("assembled from {}", source.display()));
    }
    // Passes a binary module on as it is, and assembles text.
    let mut wasm = wat::parse_bytes(&module)?.into_owned();
    if recipe.fixed || recipe.swapped.is_some() {
        let memgrove = format!("memgrove {}", env!("CARGO_PKG_VERSION"));
        if !versions.contains(&memgrove) {
            versions.push(memgrove);
        }
    }
    if let Some(to) = recipe.swapped {
        wasm = swapped(&wasm, to)?;
        commands.push(format!("memgrove swap $OUT/module.wasm --to {} -o $OUT/swapped.wasm", to.name()));
    }
    if !recipe.fixed {
        return Ok(Built { wasm, glue, commands, tools: versions });
    }
    wasm = memgrove_rewrite::fix(&wasm, &memgrove_rewrite::Options::default())?.wasm;
    commands.push("memgrove fix $OUT/module.wasm -o $OUT/fixed.wasm".to_owned());
    // It needs no JavaScript any more.
    Ok(Built { wasm, glue: None, commands, tools: versions })
}

/// The module with another heap in the place of its allocator.
fn swapped(wasm: &[u8], to: To) -> Result<Vec<u8>, BuildError> {
    let facts = memgrove_inspect::facts(wasm).map_err(memgrove_rewrite::Error::from)?;
    let options = memgrove_verify::swap::options_for(&facts, to).map_err(SwapError::from)?;
    Ok(memgrove_rewrite::swap::swap(&facts, &options)?.wasm)
}
