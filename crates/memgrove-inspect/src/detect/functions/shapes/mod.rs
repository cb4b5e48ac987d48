//! Functions of allocators by their code, in modules without names.
//!
//! The fingerprint says in which functions the allocator's code is; what such a function does with its parameters and
//! whom it calls says which one it is. A parameter that is rounded up is a size, one before which memory is read is a
//! block, since its header is there. Whatever could be two things is left out.

mod callers;
mod headers;
mod sized;

use std::collections::{BTreeMap, BTreeSet};

use super::MAX_CALLS_TO_GROWTH;
use super::code::{Code, read};
use super::names::{is, word};
use crate::facts::{Callers, Facts, ValType};
use crate::fingerprint::{Searched, library};
use crate::report::{
    Abi, AllocatorRole as Role, Confidence, Convention, Evidence,
    Param::{self, Heap, Size},
    Returned,
};

/// Code that is recognised, with types and calls that leave one reading.
const BY_CODE: Confidence = Confidence::new_const(0.85);
/// The same, where less supports it.
const BY_LESS_CODE: Confidence = Confidence::new_const(0.7);

/// A function that holds less of a fingerprint than this proves nothing by it. With 0.06 the functions of small heaps are not
/// found any more: four in one of the corpus's with wee_alloc.
const MIN_SHARE: f32 = 0.04;
/// Another function that holds half as much could be what the first is taken for: then neither is named by its share.
const RIVAL: f32 = 0.5;
/// Callers looked at for each function; the interface is a few of them, near the allocator in the file or not.
const MAX_CALLERS: usize = 256;
/// A function this short in bytes does nothing but pass its parameters on.
const FORWARDER_BYTES: u32 = 24;
/// Functions that pass on one after the other: two of Rust's run-time, and the export.
const MAX_FORWARDED: usize = 3;

/// Bytes of a free that merges blocks.
const FREE_BYTES: std::ops::RangeInclusive<u32> = 128..=8192;
/// Variables that such a free has in common with malloc.
const MIN_SHARED: usize = 4;

/// What was found.
pub(super) struct ByCode {
    pub(super) role: Role,
    pub(super) func: u32,
    pub(super) abi: Abi,
    pub(super) confidence: Confidence,
    pub(super) evidence: Evidence,
}

/// Designs whose functions are told by these rules; of others the code says too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Design {
    /// A header before each block; free and realloc need no size.
    Headers,
    /// Whoever frees says the size.
    Sized,
    /// Headers, and a collector above.
    Collected,
}

fn design(family: &str) -> Option<Design> {
    match family {
        "dlmalloc" | "emmalloc" => Some(Design::Headers),
        "wee_alloc" => Some(Design::Sized),
        "assemblyscript" => Some(Design::Collected),
        _ => None,
    }
}

/// Whether the functions of a design can be told by code.
pub(super) fn has_rules(family: &str) -> bool {
    design(family).is_some()
}

/// Finds functions by code. O(operators of the functions near the allocator).
pub(super) fn by_code(
    facts: &Facts<'_>,
    allocators: &BTreeSet<&str>,
    family: &str,
    searched: &Searched,
    growers: &[u32],
    callers: &Callers,
) -> Vec<ByCode> {
    let Some(design) = design(family) else { return Vec::new() };
    let mut shares: BTreeMap<u32, f32> = BTreeMap::new();
    for found in &searched.matches {
        let profile = library().profiles.get(found.profile);
        if profile.is_some_and(|profile| allocators.contains(profile.allocator.as_str())) {
            for (&func, &share) in found.funcs.iter().zip(&found.shares) {
                let best = shares.entry(func).or_default();
                *best = best.max(share);
            }
        }
    }
    let mut holders: Vec<(u32, f32)> = shares.into_iter().filter(|(_, share)| *share >= MIN_SHARE).collect();
    holders.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut search = Shapes {
        facts,
        word: word(facts),
        holders,
        growers,
        callers,
        codes: BTreeMap::new(),
        found: Vec::new(),
    };
    match design {
        Design::Headers => search.headers(),
        Design::Sized => search.sized(),
        Design::Collected => search.collected(),
    }
    search.found
}

