//! Who makes memory 0 larger.

use crate::detect::imports::ImportMeanings;
use crate::facts::{Callers, ExternKind, Facts, Site, SiteKind};
use crate::report::{
    Conclusion, Confidence, Evidence, GrowFunction, GrowSite, Grower, Growth, ImportName, short,
};
use wasmparser::Operator;

/// Functions for which the ways to reach them are followed; the search is linear in the call graph for each. With four times as
/// many nothing more is found ("Bounds" in CONTRIBUTING.md).
const MAX_TRACED_FUNCTIONS: usize = 16;
/// Ways listed for each; the first says enough.
const MAX_WAYS: usize = 8;
/// Imports listed that ask for memory; a module has one or two.
const MAX_GROWERS: usize = 16;

pub(super) fn growth(facts: &Facts<'_>, meanings: &ImportMeanings<'_, '_, '_>) -> Conclusion<Growth> {
    let Some(memory) = facts.memories.first() else {
        let (sites, functions, imports) = (Vec::new(), Vec::new(), Vec::new());
        let growth = Growth { who: Grower::NoMemory, sites, functions, imports, fixed: false };
        return Conclusion::new(growth, Confidence::CERTAIN)
            .because(Evidence::new("the module has no memory"));
    };
    let fixed = memory.ty.max_pages == Some(memory.ty.min_pages);
    let (sites, functions) = grow_sites(facts);
    let mut growers: Vec<usize> = meanings.growers().collect();
    let more_growers = growers.len().saturating_sub(MAX_GROWERS);
    growers.truncate(MAX_GROWERS);
    let mut evidence = Vec::new();
    for site in sites.iter().take(MAX_TRACED_FUNCTIONS) {
        let name = facts.func_name(site.func).map(|name| format!(" ({})", short(name))).unwrap_or_default();
        let text = format!("memory.grow in function {}{name}", site.func);
        evidence.push(Evidence::in_func(site.func, site.offset, text));
    }
    for &at in &growers {
        let import = &facts.imports[at];
        let meaning = meanings.meaning(at).value.unwrap_or_default();
        let text = format!("import {}.{}: {meaning}", short(import.module), short(import.name));
        evidence.push(Evidence::at(import.offset, text));
    }
    if more_growers > 0 {
        evidence.push(Evidence::new(format!("{more_growers} more imports that ask for memory")));
    }
    let who = match (fixed, sites.is_empty(), growers.is_empty()) {
        (true, ..) => {
            evidence.push(Evidence::at(memory.offset, "minimum and maximum are equal"));
            Grower::Nobody
        }
        (_, false, true) => Grower::Module,
        (_, true, false) => Grower::Import,
        (_, false, false) => Grower::ModuleAndImport,
        (_, true, true) => {
            let reachable = memory.import.is_some() || exported(facts);
            evidence.push(Evidence::new("there is no memory.grow and no import that asks for memory"));
            if reachable { Grower::Host } else { Grower::Nobody }
        }
    };
    if memory.ty.shared && who != Grower::Nobody {
        // Where V8's change is told of: crates/memgrove/src/source/notice.rs.
        let asks =
            facts.sites.iter().filter(|site| matches!(site.kind, SiteKind::Grow { memory: 0 })).count();
        evidence.push(Evidence::at(
            memory.offset,
            if asks > sites.len() {
                "shared; calls memory.grow(0), so threads on V8 see each other's growth in time"
            } else {
                "shared: on V8 before its change of 2026-09-29 a thread may trap on copying or clearing memory that another one \
                 has grown"
            },
        ));
    }
    let confidence = match who {
        Grower::Host if meanings.has_unknown() => {
            evidence.push(Evidence::new(
                "imports with an unknown purpose are there; one of them may ask for memory",
            ));
            Confidence::LOW
        }
        _ => Confidence::CERTAIN,
    };
    let name = |&at: &usize| ImportName {
        module: facts.imports[at].module.to_owned(),
        name: facts.imports[at].name.to_owned(),
    };
    let growth = Growth { who, sites, functions, imports: growers.iter().map(name).collect(), fixed };
    Conclusion::new(growth, confidence).with_evidence(evidence)
}

