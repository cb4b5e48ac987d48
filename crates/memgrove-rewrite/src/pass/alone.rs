//! A shared memory that no other instance can meet in is not shared.
//!
//! ```wat
//! ;; before
//! (import "env" "memory" (memory 2 64 shared))
//! ;; after: also for hosts without threads, or without the permission to share
//! (memory 2 64)
//! (export "memory" (memory 0))
//! ```
//!
//! What proves it: nothing is imported any more, neither the memory nor a function that could start a thread, so an instance
//! has its memory to itself. Atomic instructions do the same on such a memory, but for waiting: nobody is there to wake who
//! waits. So a wait compares and times out at once; one that would wait for ever traps.

use memgrove_module::facts::SiteKind;
use wasmparser::MemoryType;

use super::{Pass, functions};

/// Decides about memory 0.
pub(super) fn run(pass: &mut Pass<'_, '_>) {
    let Some(ty) = pass.edits.memories.get(&0).copied() else { return };
    if !ty.shared || ty.memory64 || pass.module.sections.memories.len() > 1 || functions::any_stays(pass) {
        return;
    }
    pass.edits.memories.insert(0, MemoryType { shared: false, ..ty });
    let waits = pass.module.facts.sites.iter().any(|site| matches!(site.kind, SiteKind::Wait));
    pass.edits.never_waits = waits;
    pass.change(
        "memory",
        if waits { "it is not shared any more, and nothing waits on it: a wait times out at once, or traps if it would last for ever" } else { "it is not shared any more" },
        "nothing is imported any more, so no other instance can be given this memory and none can be started",
    );
}
