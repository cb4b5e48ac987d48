//! Which toolchain made the module.

use serde::Serialize;

use super::allocator::{self, Allocator, Basis};
use super::entries::{Entries, Judged, entries};
use super::functions::functions;
use super::rules::{Subject, combine};
use crate::Code;
use crate::facts::Facts;
use crate::fingerprint::Searched;
use crate::knowledge::ToolchainEntry;
use crate::report::{AllocatorReport, Conclusion, Confidence, Evidence, Level, short, some_of};

/// A toolchain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Toolchain {
    /// Family, such as `emscripten` or `rust`: the name of a file in knowledge/toolchains.
    pub family: String,
    /// Era or target within the family, such as `fastcomp` or `wasm-bindgen`, as far as it is known.
    pub variant: Option<String>,
    /// Name for people, era and target included.
    pub name: String,
    /// The language of the source, as far as it is known.
    pub language: Option<String>,
    /// Version, as far as it is known.
    pub version: Option<String>,
}

/// Concludes which toolchain made the module.
#[must_use]
pub fn toolchain(facts: &Facts<'_>) -> Conclusion<Toolchain> {
    origin(facts).0
}

/// Concludes toolchain and allocator together: each is evidence for the other. O(operators) at worst.
#[must_use]
pub fn origin(facts: &Facts<'_>) -> (Conclusion<Toolchain>, Conclusion<Allocator>) {
    let (toolchain, allocator, _) = searched_origin(&Code::new(facts));
    (toolchain, allocator)
}

/// The same, and which functions are the allocator's interface.
pub(crate) fn origin_with_functions(code: &Code<'_>) -> (Conclusion<Toolchain>, AllocatorReport) {
    let (toolchain, identity, searched) = searched_origin(code);
    let functions = functions(code, entries(), &identity, searched);
    (toolchain, AllocatorReport { identity, functions })
}

/// With what the search for the allocator's code found, where there was need to search.
fn searched_origin(code: &Code<'_>) -> (Conclusion<Toolchain>, Conclusion<Allocator>, Option<Searched>) {
    let entries = entries();
    let subject = entries.subject(code);
    let alone = conclude(entries, &subject, None);
    let (allocator, basis, searched) = allocator::conclude(entries, &subject, &alone);
    // An allocator that only one toolchain has speaks for it, unless it was concluded from the toolchain.
    let hint =
        allocator.value.as_ref().filter(|_| basis == Basis::Seen && alone.level() < Level::High).and_then(
            |value| {
                let family = entries.allocator(&value.id)?.implies.as_deref()?;
                let text = format!("its allocator, {}, comes with no other toolchain", value.name);
                Some(Hint {
                    family,
                    weight: allocator.confidence.value() * ALLOCATOR_SPEAKS,
                    evidence: Evidence::new(text),
                })
            },
        );
    match hint {
        None => (alone, allocator, searched),
        Some(hint) => (conclude(entries, &subject, Some(&hint)), allocator, searched),
    }
}

/// What the allocator says about the toolchain: another toolchain may have linked it in.
struct Hint<'e> {
    family: &'e str,
    weight: f32,
    evidence: Evidence,
}

/// How much the allocator's word counts.
const ALLOCATOR_SPEAKS: f32 = 0.85;

/// Nothing below this is worth a name.
const MIN_SCORE: f32 = 0.25;
/// Structure and names can be imitated or shared; only the file's own word reaches further.
const MAX_CONFIDENCE: f32 = 0.98;
/// From this score on an entry hides those that it is built on.
const OUTRANKS_FROM: f32 = 0.8;
/// Two entries whose scores are this close leave doubt.
const DOUBT: f32 = 0.12;

/// Weighs the rules of all toolchains, and the allocator's word where there is one.
fn conclude(entries: &Entries, subject: &Subject<'_, '_>, hint: Option<&Hint<'_>>) -> Conclusion<Toolchain> {
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
    let outranked: Vec<&str> = judged
        .iter()
        .filter(|(_, judged)| judged.score >= OUTRANKS_FROM)
        .flat_map(|(entry, _)| entry.outranks.iter().map(String::as_str))
        .collect();
    judged.retain(|(entry, _)| !outranked.contains(&entry.family.as_str()));
    let Some((entry, best)) = judged.first().filter(|(_, best)| best.score >= MIN_SCORE) else {
        return Conclusion::unknown().with_evidence(what_was_seen(subject.code.facts()));
    };
    let mut confidence = best.score.min(MAX_CONFIDENCE);
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
    let value = Toolchain {
        family: entry.family.clone(),
        variant: variant.map(|(variant, _)| variant.id.clone()),
        name: variant.map_or_else(|| entry.name.clone(), |(variant, _)| variant.name.clone()),
        language: Some(language),
        version: best.version(),
    };
    let mut conclusion = Conclusion::new(value, Confidence::new(confidence)).with_evidence(strongest(best));
    if let Some(hint) = hint.filter(|hint| hint.family == entry.family) {
        conclusion.evidence.insert(0, hint.evidence.clone());
    }
    if let Some((other, second)) = runner_up {
        let text = format!(
            "{} would fit nearly as well ({:.2} against {:.2})",
            other.name, second.score, best.score
        );
        conclusion = conclusion.because(Evidence::new(text));
    }
    conclusion
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
        Evidence::new(format!("{} imports, {} exports", facts.imports.len(), facts.exports.len())),
        Evidence::new(format!("custom sections: {customs}")),
    ]
}
