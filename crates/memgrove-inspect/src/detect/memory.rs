//! Where things lie in memory 0, and who makes it larger.

use crate::facts::{ExternKind, Facts};
use crate::report::{Conclusion, ImportName, MemoryReport, MemorySummary};

/// Concludes what is known about the module's memory.
#[must_use]
pub fn memory(facts: &Facts<'_>) -> MemoryReport {
    MemoryReport {
        memories: summaries(facts),
        static_data: Conclusion::unknown(),
        bss: Conclusion::unknown(),
        stack: Conclusion::unknown(),
        heap_base: Conclusion::unknown(),
        room_before_growth_bytes: Conclusion::unknown(),
        growth: Conclusion::unknown(),
        regions: Vec::new(),
    }
}

fn summaries(facts: &Facts<'_>) -> Vec<MemorySummary> {
    let summary = |(index, memory): (u32, &crate::facts::Memory)| {
        let import = memory.import.and_then(|import| facts.imports.get(import as usize));
        let exported = facts.exports.iter().filter(|e| e.kind == ExternKind::Memory && e.index == index);
        MemorySummary {
            index,
            imported: import
                .map(|import| ImportName { module: import.module.to_owned(), name: import.name.to_owned() }),
            exported_as: exported.map(|export| export.name.to_owned()).collect(),
            min_pages: memory.ty.min_pages,
            max_pages: memory.ty.max_pages,
            min_bytes: memory.ty.min_bytes(),
            max_bytes: memory.ty.max_bytes(),
            page_size_bytes: memory.ty.page_size_bytes(),
            shared: memory.ty.shared,
            memory64: memory.ty.memory64,
        }
    };
    (0..).zip(&facts.memories).map(summary).collect()
}
