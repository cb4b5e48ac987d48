//! Tables: where each comes from, its limits, and who makes it larger.

use crate::facts::{ExternKind, Facts, SiteKind, offset32};
use crate::report::{ImportName, TableGrower, TableReport};

/// Each table of the module. O(tables + sites + imports + exports).
pub(crate) fn tables(facts: &Facts<'_>) -> Vec<TableReport> {
    let mut grow_sites = vec![0_u32; facts.tables.len()];
    for site in &facts.sites {
        if let SiteKind::GrowTable { table } = site.kind
            && let Some(count) = grow_sites.get_mut(table as usize)
        {
            *count += 1;
        }
    }
    let mut imports = facts.imports.iter().filter(|import| import.ty.kind() == ExternKind::Table);
    let mut reports = Vec::with_capacity(facts.tables.len());
    for (index, (table, &grow_sites)) in facts.tables.iter().zip(&grow_sites).enumerate() {
        let index = offset32(index as u64);
        // Imported tables come first.
        let imported = imports
            .next()
            .map(|import| ImportName { module: import.module.to_owned(), name: import.name.to_owned() });
        let exports = facts.exports_of(ExternKind::Table, index);
        let exported_as: Vec<String> = exports.map(|export| export.name.to_owned()).collect();
        let grown_by = match (table.max == Some(table.min), grow_sites) {
            (true, _) => TableGrower::Nobody,
            (false, 1..) => TableGrower::Module,
            (false, 0) if imported.is_some() || !exported_as.is_empty() => TableGrower::Host,
            (false, 0) => TableGrower::Nobody,
        };
        reports.push(TableReport {
            index,
            imported,
            exported_as,
            element: table.element.name(),
            min: table.min,
            max: table.max,
            grown_by,
            grow_sites,
        });
    }
    reports
}
