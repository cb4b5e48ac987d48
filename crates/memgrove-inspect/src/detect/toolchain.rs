//! Which toolchain made the module.

use memgrove_module::counted;

use super::entries::{Entries, Judged};
use super::mixture::{self, Mixture};
use super::origin::{self, Hint};
use super::rules::{Subject, combine};
use crate::facts::Facts;
use crate::knowledge::ToolchainEntry;
use crate::report::{Conclusion, Confidence, Evidence, Toolchain, short, some_of};

/// Concludes which toolchain made the module.
#[must_use]
pub fn toolchain(facts: &Facts<'_>) -> Conclusion<Toolchain> {
    origin::origin(facts).0
}

/// Nothing below this is worth a name: one hint of the weakest kind is less. With 0.32 every module of the corpus and of the
/// samples keeps its toolchain.
const MIN_SCORE: f32 = 0.25;
/// From this score on an entry hides those that it is built on. With 0.7 two modules of plain clang, which export what
/// Emscripten's do (a score of 0.74), were called Emscripten's.
const OUTRANKS_FROM: f32 = 0.8;
/// Two entries whose scores are this close leave doubt: a single weak hint is as much. With 0.16 no toolchain of the corpus
/// gets another name.
const DOUBT: f32 = 0.12;

/// Weighs the rules of all toolchains, and the allocator's word where there is one.
pub(super) fn conclude(
    entries: &Entries,
    subject: &Subject<'_, '_>,
    hint: Option<&Hint<'_>>,
) -> Conclusion<Toolchain> {
    let mut judged: Vec<(&ToolchainEntry, Judged<'_>)> = entries
        .toolchains
        .iter()
        .map(|entry| {
            let mut judged = entries.judge(&entry.rules, subject);
            if let Some(hint) = hint.filter(|hint| hint.family == entry.family) {
                judged.score = combine([judged.score, hint.weight]);
            }
            (entry, judged)
        })
        .filter(|(_, judged)| judged.score > 0.0)
        .collect();
    judged.sort_by(|a, b| b.1.score.total_cmp(&a.1.score));
    let rust = judged.iter().find(|(entry, _)| entry.family == "rust").map(|(_, judged)| judged);
    let mixture = rust.map(|rust| mixture::rust(subject.code.facts(), rust, score_of(&judged, "emscripten")));
    if let Some(Mixture::Guest(_)) = mixture {
        judged.retain(|(entry, _)| entry.family != "rust");
    }
    let outranked: Vec<&str> = judged
        .iter()
        .filter(|(_, judged)| judged.score >= OUTRANKS_FROM)
        .flat_map(|(entry, _)| entry.outranks.iter().map(String::as_str))
        .collect();
    judged.retain(|(entry, _)| !outranked.contains(&entry.family.as_str()));
    // What one of them is built on shows in its modules, too; without their text neither is told from the other.
    if let Some(contradiction) = &subject.contradiction {
        let perhaps = |family| contradiction.toolchains.iter().any(|entry| entry.outranks.contains(family));
        judged.retain(|(entry, _)| !perhaps(&entry.family));
    }
    let contradiction = subject.contradiction.as_ref().map(|contradiction| contradiction.evidence.clone());
    let Some((entry, best)) = judged.first().filter(|(_, best)| best.score >= MIN_SCORE) else {
        let seen = what_was_seen(subject.code.facts());
        return Conclusion::unknown().with_evidence(seen).with_evidence(contradiction);
    };
    let mut confidence = best.confidence();
    if let Some(Mixture::Perhaps(_)) = mixture {
        confidence = confidence.min(mixture::MAX_CONFIDENCE);
    }
    // A program of one language may hold text about another, as a debugger or a demangler does.
    if best.is_hinted_only() && entries.text_speaks_for_another(&entry.language, subject) {
        confidence = confidence.min(mixture::MAX_CONFIDENCE);
    }
    let runner_up = judged.get(1).filter(|(_, second)| best.score - second.score < DOUBT);
    if runner_up.is_some() {
        confidence = confidence.min(Confidence::MEDIUM.value());
    }
    let variant = entry
        .variants
        .iter()
        .map(|variant| (variant, best.variant_score(&variant.id)))
        .filter(|(_, score)| *score > 0.0)
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let language =
        variant.and_then(|(variant, _)| variant.language.clone()).unwrap_or_else(|| entry.language.clone());
    let version = best.version();
    let value = Toolchain {
        family: entry.family.clone(),
        variant: variant.map(|(variant, _)| variant.id.clone()),
        name: variant.map_or_else(|| entry.name.clone(), |(variant, _)| variant.name.clone()),
        language: Some(language),
        version: version.as_ref().map(|version| version.text.clone()),
        version_of: version.map(|version| version.of),
        languages: mixture::languages(subject.code.facts()),
    };
    let mut conclusion = Conclusion::new(value, Confidence::new(confidence)).with_evidence(strongest(best));
    if let Some(hint) = hint.filter(|hint| hint.family == entry.family) {
        conclusion.evidence.insert(0, hint.evidence.clone());
    }
    if let Some(Mixture::Guest(evidence) | Mixture::Perhaps(evidence)) = mixture {
        conclusion = conclusion.because(evidence);
    }
    conclusion = conclusion.with_evidence(contradiction);
    if let Some((other, second)) = runner_up {
        let text = format!(
            "{} would fit nearly as well ({:.2} against {:.2})",
            other.name, second.score, best.score
        );
        conclusion = conclusion.because(Evidence::new(text));
    }
    conclusion
}

fn score_of(judged: &[(&ToolchainEntry, Judged<'_>)], family: &str) -> f32 {
    judged.iter().find(|(entry, _)| entry.family == family).map_or(0.0, |(_, judged)| judged.score)
}

/// Evidence worth showing: more says nothing more.
const MAX_EVIDENCE: usize = 6;

/// What the weightiest rules saw.
pub(super) fn strongest(judged: &Judged<'_>) -> Vec<Evidence> {
    let mut held: Vec<_> = judged.held.iter().collect();
    held.sort_by(|a, b| b.0.weight.total_cmp(&a.0.weight));
    let mut shown: Vec<Evidence> = Vec::new();
    for (_, seen) in held {
        if shown.len() < MAX_EVIDENCE && !shown.contains(&seen.evidence) {
            shown.push(seen.evidence.clone());
        }
    }
    shown
}

/// Names of custom sections worth showing.
const MAX_SECTIONS: usize = 16;

/// For an unknown toolchain: what the file has and lacks.
fn what_was_seen(facts: &Facts<'_>) -> Vec<Evidence> {
    let customs: Vec<&str> =
        facts.sections.iter().filter(|section| section.custom).map(|section| section.name).collect();
    let customs = if customs.is_empty() {
        "none".to_owned()
    } else {
        some_of(customs.iter().map(|name| short(name)), MAX_SECTIONS)
    };
    vec![
        Evidence::new(format!(
            "{}, {}",
            counted(facts.imports.len() as u64, "import"),
            counted(facts.exports.len() as u64, "export")
        )),
        Evidence::new(format!("custom sections: {customs}")),
    ]
}
