//! Measuring allocators beside each other.
//!
//! ```text
//! Catalogue (guests) --choose--> Plan --run--> Results (JSON) --export--> table, HTML, Markdown
//!                                       count: fuel, calls, bytes    every allocator x workload, wasmtime
//!                                       calls: the dearest one       every allocator x workload, wasmtime
//!                                       wall:  cold and warm         in rounds, each engine
//!                                       threads: apart, passing      in rounds, each engine that has them
//! ```
//!
//! What is deterministic is counted first, and decides; wall time confirms.

pub mod advise;
pub mod catalogue;
pub mod count;
pub mod lock;
pub mod saved;
pub mod subject;
pub mod threads;
pub mod traces;
pub mod wall;

mod clock;
mod dearest;
mod failed;
mod machine;
mod phases;
mod repeat;
mod replayer;
mod weight;

use std::path::PathBuf;

use crate::engine::{EngineError, EngineId, Settings, open};
use crate::guest::{Role, STANDARD_SCALE, WorkloadInfo, WorkloadKind};
use catalogue::{BASE, Catalogue, CatalogueError, unknown};
use failure::Failure;
use results::{Allocator, EngineVersion, Setting};
use saved::ResultsError;
use subject::{Task, Work};

pub use machine::machine;
pub use memgrove_results::bench::{failure, results, stats, summary};
pub use phases::{Save, run};
pub use traces::{Trace, TraceError};
pub use weight::brotli_bytes;

/// What the user asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Names of allocators or groups; none means all.
    pub allocators: Vec<String>,
    /// Names of workloads; none means all.
    pub workloads: Vec<String>,
    /// Engines for wall times; what counts is always wasmtime.
    pub engines: Vec<EngineId>,
    /// Traces to replay beside the workloads.
    pub traces: Vec<Trace>,
    /// Size of the workloads.
    pub scale_percent: u32,
    /// Seed of their random numbers.
    pub seed: u32,
    /// Rounds of wall times; 0 for counting only.
    pub rounds: usize,
    /// Rounds of the same work in one instance, for what a heap holds after them; 0 for none.
    pub repeats: u32,
    /// Whether the dearest single call is sought, for which each guest is compiled a second time.
    pub calls: bool,
    /// Numbers of threads; none for no threads.
    pub threads: Vec<u32>,
    /// Commit that memgrove was built from.
    pub commit: Option<String>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            allocators: Vec::new(),
            workloads: Vec::new(),
            engines: vec![EngineId::Wasmtime, EngineId::Node],
            traces: Vec::new(),
            scale_percent: STANDARD_SCALE,
            seed: 1,
            rounds: 5,
            repeats: 0,
            calls: true,
            threads: vec![1, 2],
            commit: None,
        }
    }
}

/// A request, checked: everything it names exists.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What goes into the record.
    pub setting: Setting,
    /// Engines for wall times.
    pub engines: Vec<EngineId>,
    /// The work, workloads first, then traces.
    pub works: Vec<Work>,
    /// Whether the dearest single call is sought.
    pub calls: bool,
    /// Ids of the threaded workloads.
    pub thread_workloads: Vec<String>,
    /// Numbers of threads.
    pub threads: Vec<u32>,
    /// The lock that timing takes.
    pub lock_path: PathBuf,
}

/// A run cannot begin, or cannot be saved.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// A name does not exist, or a guest is broken.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// An engine is missing.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The results cannot be saved.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// A trace cannot be used.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// Another timing run is under way.
    #[error(transparent)]
    Lock(#[from] lock::LockError),
    /// A guest does not keep the contract.
    #[error("guest `{allocator}`: {error}")]
    Guest {
        /// The allocator.
        allocator: String,
        /// What is wrong.
        error: EngineError,
    },
    /// There is nothing to measure.
    #[error("there is nothing to measure: {0}")]
    Nothing(String),
}

impl MeasureError {
    /// What to try.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Catalogue(error) => error.hint(),
            Self::Engine(EngineError::Absent { install, .. }) => Some((*install).to_owned()),
            Self::Results(ResultsError::OtherRun { .. }) => {
                Some("save into another file, or remove this one".to_owned())
            }
            Self::Lock(_) => Some("wait for it, or count only: --rounds 0".to_owned()),
            _ => None,
        }
    }
}

/// What a run tells while it is under way.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A phase of so many steps begins.
    Phase {
        /// What is done.
        name: &'static str,
        /// Number of steps, done ones too.
        steps: usize,
    },
    /// A step is done.
    Step,
    /// An allocator failed a workload.
    Failed {
        /// The allocator.
        allocator: &'a str,
        /// The workload.
        workload: &'a str,
        /// Why.
        failure: &'a Failure,
    },
    /// Something may not be as the user expects.
    Warning(String),
}

