//! The host that a module is made for, and what the inspector says of the module there.

use memgrove_inspect::facts::Proposal;
use memgrove_inspect::knowledge::{Host, Price, ProfileErrors};
use memgrove_inspect::{Facts, Knowledge, Report, conclude_with};
use memgrove_view::fix::HostVerdict;

use crate::error::UserError;

/// What is wrong with a host profile: the first fault is the error, the others are listed behind it.
#[must_use]
pub fn profile_error(errors: &ProfileErrors) -> UserError {
    let list: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
    let text = list.join("; ");
    let hint = "a profile needs id, title and what it provides; the files in knowledge/hosts/ are examples";
    UserError::usage(format!("host profile {text}")).hint(hint)
}

/// A host profile, built in or the user's own.
#[derive(Clone, Debug)]
pub struct HostTarget {
    host: Host,
    knowledge: Knowledge,
}

impl HostTarget {
    /// A profile that is built in, by its id.
    #[must_use]
    pub fn built_in(id: &str) -> Option<Self> {
        let knowledge = Knowledge::builtin();
        Some(Self { host: knowledge.host(id)?.clone(), knowledge: knowledge.clone() })
    }

    /// A profile of the user's own, in TOML; `name` says which in errors.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn own(name: &str, toml: &str) -> Result<Self, UserError> {
        let mut knowledge = Knowledge::builtin().clone();
        let id = knowledge.add_host(name, toml).map_err(|errors| profile_error(&errors))?;
        let host = knowledge.host(&id).cloned();
        let host = host.ok_or_else(|| UserError::failed(format!("host profile {name} was not kept")))?;
        Ok(Self { host, knowledge })
    }

    /// What it charges for instructions, if it is a chain that does.
    #[must_use]
    pub fn price(&self) -> Option<&Price> {
        self.host.price.as_ref()
    }

    /// The built-in hosts that have a price, by their ids.
    #[must_use]
    pub fn priced() -> Vec<&'static str> {
        let hosts = Knowledge::builtin().hosts.iter();
        hosts.filter(|host| host.price.is_some()).map(|host| host.id.as_str()).collect()
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.host.id
    }

    /// The module's imports that it provides, as module and name.
    #[must_use]
    pub fn provided(&self, facts: &Facts<'_>) -> Vec<(String, String)> {
        facts
            .imports
            .iter()
            .filter(|import| self.host.provider(facts, import, &self.knowledge).is_some())
            .map(|import| (import.module.to_owned(), import.name.to_owned()))
            .collect()
    }

    /// It needs the module to export a memory as `memory`.
    #[must_use]
    pub fn needs_memory_export(&self, facts: &Facts<'_>) -> bool {
        self.host.needs_memory_export(facts)
    }

    /// The proposals that the module uses and it has not, or only under a condition.
    #[must_use]
    pub fn lacking(&self, facts: &Facts<'_>) -> Vec<Proposal> {
        self.host.lacking(facts, &self.knowledge)
    }

    /// What the inspector says of a module, on this host and on those that are built in.
    #[must_use]
    pub fn report(&self, facts: &Facts<'_>) -> Report {
        conclude_with(facts, &self.knowledge)
    }

    /// The part of such a report that is about this host.
    ///
    /// # Errors
    /// If it is another's report.
    pub fn verdict(&self, report: &Report) -> Result<HostVerdict, UserError> {
        let verdict = report.verdicts.iter().find(|verdict| verdict.host == self.host.id);
        let verdict =
            verdict.ok_or_else(|| UserError::failed("there is a verdict for every host profile"))?;
        Ok(HostVerdict::from(verdict.clone()))
    }
}
