//! What each import means: known by its name and type, or recovered from how the module uses it.

use std::collections::BTreeMap;

use crate::facts::{Facts, Import, SiteKind, ValType};
use crate::knowledge::{Host, ImportEntry, Knowledge};
use crate::report::{Conclusion, Confidence, Evidence};

/// The meaning of each import of a module, in the order of the file.
pub(crate) struct ImportMeanings<'k> {
    entries: Vec<Option<&'k ImportEntry>>,
    /// For an import without an entry: the one kind of host whose interface has it, with this type.
    hosts: Vec<Option<&'k Host>>,
    /// The import that asks for memory under a minified name.
    resize_heap: Option<ResizeHeap>,
}

struct ResizeHeap {
    /// Position in `Facts::imports`.
    import: usize,
    func: u32,
    offset: u32,
}

impl<'k> ImportMeanings<'k> {
    pub(crate) fn new(facts: &Facts<'_>, knowledge: &'k Knowledge) -> Self {
        let known = |import| knowledge.imports.iter().find(|entry| entry.pattern.matches(facts, import));
        let entries: Vec<_> = facts.imports.iter().map(known).collect();
        let resize_heap = resize_heap(facts, &entries);
        let of_host = |(import, entry): (&Import<'_>, &Option<_>)| match entry {
            Some(_) => None,
            None => only_host(facts, import, knowledge),
        };
        let mut hosts: Vec<_> = facts.imports.iter().zip(&entries).map(of_host).collect();
        drop_chance_hits(facts, &mut hosts);
        Self { entries, hosts, resize_heap }
    }

    /// Id of the import's purpose.
    pub(crate) fn purpose(&self, import: usize) -> &str {
        if self.resize_heap.as_ref().is_some_and(|found| found.import == import) {
            return "memory";
        }
        let entry = self.entries.get(import).copied().flatten();
        match (entry, self.hosts.get(import).copied().flatten()) {
            (Some(entry), _) => entry.purpose.as_str(),
            (None, Some(_)) => OF_ONE_HOST,
            (None, None) => "unknown",
        }
    }

    /// What the import does.
    pub(crate) fn meaning(&self, import: usize) -> Conclusion<String> {
        if let Some(found) = self.resize_heap.as_ref().filter(|found| found.import == import) {
            let text = "the function with memory.size calls it, and no other import of type (i32) -> i32";
            return Conclusion::new(
                "emscripten_resize_heap under a minified name: asks the host to grow memory to a number of bytes"
                    .to_owned(),
                Confidence::HIGH,
            )
            .because(Evidence::in_func(found.func, found.offset, text));
        }
        if let Some(host) = self.hosts.get(import).copied().flatten() {
            return Conclusion::new(format!("a function of {}", host.title), Confidence::HIGH)
                .because(Evidence::new(format!("known by name and type: {}", host.source)));
        }
        let Some(entry) = self.entries.get(import).copied().flatten() else { return Conclusion::unknown() };
        match &entry.meaning {
            Some(meaning) => Conclusion::new(meaning.clone(), Confidence::HIGH)
                .because(Evidence::new(format!("known by name: {}", entry.source))),
            None => Conclusion::unknown(),
        }
    }

    /// Positions of the imports through which the module asks for memory.
    pub(crate) fn growers(&self) -> impl Iterator<Item = usize> + '_ {
        let recovered = self.resize_heap.as_ref().map(|found| found.import);
        (0..self.entries.len()).filter(move |&import| {
            recovered == Some(import) || self.entries[import].is_some_and(|entry| entry.grows)
        })
    }

    /// Whether there is an import whose purpose is unknown.
    pub(crate) fn has_unknown(&self) -> bool {
        (0..self.entries.len()).any(|import| self.purpose(import) == "unknown")
    }
}

/// Id of the purpose of functions that one kind of host has.
const OF_ONE_HOST: &str = "one-host";

