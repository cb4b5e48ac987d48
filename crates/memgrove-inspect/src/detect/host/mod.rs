//! Where the module runs: a verdict for each host profile.

mod instantiate;
mod interface;
mod support;

pub(crate) use interface::needs_memory_export;
pub(crate) use support::engines;

use crate::detect::Toolchain;
use crate::facts::{BinaryKind, Facts, Import};
use crate::knowledge::{Host, Knowledge, glob};
use crate::report::{Conclusion, ImportName, Level, Outcome, Reason, Verdict};

/// Names of imports that a reason spells out; the rest is only counted.
const NAMED_IMPORTS: usize = 4;

/// A verdict for each host profile, in the order of the knowledge.
pub(crate) fn verdicts(
    facts: &Facts<'_>,
    knowledge: &Knowledge,
    toolchain: &Conclusion<Toolchain>,
) -> Vec<Verdict> {
    knowledge.hosts.iter().map(|host| verdict(facts, host, knowledge, toolchain)).collect()
}

/// The verdict for one host.
fn verdict(
    facts: &Facts<'_>,
    host: &Host,
    knowledge: &Knowledge,
    toolchain: &Conclusion<Toolchain>,
) -> Verdict {
    let mut answer = Answer::default();
    match facts.kind {
        BinaryKind::Component => component(facts, host, &mut answer),
        BinaryKind::Module => {
            imports(facts, host, &mut answer);
            interface::types(facts, host, knowledge, &mut answer);
            glue(facts, host, toolchain, &mut answer);
            instantiate::check(facts, host, &mut answer);
            entry(facts, host, &mut answer);
        }
    }
    support::check(facts, host, knowledge, &mut answer);
    let outcome = match (answer.reasons.is_empty(), answer.conditions.is_empty()) {
        (false, _) => Outcome::No,
        (true, false) => Outcome::RunsIf,
        (true, true) => Outcome::Runs,
    };
    let Answer { reasons, conditions, notes } = answer;
    Verdict { host: host.id.clone(), title: host.title.clone(), outcome, reasons, conditions, notes }
}

/// What has been found for and against a host.
#[derive(Default)]
struct Answer {
    reasons: Vec<Reason>,
    conditions: Vec<Reason>,
    notes: Vec<String>,
}

fn reason(text: impl Into<String>) -> Reason {
    Reason { text: text.into(), imports: Vec::new(), proposals: Vec::new() }
}

fn name_of(import: &Import<'_>) -> ImportName {
    ImportName { module: import.module.to_owned(), name: import.name.to_owned() }
}

fn imports(facts: &Facts<'_>, host: &Host, answer: &mut Answer) {
    let mut missing = Vec::new();
    let mut conditional: Vec<(&str, Vec<ImportName>)> = Vec::new();
    for import in &facts.imports {
        let Some(provides) = host.provides.iter().find(|provides| provides.pattern.matches(facts, import))
        else {
            missing.push(name_of(import));
            continue;
        };
        let Some(condition) = provides.condition.as_deref() else { continue };
        match conditional.iter_mut().find(|(known, _)| *known == condition) {
            Some((_, imports)) => imports.push(name_of(import)),
            None => conditional.push((condition, vec![name_of(import)])),
        }
    }
    if !missing.is_empty() {
        let text = format!(
            "{} not provided: {}",
            count(missing.len(), "import is", "imports are"),
            some_of(&missing)
        );
        answer.reasons.push(Reason { text, imports: missing, proposals: Vec::new() });
    }
    for (condition, imports) in conditional {
        answer.conditions.push(Reason { text: condition.to_owned(), imports, proposals: Vec::new() });
    }
}

/// Glue is generated for one toolchain's modules; `env` alone proves nothing.
fn glue(facts: &Facts<'_>, host: &Host, toolchain: &Conclusion<Toolchain>, answer: &mut Answer) {
    let Some(toolchain) = toolchain.value.as_ref().filter(|_| toolchain.level() >= Level::Medium) else {
        return;
    };
    let made_for = host.made_by.is_empty() || host.made_by.contains(&toolchain.family);
    if made_for || facts.imports.is_empty() || !answer.reasons.is_empty() {
        return;
    }
    let imports: Vec<ImportName> = facts.imports.iter().map(name_of).collect();
    let text = format!("its imports are not those of this glue: it was made by {}", toolchain.name);
    answer.conditions.clear();
    answer.reasons.push(Reason { text, imports, proposals: Vec::new() });
}

fn some_of(imports: &[ImportName]) -> String {
    let mut names: Vec<String> = imports.iter().take(NAMED_IMPORTS).map(ToString::to_string).collect();
    if imports.len() > NAMED_IMPORTS {
        names.push(format!("and {} more", imports.len() - NAMED_IMPORTS));
    }
    names.join(", ")
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn entry(facts: &Facts<'_>, host: &Host, answer: &mut Answer) {
    if let Some(entry) = &host.entry {
        let has_entry =
            entry.any_of.is_empty() || entry.any_of.iter().any(|name| facts.exported_func(name).is_some());
        if !has_entry {
            let wanted: Vec<String> = entry.any_of.iter().map(|name| format!("`{name}`")).collect();
            let text = format!("no function is exported as {}", wanted.join(" or "));
            match &entry.otherwise {
                Some(otherwise) => answer.conditions.push(reason(format!("{otherwise} ({text})"))),
                None => answer.reasons.push(reason(text)),
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
        let shown: Vec<&str> = missing.iter().take(NAMED_IMPORTS).copied().collect();
        let text = format!(
            "{} not provided: {}",
            count(missing.len(), "import is", "imports are"),
            shown.join(", ")
        );
        answer.reasons.push(reason(text));
    }
    if !component.exports.iter().any(|item| item.name.starts_with("wasi:cli/run@")) {
        answer.conditions.push(reason("a function is named with --invoke (wasi:cli/run is not exported)"));
    }
}
