//! Which of many modules are shown, and in which order.

use clap::{Args, ValueEnum};
use memgrove_inspect::report::{Outcome, Report};

/// Options that choose among modules. All that are given must hold.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Choosing among many")]
pub(crate) struct SelectArgs {
    /// Show only modules that run on this host (may be repeated)
    #[arg(long, value_name = "HOST")]
    pub(crate) runs_on: Vec<String>,

    /// Show only modules that do not run on this host, or only under conditions (may be repeated)
    #[arg(long, value_name = "HOST")]
    pub(crate) fails_on: Vec<String>,

    /// Show only modules whose allocator name contains TEXT
    #[arg(long, value_name = "TEXT")]
    allocator: Option<String>,

    /// Show only modules whose toolchain name contains TEXT
    #[arg(long, value_name = "TEXT")]
    toolchain: Option<String>,

    /// Show only modules with an import whose `module.name` contains TEXT
    #[arg(long, value_name = "TEXT")]
    imports: Option<String>,

    /// Sort by KEY, largest (or least portable) first
    ///
    /// Without it, files come in the order of the command line, and of their names within a folder, as
    /// soon as they have been inspected.
    #[arg(long, value_name = "KEY", value_enum)]
    pub(crate) sort: Option<SortKey>,
}

/// What to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortKey {
    /// Size of the module
    Size,
    /// Initial memory
    Memory,
    /// Number of imports
    Imports,
    /// Number of known hosts that it does not run on
    Hosts,
}

impl SortKey {
    /// Where a module comes; smaller is earlier.
    pub(crate) fn key(self, report: &Report) -> std::cmp::Reverse<u64> {
        std::cmp::Reverse(match self {
            Self::Size => report.size_bytes,
            Self::Memory => report.memory.memories.iter().map(|memory| memory.min_bytes).max().unwrap_or(0),
            Self::Imports => u64::from(report.requirements.import_count),
            Self::Hosts => {
                report.verdicts.iter().filter(|verdict| verdict.outcome != Outcome::Runs).count() as u64
            }
        })
    }
}

impl SelectArgs {
    /// Whether nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        let texts = [&self.allocator, &self.toolchain, &self.imports];
        self.hosts().next().is_none() && texts.iter().all(|text| text.is_none()) && self.sort.is_none()
    }

    /// Every host that is named.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &String> {
        self.runs_on.iter().chain(&self.fails_on)
    }

    /// Whether a module is to be shown. A component counts with what is inside it.
    pub(crate) fn wants(&self, report: &Report) -> bool {
        let runs = |host: &String| {
            report.verdicts.iter().any(|verdict| verdict.host == *host && verdict.outcome == Outcome::Runs)
        };
        self.runs_on.iter().all(runs)
            && !self.fails_on.iter().any(runs)
            && holds(self.allocator.as_ref(), report, &|report, text| {
                let allocator = report.allocator.identity.value.as_ref();
                allocator.is_some_and(|allocator| {
                    contains(&allocator.name, text) || contains(&allocator.family, text)
                })
            })
            && holds(self.toolchain.as_ref(), report, &|report, text| {
                let toolchain = report.toolchain.value.as_ref();
                toolchain.is_some_and(|toolchain| {
                    contains(&toolchain.name, text) || contains(&toolchain.family, text)
                })
            })
            && holds(self.imports.as_ref(), report, &|report, text| {
                let mut imports = report.requirements.groups.iter().flat_map(|group| &group.imports);
                imports.any(|import| contains(&import.name.to_string(), text))
            })
    }
}

/// Whether the test holds for the report or one inside it; without a text there is no test.
fn holds(text: Option<&String>, report: &Report, test: &dyn Fn(&Report, &str) -> bool) -> bool {
    let Some(text) = text else { return true };
    let inside = report.component.iter().flat_map(|component| &component.modules);
    test(report, text) || inside.into_iter().any(|module| test(&module.report, text))
}

fn contains(name: &str, text: &str) -> bool {
    name.to_lowercase().contains(&text.to_lowercase())
}
