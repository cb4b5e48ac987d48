//! On how many hosts a module can be used, and as what.

use memgrove_results::survey::{Module, RunsAs, Survey};

/// The columns' headings.
pub(super) const HEADINGS: [&str; 3] = ["instantiates", "as command", "as library"];

/// The columns' figures.
pub(super) fn counts(module: &Module) -> [usize; 3] {
    let used_as = |wanted| module.verdicts.iter().filter(|verdict| verdict.runs_as == Some(wanted)).count();
    [
        module.verdicts.iter().filter(|verdict| verdict.instantiates).count(),
        used_as(RunsAs::Command),
        used_as(RunsAs::Library),
    ]
}

/// What the columns mean, under the table.
pub(super) fn legend(survey: &Survey) -> String {
    let hosts =
        survey.rows.iter().find_map(|row| row.module.as_ref()).map_or(0, |module| module.verdicts.len());
    format!(
        "Of {hosts} known hosts, by the inspector: instantiates it as it is; runs it as a command, which the host starts; \
         uses it as a library, whose functions are called."
    )
}
