//! The host that a fixed module is for, and what the inspector says of the module there.

use std::path::Path;

use anyhow::{Context, Result};
use memgrove_inspect::knowledge::Host;
use memgrove_inspect::{Facts, Knowledge, Report, conclude_with};
use memgrove_view::fix::HostVerdict;

use super::inspect::profile_error;
use crate::exit::UserError;

/// A host profile, built in or the user's own.
pub(super) struct HostTarget {
    host: Host,
    knowledge: Knowledge,
}

impl HostTarget {
    /// The profile that `--host` names: by its id, or as a TOML file.
    pub(super) fn named(name: &str) -> Result<Self> {
        let mut knowledge = Knowledge::builtin().clone();
        if let Some(host) = knowledge.host(name).cloned() {
            return Ok(Self { host, knowledge });
        }
        if Path::new(name).extension().is_none_or(|extension| extension != "toml") {
            return Err(UserError::usage(format!("there is no host profile `{name}`"))
                .hint("`memgrove inspect --list-hosts` names them; a profile of your own is a .toml file")
                .into());
        }
        let text = super::inspect::read_profile(Path::new(name))
            .with_context(|| format!("reading the host profile {name}"))?;
        let id = knowledge.add_host(name, &text).map_err(|errors| profile_error(&errors))?;
        let host = knowledge.host(&id).cloned().context("the profile that was just read")?;
        Ok(Self { host, knowledge })
    }

    /// The module's imports that it provides, as module and name.
    pub(super) fn provided(&self, facts: &Facts<'_>) -> Vec<(String, String)> {
        facts
            .imports
            .iter()
            .filter(|import| self.host.provider(facts, import, &self.knowledge).is_some())
            .map(|import| (import.module.to_owned(), import.name.to_owned()))
            .collect()
    }

    /// It needs the module to export a memory as `memory`.
    pub(super) fn needs_memory_export(&self, facts: &Facts<'_>) -> bool {
        self.host.needs_memory_export(facts)
    }

    /// What the inspector says of a module, on this host and on those that are built in.
    pub(super) fn report(&self, facts: &Facts<'_>) -> Report {
        conclude_with(facts, &self.knowledge)
    }

    /// The part of a report that is about this host.
    pub(super) fn verdict(&self, report: &Report) -> Result<HostVerdict> {
        let verdict = report.verdicts.iter().find(|verdict| verdict.host == self.host.id);
        let verdict = verdict.context("there is a verdict for every host profile")?;
        Ok(HostVerdict::from(verdict.clone()))
    }
}
