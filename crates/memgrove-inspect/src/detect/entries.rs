//! The rules of knowledge/toolchains and knowledge/allocators, asked about a module.

use std::sync::OnceLock;

use super::patterns::Patterns;
use super::rules::{Rule, Seen, Subject, Version, combine};
use crate::Code;
use crate::knowledge::{AllocatorEntry, Knowledge, ToolchainEntry};

/// What is known about toolchains and allocators, with the text of all rules gathered.
pub struct Entries {
    /// Toolchains, in the order of the files.
    pub toolchains: &'static [ToolchainEntry],
    /// Allocators, in the order of the files.
    pub allocators: &'static [AllocatorEntry],
    /// The text that the rules look for.
    pub patterns: Patterns,
}

/// What comes with this crate.
pub fn entries() -> &'static Entries {
    static ENTRIES: OnceLock<Entries> = OnceLock::new();
    ENTRIES.get_or_init(|| {
        let Knowledge { toolchains, allocators, .. } = Knowledge::builtin();
        let rules = toolchains.iter().flat_map(|entry| &entry.rules);
        let patterns = Patterns::new(rules.chain(allocators.iter().flat_map(|entry| &entry.rules)));
        Entries { toolchains, allocators, patterns }
    })
}

impl Entries {
    /// A module with the places of all text in it. O(bytes of data and names).
    pub fn subject<'c, 'a>(&self, code: &'c Code<'a>) -> Subject<'c, 'a> {
        Subject { code, hits: self.patterns.scan(code.facts()) }
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
                rule.check(&entries.subject(&Code::new(&facts)), &entries.patterns).is_some(),
                "{id}: {rule:?} misses its fixture"
            );
            assert!(
                rule.check(&entries.subject(&Code::new(&empty)), &entries.patterns).is_none(),
                "{id}: {rule:?} fits anything"
            );
        }
    }

    #[test]
    fn variants_and_ids_that_are_named_exist() {
        let entries = entries();
        for entry in entries.toolchains {
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
        for entry in entries.allocators {
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
