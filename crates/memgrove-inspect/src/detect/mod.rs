//! What we conclude from the [`Facts`](crate::Facts), one question a module.

mod allocator;
mod allocator_sites;
mod entries;
mod functions;
mod host;
mod imports;
mod memory;
mod patterns;
mod requirements;
mod rules;
mod startup;
mod structure;
mod toolchain;

pub use allocator::{Allocator, allocator};
pub use entries::Defect;
pub(crate) use host::{engines, needs_memory_export, verdicts};
pub(crate) use imports::ImportMeanings;
pub(crate) use memory::memory;
pub(crate) use requirements::requirements;
pub use startup::startup;
pub(crate) use toolchain::origin_with_functions;
pub use toolchain::{Toolchain, origin, toolchain};
