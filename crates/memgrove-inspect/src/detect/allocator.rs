//! Which allocator is inside the module.
//!
//! Three kinds of evidence, strongest first: names and paths that it leaves behind (rules in
//! knowledge/allocators), its code (fingerprints, around the places where the heap grows), and what the
//! toolchain links by default, which alone never makes more than a guess.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use memgrove_module::counted_as;

use super::allocator_sites::sites;
use super::entries::{Entries, Judged, MAX_CONFIDENCE};
use super::origin::{self, by_default, by_definition, default_of};
use super::rules::Subject;
use super::structure::Structure;
use super::toolchain::strongest;
use crate::facts::Facts;
use crate::fingerprint::{Library, Match, Search, Searched, library};
use crate::knowledge::AllocatorEntry;
use crate::report::{Allocator, Conclusion, Confidence, Evidence, Level, Toolchain};

/// Concludes which allocator is inside the module.
#[must_use]
pub fn allocator(facts: &Facts<'_>) -> Conclusion<Allocator> {
    origin::origin(facts).1
}

/// Where there is no memory there is no allocator, whatever else; names of functions show that it is inside, text in
/// data only that its source was.
fn allocator_confidence(entry: &AllocatorEntry, judged: &Judged<'_>) -> f32 {
    let certain = judged.held.iter().any(|(rule, _)| {
        rule.when
            .iter()
            .any(|condition| condition.structure == Some(Structure::NoMemory) || condition.symbol.is_some())
    });
    if certain || entry.family == "none" { judged.score.min(MAX_CONFIDENCE) } else { judged.confidence() }
}

/// What a conclusion rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// Names or code of the allocator itself.
    Seen,
    /// Only the toolchain, or that nothing was seen.
    Supposed,
}

/// Of 53 builds held out (`cargo xtask fingerprints check`) nine in ten score at least 0.59, and of all their
/// functions none as much as 0.14 for another design. Code of other compilers and years scores lower for its own
/// design (0.40 for Emscripten of 2018) but no higher for another.
const SCORE_HIGH: f32 = 0.62;
/// Three times what another design ever reached.
const SCORE_MEDIUM: f32 = 0.3;
/// Link-time optimisation spreads an allocator's functions over others, so that much of a fingerprint is lost: of builds and
/// published modules known from their sources those with it score 0.38 to 0.62 for their own design, and none of those
/// with another design more than [`SCORE_NOISE`] for a large one.
const SCORE_STRONG: f32 = 0.38;
/// What code of any kind may share with a design, in the same builds and modules.
const SCORE_NOISE: f32 = 0.15;
/// Small designs have relatives: a list of free blocks with first fit looks like any other. A fingerprint that weighs more is
/// of one that does not.
const LARGE_DESIGN: u32 = 5000;
/// A variant that its toolchain does not decide is told from the next by this much: builds of one variant by other compilers
/// differ by less. With 0.13 no module of the corpus and of the samples changes.
const VARIANT_MARGIN: f32 = 0.1;
/// With this score near the growth sites there is no need to look further. It only saves time: with 0.5, which looks further
/// more often, every allocator of the corpus keeps its name.
const SCORE_NEAR: f32 = 0.4;
/// An allocator whose code is there scores more, whichever compiler of these years it came from.
const SCORE_EXCLUDED: f32 = 0.1;
/// Below this a likeness means nothing: it is just above [`SCORE_NOISE`].
const SCORE_LOW: f32 = 0.18;
/// A rule's word that needs no support by code. With 0.85 every allocator of the corpus and of the samples keeps its name.
const RULE_SUFFICES: f32 = 0.8;

