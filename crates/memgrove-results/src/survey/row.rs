//! What a survey finds. These types are the JSON of `memgrove survey --json`: fields are only ever added, so
//! that rows of many machines can be put together; [`SCHEMA_VERSION`] is raised when one has to change.

use memgrove_inspect::knowledge::Host;
use memgrove_inspect::report::{Grower, Outcome, Reason, Report, Verdict};
use serde::Serialize;

use super::{Contract, Program};

/// Raised when a field is removed, renamed or changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything one survey found.
#[derive(Debug, Clone, Serialize)]
pub struct Survey {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of memgrove.
    pub memgrove: &'static str,
    /// The engines, those that are missing too.
    pub engines: Vec<EngineState>,
    /// The toolchains and whether this machine has them; empty when nothing was to be built.
    pub toolchains: Vec<ToolchainState>,
    /// One for each module, best first.
    pub rows: Vec<Row>,
    /// What the rows add up to.
    pub conclusion: super::Conclusion,
}

/// An engine that modules were run on.
#[derive(Debug, Clone, Serialize)]
pub struct EngineState {
    /// Stable name.
    pub id: &'static str,
    /// Its version, where it is there.
    pub version: Option<String>,
    /// Why it is not used here, and how to get it.
    pub missing: Option<String>,
}

/// A toolchain, as looked for on this machine.
#[derive(Debug, Clone, Serialize)]
pub struct ToolchainState {
    /// Stable name.
    pub id: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// What it says of itself; empty where it is not usable.
    pub versions: Vec<String>,
    /// Why it is not usable.
    pub absence: Option<String>,
    /// How to install it.
    pub install: &'static str,
}

/// One module: how it was made, what it is, what it did.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Stable name of the combination; rows of different machines with one id belong together.
    pub id: String,
    /// The sources.
    pub program: Program,
    /// Id of the toolchain.
    pub toolchain: String,
    /// The toolchain's name for people.
    pub toolchain_name: String,
    /// What the toolchain was asked to make, where it can make several things.
    pub variant: String,
    /// The allocator that was linked in.
    pub allocator: String,
    /// The host the module is made for.
    pub made_for: Contract,
    /// Written by hand after what an old toolchain made.
    pub handmade: bool,
    /// `memgrove fix` went over what the toolchain made.
    pub fixed: bool,
    /// Where the module comes from.
    pub origin: Origin,
    /// The module, as far as there is one.
    pub module: Option<Module>,
}

/// Where a module comes from.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// Built now, on this machine.
    Built {
        /// The tools and their versions.
        tools: Vec<String>,
        /// The commands, without this machine's paths.
        commands: Vec<String>,
    },
    /// Built earlier and shipped with memgrove.
    Prebuilt {
        /// The tools and their versions.
        tools: Vec<String>,
        /// The commands.
        commands: Vec<String>,
        /// Why it stands in for one built here, where one was asked for.
        because: Option<String>,
    },
    /// Not to be had: it could not be built, and none is shipped.
    None {
        /// Why.
        because: String,
    },
}

/// A module, inspected and run.
#[derive(Debug, Clone, Serialize)]
pub struct Module {
    /// Size as the toolchain left it.
    pub size_bytes: u64,
    /// Size after `wasm-opt`.
    pub optimised_bytes: Option<u64>,
    /// Version and options of that `wasm-opt`.
    pub optimiser: Option<String>,
    /// What the inspector says.
    pub facts: super::ModuleFacts,
    /// Who makes memory larger.
    pub grower: Option<Grower>,
    /// Where it should run, by the inspector.
    pub verdicts: Vec<HostVerdict>,
    /// What happened on each engine.
    pub trials: Vec<EngineTrial>,
}

/// The inspector's verdict about one host.
#[derive(Debug, Clone, Serialize)]
pub struct HostVerdict {
    /// Id of the host profile.
    pub host: String,
    /// Its title.
    pub title: String,
    /// The answer.
    pub outcome: Outcome,
    /// Whether it is instantiated there as it is, even where the host then finds no function to start it by.
    pub instantiates: bool,
    /// What it serves as there, as it is; absent where it does not.
    pub runs_as: Option<RunsAs>,
    /// Reasons and conditions, in words.
    pub reasons: Vec<String>,
}

