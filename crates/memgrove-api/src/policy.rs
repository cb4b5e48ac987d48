//! What somebody demands of every module: `memgrove.toml`, checked by `memgrove inspect --policy`.
//!
//! ```toml
//! [hosts]
//! require = ["wasmtime", "browser"]       # each runs the module
//! allow_conditions = true                 # under a condition, too
//!
//! [imports]
//! allow = ["wasi_snapshot_preview1.*"]    # nothing else is imported
//! deny = ["*.emscripten_*"]
//!
//! [memory]
//! max_initial = "16MiB"
//! max_maximum = "1GiB"                    # a maximum is declared, and is no larger
//!
//! [file]
//! max_size = "2MiB"
//!
//! [allocator]
//! deny = ["wee_alloc"]                    # families, as `memgrove inspect --json` names them
//!
//! [warnings]
//! deny = ["stack-above-data"]             # or "all"
//! ```

use memgrove_inspect::report::{Outcome, Report, WarningId};
use memgrove_inspect::{Knowledge, knowledge};
use memgrove_module::pattern::glob;
use memgrove_text::escape_name;
use serde::Deserialize;

use crate::error::UserError;
use crate::size::size;

/// Demands on a module. What is left out is not demanded.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Where it has to run.
    pub hosts: Hosts,
    imports: Imports,
    memory: Memory,
    file: File,
    allocator: Names,
    warnings: Warnings,
}

/// Where a module has to run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hosts {
    /// Ids of host profiles.
    pub require: Vec<String>,
    /// Content with a host on which it runs under conditions.
    pub allow_conditions: bool,
}

/// Patterns of `module.name`, in which `*` stands for any text.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Imports {
    allow: Option<Vec<String>>,
    deny: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Memory {
    max_initial: Option<Bytes>,
    max_maximum: Option<Bytes>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    max_size: Option<Bytes>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Names {
    deny: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Warnings {
    deny: Vec<Denied>,
}

/// A warning, or the word `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Denied {
    One(WarningId),
    All(All),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum All {
    All,
}

/// A number of bytes, with a unit or without.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
struct Bytes {
    count: u64,
    written: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

impl TryFrom<Written> for Bytes {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Number(count) => Ok(Self { count, written: format!("{count} bytes") }),
            Written::Text(text) => Ok(Self { count: size(&text)?, written: text }),
        }
    }
}

impl Policy {
    /// The policy in a text; `name` says where it is from.
    ///
    /// # Errors
    /// What is wrong with it, with the line; hosts, families of allocators and warnings have to be known.
    pub fn read(text: &str, name: &str, knowledge: &Knowledge) -> Result<Self, UserError> {
        let wrong = |why: String| {
            UserError::usage(format!("{name}: {why}"))
                .hint("the parts are [hosts], [imports], [memory], [file], [allocator] and [warnings]")
        };
        let policy: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            wrong(format!("line {}: {}", before.matches('\n').count() + 1, error.message()))
        })?;
        for host in &policy.hosts.require {
            known_host(host, knowledge).map_err(|error| wrong(error.to_string()))?;
        }
        if let Some(family) = policy.allocator.deny.iter().find(|family| !knowledge.has_allocator(family)) {
            return Err(wrong(format!("there is no allocator `{family}`")));
        }
        Ok(policy)
    }

    /// The policy in a text, if there is one with its name, and required hosts besides, which have to be known.
    ///
    /// # Errors
    /// Those of [`Self::read`] and [`known_host`].
    pub fn with(text: Option<(&str, &str)>, hosts: &Hosts, knowledge: &Knowledge) -> Result<Self, UserError> {
        for host in &hosts.require {
            known_host(host, knowledge)?;
        }
        let mut policy = match text {
            Some((text, name)) => Self::read(text, name, knowledge)?,
            None => Self::default(),
        };
        policy.hosts.require.extend(hosts.require.iter().cloned());
        policy.hosts.allow_conditions |= hosts.allow_conditions;
        Ok(policy)
    }

    /// What a module does not keep, each in a sentence in which names are escaped; none if it keeps all.
    #[must_use]
    pub fn faults(&self, report: &Report) -> Vec<String> {
        let mut faults = self.hosts.faults(report);
        self.imports.check(report, &mut faults);
        self.memory.check(report, &mut faults);
        if let Some(most) = self.file.max_size.as_ref().filter(|most| report.size_bytes > most.count) {
            faults.push(format!("it has {} bytes, more than {}", report.size_bytes, most.written));
        }
        if let Some(value) = &report.allocator.identity.value
            && self.allocator.deny.contains(&value.family)
        {
            faults.push(format!("its allocator is {}, which is not wanted", value.family));
        }
        for warning in &report.warnings {
            if [Denied::One(warning.id), Denied::All(All::All)]
                .iter()
                .any(|one| self.warnings.deny.contains(one))
            {
                faults.push(format!("{}: {}", warning.text, warning.cure));
            }
        }
        faults
    }
}

/// Says of an id that there is such a host.
///
/// # Errors
/// If there is none.
pub fn known_host(id: &str, knowledge: &Knowledge) -> Result<(), UserError> {
    if knowledge.host(id).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = knowledge.hosts.iter().map(|host: &knowledge::Host| host.id.as_str()).collect();
    let hint = format!("known hosts are {}; --host adds one", known.join(", "));
    Err(UserError::usage(format!("there is no host `{id}`")).hint(hint))
}

