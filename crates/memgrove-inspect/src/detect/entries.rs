//! What knowledge/toolchains and knowledge/allocators say, compiled in and read on first use.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::patterns::Patterns;
use super::rules::{Rule, Seen, Subject, Version, combine};
use crate::facts::Facts;

macro_rules! embed {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../knowledge/", $folder, "/", $name, ".toml")))),*]
    };
}

/// The files of knowledge/toolchains. A test compares the list with the folder.
const TOOLCHAINS: &[(&str, &str)] = embed!("toolchains":
    "assemblyscript", "cheerp", "clang", "dart", "dotnet", "emscripten", "go", "grain", "hand-written", "haskell",
    "java", "kotlin", "moonbit", "motoko", "ocaml", "rust", "scheme", "swift", "tinygo", "wasi-libc", "zig");

/// The files of knowledge/allocators. A test compares the list with the folder.
const ALLOCATORS: &[(&str, &str)] = embed!("allocators":
    "assemblyscript", "bump", "dlmalloc", "dotnet", "emmalloc", "engine", "go", "jemalloc", "lol_alloc", "managed", "memgrove",
    "mimalloc",
    "musl", "none", "rlsf", "talc", "tinygo", "wee_alloc", "zig");

/// A toolchain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolchainEntry {
    /// Its id.
    pub family: String,
    /// Its name for people.
    pub name: String,
    /// The language that it usually compiles.
    pub language: String,
    /// Families that show too where this one does, because it is built on them.
    #[serde(default)]
    pub outranks: Vec<String>,
    /// Eras and targets.
    #[serde(default, rename = "variant")]
    pub variants: Vec<Variant>,
    /// How it is recognised.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// An era or target of a toolchain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its id.
    pub id: String,
    /// Its name for people, the toolchain's included.
    pub name: String,
    /// The language, where it is another one.
    #[serde(default)]
    pub language: Option<String>,
}

/// A file of knowledge/allocators.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllocatorFile {
    allocator: Vec<AllocatorEntry>,
}

/// An allocator.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllocatorEntry {
    /// Its id; fingerprints refer to it.
    pub id: String,
    /// The design, shared by its variants.
    pub family: String,
    /// Its name for people.
    pub name: String,
    /// Where it is known from.
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the file; a test asks for it"))]
    pub source: String,
    /// Family of the only toolchain that has it.
    #[serde(default)]
    pub implies: Option<String>,
    /// What is known to be wrong with it.
    #[serde(default, rename = "defect")]
    pub defects: Vec<Defect>,
    /// Toolchains that put it into a module by default, with how often (0 to 1).
    #[serde(default, rename = "default")]
    pub defaults: Vec<Default>,
    /// How it is recognised besides its code.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// A known defect of an allocator.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Defect {
    /// What happens.
    pub text: String,
    /// Who says so.
    pub source: String,
}

/// A toolchain whose default an allocator is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Default {
    /// Family of the toolchain.
    pub toolchain: String,
    /// Variant of it; any where missing.
    #[serde(default)]
    pub variant: Option<String>,
    /// Share of its modules that have the allocator.
    pub weight: f32,
}

/// Everything, with the text of all rules gathered.
pub struct Entries {
    /// Toolchains, in the order of the files.
    pub toolchains: Vec<ToolchainEntry>,
    /// Allocators, in the order of the files.
    pub allocators: Vec<AllocatorEntry>,
    /// The text that the rules look for.
    pub patterns: Patterns,
}

/// What is compiled in. A file that cannot be read is left out; a test makes sure that there is none.
pub fn entries() -> &'static Entries {
    static ENTRIES: OnceLock<Entries> = OnceLock::new();
    ENTRIES.get_or_init(|| {
        let toolchains: Vec<ToolchainEntry> =
            TOOLCHAINS.iter().filter_map(|(_, text)| toml::from_str(text).ok()).collect();
        let allocators: Vec<AllocatorEntry> = ALLOCATORS
            .iter()
            .filter_map(|(_, text)| toml::from_str::<AllocatorFile>(text).ok())
            .flat_map(|file| file.allocator)
            .collect();
        let rules = toolchains.iter().flat_map(|entry| &entry.rules);
        let patterns = Patterns::new(rules.chain(allocators.iter().flat_map(|entry| &entry.rules)));
        Entries { toolchains, allocators, patterns }
    })
}

impl Entries {
    /// A module with the places of all text in it. O(bytes of data and names).
    pub fn subject<'f, 'a>(&self, facts: &'f Facts<'a>) -> Subject<'f, 'a> {
        Subject { facts, hits: self.patterns.scan(facts) }
    }

    /// The allocator with an id.
    pub fn allocator(&self, id: &str) -> Option<&AllocatorEntry> {
        self.allocators.iter().find(|entry| entry.id == id)
    }

    /// Checks rules and adds up what holds.
    pub fn judge<'r>(&self, rules: &'r [Rule], subject: &Subject<'_, '_>) -> Judged<'r> {
        let held: Vec<_> =
            rules.iter().filter_map(|rule| Some((rule, rule.check(subject, &self.patterns)?))).collect();
        Judged { score: combine(held.iter().map(|(rule, _)| rule.weight)), held }
    }
}