/// So many functions of one host leave no doubt, whatever module they are imported from.
const NO_CHANCE: usize = 3;

/// `env` is everybody's: `env.debug (i32)` alone is not CosmWasm's.
fn drop_chance_hits(facts: &Facts<'_>, hosts: &mut [Option<&Host>]) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for host in hosts.iter().flatten() {
        *counts.entry(host.id.as_str()).or_default() += 1;
    }
    for (host, import) in hosts.iter_mut().zip(&facts.imports) {
        let is_many =
            host.is_some_and(|host| counts.get(host.id.as_str()).is_some_and(|&count| count >= NO_CHANCE));
        if import.module == "env" && !is_many {
            *host = None;
        }
    }
}

/// The host whose interface has this function with this type; `None` where there are several. O(hosts × log functions).
fn only_host<'k>(facts: &Facts<'_>, import: &Import<'_>, knowledge: &'k Knowledge) -> Option<&'k Host> {
    let has_it = |host: &&Host| {
        let interface =
            host.provider(facts, import, knowledge).and_then(|provides| provides.interface(knowledge));
        let interface = interface.filter(|interface| !interface.common);
        let types = interface.and_then(|interface| interface.types(import.module, import.name));
        types.is_some_and(|types| types.list().contains(&import.ty.describe(facts)))
    };
    let mut hosts = knowledge.hosts.iter().filter(has_it);
    let only = hosts.next()?;
    hosts.next().is_none().then_some(only)
}

/// Emscripten's `sbrk` asks `memory.size` how large memory is and then calls `emscripten_resize_heap`, the one
/// `(i32) -> i32` import it needs. Optimisation can move that call one level up.
fn resize_heap(facts: &Facts<'_>, entries: &[Option<&ImportEntry>]) -> Option<ResizeHeap> {
    if entries.iter().flatten().any(|entry| entry.grows) {
        return None; // its name is known
    }
    let sites = facts.first_sites(|site| matches!(site.kind, SiteKind::Size { memory: 0 }));
    // Sites are in the order of the file, and so are functions.
    let grow: Vec<u32> = facts.grow_sites().map(|site| site.func).collect();
    let mut one_up: Option<crate::facts::Callers> = None;
    for site in sites.take(MAX_FUNCTIONS) {
        if grow.binary_search(&site.func).is_ok() {
            continue; // it grows memory itself
        }
        let mut callees = asking_imports(facts, site.func);
        if callees.is_empty() {
            let callers = one_up.get_or_insert_with(|| facts.call_graph.callers());
            if let [caller] = callers.of(site.func) {
                callees = asking_imports(facts, *caller);
            }
        }
        if let [import] = callees[..]
            && entries[import].is_none()
            && is_minified(&facts.imports[import])
        {
            return Some(ResizeHeap { import, func: site.func, offset: site.offset });
        }
    }
    None
}

/// Functions looked at: a module has one or a few with `memory.size`, and each import that they call is asked.
const MAX_FUNCTIONS: usize = 64;

/// Imports of type `(i32) -> i32` that a function calls directly, as positions in `Facts::imports`.
fn asking_imports(facts: &Facts<'_>, func: u32) -> Vec<usize> {
    let imported =
        facts.call_graph.callees(func).iter().filter(|&&callee| callee < facts.imported_func_count());
    let asking = imported.filter_map(|&callee| {
        let at = facts.imported_funcs.get(callee as usize)?.import as usize;
        facts.func_type(callee)?.is(&[ValType::I32], &[ValType::I32]).then_some(at)
    });
    asking.collect()
}

fn is_minified(import: &Import<'_>) -> bool {
    import.module.len() <= MAX_MINIFIED_MODULE && import.name.len() <= MAX_MINIFIED_NAME
}

/// Emscripten minifies to module `a` (or leaves `env`) and names of one to three letters.
const MAX_MINIFIED_MODULE: usize = 3;
const MAX_MINIFIED_NAME: usize = 3;
