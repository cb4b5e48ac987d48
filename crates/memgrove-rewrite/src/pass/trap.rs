//! Functions that would stay trap when they are called, where the user asks for that.
//!
//! ```wat
//! ;; before, with `--trap rest`
//! (import "env" "draw" (func $draw (param i32)))
//! ;; after: the module loads anywhere; who calls $draw ends
//! (func $draw (param i32) unreachable)
//! ```
//!
//! Nothing is claimed of such a function but that it does not return. Memories, tables and globals stay: they are used
//! without a call.

use wasmparser::TypeRef;

use super::Pass;
use crate::edits::StandIn;
use crate::plan::{Decision, Item, Traps};

/// Decides about the functions that stay so far.
pub(super) fn run(pass: &mut Pass<'_, '_>) {
    for (at, entry) in pass.module.imports.iter().enumerate() {
        let (TypeRef::Func(_) | TypeRef::FuncExact(_)) = entry.import.ty else { continue };
        let item = &pass.items[at];
        let Decision::Stays { why } = &item.decision else { continue };
        // What the target provides is called there, unless it is named.
        let is_provided = pass.is_provided(&entry.import);
        if !asks_for(&pass.options.trap, item, is_provided) {
            continue;
        }
        let why = format!("as --trap asks; a call of it ends the program. It would have stayed: {why}");
        pass.items[at].decision = Decision::Traps { why };
        pass.edits.funcs.insert(entry.index, StandIn::Trap);
    }
}

/// Whether the user wants this function to trap, if it stays.
pub(super) fn asks_for(traps: &Traps, item: &Item, is_provided: bool) -> bool {
    let is_named = traps.names.iter().any(|name| item.is_called(name));
    is_named || !is_provided && (traps.rest || traps.purposes.contains(&item.purpose))
}
