//! Where the module runs: a verdict for each host profile.

mod bounds;
mod instantiate;
mod interface;
mod support;

pub(in crate::detect) use instantiate::needed_memory;
pub(crate) use interface::needs_memory_export;
pub(crate) use support::{engines, lacking};

use crate::facts::{BinaryKind, ExternKind, Facts, Import, offset32};
use crate::knowledge::{FunctionTypes, Host, Knowledge, MissingFunctions};
use crate::report::Toolchain;
use crate::report::{Conclusion, Level, Outcome, Reason, Verdict, short};
use memgrove_module::counted;
use memgrove_module::pattern::glob;

/// Names of imports that a reason spells out; the rest is only counted.
const NAMED_IMPORTS: usize = 4;

/// A verdict for each host profile, in the order of the knowledge.
pub(crate) fn verdicts(
    facts: &Facts<'_>,
    knowledge: &Knowledge,
    toolchain: &Conclusion<Toolchain>,
) -> Vec<Verdict> {
    let everywhere = instantiate::everywhere(facts);
    knowledge.hosts.iter().map(|host| verdict(facts, host, knowledge, toolchain, &everywhere)).collect()
}

/// The verdict for one host.
fn verdict(
    facts: &Facts<'_>,
    host: &Host,
    knowledge: &Knowledge,
    toolchain: &Conclusion<Toolchain>,
    everywhere: &Answer,
) -> Verdict {
    let mut answer = Answer::default();
    match facts.kind {
        BinaryKind::Component => component(facts, host, &mut answer),
        BinaryKind::Module => {
            imports(facts, host, knowledge, &mut answer);
            glue(facts, host, toolchain, &mut answer);
            instantiate::memories(facts, host, &mut answer);
            answer.extend(everywhere);
            interface::wasi_from_start(facts, host, &mut answer);
            bounds::check(facts, host, &mut answer);
            entry(facts, host, &mut answer);
        }
    }
    support::check(facts, host, knowledge, &mut answer);
    let outcome = match (answer.reasons.is_empty(), answer.conditions.is_empty()) {
        (false, _) => Outcome::No,
        (true, false) => Outcome::RunsIf,
        (true, true) => Outcome::Runs,
    };
    let Answer { reasons, conditions, mut notes } = answer;
    if outcome != Outcome::No {
        notes.extend(host.unchecked.iter().cloned());
    }
    Verdict { host: host.id.clone(), title: host.title.clone(), outcome, reasons, conditions, notes }
}

/// What has been found for and against a host.
#[derive(Default)]
struct Answer {
    reasons: Vec<Reason>,
    conditions: Vec<Reason>,
    notes: Vec<String>,
}

impl Answer {
    fn extend(&mut self, other: &Self) {
        self.reasons.extend_from_slice(&other.reasons);
        self.conditions.extend_from_slice(&other.conditions);
        self.notes.extend_from_slice(&other.notes);
    }
}

fn reason(text: impl Into<String>) -> Reason {
    Reason::new(text)
}

fn about_exports(text: String) -> Reason {
    Reason { about_exports: true, ..Reason::new(text) }
}

fn name_of(import: &Import<'_>) -> String {
    format!("{}.{}", short(import.module), short(import.name))
}

fn imports(facts: &Facts<'_>, host: &Host, knowledge: &Knowledge, answer: &mut Answer) {
    let mut missing = reason("");
    let mut missing_functions = reason("");
    let mut other_types = interface::OtherTypes::default();
    let mut conditional: Vec<Reason> = Vec::new();
    for (at, import) in facts.imports.iter().enumerate() {
        let at = offset32(at as u64);
        let Some(provides) = host.provider(facts, import, knowledge) else {
            match host.missing_functions {
                MissingFunctions::FailWhenCalled if import.ty.kind() == ExternKind::Func => {
                    missing_functions.add_import(at);
                }
                _ => missing.add_import(at),
            }
            continue;
        };
        other_types.compare(facts, at, import, provides, knowledge);
        if let Some(misfit) = interface::size_misfit(import, provides) {
            answer.reasons.push(misfit);
        }
        let Some(condition) = provides.condition.as_deref() else { continue };
        match conditional.iter_mut().find(|known| known.text == condition) {
            Some(known) => known.add_import(at),
            None => {
                let mut new = reason(condition);
                new.add_import(at);
                conditional.push(new);
            }
        }
    }
    let names = |about: &Reason| {
        let imports = about.imports.iter().filter_map(|&at| facts.imports.get(at as usize));
        not_provided(about.import_count as usize, imports.map(name_of))
    };
    if missing.import_count > 0 {
        missing.text = names(&missing);
        answer.reasons.push(missing);
    }
    if missing_functions.import_count > 0 {
        missing_functions.text = format!("{}, and nothing calls them", names(&missing_functions));
        answer.conditions.push(missing_functions);
    }
    match (other_types.into_reason(host.function_types), host.function_types) {
        (Some(other), FunctionTypes::Compared) => answer.reasons.push(other),
        (Some(other), FunctionTypes::NotCompared) => answer.conditions.push(other),
        (None, _) => {}
    }
    answer.conditions.extend(conditional);
}

