//! What the inspector says of a module of the survey.

use memgrove_inspect::report::{ExportReport, Report};
use serde::{Deserialize, Serialize};

/// What must come out the same whenever and wherever a module is built; its bytes need not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleFacts {
    /// `module.name type`, sorted.
    pub imports: Vec<String>,
    /// `name type`, sorted.
    pub exports: Vec<String>,
    /// The allocator's family as the inspector recognises it.
    pub allocator: Option<String>,
    /// The memories.
    pub memories: Vec<MemoryFacts>,
    /// Number of `memory.grow` instructions.
    pub memory_grow_sites: u32,
}

/// A memory's type and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryFacts {
    /// Imported from the host.
    pub imported: bool,
    /// Initial size in pages.
    pub min_pages: u64,
    /// Declared maximum in pages.
    pub max_pages: Option<u64>,
    /// Shared between threads.
    pub shared: bool,
}

impl ModuleFacts {
    /// The facts of an inspected module.
    pub fn of(report: &Report) -> Self {
        let groups = report.requirements.groups.iter();
        let mut imports: Vec<String> = groups
            .flat_map(|group| &group.imports)
            .map(|import| format!("{} {}", import.name, import.ty))
            .collect();
        imports.sort();
        let mut exports: Vec<String> =
            report.exports.iter().map(|ExportReport { name, ty, .. }| format!("{name} {ty}")).collect();
        exports.sort();
        let memories = report.memory.memories.iter().map(|memory| MemoryFacts {
            imported: memory.imported.is_some(),
            min_pages: memory.min_pages,
            max_pages: memory.max_pages,
            shared: memory.shared,
        });
        Self {
            imports,
            exports,
            allocator: report.allocator.identity.value.as_ref().map(|allocator| allocator.family.clone()),
            memories: memories.collect(),
            memory_grow_sites: report.counts.memory_grow_sites,
        }
    }

    /// How `self`, expected, and `other` differ, one line each; empty when they agree.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (what, ours, theirs) in
            [("import", &self.imports, &other.imports), ("export", &self.exports, &other.exports)]
        {
            lines.extend(
                ours.iter()
                    .filter(|item| !theirs.contains(item))
                    .map(|item| format!("no longer {what}s {item}")),
            );
            lines.extend(
                theirs.iter().filter(|item| !ours.contains(item)).map(|item| format!("now {what}s {item}")),
            );
        }
        if self.allocator != other.allocator {
            let name = |allocator: &Option<String>| allocator.clone().unwrap_or_else(|| "unknown".into());
            lines.push(format!("allocator {} instead of {}", name(&other.allocator), name(&self.allocator)));
        }
        if self.memories != other.memories {
            lines.push(format!("memory {:?} instead of {:?}", other.memories, self.memories));
        }
        if self.memory_grow_sites != other.memory_grow_sites {
            let (now, before) = (other.memory_grow_sites, self.memory_grow_sites);
            lines.push(format!("{now} memory.grow instead of {before}"));
        }
        lines
    }
}
