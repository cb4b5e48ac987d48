//! The rules of knowledge/toolchains and knowledge/allocators, asked about a module.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::patterns::Patterns;
use super::rules::{Contradiction, Rule, Seen, Subject, Version, combine};
use crate::Code;
use crate::knowledge::{AllocatorEntry, Knowledge, ToolchainEntry};
use crate::report::{Evidence, some_of};

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
    ///
    /// Text in data that speaks for tools that exclude each other is about tools and comes from none of them, as in a
    /// compiler, a linter or this inspector itself: none of it counts then.
    pub fn subject<'c, 'a>(&self, code: &'c Code<'a>) -> Subject<'c, 'a> {
        let mut subject = Subject { code, hits: self.patterns.scan(code.facts()), contradiction: None };
        if let Some(contradiction) = self.contradiction(&subject) {
            subject.hits.retain(|hit| !hit.is_in_data());
            subject.contradiction = Some(contradiction);
        }
        subject
    }

    /// What text in data speaks for, where that is more than one program has.
    fn contradiction(&self, subject: &Subject<'_, '_>) -> Option<Contradiction> {
        let speaks = |rules: &[Rule]| self.text_speaks(rules, subject);
        let toolchains: Vec<_> = self.toolchains.iter().filter(|entry| speaks(&entry.rules)).collect();
        let languages: BTreeSet<&str> = toolchains.iter().map(|entry| entry.language.as_str()).collect();
        let allocators = self.allocators.iter().filter(|entry| speaks(&entry.rules));
        let allocators: BTreeSet<&str> = allocators.map(|entry| entry.family.as_str()).collect();
        let (what, names) = if languages.len() >= LANGUAGES_THAT_EXCLUDE {
            ("languages", languages)
        } else if allocators.len() >= ALLOCATORS_THAT_EXCLUDE {
            ("allocators", allocators)
        } else {
            return None;
        };
        let names = some_of(names.into_iter().map(Cow::Borrowed), MAX_NAMED);
        let text = format!(
            "text in the data speaks for {what} that exclude each other, so it counts for none: {names}"
        );
        Some(Contradiction { evidence: Evidence::new(text), toolchains })
    }

    /// Whether text in data speaks for a language besides this one.
    pub fn text_speaks_for_another(&self, language: &str, subject: &Subject<'_, '_>) -> bool {
        self.toolchains
            .iter()
            .any(|entry| entry.language != language && self.text_speaks(&entry.rules, subject))
    }

    /// Whether text in data says something for an entry with these rules.
    fn text_speaks(&self, rules: &[Rule], subject: &Subject<'_, '_>) -> bool {
        let speaks = |rule: &Rule| {
            rule.weight >= SPEAKS_FOR
                && rule.is_text_in_data()
                && rule.check(subject, &self.patterns).is_some()
        };
        rules.iter().any(speaks)
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

/// Below this weight text is found in many modules that another tool made. With 0.6 nothing changes for the corpus and the
/// samples.
const SPEAKS_FOR: f32 = 0.5;
/// A program has two languages often enough (C in Rust, Rust in C); a third one is not known of.
const LANGUAGES_THAT_EXCLUDE: usize = 3;
/// A program has one allocator, and perhaps the standard library's besides.
const ALLOCATORS_THAT_EXCLUDE: usize = 3;
/// Names worth showing; a sentence of more is not read.
const MAX_NAMED: usize = 8;

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

    /// Whether there is nothing but text in data.
    pub fn is_text_in_data_only(&self) -> bool {
        self.held.iter().all(|(rule, _)| rule.is_text_in_data())
    }

    /// Whether nothing of it is the file's own word, nor a function's name.
    pub fn is_hinted_only(&self) -> bool {
        let symbol = |rule: &Rule| rule.when.iter().any(|condition| condition.symbol.is_some());
        self.held.iter().all(|(rule, _)| !rule.is_the_files_word() && !symbol(rule))
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
            for defect in &entry.defects {
                let is_word = |c: char| c.is_ascii_lowercase() || c == '-';
                assert!(!defect.id.is_empty() && defect.id.chars().all(is_word), "{}: {defect:?}", entry.id);
                assert!(defect.source.starts_with("https://"), "{}: {defect:?}", entry.id);
            }
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
