//! Host profiles: what a place to run modules offers and asks for.

use super::engine::EngineUse;
use super::{Interface, Knowledge, Price};
use crate::facts::{ExternKind, Facts, Import, Proposal};
use memgrove_module::pattern::{ImportPattern, Names};
use serde::Deserialize;

/// A place to run modules. This is also the format of a user's own profile, of which only `id` and `title` must be
/// there: whatever is left out asks for nothing and offers nothing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Id, by which a user names it.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// Place among the hosts in reports, the smallest first; where it is left out, the last.
    #[serde(default = "last")]
    pub order: u32,
    /// What it is, in a sentence.
    #[serde(default)]
    pub description: String,
    /// Where this is from.
    #[serde(default)]
    pub source: String,
    /// The engines it may run on: each of them must support what the module uses.
    #[serde(default)]
    pub engines: Vec<EngineUse>,
    /// The proposals it offers, where it refuses all others; any that its engines support where this is missing.
    pub supports: Option<Vec<String>>,
    /// Proposals it cannot offer although its engine could.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// Families of toolchains whose modules its `provides` are for; empty for any.
    #[serde(default)]
    pub made_by: Vec<String>,
    /// Imports it satisfies.
    #[serde(default)]
    pub provides: Vec<Provides>,
    /// What it does with an imported function that it does not provide.
    #[serde(default)]
    pub missing_functions: MissingFunctions,
    /// Whether it compares the types of imported functions with its own.
    #[serde(default)]
    pub function_types: FunctionTypes,
    /// Imports of components that it satisfies, with `*`; empty where it takes no components.
    #[serde(default)]
    pub components: Vec<String>,
    /// Exports that must be there for the host to run anything.
    pub entry: Option<Entry>,
    /// Largest memory in bytes that it grants.
    pub memory_limit_bytes: Option<u64>,
    /// Other bounds.
    #[serde(default)]
    pub limits: Limits,
    /// What it charges for the instructions that it runs.
    pub price: Option<Price>,
    /// What a module with a shared memory of its own needs.
    pub shared_memory: Option<String>,
    /// Its WASI functions need a memory exported as `memory`, whether they use it or not.
    #[serde(default)]
    pub wasi_memory_export: bool,
    /// Its WASI functions fail while the module is instantiated, thus when its start function calls them.
    #[serde(default)]
    pub wasi_after_start: bool,
    /// What else it asks for that a module's file does not show, for people.
    #[serde(default)]
    pub unchecked: Vec<String>,
    /// A module in the text format that runs there.
    pub runs: Option<String>,
    /// Modules in the text format that do not.
    pub refuses: Option<Names>,
}

/// The place of a profile that names none: behind all others.
pub(super) const LAST: u32 = u32::MAX;

const fn last() -> u32 {
    LAST
}

/// What a host does with an imported function that it does not provide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingFunctions {
    /// It refuses the module.
    #[default]
    Refused,
    /// It loads the module, and a call of the function fails.
    FailWhenCalled,
}

/// Whether a host compares the types of imported functions with its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionTypes {
    /// It refuses a module with another type, as native engines do.
    #[default]
    Compared,
    /// It does not, as JavaScript: a call fails, or gets something else than it expects.
    NotCompared,
}

/// Bounds beyond which a host refuses a module. Nothing is bounded where it is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Size of the module in bytes.
    pub file_bytes: Option<u64>,
    /// Exactly one memory must be there, the module's own.
    pub one_own_memory: bool,
    /// A memory must not declare a maximum: the host sets it.
    pub no_memory_maximum: bool,
    /// Number of tables.
    pub tables: Option<u32>,
    /// Elements of each table: its maximum where it declares one, else its minimum.
    pub table_elements: Option<u64>,
    /// A table must declare a maximum.
    pub table_maximum: bool,
    /// Number of imports.
    pub imports: Option<u32>,
    /// Number of functions that the module defines.
    pub functions: Option<u32>,
    /// Parameters of a function.
    pub params: Option<u32>,
    /// Results of a function.
    pub results: Option<u32>,
    /// There must be no start function.
    pub no_start: bool,
    /// There must be no floating-point types and instructions.
    pub no_floats: bool,
}

/// Imports that a host satisfies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Provides {
    /// Which ones.
    #[serde(flatten)]
    pub pattern: ImportPattern,
    /// Id of the interface that says which functions there are and which types they have; none means that any type
    /// will do.
    pub interface: Option<String>,
    /// Functions of the interface that are not provided.
    #[serde(default)]
    pub except: Vec<String>,
    /// The size of the memory or table that is given, `[minimum, maximum]`, in pages or elements: the module's import
    /// must fit it.
    pub size: Option<[u64; 2]>,
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
    /// All of these functions must be exported.
    #[serde(default)]
    pub all_of: Vec<String>,
    /// Whether a memory must be exported as `memory`.
    #[serde(default)]
    pub memory: bool,
    /// What to do where none of `any_of` is exported; none means that the host refuses the module.
    pub otherwise: Option<String>,
    /// Whether no function of the module can be called then.
    #[serde(default)]
    pub otherwise_idle: bool,
}

impl Host {
    /// Whether this host needs a module to export a memory as `memory`, be it there or not: to run it as
    /// a program at all, or for the functions of WASI that it calls.
    #[must_use]
    pub fn needs_memory_export(&self, facts: &Facts<'_>) -> bool {
        crate::detect::needs_memory_export(facts, self)
    }

    /// The proposals that a module uses and this host has not, or only under a condition.
    #[must_use]
    pub fn lacking(&self, facts: &Facts<'_>, knowledge: &Knowledge) -> Vec<Proposal> {
        crate::detect::lacking(facts, self, knowledge)
    }

    /// What provides an import, whatever its function type; `None` where nothing does.
    #[must_use]
    pub fn provider(
        &self,
        facts: &Facts<'_>,
        import: &Import<'_>,
        knowledge: &Knowledge,
    ) -> Option<&Provides> {
        self.provides.iter().find(|provides| provides.has(facts, import, knowledge))
    }
}

impl Provides {
    fn has(&self, facts: &Facts<'_>, import: &Import<'_>, knowledge: &Knowledge) -> bool {
        match self.interface(knowledge) {
            Some(interface) => {
                import.ty.kind() == ExternKind::Func
                    && interface.types(import.module, import.name).is_some()
                    && !self.except.iter().any(|name| name == import.name)
                    && self.pattern.matches(facts, import)
            }
            None => self.pattern.matches(facts, import),
        }
    }

    /// The interface that it is a part of.
    #[must_use]
    pub fn interface<'k>(&self, knowledge: &'k Knowledge) -> Option<&'k Interface> {
        knowledge.interface(self.interface.as_deref()?)
    }
}
