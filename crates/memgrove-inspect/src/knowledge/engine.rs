//! Engines, and which proposals they support since when.

use crate::facts::Proposal;
use serde::Deserialize;
use std::collections::BTreeMap;

/// An engine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Id, the file's name.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// Place among the engines in reports, the smallest first.
    pub order: u32,
    /// Newest version that the entries were checked for.
    pub current: String,
    /// The day on which they were, `2026-11-26`.
    pub checked: String,
    /// Where the entries are from.
    pub source: String,
    /// Oldest version with the proposal on by default, by [`Proposal::id`].
    pub since: BTreeMap<String, String>,
    /// Off by default: what turns it on.
    #[serde(default)]
    pub flag: BTreeMap<String, String>,
}

/// An engine that a host runs on, as its profile writes it: `wasmtime`, or `wasmi 1.0.9` where a version is built in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct EngineUse {
    /// Id of the engine.
    pub id: String,
    /// The version that is built in; the newest one where there is none.
    pub version: Option<String>,
}

impl From<String> for EngineUse {
    fn from(text: String) -> Self {
        match text.split_once(' ') {
            Some((id, version)) => Self { id: id.to_owned(), version: Some(version.trim().to_owned()) },
            None => Self { id: text, version: None },
        }
    }
}

impl Engine {
    /// Oldest version with the proposal on by default.
    #[must_use]
    pub fn since(&self, proposal: Proposal) -> Option<&str> {
        self.since.get(proposal.id()).map(String::as_str)
    }

    /// What turns the proposal on where it is off by default.
    #[must_use]
    pub fn flag(&self, proposal: Proposal) -> Option<&str> {
        self.flag.get(proposal.id()).map(String::as_str)
    }
}

/// Compares version numbers part by part: `9.2` is older than `15`.
#[must_use]
pub(crate) fn compare_versions(a: &str, b: &str) -> std::cmp::Ordering {
    let parts = |version: &str| -> Vec<u64> {
        let mut parts: Vec<u64> = version.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        while parts.last() == Some(&0) {
            parts.pop();
        }
        parts
    };
    parts(a).cmp(&parts(b))
}

#[cfg(test)]
mod tests {
    use super::compare_versions;
    use std::cmp::Ordering::{Equal, Greater, Less};

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(compare_versions("9.2", "15"), Less);
        assert_eq!(compare_versions("15", "15.0"), Equal);
        assert_eq!(compare_versions("0.33", "0.4"), Greater);
        assert_eq!(compare_versions("2.3.2", "2.3"), Greater);
    }
}
