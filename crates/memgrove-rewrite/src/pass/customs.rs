//! Custom sections that would become wrong are left out.
//!
//! ```wat
//! ;; before: DWARF refers to offsets in the code section, which move
//! (@custom ".debug_info" …)
//! (@custom "name" …)
//! ;; after: names follow their functions, debug information is gone, with a note
//! (@custom "name" …)
//! ```

use super::Pass;
use crate::edit::refers_to_offsets;

/// Lists the sections to leave out, if anything else changes at all.
pub(super) fn run(pass: &mut Pass<'_, '_>) {
    if pass.edits.is_empty() {
        return;
    }
    let no_imports = !super::functions::any_stays(pass);
    let mut dropped: Vec<&str> = Vec::new();
    for custom in &pass.module.customs {
        let name = custom.name();
        // A library that nothing loads any more.
        let loader = matches!(name, "dylink.0" | "dylink") && no_imports;
        if (refers_to_offsets(name) || loader) && !dropped.contains(&name) {
            dropped.push(name);
        }
    }
    if dropped.is_empty() {
        return;
    }
    pass.edits.drop_customs = dropped.iter().map(|name| (*name).to_owned()).collect();
    pass.change(
        "custom sections",
        format!("left out: {}", dropped.join(", ")),
        "they refer to offsets, or to a loader, that the new module does not have",
    );
}
