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

/// Compares the proposals used with what the host's engines support.
pub(super) fn check(facts: &Facts<'_>, host: &Host, knowledge: &Knowledge, answer: &mut Answer) {
    let engines: Vec<&Engine> = host.engines.iter().filter_map(|id| knowledge.engine(id)).collect();
    for first in facts.proposals.iter() {
        let proposal = first.proposal;
        let about = |text: String| Reason { proposals: vec![proposal], ..Reason::new(text) };
        let used = format!("{} is used ({} at {:#x})", proposal.id(), first.describe(), first.offset);
        if host.lacks.iter().any(|lacking| lacking == proposal.id()) {
            answer.reasons.push(about(format!("{used} and not offered")));
            continue;
        }
        let (with, without): (Vec<&Engine>, Vec<&Engine>) =
            engines.iter().partition(|engine| engine.since(proposal).is_some());
        if without.is_empty() {
            continue;
        }
        let flags: Vec<String> = without
            .iter()
            .filter_map(|engine| Some(format!("{} with {}", engine.title, engine.flag(proposal)?)))
            .collect();
        let lacking = titles(&without);
        if with.is_empty() && flags.is_empty() {
            answer.reasons.push(about(format!("{used}; {lacking} does not support it")));
        } else {
            let supporting = with
                .iter()
                .filter_map(|engine| Some(format!("{} from {}", engine.title, engine.since(proposal)?)));
            let ways: Vec<String> = supporting.chain(flags).collect();
            answer.conditions.push(about(format!("{used}: the engine is {}", ways.join(" or "))));
        }
    }
    if answer.reasons.is_empty() {
        note_versions(facts, &engines, answer);
    }
}

fn titles(engines: &[&Engine]) -> String {
    let titles: Vec<String> =
        engines.iter().map(|engine| format!("{} {}", engine.title, engine.current)).collect();
    titles.join(" or ")
}

/// Says which versions are needed, so that somebody with an older one is not surprised.
fn note_versions(facts: &Facts<'_>, engines: &[&Engine], answer: &mut Answer) {
    let newest = |engine: &&Engine| {
        let used = facts.proposals.iter().filter_map(|first| engine.since(first.proposal));
        let since = used.max_by(|a, b| compare_versions(a, b))?;
        Some(format!("{} {since}", engine.title))
    };
    let versions: Vec<String> = engines.iter().filter_map(newest).collect();
    if !versions.is_empty() {
        answer.notes.push(format!("needs at least {}", versions.join(", ")));
    }
}
