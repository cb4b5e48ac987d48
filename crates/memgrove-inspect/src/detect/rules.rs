//! Rules about what a module says, written as data: `[[rule]]` tables in knowledge/toolchains and
//! knowledge/allocators. A rule is a condition, how much it tells, and where that is known from.

use std::fmt::Write as _;

use serde::Deserialize;

use super::patterns::{Hit, Patterns};
use super::structure::Structure;
use crate::Code;
use crate::facts::{ExternKind, Facts, SiteKind};
use crate::knowledge::ToolchainEntry;
use crate::report::{Evidence, short};

/// One `[[rule]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What must be seen. Several conditions must all be.
    pub when: Vec<Condition>,
    /// How much it tells, from 0 to 1: the share of modules with it that are what the entry says.
    pub weight: f32,
    /// The era or variant it speaks for, besides the entry as a whole.
    #[serde(default)]
    pub variant: Option<String>,
    /// What to say about it; the condition is described where this is missing.
    #[serde(default)]
    pub why: Option<String>,
    /// Where it is known from.
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the file; a test asks for it"))]
    pub source: String,
    /// A module that shows it, in the text format.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test runs the rule on it"))]
    pub fixture: String,
}

/// What may be seen in a module. Every field that is given must fit; `*` stands for any text in names.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// An import's two names, such as `env/enlargeMemory` or `go/*`.
    pub import: Option<String>,
    /// Its type, such as `(i32) -> i32`.
    #[serde(rename = "type")]
    pub ty: Option<String>,
    /// An export's name.
    pub export: Option<String>,
    /// Kind of the import or export: `func`, `table`, `memory`, `global` or `tag`.
    pub kind: Option<Kind>,
    /// An entry of the `producers` section: its name; its value's version fits `version`.
    pub producer: Option<String>,
    /// With `producer`: its version.
    pub version: Option<String>,
    /// A custom section's name.
    pub section: Option<String>,
    /// A feature in the `target_features` section.
    pub feature: Option<String>,
    /// Text in a data segment.
    pub data: Option<String>,
    /// Text in a data segment, in UTF-16.
    pub data_utf16: Option<String>,
    /// Text in the function names.
    pub symbol: Option<String>,
    /// With `data`, `data_utf16` or `symbol`: a version number follows the text.
    pub version_follows: bool,
    /// Something about the structure of the module; see [`Structure`].
    pub structure: Option<Structure>,
    /// Name of a function in which `memory.grow` is.
    pub grower: Option<String>,
    /// This import must not be there.
    pub no_import: Option<String>,
    /// This export must not be there.
    pub no_export: Option<String>,
}

/// [`ExternKind`] as the rules write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Func,
    Table,
    Memory,
    Global,
    Tag,
}

impl Kind {
    fn fits(self, kind: ExternKind) -> bool {
        let mine = match self {
            Self::Func => ExternKind::Func,
            Self::Table => ExternKind::Table,
            Self::Memory => ExternKind::Memory,
            Self::Global => ExternKind::Global,
            Self::Tag => ExternKind::Tag,
        };
        mine == kind
    }
}

/// What a condition found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What, and where.
    pub evidence: Evidence,
    /// A version that stands with it.
    pub version: Option<Version>,
}

/// A version, and whose it is: a module's compiler, linker and library have one each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The version as it stands in the file.
    pub text: String,
    /// The tool or library, as the file calls it.
    pub of: String,
}

/// Text in data that speaks for tools that exclude each other.
pub struct Contradiction {
    /// Which.
    pub evidence: Evidence,
    /// Toolchains that it speaks for.
    pub toolchains: Vec<&'static ToolchainEntry>,
}

/// A module with what the patterns found in it.
pub struct Subject<'c, 'a> {
    /// Its functions, and what the file says.
    pub code: &'c Code<'a>,
    /// Where text of the rules occurs.
    pub hits: Vec<Hit>,
    /// Why text in its data counts for nothing, where it does not.
    pub contradiction: Option<Contradiction>,
}

impl Rule {
    /// Whether it rests on what the file says of itself: names of imports, exports and sections, `producers`. Text in
    /// data and names of functions show only what was linked in.
    pub fn is_the_files_word(&self) -> bool {
        self.when.iter().any(|condition| {
            condition.import.is_some()
                || condition.export.is_some()
                || condition.producer.is_some()
                || condition.section.is_some()
        })
    }

    /// Whether it rests on text in data.
    pub fn is_text_in_data(&self) -> bool {
        self.when.iter().any(|condition| condition.data.is_some() || condition.data_utf16.is_some())
    }

    /// What is seen of it, if all its conditions hold.
    pub fn check(&self, subject: &Subject<'_, '_>, patterns: &Patterns) -> Option<Seen> {
        let mut seen: Option<Seen> = None;
        for condition in &self.when {
            let this = condition.check(subject, patterns)?;
            match &mut seen {
                None => seen = Some(this),
                Some(seen) => {
                    let _ = write!(seen.evidence.text, "; {}", this.evidence.text);
                    seen.version = seen.version.take().or(this.version);
                }
            }
        }
        let mut seen = seen?;
        if let Some(why) = &self.why {
            seen.evidence.text = format!("{why} ({})", seen.evidence.text);
        }
        Some(seen)
    }
}

