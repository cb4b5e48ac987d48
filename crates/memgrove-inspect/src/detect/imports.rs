//! What each import means: as the model of the module recognises it, in words and with evidence.

use std::collections::BTreeMap;

use memgrove_module::facts::ExternKind;
use memgrove_module::recognise::{Imports, Known, Purpose, Role};

use super::code_evidence::at_caller;
use crate::Code;
use crate::facts::{Facts, Import};
use crate::knowledge::{Host, Knowledge};
use crate::report::{Conclusion, Confidence, Evidence};

/// The meaning of each import of a module, in the order of the file.
pub(crate) struct ImportMeanings<'c, 'a, 'k> {
    code: &'c Code<'a>,
    imports: &'c Imports,
    /// For an import of unknown purpose: the one kind of host whose interface has it, with this type.
    hosts: Vec<Option<&'k Host>>,
}

impl<'c, 'a, 'k> ImportMeanings<'c, 'a, 'k> {
    pub(crate) fn new(code: &'c Code<'a>, knowledge: &'k Knowledge) -> Self {
        let (facts, imports) = (code.facts(), code.imports());
        let of_host = |(at, import)| match imports.at(at).purpose() {
            Purpose::Unknown => only_host(facts, import, knowledge),
            _ => None,
        };
        let mut hosts: Vec<_> = facts.imports.iter().enumerate().map(of_host).collect();
        drop_chance_hits(facts, &mut hosts);
        Self { code, imports, hosts }
    }

    /// The import's purpose.
    pub(crate) fn purpose(&self, import: usize) -> Purpose {
        match self.hosts.get(import).copied().flatten() {
            Some(_) => Purpose::OneHost,
            None => self.imports.at(import).purpose(),
        }
    }

    /// What the import does.
    pub(crate) fn meaning(&self, import: usize) -> Conclusion<String> {
        if let Some(host) = self.hosts.get(import).copied().flatten() {
            return Conclusion::new(format!("a function of {}", host.title), Confidence::HIGH)
                .because(Evidence::new(format!("known by name and type: {}", host.source)));
        }
        let known = self.imports.at(import);
        if let Some(role) = known.role {
            let evidence = self.code.facts().imports.get(import).map(|import| match import.ty.kind() {
                ExternKind::Func => at_caller(self.code, import.index, why(role)),
                _ => Evidence::new(why(role)),
            });
            return Conclusion::new(meaning_of(role, known), Confidence::HIGH).with_evidence(evidence);
        }
        match known.entry.and_then(|entry| Some((entry.meaning?, entry.source))) {
            Some((meaning, source)) => Conclusion::new(meaning.to_owned(), Confidence::HIGH)
                .because(Evidence::new(format!("known by name: {source}"))),
            None => Conclusion::unknown(),
        }
    }

    /// Positions of the imports through which the module asks for memory.
    pub(crate) fn growers(&self) -> impl Iterator<Item = usize> + '_ {
        self.imports.growers()
    }

    /// Whether there is an import whose purpose is unknown.
    pub(crate) fn has_unknown(&self) -> bool {
        (0..self.code.facts().imports.len()).any(|import| self.purpose(import) == Purpose::Unknown)
    }
}

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
        types.is_some_and(|types| types.list().iter().any(|ty| *ty == import.ty.describe(facts)))
    };
    let mut hosts = knowledge.hosts.iter().filter(has_it);
    let only = hosts.next()?;
    hosts.next().is_none().then_some(only)
}

/// What an import under a minified name does.
fn meaning_of(role: Role, known: Known) -> String {
    match (role, known.entry.and_then(|entry| entry.meaning)) {
        (Role::Library(name), Some(meaning)) => format!("{name} under a minified name: {meaning}"),
        (Role::Library(name), None) => format!("{name} under a minified name"),
        (Role::Clock, _) => "a clock that tells milliseconds, under a minified name".to_owned(),
        (Role::Environment, _) => {
            "one of the two calls that copy the environment, under a minified name".to_owned()
        }
        (Role::SystemCall(_), _) => "a system call under a minified name".to_owned(),
        (Role::WasiCall | Role::OfWasi, _) => "a call of WASI under a minified name".to_owned(),
    }
}

/// What its use shows.
fn why(role: Role) -> &'static str {
    match role {
        Role::Library(_) => "only the library's own code calls an import like this",
        Role::Clock => "its result is split into seconds and a fraction, or waited for",
        Role::Environment => "the sizes of a list are asked for, room for it is made, and it is filled",
        Role::SystemCall(_) => "its callers compare the result with −4096",
        Role::OfWasi => "its module is WASI's, of whose functions none has so short a name",
        Role::WasiCall => "its callers hand any result but 0 to the function that stores errno",
    }
}
