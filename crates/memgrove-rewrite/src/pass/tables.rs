//! Imported tables become the module's own and are exported.
//!
//! ```wat
//! ;; before
//! (import "env" "table" (table $t 6 6 funcref))
//! ;; after
//! (table $t 6 6 funcref)
//! (export "table" (table $t))
//! ```

use wasmparser::{ExternalKind, TableType, TypeRef};

use super::Pass;
use crate::plan::DecidedBy;

/// Decides about every imported table.
pub(super) fn run(pass: &mut Pass<'_, '_>) {
    let module = pass.module;
    let linked = super::globals::dylink(module);
    for (at, entry) in module.imports.iter().enumerate() {
        let TypeRef::Table(ty) = entry.import.ty else { continue };
        if pass.is_provided(&entry.import) {
            pass.stays(at, "the host that this is for provides it");
            continue;
        }
        if !ty.element_type.is_nullable() {
            pass.stays(at, "its entries cannot be null, and only the host has values for them");
            continue;
        }
        // A side module asks for room behind the null entry (see pass/globals).
        let room = linked.as_ref().map_or(0, |linked| 1 + u64::from(linked.table_size));
        let room = room.min(ty.maximum.unwrap_or(room));
        let ty = TableType { initial: ty.initial.max(room), ..ty };
        pass.edits.tables.insert(entry.index, ty);
        let name = pass.export(entry.import.name, ExternalKind::Table, entry.index);
        pass.inside(
            at,
            format!("a table of its own, exported as `{name}`"),
            "filled by the module's own elements",
            true,
            DecidedBy::Use,
        );
    }
}
