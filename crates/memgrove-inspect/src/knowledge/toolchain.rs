//! Toolchains, and how they are recognised.

use serde::Deserialize;

use crate::detect::Rule;

/// A toolchain.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolchainEntry {
    /// Its id.
    pub family: String,
    /// Its name for people.
    pub name: String,
    /// The language that it usually compiles.
    pub language: String,
    /// Families that show too where this one does, because it is built on them.
    #[serde(default)]
    pub outranks: Vec<String>,
    /// Eras and targets.
    #[serde(default, rename = "variant")]
    pub variants: Vec<Variant>,
    /// How it is recognised.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// An era or target of a toolchain.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its id.
    pub id: String,
    /// Its name for people, the toolchain's included.
    pub name: String,
    /// The language, where it is another one.
    #[serde(default)]
    pub language: Option<String>,
}
