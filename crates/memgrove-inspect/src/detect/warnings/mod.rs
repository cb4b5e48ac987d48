//! What will bite somebody although the module is valid, each with its cure.
//!
//! A warning is given only where the file shows what it says; whatever depends on more is left to the host's verdict.

mod memory;
mod origin;
mod tables;

use crate::Code;

use crate::facts::{BinaryKind, Facts};
use crate::report::{
    Allocator, Conclusion, Evidence, MemoryReport, TableReport, Toolchain, Warning, WarningId,
};

/// What has been concluded about a module, for the warnings to rest on.
pub(crate) struct Known<'k, 'a> {
    pub(crate) facts: &'k Facts<'a>,
    pub(crate) code: &'k Code<'a>,
    pub(crate) toolchain: &'k Conclusion<Toolchain>,
    pub(crate) allocator: &'k Conclusion<Allocator>,
    pub(crate) memory: &'k MemoryReport,
    pub(crate) tables: &'k [TableReport],
}

impl Known<'_, '_> {
    /// Whether the toolchain is of this family, more likely than not.
    fn is_made_by(&self, family: &str) -> bool {
        let likely = self.toolchain.level() >= crate::report::Level::Medium;
        likely && self.toolchain.value.as_ref().is_some_and(|toolchain| toolchain.family == family)
    }
}

/// The warnings, those about memory first. Linear in the module's items.
pub(crate) fn warnings(known: &Known<'_, '_>) -> Vec<Warning> {
    if known.facts.kind == BinaryKind::Component {
        return Vec::new();
    }
    let memory = [
        memory::stack_above_data(known),
        memory::host_passes_memory(known),
        memory::default_stack(known),
        memory::threads_without_shared_memory(known),
        memory::bindgen_threads_at_heap_base(known),
    ];
    let origin = [
        origin::not_bound(known),
        origin::part_of_a_component(known),
        origin::go_for_javascript(known),
        origin::minified_imports(known),
    ];
    memory.into_iter().flatten().chain(tables::warnings(known)).chain(origin.into_iter().flatten()).collect()
}

fn warning(
    id: WarningId,
    text: impl Into<String>,
    cure: impl Into<String>,
    evidence: impl IntoIterator<Item = Evidence>,
) -> Warning {
    Warning { id, text: text.into(), cure: cure.into(), evidence: evidence.into_iter().collect() }
}