/// Concludes the allocator of a module whose text has been searched, and says what that rests on, with what a search
/// for its code found where one was needed.
pub(super) fn conclude(
    entries: &Entries,
    subject: &Subject<'_, '_>,
    toolchain: &Conclusion<Toolchain>,
) -> (Conclusion<Allocator>, Basis, Option<Searched>) {
    let facts = subject.code.facts();
    let mut named: Vec<_> = entries
        .allocators
        .iter()
        .map(|entry| (entry, entries.judge(&entry.rules, subject)))
        .filter(|(_, judged)| judged.score > 0.0)
        .collect();
    named.sort_by(|a, b| {
        (b.1.weightiest(), b.1.score).partial_cmp(&(a.1.weightiest(), a.1.score)).unwrap_or(Ordering::Equal)
    });
    if let Some((entry, judged)) = named.first().filter(|(_, judged)| judged.score >= RULE_SUFFICES) {
        let version = judged.version().map(|version| version.text);
        let value = Allocator { version, ..describe(entry) };
        let mut confidence = allocator_confidence(entry, judged);
        let of_another = |(other, judged): &&(&AllocatorEntry, Judged<'_>)| {
            other.family != entry.family && judged.score >= RULE_SUFFICES
        };
        let other = named.iter().find(of_another).filter(|_| judged.is_text_in_data_only());
        if other.is_some() {
            confidence = confidence.min(Confidence::MEDIUM.value());
        }
        let mut conclusion = Conclusion::new(value, Confidence::new(confidence));
        if let Some((other, _)) = other {
            let text = format!("text in the data speaks for {}, too", other.name);
            conclusion = conclusion.because(Evidence::new(text));
        }
        return (conclusion.with_evidence(strongest(judged)), Basis::Seen, None);
    }
    let sites = sites(subject.code);
    if let Some(conclusion) = by_definition(entries, toolchain) {
        return (conclusion.with_evidence(sites.evidence(facts)), Basis::Supposed, None);
    }
    let library = library();
    let mut search = Search::new(library);
    search.add(facts, sites.near.iter().copied());
    let mut searched = search.found();
    if best_score(&searched) < SCORE_NEAR && sites.may_be_elsewhere(facts) {
        search.add(facts, sites.everywhere_else(facts));
        searched = search.found();
    }
    let by_code = by_code(entries, library, &searched, toolchain);
    let by_name = named.first().map(|(entry, judged)| (*entry, judged));
    let basis = if by_code.is_some() || by_name.is_some() { Basis::Seen } else { Basis::Supposed };
    let mut conclusion = match (by_code, by_name) {
        (Some(code), Some((entry, judged))) if judged.score > code.confidence.value() => {
            Conclusion::new(describe(entry), Confidence::new(judged.score)).with_evidence(strongest(judged))
        }
        (Some(code), _) => code,
        (None, Some((entry, judged))) => {
            Conclusion::new(describe(entry), Confidence::new(judged.score)).with_evidence(strongest(judged))
        }
        (None, None) => by_default(entries, subject.code, &sites, toolchain, |id| {
            score_of(library, &searched, id).is_none_or(|score| score >= SCORE_EXCLUDED)
        }),
    };
    if conclusion.value.is_none() {
        conclusion = conclusion.with_evidence(nearest(entries, library, &searched));
    }
    (conclusion.with_evidence(sites.evidence(facts)), basis, Some(searched))
}

pub(super) fn describe(entry: &AllocatorEntry) -> Allocator {
    Allocator {
        id: entry.id.clone(),
        family: entry.family.clone(),
        name: entry.name.clone(),
        version: None,
        defects: entry.defects.clone(),
    }
}

/// How much of an allocator's code was found; `None` if there is no fingerprint of it, or no code to compare.
fn score_of(library: &Library, searched: &Searched, allocator: &str) -> Option<f32> {
    let known = library.profiles.iter().any(|profile| profile.allocator == allocator);
    let found = searched.matches.iter().filter(|found| {
        library.profiles.get(found.profile).is_some_and(|profile| profile.allocator == allocator)
    });
    (known && searched.funcs_searched > 0).then(|| found.map(|found| found.score).fold(0.0, f32::max))
}

fn best_score(searched: &Searched) -> f32 {
    searched.matches.first().map_or(0.0, |best| best.score)
}

/// Of two variants of one design the toolchain's own one is meant, if it fits this well beside the other. With 0.8 no module
/// of the corpus and of the samples changes.
const OWN_VARIANT: f32 = 0.7;
/// A variant that contains another shows the other nearly as well as itself.
const CONTAINING_VARIANT: f32 = 0.93;
/// The variants that contain others.
const CONTAINING: &[&str] = &["as-tlsf-incremental", "zig-arena"];

