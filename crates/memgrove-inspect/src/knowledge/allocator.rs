//! Allocators, and how they are recognised besides their code.

use serde::{Deserialize, Serialize};

use crate::detect::Rule;

/// A file of knowledge/allocators.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AllocatorFile {
    pub(super) allocator: Vec<AllocatorEntry>,
}

/// An allocator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllocatorEntry {
    /// Its id; fingerprints refer to it.
    pub id: String,
    /// The design, shared by its variants.
    pub family: String,
    /// Its name for people.
    pub name: String,
    /// Where it is known from.
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the file; a test asks for it"))]
    pub source: String,
    /// Family of the only toolchain that has it.
    #[serde(default)]
    pub implies: Option<String>,
    /// What is known to be wrong with it.
    #[serde(default, rename = "defect")]
    pub defects: Vec<Defect>,
    /// Toolchains that put it into a module by default, with how often (0 to 1).
    #[serde(default, rename = "default")]
    pub defaults: Vec<Default>,
    /// How it is recognised besides its code.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// A known defect of an allocator.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Defect {
    /// What kind it is, for programs: `leaks` where memory that was freed is often or never used again. Allocators share ids.
    pub id: String,
    /// What happens.
    pub text: String,
    /// Who says so.
    pub source: String,
}

/// A toolchain whose default an allocator is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Default {
    /// Family of the toolchain.
    pub toolchain: String,
    /// Variant of it; any where missing.
    #[serde(default)]
    pub variant: Option<String>,
    /// Share of its modules that have the allocator.
    pub weight: f32,
}
