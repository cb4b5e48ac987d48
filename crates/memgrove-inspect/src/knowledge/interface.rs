//! Interfaces: families of functions whose types are fixed.

use std::collections::BTreeMap;

use serde::Deserialize;

use memgrove_module::pattern::Names;

/// Functions with the types that every host gives them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Id, by which host profiles refer to it.
    pub id: String,
    /// Where this is from.
    pub source: String,
    /// An import in the text format that has the right type.
    pub fixture: String,
    /// An import in the text format that has not.
    pub refuses: String,
    /// Its functions have names and types that other libraries have too: they tell nothing about the module.
    #[serde(default)]
    pub common: bool,
    /// The type of each function, in the notation of reports, `(i32 i32) -> i32`, or its types. The host's profile
    /// names the modules that they are imported from.
    #[serde(default)]
    pub functions: BTreeMap<String, Names>,
    /// The same by the module that they are imported from, where the interface itself says so.
    #[serde(default)]
    pub modules: BTreeMap<String, BTreeMap<String, Names>>,
}

impl Interface {
    /// The types that the function `name` of `module` has; `None` where it is none of these. O(log functions).
    #[must_use]
    pub fn types(&self, module: &str, name: &str) -> Option<&Names> {
        self.functions.get(name).or_else(|| self.modules.get(module)?.get(name))
    }
}
