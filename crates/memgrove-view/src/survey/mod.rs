//! A survey for people: [`text`] for a terminal, [`html`] as one self-contained file.

mod hosts;
mod html;
mod text;

pub use html::html;
pub use text::text;

use memgrove_results::survey::{EngineTrial, Module, Origin, Row, Survey, Trial};

/// What a module did on one engine, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// Runs with nothing.
    Alone,
    /// Refused with nothing, runs under its host.
    Hosted,
    /// Neither.
    Fails,
    /// Not tried.
    Untried,
}

impl Word {
    fn of(trial: &EngineTrial) -> Self {
        let decisive = trial.under_its_host.as_ref().unwrap_or(&trial.with_nothing);
        if trial.with_nothing.runs() {
            Self::Alone
        } else if decisive.runs() {
            Self::Hosted
        } else if decisive.tried() {
            Self::Fails
        } else {
            Self::Untried
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Hosted => "hosted",
            Self::Fails => "fails",
            Self::Untried => "–",
        }
    }
}

/// The rows of a survey, as they are ranked.
struct Parts<'s> {
    /// The study's program, as toolchains make it today.
    study: Vec<&'s Row>,
    /// The same written by hand, in the place of a compiler that is gone.
    by_hand: Vec<&'s Row>,
    /// What is measured beside it.
    beside: Vec<&'s Row>,
}

fn parts(survey: &Survey) -> Parts<'_> {
    let (study, beside): (Vec<&Row>, Vec<&Row>) = survey.rows.iter().partition(|row| row.program.is_study());
    let (by_hand, study) = study.into_iter().partition(|row| row.handmade);
    Parts { study, by_hand, beside }
}

/// The words' meaning, under the table.
const LEGEND: &str = "alone: ran to its expected result with an empty import object, under both names. \
hosted: was refused with nothing, and ran so under the host it is made for. fails: neither. –: not tried.";

/// The import that stopped a module, as the first engine that names one says.
fn stopped_by(module: &Module) -> Option<&str> {
    module.trials.iter().find_map(|trial| match &trial.with_nothing {
        Trial::Refused { import: Some(import), .. } => Some(import.as_str()),
        _ => None,
    })
}

/// What went wrong where something did, engine by engine.
fn failures(module: &Module) -> Vec<String> {
    let failures = module.trials.iter().filter(|trial| Word::of(trial) == Word::Fails);
    failures
        .map(|trial| {
            let decisive = trial.under_its_host.as_ref().unwrap_or(&trial.with_nothing);
            let words = match decisive {
                Trial::Refused { words, .. } | Trial::Fails { words } => words.as_str(),
                _ => "",
            };
            format!("{}: {words}", trial.engine)
        })
        .collect()
}

/// "2 pages (own)", with the maximum where there is one.
fn memory(module: &Module) -> String {
    let memories = module.facts.memories.iter().map(|memory| {
        let max = memory.max_pages.map(|pages| format!("–{pages}")).unwrap_or_default();
        let imported = if memory.imported { " imported" } else { "" };
        format!("{}{max}{imported}", memory.min_pages)
    });
    memories.collect::<Vec<_>>().join(", ")
}

/// Who grows the memory, in a word.
fn grower(module: &Module) -> &'static str {
    use memgrove_inspect::report::Grower;
    match module.grower {
        Some(Grower::Module) => "module",
        Some(Grower::Import) => "import",
        Some(Grower::ModuleAndImport) => "both",
        Some(Grower::Host) => "host",
        Some(Grower::Nobody) => "none",
        Some(Grower::NoMemory) => "no memory",
        None => "unknown",
    }
}

/// Where the module comes from, in a word.
fn origin(row: &Row) -> &'static str {
    match &row.origin {
        Origin::Built { .. } => "built",
        Origin::Prebuilt { .. } => "prebuilt",
        Origin::None { .. } => "none",
    }
}
