//! Where a module runs, in words.

use memgrove_inspect::report::{Outcome, Reason, Report, Role, Verdict};
use memgrove_text::shorten;

use super::{LONGEST_SENTENCE, count, reasons};

/// The answer in one sentence: where does it run?
pub(crate) fn headline(report: &Report) -> String {
    if report.startup.role.value == Some(Role::Object) {
        return "An object file: link it first, then ask where the module runs.".to_owned();
    }
    let [runs, runs_if, _] = outcomes(report);
    let all = report.verdicts.len();
    let place = match (runs, runs_if) {
        _ if all == 0 => "No host was asked".to_owned(),
        (runs, _) if runs == all => format!("Runs on all {all} known hosts"),
        (0, 0) => format!("Runs on none of {all} known hosts"),
        (0, some) => format!("Runs on {some} of {all} known hosts, and only under conditions"),
        (some, 0) => format!("Runs on {some} of {all} known hosts"),
        (some, more) => format!("Runs on {some} of {all} known hosts, and on {more} more under conditions"),
    };
    let needs = match report.requirements.import_count {
        0 => "it imports nothing".to_owned(),
        imports => format!("it has {}", count(u64::from(imports), "import")),
    };
    format!("{place}; {needs}.")
}

/// On how many hosts it runs, runs under conditions, does not run.
pub(crate) fn outcomes(report: &Report) -> [usize; 3] {
    [Outcome::Runs, Outcome::RunsIf, Outcome::No]
        .map(|wanted| report.verdicts.iter().filter(|verdict| verdict.outcome == wanted).count())
}

/// Hosts with the same answer for the same reasons.
#[derive(Debug)]
pub(crate) struct HostGroup<'a> {
    pub(crate) outcome: Outcome,
    /// Reasons or conditions.
    pub(crate) why: String,
    pub(crate) verdicts: Vec<&'a Verdict>,
}

/// Hosts with the same answer for the same reasons together; those that run it first. Without `detailed` the exports that
/// each host asks for are not named: a module that is not made for one has none of them.
pub(crate) fn host_groups(verdicts: &[Verdict], detailed: bool) -> Vec<HostGroup<'_>> {
    let mut groups: Vec<HostGroup<'_>> = Vec::new();
    for verdict in verdicts {
        let outcome = verdict.outcome;
        let why = match outcome {
            Outcome::Runs => String::new(),
            Outcome::RunsIf if detailed => reasons(&verdict.conditions),
            Outcome::RunsIf => conditions(&verdict.conditions),
            Outcome::No if !detailed && verdict.reasons.iter().any(|reason| reason.about_exports) => {
                "it does not export what the host calls (-v says what)".to_owned()
            }
            Outcome::No => reasons(&verdict.reasons),
        };
        match groups.iter_mut().find(|group| group.outcome == outcome && group.why == why) {
            Some(group) => group.verdicts.push(verdict),
            None => groups.push(HostGroup { outcome, why, verdicts: vec![verdict] }),
        }
    }
    groups.sort_by_key(|group| group.outcome);
    groups
}

/// Conditions without the names of exports.
fn conditions(conditions: &[Reason]) -> String {
    let (exports, others): (Vec<&Reason>, Vec<&Reason>) =
        conditions.iter().partition(|condition| condition.about_exports);
    let mut texts: Vec<_> = others.iter().map(|other| shorten(&other.text, LONGEST_SENTENCE)).collect();
    if !exports.is_empty() {
        texts.push("a function is named when it is run (-v says how)".into());
    }
    texts.join("; ")
}

/// Each note with the hosts it is about.
pub(crate) fn host_notes(verdicts: &[Verdict]) -> Vec<(&str, Vec<&str>)> {
    let mut notes: Vec<(&str, Vec<&str>)> = Vec::new();
    for verdict in verdicts {
        for note in &verdict.notes {
            match notes.iter_mut().find(|(other, _)| other == note) {
                Some((_, hosts)) => hosts.push(&verdict.host),
                None => notes.push((note, vec![&verdict.host])),
            }
        }
    }
    notes
}
