//! Which engines support what the module uses.

use super::Answer;
use crate::facts::{Facts, Proposal};
use crate::knowledge::{Engine, Host, Knowledge, compare_versions};
use crate::report::{EngineSupport, Reason};

/// For each engine: since when it runs everything the module uses, or what it lacks.
pub(crate) fn engines(facts: &Facts<'_>, knowledge: &Knowledge) -> Vec<EngineSupport> {
    let support = |engine: &Engine| {
        let used: Vec<Proposal> = facts.proposals.iter().map(|first| first.proposal).collect();
        let missing: Vec<Proposal> =
            used.iter().copied().filter(|&proposal| engine.since(proposal).is_none()).collect();
        let newest = used
            .into_iter()
            .filter_map(|proposal| engine.since(proposal))
            .max_by(|a, b| compare_versions(a, b));
        EngineSupport {
            engine: engine.id.clone(),
            title: engine.title.clone(),
            since: if missing.is_empty() { newest.map(str::to_owned) } else { None },
            missing,
        }
    };
    knowledge.engines.iter().map(support).collect()
}

/// An engine as a host has it.
struct Used<'k> {
    engine: &'k Engine,
    /// The version that is built in.
    version: Option<&'k str>,
}

impl Used<'_> {
    /// Oldest version with the proposal on by default, if this one has it.
    fn since(&self, proposal: Proposal) -> Option<&str> {
        let since = self.engine.since(proposal)?;
        let has_it = |version| compare_versions(since, version) != std::cmp::Ordering::Greater;
        self.version.is_none_or(has_it).then_some(since)
    }

    fn title(&self) -> String {
        format!("{} {}", self.engine.title, self.version.unwrap_or(&self.engine.current))
    }
}

/// Compares the proposals used with what the host and its engines support.
pub(super) fn check(facts: &Facts<'_>, host: &Host, knowledge: &Knowledge, answer: &mut Answer) {
    let engines = host.engines.iter().filter_map(|used| {
        Some(Used { engine: knowledge.engine(&used.id)?, version: used.version.as_deref() })
    });
    let engines: Vec<Used<'_>> = engines.collect();
    for first in facts.proposals.iter() {
        let proposal = first.proposal;
        let about = |text: String| Reason { proposals: vec![proposal], ..Reason::new(text) };
        let used = format!("{} is used ({} at {:#x})", proposal.id(), first.describe(), first.offset);
        let is_in = |list: &[String]| list.iter().any(|id| id == proposal.id());
        if is_in(&host.lacks) || host.supports.as_deref().is_some_and(|supports| !is_in(supports)) {
            answer.reasons.push(about(format!("{used} and not offered")));
            continue;
        }
        let (with, without): (Vec<&Used<'_>>, Vec<&Used<'_>>) =
            engines.iter().partition(|engine| engine.since(proposal).is_some());
        if without.is_empty() {
            continue;
        }
        let flags: Vec<String> = without
            .iter()
            .filter(|used| used.version.is_none())
            .filter_map(|used| Some(format!("{} with {}", used.engine.title, used.engine.flag(proposal)?)))
            .collect();
        let lacking: Vec<String> = without.iter().map(|engine| engine.title()).collect();
        if with.is_empty() && flags.is_empty() {
            answer.reasons.push(about(format!("{used}; {} does not support it", lacking.join(" or "))));
        } else {
            let supporting = with
                .iter()
                .filter_map(|used| Some(format!("{} from {}", used.engine.title, used.since(proposal)?)));
            let ways: Vec<String> = supporting.chain(flags).collect();
            answer.conditions.push(about(format!("{used}: the engine is {}", ways.join(" or "))));
        }
    }
    if answer.reasons.is_empty() {
        note_versions(facts, &engines, answer);
    }
}

/// The proposals that a module uses and a host has not, or only under a condition.
pub(crate) fn lacking(facts: &Facts<'_>, host: &Host, knowledge: &Knowledge) -> Vec<Proposal> {
    let mut answer = Answer::default();
    check(facts, host, knowledge, &mut answer);
    answer.reasons.into_iter().chain(answer.conditions).flat_map(|reason| reason.proposals).collect()
}

/// Says which versions are needed, so that somebody with an older one is not surprised.
fn note_versions(facts: &Facts<'_>, engines: &[Used<'_>], answer: &mut Answer) {
    // Where a version is built in nobody can have an older one.
    let newest = |used: &Used<'_>| {
        let since = facts.proposals.iter().filter_map(|first| used.engine.since(first.proposal));
        let since = since.max_by(|a, b| compare_versions(a, b))?;
        Some(format!("{} {since}", used.engine.title))
    };
    let versions: Vec<String> =
        engines.iter().filter(|used| used.version.is_none()).filter_map(newest).collect();
    if !versions.is_empty() {
        answer.notes.push(format!("needs at least {}", versions.join(", ")));
    }
}