struct Shapes<'f, 'a> {
    facts: &'f Facts<'a>,
    word: ValType,
    /// Functions with the allocator's code, most first.
    holders: Vec<(u32, f32)>,
    growers: &'f [u32],
    callers: &'f Callers,
    codes: BTreeMap<u32, Option<Code>>,
    found: Vec<ByCode>,
}

impl Shapes<'_, '_> {
    fn code(&mut self, func: u32) -> Option<Code> {
        let facts = self.facts;
        self.codes.entry(func).or_insert_with(|| read(facts, func)).clone()
    }

    fn is(&self, func: u32, params: &'static [Param], returns: Returned) -> bool {
        self.facts.func_type(func).is_some_and(|ty| is(ty, params, returns, self.word))
    }

    fn add(&mut self, role: Role, func: u32, abi: Abi, confidence: Confidence, text: &str) {
        if self.found.iter().any(|found| found.func == func && found.role == role) {
            return;
        }
        let evidence = Evidence {
            text: format!("code: {text}"),
            offset: self.facts.function(func).map(|function| function.body_offset),
            func: Some(func),
        };
        self.found.push(ByCode { role, func, abi, confidence, evidence });
    }

    /// The function that fits and holds most, unless another that fits comes near.
    fn best(&mut self, fits: impl Fn(&Self, u32, &Code) -> bool) -> Option<(u32, f32)> {
        let mut best: Option<(u32, f32)> = None;
        for (func, share) in self.holders.clone() {
            if best.is_some_and(|(_, most)| share < most * RIVAL) {
                break;
            }
            if self.code(func).is_some_and(|code| fits(self, func, &code)) {
                if best.is_some() {
                    return None;
                }
                best = Some((func, share));
            }
        }
        best
    }

    fn reaches_growth(&self, func: u32) -> bool {
        let mut level = BTreeSet::from([func]);
        for _ in 0..=MAX_CALLS_TO_GROWTH {
            if level.iter().any(|func| self.growers.contains(func)) {
                return true;
            }
            level = level
                .iter()
                .flat_map(|&func| self.facts.call_graph.callees(func).iter().take(MAX_CALLERS).copied())
                .take(MAX_CALLERS)
                .collect();
        }
        false
    }

    fn callers_of(&self, func: u32) -> Vec<u32> {
        self.callers.of(func).iter().take(MAX_CALLERS).copied().collect()
    }

    /// The only function that fits, however much it holds.
    fn best_of_rest(&mut self, fits: impl Fn(&Self, u32, &Code) -> bool) -> Option<(u32, f32)> {
        let holders = self.holders.clone();
        let mut fitting = holders
            .into_iter()
            .filter(|&(func, _)| self.code(func).is_some_and(|code| fits(self, func, &code)));
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first)
    }

    /// AssemblyScript: the inner allocation, below the collector.
    fn collected(&mut self) {
        let fits = |this: &Self, func: u32, code: &Code| {
            let size = |at: usize| {
                let param = code.params[at];
                param.rounded && !param.at && !param.before
            };
            this.reaches_growth(func)
                && ((this.is(func, &[Heap, Size], Returned::Pointer) && code.params[0].at && size(1))
                    || (this.is(func, &[Size], Returned::Pointer) && size(0)))
        };
        if let Some((func, _)) = self.best_of_rest(fits) {
            let heap = self.is(func, &[Heap, Size], Returned::Pointer);
            let params: &'static [Param] = if heap { &[Heap, Size] } else { &[Size] };
            let abi = Abi { convention: Convention::AssemblyScript, params, result: Returned::Pointer };
            let text = "holds code of the allocator, rounds the size up and reaches the growth";
            self.add(Role::Malloc, func, abi, BY_LESS_CODE, text);
        }
    }
}
