//! What toolchain and allocator say of each other.
//!
//! ```text
//! toolchain alone -> allocator, where names and code leave it open: by definition, or by default
//!                 -> toolchain again, where the allocator was seen and comes with no other
//! ```
//!
//! Never both ways at once: an allocator that was concluded from the toolchain says nothing about it.

use memgrove_module::recognise::Purpose;

use super::allocator::{self, Basis, describe};
use super::allocator_sites::Sites;
use super::entries::{Entries, entries};
use super::functions::{functions, is_allocation_name};
use super::imports::ImportMeanings;
use super::toolchain;
use crate::Code;
use crate::facts::{ExternKind, Facts, Import};
use crate::fingerprint::Searched;
use crate::knowledge::{AllocatorEntry, Knowledge};
use crate::report::{Allocator, AllocatorReport, Conclusion, Confidence, Evidence, Level, Toolchain, short};

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
    let alone = toolchain::conclude(entries, &subject, None);
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
        Some(hint) => (toolchain::conclude(entries, &subject, Some(&hint)), allocator, searched),
    }
}

/// What the allocator says about the toolchain: another toolchain may have linked it in.
pub(super) struct Hint<'e> {
    /// The toolchain's family.
    pub family: &'e str,
    pub weight: f32,
    pub evidence: Evidence,
}

/// How much the allocator's word counts: below 0.9, as another toolchain may have linked it in, and above what leaves a toolchain in
/// doubt.
const ALLOCATOR_SPEAKS: f32 = 0.85;

/// A default this frequent is a matter of definition: the run-time comes with its heap. With 0.85 nothing changes for the corpus
/// and the samples.
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

/// The allocator that a toolchain links unless it is told otherwise, and how often it does.
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

/// Nothing was recognised: what the toolchain links by default, or that there is nothing.
pub(super) fn by_default(
    entries: &Entries,
    code: &Code<'_>,
    sites: &Sites,
    toolchain: &Conclusion<Toolchain>,
    may_be: impl Fn(&str) -> bool,
) -> Conclusion<Allocator> {
    let facts = code.facts();
    if let Some(none) = entries.allocator("none").filter(|_| sites.nothing_allocates(facts)) {
        if let Some(import) = unresolved(code) {
            let text = format!(
                "nothing inside grows memory or allocates, but it is unknown what the import {}.{} does",
                short(import.module),
                short(import.name)
            );
            return Conclusion::unknown().because(Evidence::at(import.offset, text));
        }
        let text = "no memory.grow, no import that grows, no exported allocation function, no known code";
        let confidence = if facts.functions.len() <= 64 { 0.75 } else { 0.55 };
        return Conclusion::new(describe(none), Confidence::new(confidence)).because(Evidence::new(text));
    }
    let default = toolchain.value.as_ref().and_then(|value| Some((value, default_of(entries, value)?)));
    match default {
        // The code does not look like it, which makes the default less likely than it is in general.
        Some((value, (entry, weight)))
            if toolchain.confidence >= Confidence::MEDIUM && may_be(entry.id.as_str()) =>
        {
            let text = format!("the default of {}; its code was not recognised", value.name);
            Conclusion::new(describe(entry), Confidence::new(weight * 0.5)).because(Evidence::new(text))
        }
        _ => Conclusion::unknown(),
    }
}

/// A function that is imported and may be what allocates: one that nothing is known of, or that has the name of malloc.
fn unresolved<'c, 'a>(code: &'c Code<'a>) -> Option<&'c Import<'a>> {
    let meanings = ImportMeanings::new(code, Knowledge::builtin());
    let is_known = |at: usize| !matches!(meanings.purpose(at), Purpose::Unknown | Purpose::Memory);
    let imports = code.facts().imports.iter().enumerate();
    let mut functions = imports.filter(|(_, import)| import.ty.kind() == ExternKind::Func);
    let found = functions.find(|&(at, import)| is_allocation_name(import.name) || !is_known(at));
    found.map(|(_, import)| import)
}