impl Hosts {
    /// The required hosts that do not run a module, each with the reason.
    #[must_use]
    pub fn faults(&self, report: &Report) -> Vec<String> {
        let required = report.verdicts.iter().filter(|verdict| self.require.contains(&verdict.host));
        required
            .filter_map(|verdict| {
                let (answer, reasons) = match verdict.outcome {
                    Outcome::Runs => return None,
                    Outcome::RunsIf if self.allow_conditions => return None,
                    Outcome::RunsIf => ("runs only under a condition", &verdict.conditions),
                    Outcome::No => ("does not run", &verdict.reasons),
                };
                let reasons: Vec<&str> = reasons.iter().map(|reason| reason.text.as_str()).collect();
                Some(format!("{answer} on `{}`: {}", verdict.host, reasons.join("; ")))
            })
            .collect()
    }
}

impl Imports {
    fn check(&self, report: &Report, faults: &mut Vec<String>) {
        let imports = report.requirements.groups.iter().flat_map(|group| &group.imports);
        for import in imports {
            let name = import.name.to_string();
            let shown = escape_name(&name);
            if let Some(pattern) = self.deny.iter().find(|pattern| glob(pattern, &name)) {
                faults.push(format!("it imports {shown}, which `{}` denies", escape_name(pattern)));
            } else if self.allow.as_ref().is_some_and(|allow| !allow.iter().any(|one| glob(one, &name))) {
                faults.push(format!("it imports {shown}, which nothing allows"));
            }
        }
    }
}

impl Memory {
    fn check(&self, report: &Report, faults: &mut Vec<String>) {
        for memory in &report.memory.memories {
            let index = memory.index;
            if let Some(most) = self.max_initial.as_ref().filter(|most| memory.min_bytes > most.count) {
                let has = memory.min_bytes;
                faults.push(format!("memory {index} begins with {has} bytes, more than {}", most.written));
            }
            match (&self.max_maximum, memory.max_bytes) {
                (Some(most), Some(has)) if has > most.count => {
                    faults.push(format!(
                        "memory {index} has a maximum of {has} bytes, more than {}",
                        most.written
                    ));
                }
                (Some(most), None) => {
                    faults.push(format!("memory {index} declares no maximum; at most {}", most.written));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use memgrove_inspect::conclude;

    use super::*;

    fn faults(policy: &str, wat: &str) -> Vec<String> {
        let policy = Policy::read(policy, "memgrove.toml", Knowledge::builtin()).unwrap();
        let wasm = wat::parse_str(wat).unwrap();
        policy.faults(&conclude(&memgrove_inspect::facts(&wasm).unwrap()))
    }

    const MODULE: &str = r#"(module (import "env" "draw_frame" (func (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 300))"#;

    #[test]
    fn each_demand_is_checked_and_what_is_not_demanded_is_not() {
        assert!(faults("", MODULE).is_empty());
        let demands = [
            ("[hosts]\nrequire = [\"bare\"]", "does not run on `bare`"),
            ("[imports]\ndeny = [\"*.draw_*\"]", "draw_frame"),
            ("[imports]\nallow = [\"env.*\"]", "fd_write"),
            ("[memory]\nmax_initial = \"16MiB\"", "19660800"),
            ("[memory]\nmax_maximum = \"1GiB\"", "declares no maximum"),
            ("[file]\nmax_size = 20", "more than 20 bytes"),
        ];
        for (policy, said) in demands {
            let found = faults(policy, MODULE);
            assert!(matches!(&found[..], [one] if one.contains(said)), "{policy}: {found:?}");
        }
        let kept = "[imports]\nallow = [\"env.*\", \"wasi*.fd_write\"]\n[memory]\nmax_initial = \"300MiB\"\n\
            [file]\nmax_size = \"1KiB\"\n[warnings]\ndeny = [\"all\"]\n[allocator]\ndeny = [\"wee_alloc\"]";
        assert_eq!(faults(kept, MODULE), Vec::<String>::new());
    }

    #[test]
    fn the_documents_examples_are_policies() {
        for text in [include_str!("../../../README.md"), include_str!("../../../npm/memgrove/README.md")] {
            let (_, example) = text.split_once("```toml\n").expect("it has an example");
            let (example, _) = example.split_once("```").expect("which ends");
            let policy = Policy::read(example, "README.md", Knowledge::builtin()).unwrap();
            assert!(!policy.hosts.require.is_empty() && policy.memory.max_maximum.is_some());
        }
    }

    #[test]
    fn what_is_no_policy_is_an_error_with_the_reason() {
        for (text, said) in [
            ("[hosts]\nrequire = [\"nowhere\"]", "nowhere"),
            ("[host]\nrequire = []", "host"),
            ("[file]\nmax_size = \"2parsecs\"", "parsecs"),
            ("[warnings]\ndeny = [\"storms\"]", "line 2"),
            ("[allocator]\ndeny = [\"nothing\"]", "nothing"),
            ("[file", "line 1"),
        ] {
            let error = Policy::read(text, "p.toml", Knowledge::builtin()).unwrap_err().to_string();
            assert!(error.starts_with("p.toml: ") && error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_star_is_any_text() {
        let fits =
            [("*", ""), ("a*", "a"), ("*b", "ab"), ("a*c", "abc"), ("a*b*c", "a-b-b-c"), ("abc", "abc")];
        assert!(fits.iter().all(|(pattern, text)| glob(pattern, text)));
        let not = [("a*", "b"), ("*b", "ba"), ("ab*b", "ab"), ("a*b*c", "acb"), ("abc", "abcd")];
        assert!(!not.iter().any(|(pattern, text)| glob(pattern, text)));
    }
}