/// What a module serves as on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunsAs {
    /// The host starts it by a function that it exports, such as `_start`.
    Command,
    /// Its functions are called by name.
    Library,
}

/// What a module did on one engine.
#[derive(Debug, Clone, Serialize)]
pub struct EngineTrial {
    /// Id of the engine.
    pub engine: &'static str,
    /// With an empty import object.
    pub with_nothing: Trial,
    /// Under the host it is made for; absent where it is made for none.
    pub under_its_host: Option<Trial>,
}

/// What happened when a module was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Trial {
    /// It ran twice and answered as expected both times.
    Runs {
        /// Size of its memory afterwards.
        memory_bytes: u64,
    },
    /// The engine did not instantiate it.
    Refused {
        /// The import that was missing, as `module.name`, where the engine names it.
        import: Option<String>,
        /// The engine's own words.
        words: String,
    },
    /// It was instantiated, and then trapped or gave a wrong answer.
    Fails {
        /// What was seen.
        words: String,
    },
    /// It was not tried.
    NotTried {
        /// Why.
        because: String,
    },
}

impl HostVerdict {
    /// The inspector's verdict about a host, and what follows from it for the module's use there.
    pub fn of(report: &Report, verdict: &Verdict, host: &Host) -> Self {
        let obstacles = || verdict.reasons.iter().chain(&verdict.conditions);
        let instantiates = obstacles().all(|reason| reason.about_exports);
        Self {
            host: verdict.host.clone(),
            title: verdict.title.clone(),
            outcome: verdict.outcome,
            instantiates,
            runs_as: runs_as(report, verdict, host).filter(|_| instantiates),
            reasons: obstacles().map(|reason: &Reason| reason.text.clone()).collect(),
        }
    }

    /// Whether it runs there as it is.
    pub fn runs(&self) -> bool {
        self.outcome == Outcome::Runs
    }
}

/// As what a host uses a module that it instantiates.
fn runs_as(report: &Report, verdict: &Verdict, host: &Host) -> Option<RunsAs> {
    let starts = |name: &String| {
        // A library's own initialisation starts no program.
        name != "_initialize" && report.exports.iter().any(|export| export.name == *name)
    };
    match (&host.entry, verdict.outcome) {
        (_, Outcome::No) => None,
        (Some(entry), Outcome::RunsIf) if entry.otherwise_idle => None,
        // Names of its own, as chains and proxies have them, are a library's: only a program begins with `_start`.
        (Some(entry), Outcome::Runs) if entry.any_of.iter().any(|name| name == "_start") => {
            Some(if entry.any_of.iter().any(starts) { RunsAs::Command } else { RunsAs::Library })
        }
        _ => Some(RunsAs::Library),
    }
}

impl Trial {
    /// Whether it ran, with the expected result.
    pub fn runs(&self) -> bool {
        matches!(self, Self::Runs { .. })
    }

    /// Whether anything was tried.
    pub fn tried(&self) -> bool {
        !matches!(self, Self::NotTried { .. })
    }
}

impl Row {
    /// The module ran with nothing on every engine that was tried, and at least one was.
    pub fn runs_with_nothing(&self) -> bool {
        let Some(module) = &self.module else { return false };
        let mut tried = module.trials.iter().map(|trial| &trial.with_nothing).filter(|trial| trial.tried());
        let mut any = false;
        tried.all(|trial| {
            any = true;
            trial.runs()
        }) && any
    }

    /// Number of imports; a row without a module has none to count.
    pub fn import_count(&self) -> Option<usize> {
        self.module.as_ref().map(|module| module.facts.imports.len())
    }

    /// The size to compare by: after `wasm-opt` where that is known, as built otherwise.
    pub fn shipped_bytes(&self) -> Option<u64> {
        let module = self.module.as_ref()?;
        Some(module.optimised_bytes.unwrap_or(module.size_bytes))
    }

    /// Toolchain, variant and program in a few words.
    pub fn title(&self) -> String {
        let mut title = self.toolchain_name.clone();
        if !self.variant.is_empty() {
            title.push_str(", ");
            title.push_str(&self.variant);
        }
        title
    }
}
