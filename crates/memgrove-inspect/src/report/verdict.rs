//! What a module needs, and where it gets it.

use super::{Conclusion, Evidence, ImportName};
use crate::facts::{ExternKind, Proposal};
use serde::Serialize;

/// The imports, grouped by what they are for.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Requirements {
    /// One group for each purpose that occurs, in the order of `knowledge/imports.toml`.
    pub groups: Vec<PurposeGroup>,
    /// Number of imports.
    pub import_count: u32,
}

/// Imports with one purpose.
#[derive(Debug, Clone, Serialize)]
pub struct PurposeGroup {
    /// Id of the purpose, such as `memory` or `wasi-p1`.
    pub purpose: String,
    /// Its title for people.
    pub title: String,
    /// The imports.
    pub imports: Vec<ImportUse>,
}

/// An import and what we know about it.
#[derive(Debug, Clone, Serialize)]
pub struct ImportUse {
    /// Its position among the imports of the module, by which reasons refer to it.
    pub index: u32,
    /// Its two names.
    #[serde(flatten)]
    pub name: ImportName,
    /// What is imported.
    pub kind: ExternKind,
    /// Its type: `(i32) -> i32`, `memory 256 256`, `global mut i32`, `table 1 funcref`.
    #[serde(rename = "type")]
    pub ty: String,
    /// Byte offset of the entry.
    pub offset: u32,
    /// What it really is, where a minified name was recovered or a known name is explained.
    #[serde(skip_serializing_if = "is_unknown")]
    pub meaning: Conclusion<String>,
}

fn is_unknown(meaning: &Conclusion<String>) -> bool {
    meaning.value.is_none() && meaning.evidence.is_empty()
}

/// A proposal that the module uses.
#[derive(Debug, Clone, Serialize)]
pub struct ProposalUse {
    /// The proposal.
    pub proposal: Proposal,
    /// Its first use.
    pub evidence: Evidence,
}

/// Whether the module runs on a host.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// Id of the host profile.
    pub host: String,
    /// Title of the host profile.
    pub title: String,
    /// The answer.
    pub outcome: Outcome,
    /// Reasons against it. For `runs` there are none.
    pub reasons: Vec<Reason>,
    /// Conditions under which it runs. Only for `runs-if`.
    pub conditions: Vec<Reason>,
    /// What is worth knowing although it changes nothing: a start function that may trap, for instance.
    pub notes: Vec<String>,
}

/// The answer to whether a module runs on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It instantiates there as it is.
    Runs,
    /// It instantiates there if the conditions are met.
    RunsIf,
    /// It does not.
    No,
}

/// A reason or a condition.
#[derive(Debug, Clone, Serialize)]
pub struct Reason {
    /// In words.
    pub text: String,
    /// The imports it is about, as positions among the imports of the module: no more than
    /// [`MAX_REASON_IMPORTS`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<u32>,
    /// How many imports it is about.
    #[serde(skip_serializing_if = "is_zero")]
    pub import_count: u32,
    /// The proposals it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proposals: Vec<Proposal>,
    /// Whether it is about functions that are not exported, by which the host would start or call the module.
    #[serde(skip_serializing_if = "is_false")]
    pub about_exports: bool,
}

/// Imports that a reason lists; the rest is only counted.
pub const MAX_REASON_IMPORTS: usize = 1000;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Reason {
    /// A reason that is about no import or proposal in particular.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            imports: Vec::new(),
            import_count: 0,
            proposals: Vec::new(),
            about_exports: false,
        }
    }

    /// With one more import that it is about, by its position.
    pub fn add_import(&mut self, import: u32) {
        self.import_count = self.import_count.saturating_add(1);
        if self.imports.len() < MAX_REASON_IMPORTS {
            self.imports.push(import);
        }
    }
}

/// What an engine offers for the proposals that the module uses.
#[derive(Debug, Clone, Serialize)]
pub struct EngineSupport {
    /// Id of the engine.
    pub engine: String,
    /// Its name for people.
    pub title: String,
    /// Oldest version that supports all of them by default; `None` where there is none.
    pub since: Option<String>,
    /// Proposals that no known version supports by default.
    pub missing: Vec<Proposal>,
}
