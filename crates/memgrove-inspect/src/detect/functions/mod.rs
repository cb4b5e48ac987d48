//! Which functions allocate: by names and exports first, then by their code.

mod closure;
mod code;
mod names;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};

use self::closure::Closure;
pub(super) use self::names::is_allocation_name;
use self::names::{Fit, by_name};
use self::shapes::{ByCode, by_code, has_rules};

use super::allocator_sites::sites;
use super::entries::Entries;
use crate::Code;
use crate::facts::{ExternKind, Facts, SiteKind};
use crate::fingerprint::{Searched, library, search};
use crate::report::{
    Abi, Allocator, AllocatorFunction, AllocatorRole as Role, Conclusion, Confidence, Convention, Evidence,
    Param, SizeIs, short,
};

/// Functions listed; no allocator has half as many.
const MAX_FUNCTIONS: usize = 48;

/// An exact name with the exact type.
const EXACT: Confidence = Confidence::new_const(0.95);
/// A name whose type an optimiser has shortened.
const SHORTENED: Confidence = Confidence::new_const(0.8);
/// A name that several functions have.
const AMBIGUOUS: Confidence = Confidence::new_const(0.6);

/// Twice what any code of another design reaches, and more.
const CERTAIN_SCORE: f32 = 0.5;

/// The instruction is there, and the allocator reaches it; whether others do too is another question.
const GROWS: Confidence = Confidence::new_const(0.85);
/// How far a function may be from the growth that it causes, in direct calls.
const MAX_CALLS_TO_GROWTH: u32 = 3;
/// Functions followed at each distance; with four times as many nothing more is found ("Bounds" in CONTRIBUTING.md).
const MAX_REACHED: usize = 256;

/// A function's role, before it is written down.
#[derive(Debug, Clone)]
struct Found {
    abi: Option<Abi>,
    confidence: Confidence,
    evidence: Vec<Evidence>,
}

/// Finds the functions of the allocator. O(functions + names + calls), and O(operators) of the few that are read.
pub(super) fn functions(
    code: &Code<'_>,
    entries: &Entries,
    identity: &Conclusion<Allocator>,
    searched: Option<Searched>,
) -> Vec<AllocatorFunction> {
    let facts = code.facts();
    let mut found = named(facts);
    let by_code = identity.value.as_ref().map(|value| recognised(code, entries, &value.family, searched));
    for shape in by_code.into_iter().flatten() {
        // A name says more than a shape, also where it says something else.
        let other = found.keys().any(|(role, func)| *func == shape.func && *role != shape.role);
        if !other {
            let fresh = Found { abi: Some(shape.abi), confidence: shape.confidence, evidence: Vec::new() };
            found.entry((shape.role, shape.func)).or_insert(fresh).evidence.push(shape.evidence);
        }
    }
    add_growth(facts, &mut found);
    let described = found.into_iter().take(MAX_FUNCTIONS);
    let mut functions: Vec<AllocatorFunction> =
        described.map(|((role, func), found)| describe(facts, role, func, found)).collect();
    add_surroundings(facts, &mut functions);
    functions
}

/// Functions with `memory.grow` that malloc reaches by direct calls: the memory grows there for the allocator.
fn add_growth(facts: &Facts<'_>, found: &mut BTreeMap<(Role, u32), Found>) {
    let mut reached: BTreeSet<u32> =
        found.keys().filter(|(role, _)| *role == Role::Malloc).map(|(_, func)| *func).collect();
    let mut level = reached.clone();
    for _ in 0..MAX_CALLS_TO_GROWTH {
        let callees = level.iter().flat_map(|&func| facts.call_graph.callees(func)).copied();
        level = callees.filter(|func| !reached.contains(func)).take(MAX_REACHED).collect();
        reached.extend(&level);
    }
    for site in facts.first_sites(|site| matches!(site.kind, SiteKind::Grow { .. })) {
        if reached.contains(&site.func) {
            let evidence =
                Evidence::in_func(site.func, site.offset, "memory.grow, reached from malloc by direct calls");
            let fresh = Found { abi: None, confidence: GROWS, evidence: vec![evidence] };
            found.entry((Role::Grow, site.func)).or_insert(fresh);
        }
    }
}

/// What only the allocator uses, and who knows it from inside.
fn add_surroundings(facts: &Facts<'_>, functions: &mut [AllocatorFunction]) {
    let interface: BTreeSet<u32> = functions.iter().map(|found| found.func).collect();
    let has = |role: Role| functions.iter().any(|found| found.role == role);
    // Half an allocator proves nothing about what the other half uses.
    if !has(Role::Malloc) || !has(Role::Free) {
        return;
    }
    let callers = facts.call_graph.callers();
    let closure = Closure::new(facts, &callers, &interface);
    let state = closure.static_state(facts);
    for found in functions {
        let internal = matches!(found.role, Role::Sbrk | Role::Grow);
        found.static_state.clone_from(&state);
        found.callers_of_internals =
            closure.callers_of_internals(facts, &callers, &interface, found.func, internal);
    }
}

