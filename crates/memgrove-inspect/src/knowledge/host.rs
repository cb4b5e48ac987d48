//! Host profiles: what a place to run modules offers and asks for.

use memgrove_module::pattern::{ImportPattern, Names};
use serde::Deserialize;

/// A place to run modules. This is also the format of a user's own profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Id, by which a user names it.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// What it is, in a sentence.
    pub description: String,
    /// Where this is from.
    pub source: String,
    /// Ids of the engines it may run on: each of them must support what the module uses.
    pub engines: Vec<String>,
    /// Proposals it cannot offer although its engine could.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// Families of toolchains whose modules its `provides` are for; empty for any.
    #[serde(default)]
    pub made_by: Vec<String>,
    /// Imports it satisfies.
    #[serde(default)]
    pub provides: Vec<Provides>,
    /// Imports of components that it satisfies, with `*`; empty where it takes no components.
    #[serde(default)]
    pub components: Vec<String>,
    /// Exports that must be there for the host to run anything.
    #[serde(default)]
    pub entry: Option<Entry>,
    /// Largest memory in bytes that it grants.
    pub memory_limit_bytes: Option<u64>,
    /// What a module with a shared memory of its own needs.
    pub shared_memory: Option<String>,
    /// Its WASI functions need a memory exported as `memory`, whether they use it or not.
    #[serde(default)]
    pub wasi_memory_export: bool,
    /// A module in the text format that runs there.
    pub runs: Option<String>,
    /// Modules in the text format that do not.
    pub refuses: Option<Names>,
}

impl Host {
    /// Whether this host needs a module to export a memory as `memory`, be it there or not: to run it as
    /// a program at all, or for the functions of WASI that it calls.
    #[must_use]
    pub fn needs_memory_export(&self, facts: &crate::facts::Facts<'_>) -> bool {
        crate::detect::needs_memory_export(facts, self)
    }
}

/// Imports that a host satisfies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Provides {
    /// Which ones.
    #[serde(flatten)]
    pub pattern: ImportPattern,
    /// Id of the interface that says which types they have; none means that any type will do.
    pub interface: Option<String>,
    /// Under which condition, for people; none means always.
    pub condition: Option<String>,
}

/// How a host starts a program.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// One of these functions must be exported.
    #[serde(default)]
    pub any_of: Vec<String>,
    /// Whether a memory must be exported as `memory`.
    #[serde(default)]
    pub memory: bool,
    /// What to do where none of `any_of` is exported; none means that the host refuses the module.
    pub otherwise: Option<String>,
}
