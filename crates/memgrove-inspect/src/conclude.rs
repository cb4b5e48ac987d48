//! Puts the report together.

use crate::Code;
use crate::detect::{self, ImportMeanings};
use crate::facts::{ExternKind, ExternType, Facts, offset32};
use crate::knowledge::Knowledge;
use crate::report::{
    ComponentReport, Counts, DylinkReport, Evidence, ExportReport, InnerModule, Metadata, ProducerReport,
    ProposalUse, Report, SCHEMA_VERSION, SectionReport, short_to,
};

/// Concludes everything that the facts allow, with the knowledge that comes with this crate.
#[must_use]
pub fn conclude(facts: &Facts<'_>) -> Report {
    conclude_with(facts, Knowledge::builtin())
}

/// Concludes everything that the facts allow, with knowledge that may hold the user's own host profiles.
#[must_use]
pub fn conclude_with(facts: &Facts<'_>, knowledge: &Knowledge) -> Report {
    let code = Code::new(facts);
    let meanings = ImportMeanings::new(&code, knowledge);
    let (toolchain, allocator) = detect::origin_with_functions(&code);
    let memory = detect::memory(&code, &meanings);
    let tables = detect::tables(facts);
    let verdicts = detect::verdicts(facts, knowledge, &toolchain);
    let warnings = detect::warnings(&detect::Known {
        facts,
        code: &code,
        toolchain: &toolchain,
        allocator: &allocator.identity,
        memory: &memory,
        tables: &tables,
    });
    Report {
        schema_version: SCHEMA_VERSION,
        kind: facts.kind,
        size_bytes: facts.size_bytes(),
        name: facts.names.module.map(str::to_owned),
        allocator,
        mended: detect::mended(facts),
        memory,
        tables,
        warnings,
        startup: detect::startup(facts),
        requirements: detect::requirements(facts, &meanings),
        proposals: proposals(facts),
        verdicts,
        engines: detect::engines(facts, knowledge),
        exports: exports(facts),
        sections: sections(facts),
        counts: counts(facts),
        metadata: metadata(facts),
        component: component(facts, knowledge),
        toolchain,
    }
}

fn proposals(facts: &Facts<'_>) -> Vec<ProposalUse> {
    let uses = facts.proposals.iter().map(|first| ProposalUse {
        proposal: first.proposal,
        evidence: Evidence { text: first.describe(), offset: Some(first.offset), func: first.func },
    });
    uses.collect()
}

fn exports(facts: &Facts<'_>) -> Vec<ExportReport> {
    let exports = facts.exports.iter().map(|export| ExportReport {
        name: export.name.to_owned(),
        kind: export.kind,
        ty: export_type(facts, export.kind, export.index),
        index: export.index,
    });
    exports.collect()
}

fn export_type(facts: &Facts<'_>, kind: ExternKind, index: u32) -> String {
    let at = index as usize;
    match kind {
        ExternKind::Func => facts.func_type(index).map(ToString::to_string).unwrap_or_default(),
        ExternKind::Memory => facts
            .memories
            .get(at)
            .map(|memory| ExternType::Memory(memory.ty).describe(facts))
            .unwrap_or_default(),
        ExternKind::Global => facts
            .globals
            .get(at)
            .map(|global| ExternType::Global(global.ty).describe(facts))
            .unwrap_or_default(),
        ExternKind::Table => {
            facts.tables.get(at).map(|&table| ExternType::Table(table).describe(facts)).unwrap_or_default()
        }
        ExternKind::Tag => "tag".to_owned(),
    }
}

fn sections(facts: &Facts<'_>) -> Vec<SectionReport> {
    let sections = facts.sections.iter().map(|section| SectionReport {
        name: section.name.to_owned(),
        custom: section.custom,
        offset: section.offset,
        size_bytes: section.size_bytes,
    });
    sections.collect()
}

fn counts(facts: &Facts<'_>) -> Counts {
    let count = |len: usize| offset32(len as u64);
    Counts {
        functions: count(facts.functions.len()),
        imported_functions: facts.imported_func_count(),
        globals: count(facts.globals.len()),
        tables: count(facts.tables.len()),
        data_segments: count(facts.data.len()),
        element_segments: count(facts.elements.len()),
        call_edges: count(facts.call_graph.edge_count()),
        memory_grow_sites: count(facts.grow_sites().count()),
        memory_size_sites: count(facts.size_sites().count()),
    }
}

/// Fields are `language`, `sdk` and `processed-by`.
const MAX_FIELD_CHARS: usize = 16;

fn metadata(facts: &Facts<'_>) -> Metadata {
    let custom = &facts.custom;
    Metadata {
        producers: custom
            .producers
            .iter()
            .map(|producer| ProducerReport {
                // Said once in the file, for any number of entries.
                field: short_to(producer.field, MAX_FIELD_CHARS).into_owned(),
                name: producer.name.to_owned(),
                version: producer.version.to_owned(),
            })
            .collect(),
        target_features: custom
            .target_features
            .iter()
            .map(|feature| format!("{}{}", feature.prefix, feature.name))
            .collect(),
        names: facts.names.present,
        dwarf: custom.dwarf,
        source_mapping_url: custom.source_mapping_url.map(str::to_owned),
        external_debug_info: custom.external_debug_info.map(str::to_owned),
        build_id: custom.build_id.map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect()),
        object_file: custom.linking,
        dylink: custom.dylink.as_ref().map(|dylink| DylinkReport {
            memory_size_bytes: dylink.memory_size_bytes,
            memory_align_bytes: dylink.memory_align_bytes,
            table_size: dylink.table_size,
            needed: dylink.needed.iter().map(|&name| name.to_owned()).collect(),
        }),
    }
}

fn component(facts: &Facts<'_>, knowledge: &Knowledge) -> Option<ComponentReport> {
    let component = facts.component.as_ref()?;
    let modules = component.modules.iter().map(|module| InnerModule {
        offset: module.range().start,
        size_bytes: module.size_bytes(),
        report: conclude_with(module, knowledge),
    });
    Some(ComponentReport {
        imports: component.imports.iter().map(|item| item.name.to_owned()).collect(),
        exports: component.exports.iter().map(|item| item.name.to_owned()).collect(),
        nested_components: component.nested_components,
        modules: modules.collect(),
    })
}