/// Functions told by code, for an allocator of a family.
fn recognised(code: &Code<'_>, entries: &Entries, family: &str, searched: Option<Searched>) -> Vec<ByCode> {
    let facts = code.facts();
    let sites = sites(code);
    // Where the allocator's name was enough, its code has not been looked for yet.
    let searched = searched.unwrap_or_else(|| search(library(), facts, sites.near.iter().copied()));
    // A collector stands on an allocator of another design.
    let below = searched.matches.first().filter(|best| best.score >= CERTAIN_SCORE).and_then(|best| {
        let profile = library().profiles.get(best.profile)?;
        entries.allocator(&profile.allocator).map(|entry| entry.family.as_str())
    });
    let family = if has_rules(family) { family } else { below.unwrap_or(family) };
    let variants = entries.allocators.iter().filter(|entry| entry.family == family);
    let variants: BTreeSet<&str> = variants.map(|entry| entry.id.as_str()).collect();
    by_code(facts, &variants, family, &searched, &sites.growers, &facts.call_graph.callers())
}

fn describe(facts: &Facts<'_>, role: Role, func: u32, found: Found) -> AllocatorFunction {
    let size_is = found.abi.filter(|abi| abi.params.contains(&Param::Size)).map(|abi| {
        // Below the collector some versions pass the size with the header, some without.
        let below_collector = abi.convention == Convention::AssemblyScript
            && role == Role::Malloc
            && !abi.params.contains(&Param::Class)
            && facts.exports_of(ExternKind::Func, func).next().is_none();
        if below_collector { SizeIs::Unknown } else { SizeIs::Requested }
    });
    AllocatorFunction {
        role,
        func,
        name: facts.func_name(func).map(str::to_owned),
        abi: found.abi,
        size_is,
        static_state: None,
        callers_of_internals: Vec::new(),
        evidence: found.evidence,
        confidence: found.confidence,
    }
}

/// Exported functions whose name and type say exactly what they do, in the order of the exports.
pub fn exported_by_name<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = (&'f str, Role, Abi)> {
    let imported = facts.imported_func_count();
    let exported = facts.exports.iter();
    let defined = exported.filter(move |export| export.kind == ExternKind::Func && export.index >= imported);
    defined.filter_map(|export| match by_name(facts, export.index, export.name)? {
        (role, abi, Fit::Exact) => Some((export.name, role, abi)),
        (.., Fit::Shortened) => None,
    })
}

/// Functions whose exported or linked name says what they are, if their type agrees.
fn named(facts: &Facts<'_>) -> BTreeMap<(Role, u32), Found> {
    let imported = facts.imported_func_count();
    let exported = facts
        .exports
        .iter()
        .filter(|export| export.kind == ExternKind::Func)
        .map(|export| (export.index, export.name, Some(export.offset)));
    let linked = facts.names.funcs.iter().map(|(func, name)| (func, name, None));
    let mut found: BTreeMap<(Role, u32), Found> = BTreeMap::new();
    let mut holders: BTreeMap<&str, Vec<(Role, u32)>> = BTreeMap::new();
    for (func, name, offset) in exported.chain(linked).filter(|(func, ..)| *func >= imported) {
        let Some((role, abi, fit)) = by_name(facts, func, name) else { continue };
        let kind = if offset.is_some() { "exported" } else { "named" };
        let evidence = Evidence {
            text: format!("{kind} {}, with the type of that name", short(name)),
            offset,
            func: Some(func),
        };
        let confidence = match fit {
            Fit::Exact => EXACT,
            Fit::Shortened => SHORTENED,
        };
        if offset.is_none() {
            holders.entry(name).or_default().push((role, func));
        }
        let entry =
            found.entry((role, func)).or_insert(Found { abi: Some(abi), confidence, evidence: Vec::new() });
        entry.evidence.push(evidence);
    }
    // Two functions of one name: either may be somebody's own.
    for (name, holders) in holders.into_iter().filter(|(_, holders)| holders.len() > 1) {
        for holder in holders {
            if let Some(found) = found.get_mut(&holder)
                && !found.evidence.iter().any(|seen| seen.offset.is_some())
            {
                found.confidence = AMBIGUOUS;
                found.evidence.push(Evidence::new(format!("other functions are named {} too", short(name))));
            }
        }
    }
    found
}
