//! Where in a module an allocator can be: around the places where the heap grows, and behind exported names.

use std::collections::{BTreeSet, VecDeque};

use super::functions::is_allocation_name;

use crate::Code;
use crate::facts::{ExternKind, Facts, SiteKind};
use crate::report::{Evidence, short};

/// How far from a growth site an allocator's functions are, in calls.
const NEAR: u32 = 3;
/// A function with more callers than this is used by the whole program: its callers are not the allocator.
const MANY_CALLERS: usize = 48;
/// As many functions are looked at near the sites; with four times as many nothing more is found ("Bounds" in CONTRIBUTING.md).
const MAX_NEAR: usize = 400;
/// Functions longer than this in bytes are not searched everywhere: an allocator is a few kilobytes.
const MAX_BODY: u32 = 48 * 1024;
/// Nor are functions shorter than this.
const MIN_BODY: u32 = 24;

/// Where an allocator can be.
pub struct Sites {
    /// Functions with `memory.grow` or a call of an import that grows.
    pub growers: Vec<u32>,
    /// Functions with `memory.size`, where nothing else is known.
    pub sizers: Vec<u32>,
    /// Exported allocation functions.
    pub exported: Vec<u32>,
    /// Functions near all of them.
    pub near: BTreeSet<u32>,
}

/// Finds the places. O(functions + calls).
pub fn sites(code: &Code<'_>) -> Sites {
    let facts = code.facts();
    let imported = facts.imported_func_count();
    let mut growers: BTreeSet<u32> = facts.grow_sites().map(|site| site.func).collect();
    let by_import = code.imports().growers().filter_map(|at| facts.imports.get(at));
    let asked = by_import.filter(|import| import.ty.kind() == ExternKind::Func).map(|import| import.index);
    for import in asked.chain(code.growth_by_use().iter().copied()) {
        growers.extend(code.callers(import));
    }
    let sizers: BTreeSet<u32> = facts.size_sites().map(|site| site.func).collect();
    let exported: BTreeSet<u32> = facts
        .exports
        .iter()
        .filter(|export| export.kind == ExternKind::Func && export.index >= imported)
        .filter(|export| is_allocation_name(export.name))
        .map(|export| export.index)
        .collect();
    let mut near = BTreeSet::new();
    let mut queue: VecDeque<(u32, u32)> = VecDeque::new();
    queue.extend(growers.iter().chain(&sizers).chain(&exported).map(|&func| (func, 0)));
    while let Some((func, distance)) = queue.pop_front() {
        if near.len() >= MAX_NEAR || func < imported || !near.insert(func) || distance == NEAR {
            continue;
        }
        let callers = code.callers(func);
        if callers.len() <= MANY_CALLERS {
            queue.extend(callers.iter().map(|&caller| (caller, distance + 1)));
        }
        let callees = facts.call_graph.callees(func);
        if callees.len() <= MANY_CALLERS {
            queue.extend(callees.iter().map(|&callee| (callee, distance + 1)));
        }
    }
    Sites {
        growers: growers.into_iter().collect(),
        sizers: sizers.into_iter().collect(),
        exported: exported.into_iter().collect(),
        near,
    }
}

impl Sites {
    /// Whether it is worth looking further: calls through tables hide how an allocator is reached, and a heap of
    /// fixed size has no growth site at all.
    pub fn may_be_elsewhere(&self, facts: &Facts<'_>) -> bool {
        !facts.memories.is_empty() && facts.functions.len() > self.near.len()
    }

    /// The other functions in which an allocator could be.
    pub fn everywhere_else(&self, facts: &Facts<'_>) -> impl Iterator<Item = u32> {
        let sizes = facts.functions.iter().map(|function| function.body_len);
        let range = MIN_BODY..=MAX_BODY;
        (facts.imported_func_count()..)
            .zip(sizes)
            .filter(move |(func, size)| range.contains(size) && !self.near.contains(func))
            .map(|(func, _)| func)
    }

    /// Whether neither growth nor an exported name shows that the module allocates anything.
    pub fn nothing_allocates(&self, facts: &Facts<'_>) -> bool {
        self.growers.is_empty()
            && self.exported.is_empty()
            && self.sizers.is_empty()
            && !facts.sites.iter().any(|site| matches!(site.kind, SiteKind::Grow { .. }))
    }

    /// What was found, in words.
    pub fn evidence(&self, facts: &Facts<'_>) -> Option<Evidence> {
        let list = |funcs: &[u32]| {
            let shown: Vec<String> = funcs.iter().take(4).map(|&func| name(facts, func)).collect();
            let more = if funcs.len() > 4 { ", …" } else { "" };
            format!("{}{more}", shown.join(", "))
        };
        let first = *self.growers.first()?;
        let offset = facts.function(first).map(|function| function.body_offset);
        Some(Evidence {
            text: format!("the heap grows in {}", list(&self.growers)),
            offset,
            func: Some(first),
        })
    }
}

fn name(facts: &Facts<'_>, func: u32) -> String {
    match facts.func_name(func) {
        Some(name) => format!("{} (function {func})", short(name)),
        None => format!("function {func}"),
    }
}
