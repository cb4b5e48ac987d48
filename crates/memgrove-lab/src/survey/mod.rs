//! `memgrove survey`: which toolchain, with which allocator, makes the most portable module?
//!
//! ```text
//! prebuilt() or rebuild() ──▶ modules ──▶ inspect, try on each engine ──▶ rows ──▶ rank ──▶ conclude
//! ```
//!
//! Every "runs" in a row was run. The conclusion is computed from the rows.

mod glue;
mod host;
mod manifest;
mod prebuilt;
mod rebuild;
mod trial;

use memgrove_inspect::Knowledge;
use memgrove_inspect::report::Report;
use rayon::prelude::*;

pub use manifest::{Entry, MANIFEST_FILE, Manifest, hash_sources, source_files};
pub use memgrove_results::survey::{
    Conclusion, EngineState, EngineTrial, HostVerdict, MemoryFacts, Module, ModuleFacts, Origin, Row, RunsAs,
    SCHEMA_VERSION, Stopper, Survey, ToolchainState, Trial, conclude, rank,
};
pub use prebuilt::{Prebuilt, PrebuiltError, prebuilt};
pub use rebuild::{Failure, Made, Progress, Rebuild, RebuildError, Rebuilt, UNFINISHED, detect, rebuild};
pub use trial::{Candidate, Engines};

use crate::toolchain::{Recipe, toolchain};

/// A module on its way to becoming a row.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What it is.
    pub recipe: &'static Recipe,
    /// Where it comes from.
    pub origin: Origin,
    /// The module and its record, where there is one.
    pub found: Option<Found>,
}

/// A module and its record.
#[derive(Debug, Clone)]
pub struct Found {
    /// The module.
    pub wasm: Vec<u8>,
    /// JavaScript made beside it.
    pub glue: Option<Vec<u8>>,
    /// Its record.
    pub entry: Entry,
}

/// The shipped modules as subjects.
///
/// # Errors
/// When the embedded manifest cannot be read.
pub fn prebuilt_subjects() -> Result<Vec<Subject>, PrebuiltError> {
    Ok(prebuilt()?.into_iter().map(|module| prebuilt_subject(module, None)).collect())
}

/// What was built as subjects, each that was not with its shipped module standing in.
///
/// # Errors
/// When the embedded manifest cannot be read.
pub fn rebuilt_subjects(all: Vec<Rebuilt>) -> Result<Vec<Subject>, PrebuiltError> {
    let mut shipped = prebuilt()?;
    let subjects = all.into_iter().map(|Rebuilt { recipe, result }| match result {
        Ok(Made { wasm, glue, entry }) => Subject {
            recipe,
            origin: Origin::Built { tools: entry.tools.clone(), commands: entry.commands.clone() },
            found: Some(Found { wasm, glue, entry }),
        },
        Err(failure) => match shipped.iter().position(|module| module.recipe.id == recipe.id) {
            Some(at) => prebuilt_subject(shipped.swap_remove(at), Some(failure.to_string())),
            None => Subject { recipe, origin: Origin::None { because: failure.to_string() }, found: None },
        },
    });
    Ok(subjects.collect())
}

fn prebuilt_subject(module: Prebuilt, because: Option<String>) -> Subject {
    let Prebuilt { recipe, entry, wasm } = module;
    Subject {
        recipe,
        origin: Origin::Prebuilt { tools: entry.tools.clone(), commands: entry.commands.clone(), because },
        found: Some(Found { wasm: wasm.to_vec(), glue: None, entry }),
    }
}

/// Inspects and tries every subject, ranks the rows and draws the conclusion.
pub fn survey(subjects: &[Subject], engines: &Engines, toolchains: Vec<ToolchainState>) -> Survey {
    let mut rows: Vec<Row> = subjects.par_iter().map(|subject| row(subject, engines)).collect();
    rank(&mut rows);
    let engines = engines.states();
    let conclusion = conclude(&rows, &engines);
    Survey {
        schema_version: SCHEMA_VERSION,
        memgrove: env!("CARGO_PKG_VERSION"),
        engines,
        toolchains,
        rows,
        conclusion,
    }
}

fn row(subject: &Subject, engines: &Engines) -> Row {
    let recipe = subject.recipe;
    Row {
        id: recipe.id.into(),
        program: recipe.program,
        toolchain: recipe.toolchain.into(),
        toolchain_name: toolchain(recipe.toolchain).map_or(recipe.toolchain, |known| known.name()).into(),
        variant: recipe.variant.into(),
        allocator: recipe.allocator.into(),
        made_for: recipe.contract,
        handmade: recipe.is_handmade(),
        fixed: recipe.fixed,
        origin: subject.origin.clone(),
        module: subject.found.as_ref().and_then(|found| module(recipe, found, engines)),
    }
}

/// `None` when the module cannot be read, which its maker has reported already.
fn module(recipe: &Recipe, found: &Found, engines: &Engines) -> Option<Module> {
    let facts = memgrove_inspect::facts(&found.wasm).ok()?;
    let report: Report = memgrove_inspect::conclude(&facts);
    let candidate = Candidate {
        wasm: &found.wasm,
        program: recipe.program,
        contract: recipe.contract,
        glue: found.glue.as_deref(),
    };
    Some(Module {
        size_bytes: found.entry.size_bytes,
        optimised_bytes: found.entry.optimised_bytes,
        optimiser: found.entry.optimiser.clone(),
        facts: ModuleFacts::of(&report),
        grower: report.memory.growth.value.as_ref().map(|growth| growth.who),
        verdicts: verdicts(&report),
        trials: engines.try_module(&candidate),
    })
}

fn verdicts(report: &Report) -> Vec<HostVerdict> {
    let known = Knowledge::builtin();
    let verdicts = report.verdicts.iter();
    verdicts
        .filter_map(|verdict| Some(HostVerdict::of(report, verdict, known.host(&verdict.host)?)))
        .collect()
}