/// `2 imports are not provided: env.a, env.b`, with the first names only.
fn not_provided(number: usize, names: impl Iterator<Item = String>) -> String {
    let mut shown: Vec<String> = names.take(NAMED_IMPORTS).collect();
    if number > shown.len() {
        shown.push(format!("and {} more", number - shown.len()));
    }
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb} not provided: {}", counted(number as u64, "import"), shown.join(", "))
}

/// Glue is generated for one toolchain's modules; names such as `env` alone prove nothing.
fn glue(facts: &Facts<'_>, host: &Host, toolchain: &Conclusion<Toolchain>, answer: &mut Answer) {
    if host.made_by.is_empty() || facts.imports.is_empty() || !answer.reasons.is_empty() {
        return;
    }
    let text = match toolchain.value.as_ref() {
        Some(value) if host.made_by.contains(&value.family) => return,
        Some(value) if toolchain.level() >= Level::Medium => {
            format!("its imports are not those of this glue: it was made by {}", value.name)
        }
        _ => format!("nothing shows that it was made for this glue, by {}", host.made_by.join(" or ")),
    };
    let mut other_glue = reason(text);
    (0..offset32(facts.imports.len() as u64)).for_each(|at| other_glue.add_import(at));
    answer.conditions.clear();
    answer.reasons.push(other_glue);
}

/// The name of an export in a sentence.
fn quoted(name: &str) -> String {
    if name.is_empty() { "the empty name".to_owned() } else { format!("`{name}`") }
}

fn entry(facts: &Facts<'_>, host: &Host, answer: &mut Answer) {
    if let Some(entry) = &host.entry {
        let lacking: Vec<String> = entry
            .all_of
            .iter()
            .filter(|name| facts.exported_func(name).is_none())
            .map(|name| quoted(name))
            .collect();
        if !lacking.is_empty() {
            answer.reasons.push(about_exports(format!("no function is exported as {}", lacking.join(", "))));
        }
        let has_entry =
            entry.any_of.is_empty() || entry.any_of.iter().any(|name| facts.exported_func(name).is_some());
        if !has_entry {
            let wanted: Vec<String> = entry.any_of.iter().map(|name| quoted(name)).collect();
            let text = format!("no function is exported as {}", wanted.join(" or "));
            match &entry.otherwise {
                Some(otherwise) => answer.conditions.push(about_exports(format!("{otherwise} ({text})"))),
                None => answer.reasons.push(about_exports(text)),
            }
        }
    }
    // Host functions reach the module's memory through this export.
    if !interface::exports_memory(facts) && needs_memory_export(facts, host) {
        answer.reasons.push(reason("no memory is exported as `memory`"));
    }
}

fn component(facts: &Facts<'_>, host: &Host, answer: &mut Answer) {
    let Some(component) = &facts.component else { return };
    if host.components.is_empty() {
        answer.reasons.push(reason("it is a component, and this host takes modules only"));
        return;
    }
    let provided = |name: &str| host.components.iter().any(|pattern| glob(pattern, name));
    let missing: Vec<&str> =
        component.imports.iter().map(|item| item.name).filter(|name| !provided(name)).collect();
    if !missing.is_empty() {
        let names = missing.iter().map(|name| short(name).into_owned());
        answer.reasons.push(reason(not_provided(missing.len(), names)));
    }
    if !component.exports.iter().any(|item| item.name.starts_with("wasi:cli/run@")) {
        answer.conditions.push(reason("a function is named with --invoke (wasi:cli/run is not exported)"));
    }
}
