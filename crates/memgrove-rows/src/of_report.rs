//! A row from a report.

use memgrove_inspect::report::{Outcome, Report};
use memgrove_text::hex;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::Row;

/// Entries of `producers` that a row has.
const MOST_PRODUCERS: usize = 16;
/// Characters of each.
const MOST_PRODUCER_CHARS: usize = 100;

impl Row {
    /// Fills in what a report says.
    pub(crate) fn describe(&mut self, report: &Report) {
        self.kind = word(&report.kind);
        self.size_bytes = Some(report.size_bytes);
        if let Some(toolchain) = &report.toolchain.value {
            self.toolchain = Some(toolchain.family.clone());
            self.toolchain_variant.clone_from(&toolchain.variant);
            self.toolchain_version.clone_from(&toolchain.version);
            self.language.clone_from(&toolchain.language);
        }
        self.toolchain_confidence = Some(rounded(report.toolchain.confidence.value()));
        let allocator = &report.allocator.identity;
        if let Some(allocator) = &allocator.value {
            self.allocator = Some(allocator.id.clone());
            self.allocator_family = Some(allocator.family.clone());
            self.allocator_version.clone_from(&allocator.version);
            self.defects = allocator.defects.iter().map(|defect| defect.id.clone()).collect();
        }
        self.allocator_confidence = Some(rounded(allocator.confidence.value()));
        self.warnings = report.warnings.iter().filter_map(|warning| word(&warning.id)).collect();
        for verdict in &report.verdicts {
            let list = match verdict.outcome {
                Outcome::Runs => &mut self.runs,
                Outcome::RunsIf => &mut self.runs_if,
                Outcome::No => &mut self.runs_not,
            };
            list.push(verdict.host.clone());
        }
        self.describe_memory(report);
        self.functions = Some(u64::from(report.counts.functions));
        self.imports = Some(u64::from(report.requirements.import_count));
        self.imports_hash = Some(imports_hash(report));
        self.exports = Some(report.exports.len() as u64);
        self.proposals = report.proposals.iter().map(|used| used.proposal.id().to_owned()).collect();
        self.producers = report
            .metadata
            .producers
            .iter()
            .take(MOST_PRODUCERS)
            .map(|entry| {
                // Most are of this field. A name with a colon has its field, too, so that it is not taken for one.
                let is_plain = entry.field == "processed-by" && !entry.name.contains(':');
                let field = if is_plain { String::new() } else { format!("{}:", entry.field) };
                let whole = format!("{field}{} {}", entry.name, entry.version);
                whole.trim_end().chars().take(MOST_PRODUCER_CHARS).collect()
            })
            .collect();
    }

    fn describe_memory(&mut self, report: &Report) {
        let memory = &report.memory;
        self.memories = Some(memory.memories.len() as u64);
        if let Some(first) = memory.memories.first() {
            let flags = [
                (first.imported.is_some(), "imported"),
                (first.shared, "shared"),
                (first.memory64, "64-bit"),
            ];
            self.memory_flags =
                flags.into_iter().filter(|(is_so, _)| *is_so).map(|(_, flag)| flag.to_owned()).collect();
            self.memory_min_bytes = Some(first.min_bytes);
            self.memory_max_bytes = first.max_bytes;
        }
        self.data_bytes = memory.static_data.value.as_ref().map(|data| data.bytes);
        self.heap_base = memory.heap_base.value;
        self.growth = memory.growth.value.as_ref().and_then(|growth| word(&growth.who));
        self.grow_sites = Some(u64::from(report.counts.memory_grow_sites));
    }
}

/// The word that a report's JSON has for a value.
fn word(value: &impl Serialize) -> Option<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Some(word),
        _ => None,
    }
}

/// Two decimals, as everywhere.
fn rounded(confidence: f32) -> f64 {
    f64::from((confidence * 100.0).round()) / 100.0
}

/// Equal for modules that import the same, in any order.
fn imports_hash(report: &Report) -> String {
    let mut lines: Vec<String> = report
        .requirements
        .groups
        .iter()
        .flat_map(|group| &group.imports)
        .map(|import| {
            let kind = word(&import.kind).unwrap_or_default();
            // Names may hold anything, so each has its length before it.
            let (module, name) = (&import.name.module, &import.name.name);
            format!("{} {module} {} {name} {kind} {}\n", module.len(), name.len(), import.ty)
        })
        .collect();
    lines.sort_unstable();
    let mut hash = Sha256::new();
    for line in &lines {
        hash.update(line);
    }
    hex(&hash.finalize()[..8])
}