fn by_code(
    entries: &Entries,
    library: &Library,
    searched: &Searched,
    toolchain: &Conclusion<Toolchain>,
) -> Option<Conclusion<Allocator>> {
    let of = |found: &Match| {
        library.profiles.get(found.profile).and_then(|profile| entries.allocator(&profile.allocator))
    };
    let best = searched.matches.first().filter(|best| best.score >= SCORE_LOW)?;
    let family = &of(best)?.family;
    let default = toolchain
        .value
        .as_ref()
        .and_then(|toolchain| default_of(entries, toolchain))
        .map(|(entry, _)| &entry.id);
    // The best match of each variant, best first.
    let variants =
        searched.matches.iter().filter(|found| of(found).is_some_and(|entry| entry.family == *family));
    let pick = |fits: &dyn Fn(&str) -> bool, share: f32| {
        let mut variants = variants.clone().filter(|found| found.score >= best.score * share);
        variants.find(|found| of(found).is_some_and(|entry| fits(&entry.id)))
    };
    let own = if family == "assemblyscript" { None } else { default };
    let by_toolchain = own.and_then(|own| pick(&|id| id == own, OWN_VARIANT));
    let found =
        by_toolchain.or_else(|| pick(&|id| CONTAINING.contains(&id), CONTAINING_VARIANT)).unwrap_or(best);
    let entry = of(found)?;
    let rival = searched
        .matches
        .iter()
        .find(|other| of(other).is_some_and(|entry| entry.family != *family))
        .map_or(0.0, |other| other.score);
    let is_large =
        library.profiles.get(best.profile).is_some_and(|profile| profile.total_weight >= LARGE_DESIGN);
    let another = variants.clone().find(|other| of(other).is_some_and(|other| other.id != entry.id));
    let is_told =
        by_toolchain.is_some() || another.is_none_or(|other| found.score - other.score >= VARIANT_MARGIN);
    let of_toolchain = match &toolchain.value {
        Some(found) if found.family == *family => true,
        // What made it is open, and this is what only one toolchain has.
        _ => {
            toolchain.level() < Level::Medium
                && entries.toolchains.iter().any(|known| known.family == *family)
        }
    };
    let confidence = Likeness {
        score: best.score,
        rival,
        is_large,
        is_told,
        is_own: by_toolchain.is_some(),
        is_expected: by_toolchain.is_some() || of_toolchain,
    }
    .confidence()?;
    let profile = library.profiles.get(found.profile).map_or("", |profile| profile.name.as_str());
    let percent = (found.score * 100.0).round();
    let funcs: Vec<String> = found.funcs.iter().take(4).map(|func| format!("{func}")).collect();
    let text = format!(
        "code: {percent}% of the fingerprint \"{profile}\" (next other design: {}%), in functions {}",
        (rival * 100.0).round(),
        funcs.join(", ")
    );
    Some(Conclusion::new(describe(entry), Confidence::new(confidence)).because(Evidence {
        text,
        offset: None,
        func: found.funcs.first().copied(),
    }))
}

/// How much of a design's fingerprint is there, and what bears on what that means.
#[derive(Clone, Copy)]
struct Likeness {
    score: f32,
    /// The score of the best other design.
    rival: f32,
    is_large: bool,
    /// It is told from its other variants.
    is_told: bool,
    /// The toolchain brings this very allocator.
    is_own: bool,
    /// Or one of its family, or what made the module is open, and one toolchain alone has it.
    is_expected: bool,
}

impl Likeness {
    /// How sure it is; `None` if it says nothing.
    fn confidence(self) -> Option<f32> {
        let Self { score, rival, is_large, is_told, is_own, is_expected } = self;
        let margin = score - rival;
        Some(if score >= SCORE_HIGH && margin >= 0.2 {
            (0.86 + 0.25 * (score - SCORE_HIGH)).min(0.9)
        } else if score >= SCORE_STRONG && rival <= SCORE_NOISE && is_large && is_told {
            0.86 + 0.1 * (score - SCORE_STRONG).min(SCORE_HIGH - SCORE_STRONG)
        } else if score >= SCORE_NOISE && rival * 4.0 <= score && is_large && is_own {
            // Four times what any other design shares: small parts that optimisers left.
            0.72
        } else if !is_large && !is_expected {
            // lite-alloc's code has 45 % of lol_alloc's: a relative of which there is no fingerprint.
            return None;
        } else if score >= SCORE_MEDIUM && margin >= 0.1 {
            0.5 + 0.34 * (score - SCORE_MEDIUM)
        } else {
            0.3 + (score - SCORE_LOW).min(0.15)
        })
    }
}

/// For an unknown allocator: what came nearest.
fn nearest(entries: &Entries, library: &Library, searched: &Searched) -> Vec<Evidence> {
    let mut shown = BTreeSet::new();
    let mut evidence = vec![Evidence::new(format!(
        "{} compared with the fingerprints",
        counted_as(searched.funcs_searched as u64, "function was", "functions were")
    ))];
    for found in &searched.matches {
        let Some(entry) =
            library.profiles.get(found.profile).and_then(|profile| entries.allocator(&profile.allocator))
        else {
            continue;
        };
        if shown.len() < 2 && shown.insert(&entry.id) {
            let text =
                format!("nearest: {} ({}% of its fingerprint)", entry.name, (found.score * 100.0).round());
            evidence.push(Evidence { text, offset: None, func: found.funcs.first().copied() });
        }
    }
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_design_is_not_told_from_its_relatives_by_a_part_of_it() {
        let likeness = Likeness {
            score: 0.45,
            rival: 0.0,
            is_large: false,
            is_told: true,
            is_own: false,
            is_expected: false,
        };
        assert_eq!(likeness.confidence(), None);
        let is_sure = |likeness: Likeness| likeness.confidence().is_some_and(|confidence| confidence > 0.8);
        assert!(is_sure(Likeness { score: SCORE_HIGH, ..likeness }));
        assert!(is_sure(Likeness { is_large: true, ..likeness }));
        // AssemblyScript's and Zig's are small, and no other toolchain has them.
        let expected = Likeness { is_expected: true, ..likeness }.confidence();
        assert!(expected.is_some_and(|confidence| (0.5..0.8).contains(&confidence)), "{expected:?}");
    }
}