/// A rule of this weight is the file's own word, if it rests on such.
const SAYS_SO: f32 = 0.95;
/// Even that can be imitated.
pub const MAX_CONFIDENCE: f32 = 0.98;
/// However many hints there are.
const MAX_HINTED: f32 = 0.9;

/// The rules of an entry that hold for a module.
pub struct Judged<'r> {
    /// Their weights added up, from 0 to 1.
    pub score: f32,
    /// The rules with what each saw.
    pub held: Vec<(&'r Rule, Seen)>,
}

impl Judged<'_> {
    /// The weights of the rules for one variant added up.
    pub fn variant_score(&self, id: &str) -> f32 {
        combine(
            self.held
                .iter()
                .filter(|(rule, _)| rule.variant.as_deref() == Some(id))
                .map(|(rule, _)| rule.weight),
        )
    }

    /// How sure one may be at most: what adds up from hints alone can be otherwise.
    pub fn confidence(&self) -> f32 {
        let says_so = |(rule, _): &(&Rule, Seen)| rule.weight >= SAYS_SO && rule.is_the_files_word();
        self.score.min(if self.held.iter().any(says_so) { MAX_CONFIDENCE } else { MAX_HINTED })
    }

    /// The greatest single weight.
    pub fn weightiest(&self) -> f32 {
        self.held.iter().map(|(rule, _)| rule.weight).fold(0.0, f32::max)
    }

    /// A version that one of the rules found, the weightiest first, and whose it is.
    pub fn version(&self) -> Option<Version> {
        let with = self.held.iter().filter(|(_, seen)| seen.version.is_some());
        with.max_by(|a, b| a.0.weight.total_cmp(&b.0.weight)).and_then(|(_, seen)| seen.version.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn files(folder: &str) -> BTreeSet<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../knowledge").join(folder);
        std::fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn every_file_is_compiled_in_and_can_be_read() {
        for (list, folder) in [(TOOLCHAINS, "toolchains"), (ALLOCATORS, "allocators")] {
            assert_eq!(
                list.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>(),
                files(folder)
            );
        }
        for (name, text) in TOOLCHAINS {
            if let Err(error) = toml::from_str::<ToolchainEntry>(text) {
                panic!("knowledge/toolchains/{name}.toml: {error}");
            }
        }
        for (name, text) in ALLOCATORS {
            if let Err(error) = toml::from_str::<AllocatorFile>(text) {
                panic!("knowledge/allocators/{name}.toml: {error}");
            }
        }
    }

    #[test]
    fn every_rule_has_a_source_and_a_fixture_that_shows_it_and_not_without() {
        let entries = entries();
        let empty =
            wat::parse_str("(module (table 1 funcref) (func) (elem (i32.const 0) 0) (memory 1))").unwrap();
        let empty = crate::facts(&empty).unwrap();
        let rules = entries.toolchains.iter().map(|entry| (&entry.family, &entry.rules));
        let rules = rules.chain(entries.allocators.iter().map(|entry| (&entry.id, &entry.rules)));
        for (id, rule) in rules.flat_map(|(id, rules)| rules.iter().map(move |rule| (id, rule))) {
            assert!(rule.source.len() > 3, "{id}: {rule:?}");
            assert!(rule.weight > 0.0 && rule.weight < 1.0, "{id}: {rule:?}");
            let bytes = wat::parse_str(&rule.fixture)
                .unwrap_or_else(|error| panic!("{id}: {}: {error}", rule.fixture));
            let facts =
                crate::facts(&bytes).unwrap_or_else(|error| panic!("{id}: {}: {error}", rule.fixture));
            assert!(
                rule.check(&entries.subject(&facts), &entries.patterns).is_some(),
                "{id}: {rule:?} misses its fixture"
            );
            assert!(
                rule.check(&entries.subject(&empty), &entries.patterns).is_none(),
                "{id}: {rule:?} fits anything"
            );
        }
    }

    #[test]
    fn variants_and_ids_that_are_named_exist() {
        let entries = entries();
        for entry in &entries.toolchains {
            for variant in entry.rules.iter().filter_map(|rule| rule.variant.as_ref()) {
                assert!(
                    entry.variants.iter().any(|known| known.id == *variant),
                    "{}: {variant}",
                    entry.family
                );
            }
            for family in &entry.outranks {
                assert!(entries.toolchains.iter().any(|other| other.family == *family), "{family}");
            }
        }
        for entry in &entries.allocators {
            assert!(entry.source.starts_with("https://"), "{}: {}", entry.id, entry.source);
            let exists = |family: &String| entries.toolchains.iter().any(|other| other.family == *family);
            assert!(entry.implies.as_ref().is_none_or(exists), "{}: {:?}", entry.id, entry.implies);
            for default in &entry.defaults {
                let toolchain = entries.toolchains.iter().find(|other| other.family == default.toolchain);
                let toolchain = toolchain.unwrap_or_else(|| panic!("{}: {}", entry.id, default.toolchain));
                let known = |id: &String| toolchain.variants.iter().any(|variant| variant.id == *id);
                assert!(default.variant.as_ref().is_none_or(known), "{}: {default:?}", entry.id);
            }
        }
        for profile in &crate::fingerprint::library().profiles {
            assert!(entries.allocator(&profile.allocator).is_some(), "{}", profile.allocator);
        }
    }
}