impl Plan {
    /// Checks a request against what there is. The base and the floor are measured whether asked for or not:
    /// without them there are no ratios and no own fuel.
    ///
    /// # Errors
    /// [`MeasureError`] naming what does not exist.
    pub fn new(catalogue: &Catalogue, request: &Request) -> Result<Self, MeasureError> {
        let chosen = catalogue.allocators(&request.allocators)?;
        let guests = &catalogue.manifest.guests;
        let base = guests.iter().find(|guest| guest.allocator == BASE).or_else(|| chosen.first().copied());
        let base = base.ok_or_else(|| MeasureError::Nothing("no guest is embedded".to_owned()))?;
        let floor = guests.iter().find(|guest| guest.role == Role::Floor);
        let allocators = guests.iter().filter(|guest| {
            let asked = chosen.iter().any(|other| other.allocator == guest.allocator);
            asked || guest.allocator == base.allocator || guest.role == Role::Floor
        });
        let allocators: Vec<_> = allocators
            .map(|guest| Allocator {
                id: guest.allocator.clone(),
                title: guest.title.clone(),
                version: guest.version.clone(),
                source: guest.source.clone(),
                role: guest.role,
                known_defects: guest.known_defects.clone(),
                own_code: guest.own_code,
                sha256: guest.sha256.clone(),
                has_threads: guest.threads.is_some(),
            })
            .collect();

        let workloads = choose_workloads(catalogue, request)?;
        let threaded = |info: &WorkloadInfo| {
            matches!(info.kind, WorkloadKind::ThreadsApart | WorkloadKind::ThreadsPassing)
        };
        let run = Task::Run { scale_percent: request.scale_percent, seed: request.seed };
        let mut works: Vec<_> = workloads
            .iter()
            .filter(|info| !threaded(info) && info.kind != WorkloadKind::Trace)
            .map(|info| Work { id: info.id.clone(), task: run.clone() })
            .collect();
        works.extend(request.traces.iter().map(Trace::work));
        let thread_workloads: Vec<_> = match request.threads.is_empty() || request.rounds == 0 {
            true => Vec::new(),
            false => workloads.iter().filter(|info| threaded(info)).map(|info| info.id.clone()).collect(),
        };
        if works.is_empty() && thread_workloads.is_empty() {
            return Err(MeasureError::Nothing("no workload was chosen".to_owned()));
        }
        let mut engines = Vec::new();
        let version = |engine: EngineId| {
            let opened = open(engine, &Settings::default())?;
            Ok::<_, MeasureError>(EngineVersion { engine, version: opened.version().to_owned() })
        };
        let mut versions = vec![version(EngineId::Wasmtime)?];
        for &engine in &request.engines {
            if request.rounds > 0 && !engines.contains(&engine) {
                engines.push(engine);
                if engine != EngineId::Wasmtime {
                    versions.push(version(engine)?);
                }
            }
        }
        let setting = Setting {
            memgrove: env!("CARGO_PKG_VERSION").to_owned(),
            commit: request.commit.clone(),
            machine: machine(),
            engines: versions,
            tools: catalogue.manifest.tools.clone(),
            scale_percent: request.scale_percent,
            seed: request.seed,
            rounds: request.rounds,
            repeats: request.repeats,
            base: base.allocator.clone(),
            floor: floor.map(|floor| floor.allocator.clone()),
            allocators,
            workloads: workloads
                .into_iter()
                .chain(request.traces.iter().map(|trace| trace.info.clone()))
                .collect(),
        };
        Ok(Self {
            setting,
            engines,
            works,
            calls: request.calls,
            thread_workloads,
            threads: request.threads.clone(),
            lock_path: lock::default_path(),
        })
    }
}

/// The workloads that a request names; a guest of the user's may hold ones that no manifest knows, and those
/// are found out when it runs.
fn choose_workloads(catalogue: &Catalogue, request: &Request) -> Result<Vec<WorkloadInfo>, MeasureError> {
    let known = &catalogue.manifest.workloads;
    for name in &request.workloads {
        if !known.iter().any(|info| info.id == *name) {
            return Err(unknown("workload", name, known.iter().map(|info| info.id.as_str())).into());
        }
    }
    let wanted = |info: &&WorkloadInfo| request.workloads.is_empty() || request.workloads.contains(&info.id);
    let traces_alone = request.workloads.is_empty() && !request.traces.is_empty();
    Ok(known.iter().filter(wanted).filter(|_| !traces_alone).cloned().collect())
}
