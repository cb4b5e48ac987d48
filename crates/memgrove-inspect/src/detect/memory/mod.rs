//! Where things lie in memory 0, and who makes it larger.

mod constants;
mod growth;
mod heap;
mod regions;
mod stack;
mod static_data;

use super::imports::ImportMeanings;
use crate::Code;
use crate::facts::{ExternKind, Facts};
use crate::report::{
    AddressRange, Conclusion, Confidence, ImportName, MemoryReport, MemorySummary, Stack, StaticData,
};

/// Concludes what is known about the module's memory.
pub(crate) fn memory(code: &Code<'_>, meanings: &ImportMeanings<'_, '_, '_>) -> MemoryReport {
    let facts = code.facts();
    let inits = constants::memory_inits(facts);
    let static_data = static_data::static_data(facts, &inits);
    let bss = static_data::bss(facts, static_data.value.as_ref(), &inits);
    let stack = stack::stack(code, static_data.value.as_ref(), bss.value);
    let heap_base = heap::heap_base(facts, static_data.value.as_ref(), bss.value, stack.value.as_ref());
    let room_before_growth_bytes = room(facts, &heap_base);
    let growth = growth::growth(facts, meanings);
    let layout = Layout { static_data: &static_data, bss: &bss, stack: &stack, heap_base: &heap_base };
    let regions = regions::regions(facts, &layout, growth.value.as_ref());
    MemoryReport {
        memories: summaries(facts),
        static_data,
        bss,
        stack,
        heap_base,
        room_before_growth_bytes,
        growth,
        regions,
    }
}

/// What is known about where things lie.
struct Layout<'r> {
    static_data: &'r Conclusion<StaticData>,
    bss: &'r Conclusion<AddressRange>,
    stack: &'r Conclusion<Stack>,
    heap_base: &'r Conclusion<u64>,
}

impl Layout<'_> {
    /// The stack, where both of its ends are known.
    fn stack_range(&self) -> Option<AddressRange> {
        self.stack.value.as_ref().and_then(|stack| stack.range)
    }
}

fn summaries(facts: &Facts<'_>) -> Vec<MemorySummary> {
    let summary = |(index, memory): (u32, &crate::facts::Memory)| {
        let import = memory.import.and_then(|import| facts.imports.get(import as usize));
        let exported = facts.exports_of(ExternKind::Memory, index);
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

fn room(facts: &Facts<'_>, heap_base: &Conclusion<u64>) -> Conclusion<u64> {
    let (Some(memory), Some(base)) = (facts.memories.first(), heap_base.value) else {
        return Conclusion::unknown();
    };
    // An imported memory may be larger than its declared minimum.
    let confidence = if memory.import.is_some() {
        Confidence::new(heap_base.confidence.value().min(Confidence::MEDIUM.value()))
    } else {
        heap_base.confidence
    };
    Conclusion::new(memory.ty.min_bytes().saturating_sub(base), confidence)
        .with_evidence(heap_base.evidence.iter().cloned())
}

fn align16(address: u64) -> u64 {
    address.saturating_add(15) & !15
}
