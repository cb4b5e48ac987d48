//! Which functions allocate: by names and exports first, then by their code.

mod names;

use std::collections::BTreeMap;

use self::names::{Fit, by_name};
use super::allocator::Allocator;
use crate::facts::{ExternKind, Facts};
use crate::fingerprint::Searched;
use crate::report::{
    Abi, AllocatorFunction, AllocatorRole as Role, Conclusion, Confidence, Evidence, Param, SizeIs, short,
};

/// Functions listed; no allocator has half as many.
const MAX_FUNCTIONS: usize = 48;

/// An exact name with the exact type.
const EXACT: Confidence = Confidence::new_const(0.95);
/// A name whose type an optimiser has shortened.
const SHORTENED: Confidence = Confidence::new_const(0.8);
/// A name that several functions have.
const AMBIGUOUS: Confidence = Confidence::new_const(0.6);

/// A function's role, before it is written down.
#[derive(Debug, Clone)]
struct Found {
    abi: Option<Abi>,
    confidence: Confidence,
    evidence: Vec<Evidence>,
}

/// Finds the functions of the allocator. O(functions + names + calls), and O(operators) of the few that are read.
pub(super) fn functions(
    facts: &Facts<'_>,
    _identity: &Conclusion<Allocator>,
    _searched: Option<Searched>,
) -> Vec<AllocatorFunction> {
    let found = named(facts);
    let listed = found.into_iter().take(MAX_FUNCTIONS);
    listed.map(|((role, func), found)| describe(facts, role, func, found)).collect()
}

fn describe(facts: &Facts<'_>, role: Role, func: u32, found: Found) -> AllocatorFunction {
    let takes_size = found.abi.is_some_and(|abi| abi.params.contains(&Param::Size));
    AllocatorFunction {
        role,
        func,
        name: facts.func_name(func).map(str::to_owned),
        abi: found.abi,
        size_is: takes_size.then_some(SizeIs::Requested),
        static_state: None,
        callers_of_internals: Vec::new(),
        evidence: found.evidence,
        confidence: found.confidence,
    }
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
