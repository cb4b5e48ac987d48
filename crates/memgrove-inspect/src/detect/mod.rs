//! What we conclude from the [`Facts`](crate::Facts), one question a module.

mod allocator;
mod allocator_sites;
mod code_evidence;
mod entries;
mod functions;
mod host;
mod imports;
mod memory;
mod mended;
mod mixture;
mod origin;
mod patterns;
mod requirements;
mod rules;
mod startup;
mod structure;
mod tables;
mod toolchain;
mod warnings;

pub use crate::knowledge::Defect;
pub use allocator::allocator;
pub use functions::exported_by_name;
pub(crate) use host::{engines, lacking, needs_memory_export, verdicts};
pub(crate) use imports::ImportMeanings;
pub(crate) use memory::memory;
pub(crate) use mended::mended;
pub use origin::origin;
pub(crate) use origin::origin_with_functions;
pub(crate) use requirements::requirements;
pub(crate) use rules::Rule;
pub use startup::startup;
pub(crate) use tables::tables;
pub use toolchain::toolchain;
pub(crate) use warnings::{Known, warnings};
