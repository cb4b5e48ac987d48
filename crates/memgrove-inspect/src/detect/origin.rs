//! Toolchain and allocator together: each is evidence for the other, and all of that evidence is here.
//!
//! ```text
//! toolchain, by its own rules ─► allocator: its rules, its code, else what the toolchain links by default
//!                             ◄─ toolchain again, where the allocator was seen and comes with one toolchain only
//! ```

use super::allocator::{self, Allocator, Basis, describe};
use super::entries::{Entries, entries};
use super::toolchain::{self, Toolchain};
use crate::Code;
use crate::facts::Facts;
use crate::knowledge::AllocatorEntry;
use crate::report::{Conclusion, Confidence, Evidence, Level};

/// Concludes which toolchain made the module.
#[must_use]
pub fn toolchain(facts: &Facts<'_>) -> Conclusion<Toolchain> {
    origin(facts).0
}

/// Concludes which allocator is inside the module.
#[must_use]
pub fn allocator(facts: &Facts<'_>) -> Conclusion<Allocator> {
    origin(facts).1
}

/// Concludes toolchain and allocator together. O(operators) at worst.
#[must_use]
pub fn origin(facts: &Facts<'_>) -> (Conclusion<Toolchain>, Conclusion<Allocator>) {
    origin_of(&Code::new(facts))
}

/// The same, where questions about single functions have been asked already.
pub(crate) fn origin_of(code: &Code<'_>) -> (Conclusion<Toolchain>, Conclusion<Allocator>) {
    let entries = entries();
    let subject = entries.subject(code);
    let alone = toolchain::conclude(entries, &subject, None);
    let (allocator, basis) = allocator::conclude(entries, &subject, &alone);
    // Not where it was concluded from the toolchain itself.
    let hint = Hint::of(entries, &allocator).filter(|_| basis == Basis::Seen && alone.level() < Level::High);
    match hint {
        None => (alone, allocator),
        Some(hint) => (toolchain::conclude(entries, &subject, Some(&hint)), allocator),
    }
}

/// What the allocator says about the toolchain: another toolchain may have linked it in.
pub(super) struct Hint<'e> {
    /// Family of the toolchain.
    pub(super) family: &'e str,
    pub(super) weight: f32,
    pub(super) evidence: Evidence,
}

/// How much the allocator's word counts.
const ALLOCATOR_SPEAKS: f32 = 0.85;

impl<'e> Hint<'e> {
    /// An allocator that only one toolchain has speaks for it.
    fn of(entries: &'e Entries, allocator: &Conclusion<Allocator>) -> Option<Self> {
        let value = allocator.value.as_ref()?;
        let family = entries.allocator(&value.id)?.implies.as_deref()?;
        let text = format!("its allocator, {}, comes with no other toolchain", value.name);
        let weight = allocator.confidence.value() * ALLOCATOR_SPEAKS;
        Some(Self { family, weight, evidence: Evidence::new(text) })
    }
}

/// The allocator that a toolchain links by default, with how often.
pub(super) fn default_of<'e>(
    entries: &'e Entries,
    toolchain: &Toolchain,
) -> Option<(&'e AllocatorEntry, f32)> {
    let defaults = entries
        .allocators
        .iter()
        .flat_map(|entry| entry.defaults.iter().map(move |default| (entry, default)));
    let of_family = defaults.filter(|(_, default)| default.toolchain == toolchain.family);
    let fitting =
        of_family.filter(|(_, default)| default.variant.is_none() || default.variant == toolchain.variant);
    fitting
        .max_by_key(|(_, default)| default.variant.is_some())
        .map(|(entry, default)| (entry, default.weight))
}

/// A default this frequent is a matter of definition: the run-time comes with its heap.
const DEFINITION: f32 = 0.8;

/// Toolchains whose run-time is inseparable from its heap.
pub(super) fn by_definition(
    entries: &Entries,
    toolchain: &Conclusion<Toolchain>,
) -> Option<Conclusion<Allocator>> {
    let value = toolchain.value.as_ref()?;
    let (entry, weight) = default_of(entries, value)?;
    (weight >= DEFINITION).then(|| {
        let confidence = Confidence::new(weight.min(toolchain.confidence.value()));
        let text = format!("{} brings its own heap", value.name);
        Conclusion::new(describe(entry), confidence).because(Evidence::new(text))
    })
}

/// What the toolchain links by default, where nothing of any allocator was recognised and `may_be` does not exclude it.
pub(super) fn by_default(
    entries: &Entries,
    toolchain: &Conclusion<Toolchain>,
    may_be: impl Fn(&str) -> bool,
) -> Option<Conclusion<Allocator>> {
    let value = toolchain.value.as_ref()?;
    let (entry, weight) = default_of(entries, value)?;
    // Compilers that tell their version are of the fingerprints' years; what older ones made of the same source may show
    // none of it.
    let is_possible = value.version.is_none() || may_be(entry.id.as_str());
    // The code does not look like it, which makes the default less likely than it is in general.
    (toolchain.confidence >= Confidence::MEDIUM && is_possible).then(|| {
        let text = format!("the default of {}; its code was not recognised", value.name);
        Conclusion::new(describe(entry), Confidence::new(weight * 0.5)).because(Evidence::new(text))
    })
}