impl Condition {
    fn check(&self, subject: &Subject<'_, '_>, patterns: &Patterns) -> Option<Seen> {
        let facts = subject.code.facts();
        let seen = |evidence| Some(Seen { evidence, version: None });
        if let Some(name) = &self.import {
            let import = facts.imports.iter().find(|import| {
                both_fit(name, import.module, import.name)
                    && self.kind.is_none_or(|kind| kind.fits(import.ty.kind()))
                    && self.ty.as_ref().is_none_or(|ty| import_type(facts, import).as_ref() == Some(ty))
            })?;
            return seen(Evidence::at(
                import.offset,
                format!("import {}.{}", short(import.module), short(import.name)),
            ));
        }
        if let Some(name) = &self.export {
            let export = facts.exports.iter().find(|export| {
                fits(name, export.name) && self.kind.is_none_or(|kind| kind.fits(export.kind))
            })?;
            return seen(Evidence::at(export.offset, format!("export {}", short(export.name))));
        }
        if let Some(name) = &self.producer {
            let producer = facts.custom.producers.iter().find(|producer| {
                fits(name, producer.name)
                    && self.version.as_ref().is_none_or(|version| fits(version, producer.version))
            })?;
            let [field, name, version] = [producer.field, producer.name, producer.version].map(short);
            let text = format!("producers: {field} {name} {version}");
            let version = (!producer.version.is_empty())
                .then(|| Version { text: version.into_owned(), of: name.into_owned() });
            return Some(Seen { evidence: Evidence::new(text.trim_end()), version });
        }
        if let Some(name) = &self.section {
            let section = facts.sections.iter().find(|section| section.custom && fits(name, section.name))?;
            return seen(Evidence::at(section.offset, format!("custom section \"{}\"", short(section.name))));
        }
        if let Some(name) = &self.feature {
            let feature = facts.custom.target_features.iter().find(|feature| fits(name, feature.name))?;
            return seen(Evidence::new(format!("target feature {}", short(feature.name))));
        }
        if let Some(structure) = &self.structure {
            return structure.check(subject.code).map(|evidence| Seen { evidence, version: None });
        }
        if let Some(name) = &self.grower {
            let mut growers = facts.first_sites(|site| matches!(site.kind, SiteKind::Grow { .. }));
            return growers.find_map(|site| {
                let grower = facts.func_name(site.func).filter(|grower| fits(name, grower))?;
                seen(Evidence::in_func(site.func, site.offset, format!("memory.grow in {}", short(grower))))
            });
        }
        if let Some(name) = &self.no_import {
            let absent = !facts.imports.iter().any(|import| both_fit(name, import.module, import.name));
            return absent
                .then(|| Seen { evidence: Evidence::new(format!("no import {name}")), version: None });
        }
        if let Some(name) = &self.no_export {
            let absent = !facts.exports.iter().any(|export| fits(name, export.name));
            return absent
                .then(|| Seen { evidence: Evidence::new(format!("no export {name}")), version: None });
        }
        patterns.find(self, subject)
    }
}

fn import_type(facts: &Facts<'_>, import: &crate::facts::Import<'_>) -> Option<String> {
    match import.ty {
        crate::facts::ExternType::Func(ty) => facts.func_type_at(ty).map(ToString::to_string),
        _ => None,
    }
}

/// Whether `module` and `name` fit a pattern of the form `module/name`. The last slash divides it.
fn both_fit(pattern: &str, module: &str, name: &str) -> bool {
    match pattern.rsplit_once('/') {
        Some((first, second)) => fits(first, module) && fits(second, name),
        None => false,
    }
}

/// Whether text fits a pattern in which `*` stands for any text. O(pattern × text) at worst.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            match rest.find(middle) {
                Some(at) => rest = &rest[at + middle.len()..],
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

/// One minus the product of what each weight leaves open: independent hints add up, none can exceed 1.
#[must_use]
pub fn combine(weights: impl IntoIterator<Item = f32>) -> f32 {
    1.0 - weights.into_iter().map(|weight| 1.0 - weight).product::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        assert!(fits("abc", "abc"));
        assert!(!fits("abc", "abcd"));
        assert!(fits("mono_*", "mono_wasm"));
        assert!(fits("*_bg.js", "./x_bg.js"));
        assert!(fits("__wbg_*_free", "__wbg_point_free"));
        assert!(!fits("__wbg_*_free", "__wbg_free"));
        assert!(fits("*", ""));
        assert!(fits("a*b*c", "a-b-b-c"));
        assert!(!fits("a*b*c", "a-c-b"));
    }

    #[test]
    fn an_import_pattern_divides_at_its_last_slash() {
        assert!(both_fit("./*_bg.js/__wbindgen_*", "./x_bg.js", "__wbindgen_throw"));
        assert!(!both_fit("env/abort", "env", "aborts"));
    }

    #[test]
    fn hints_add_up_and_never_reach_beyond_certainty() {
        assert!((combine([0.5, 0.5]) - 0.75).abs() < 1e-6);
        assert!(combine([0.9; 20]) <= 1.0);
        assert!(combine([]).abs() < 1e-6);
    }
}