fn exported(facts: &Facts<'_>) -> bool {
    facts.exports.iter().any(|export| export.kind == ExternKind::Memory && export.index == 0)
}

/// The sites, and what is known of the functions that hold them: said once for all sites of a function.
fn grow_sites(facts: &Facts<'_>) -> (Vec<GrowSite>, Vec<GrowFunction>) {
    let sites: Vec<&Site> =
        facts.sites.iter().filter(|site| matches!(site.kind, SiteKind::Grow { memory: 0 })).collect();
    let mut found = Vec::new();
    let mut functions: Vec<GrowFunction> = Vec::new();
    if sites.is_empty() {
        return (found, functions);
    }
    let mut ways = Ways::new(facts);
    // Sites come in the order of the file, so those of one function stand together.
    for sites in sites.chunk_by(|a, b| a.func == b.func) {
        let func = sites[0].func;
        let zero = zero_grows(facts, func);
        let before = found.len();
        let growing = sites.iter().filter(|site| zero.binary_search(&site.offset).is_err());
        found.extend(growing.map(|site| GrowSite { func, offset: site.offset }));
        if found.len() > before {
            let name = facts.func_name(func).map(str::to_owned);
            functions.push(GrowFunction { func, name, reached_from: ways.to(func) });
        }
    }
    (found, functions)
}

/// Offsets of `memory.grow` with a constant zero: it only asks for the size, or has the engine learn it.
fn zero_grows(facts: &Facts<'_>, func: u32) -> Vec<u32> {
    let mut zero = Vec::new();
    let Some(mut reader) = facts.operators(func) else { return zero };
    let mut after_zero = false;
    while let Ok((operator, offset)) = reader.read_with_offset() {
        if after_zero && matches!(operator, Operator::MemoryGrow { .. }) {
            zero.push(crate::facts::offset32(offset));
        }
        after_zero = matches!(operator, Operator::I32Const { value: 0 } | Operator::I64Const { value: 0 });
        if reader.eof() {
            break;
        }
    }
    zero
}

/// How functions can be reached from outside.
struct Ways<'f, 'a> {
    facts: &'f Facts<'a>,
    callers: Callers,
    address_taken: Vec<u32>,
    /// `(function, export)`, sorted by function.
    exports: Vec<(u32, &'a str)>,
    traced: usize,
}

impl<'f, 'a> Ways<'f, 'a> {
    fn new(facts: &'f Facts<'a>) -> Self {
        let funcs = facts.exports.iter().filter(|export| export.kind == ExternKind::Func);
        let mut exports: Vec<_> = funcs.map(|export| (export.index, export.name)).collect();
        exports.sort_unstable();
        Self {
            facts,
            callers: facts.call_graph.callers(),
            address_taken: facts.address_taken(),
            exports,
            traced: 0,
        }
    }

    /// Follows direct callers up to exports, the start function and functions in tables.
    fn to(&mut self, func: u32) -> Vec<String> {
        self.traced += 1;
        if self.traced > MAX_TRACED_FUNCTIONS {
            return Vec::new();
        }
        let mut ways = Vec::new();
        let mut by_table = false;
        let mut seen = vec![false; self.facts.func_count() as usize];
        let mut queue = std::collections::VecDeque::from([func]);
        seen[func as usize] = true;
        while let Some(func) = queue.pop_front() {
            if self.facts.start.is_some_and(|start| start.func == func) {
                ways.push("start function".to_owned());
            }
            let first = self.exports.partition_point(|&(index, _)| index < func);
            let names = self.exports[first..].iter().take_while(|&&(index, _)| index == func);
            ways.extend(names.take(MAX_WAYS).map(|(_, name)| format!("export {}", short(name))));
            by_table |= self.address_taken.binary_search(&func).is_ok();
            if ways.len() >= MAX_WAYS {
                ways.truncate(MAX_WAYS);
                break;
            }
            for &caller in self.callers.of(func) {
                if !std::mem::replace(&mut seen[caller as usize], true) {
                    queue.push_back(caller);
                }
            }
        }
        if by_table {
            ways.push("table".to_owned());
        }
        ways
    }
}
