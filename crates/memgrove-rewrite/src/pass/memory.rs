//! Imported memories become the module's own and are exported.
//!
//! ```wat
//! ;; before
//! (import "env" "memory" (memory $m 256 32768))
//! ;; after: the same limits, unless a larger maximum is asked for
//! (memory $m 256 32768)
//! (export "memory" (memory $m))
//! ```

use memgrove_module::recognise::{Purpose, is_interface};
use wasmparser::{ExternalKind, MemoryType, TypeRef};

use super::{PAGE, Pass, functions};
use crate::contract;
use crate::edits::StandIn;
use crate::plan::{DecidedBy, Decision};

/// The address space of 32 bits, in pages.
pub(super) const MAX_PAGES: u64 = (1 << 32) / PAGE;
/// Half of it: addresses stay positive where a program takes them as signed.
pub(super) const SIGNED_MAX_PAGES: u64 = MAX_PAGES / 2;

/// What a component's adapter calls the module whose memory it works on.
const MAIN_MODULE: &str = "__main_module__";

/// Decides about every imported memory, and about the maximum of memory 0.
pub(super) fn run(pass: &mut Pass<'_, '_>) {
    let module = pass.module;
    for (at, entry) in module.imports.iter().enumerate() {
        let TypeRef::Memory(ty) = entry.import.ty else { continue };
        if pass.is_provided(&entry.import) {
            pass.stays(at, "the host that this is for provides it");
            continue;
        }
        if entry.import.module == MAIN_MODULE || serves_a_component(pass) {
            pass.stays(at, "it is another module's memory: a part of a component, which provides it");
            continue;
        }
        if ty.shared && functions::any_stays(pass) {
            // Threads are instances that meet in this memory.
            let functions_stay = pass.items.iter().enumerate().any(|(i, item)| {
                i != at
                    && matches!(module.imports[i].import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_))
                    && matches!(item.decision, Decision::Stays { .. })
            });
            if functions_stay {
                pass.stays(at, "its threads are instances that meet in this memory, and functions they need stay as well");
                continue;
            }
        }
        pass.edits.memories.insert(entry.index, ty);
        let name = pass.export("memory", ExternalKind::Memory, entry.index);
        pass.inside(
            at,
            format!("a memory of its own, exported as `{name}`"),
            "the module says itself how large it has to be at the start",
            true,
            DecidedBy::Use,
        );
    }
    let works_on_memory = pass.edits.funcs.values().any(|stand_in| match stand_in {
        StandIn::Runtime(function) => function.touches_memory(),
        StandIn::StoreErrno(_) => true,
        _ => false,
    });
    if module.sections.memories.len() > 1 && works_on_memory {
        pass.notes.push(
            "there are several memories: the stand-ins work on the first, where toolchains keep the heap"
                .to_owned(),
        );
    }
    raise_maximum(pass);
    export_for_host(pass);
}

/// Gives memory 0 the maximum that was asked for, where it declares a smaller one.
///
/// Otherwise a declared maximum is kept: a program may count on being refused memory, and what its author limited
/// is not ours to lift.
fn raise_maximum(pass: &mut Pass<'_, '_>) {
    let Some(bytes) = pass.options.max_memory_bytes else { return };
    let Some(ty) = pass.memory0() else { return };
    let Some(maximum) = ty.maximum else { return };
    if !pass.owns_memory0() {
        pass.notes.push("the memory belongs to the host, so its maximum stays as it is".to_owned());
        return;
    }
    let page_log2 = ty.page_size_log2.unwrap_or(16);
    // The largest valid maximum: all of a 32-bit address space; of a 64-bit one, what the size in bytes fits in.
    let most = match (ty.memory64, page_log2) {
        (false, 0) => u64::from(u32::MAX),
        (false, log2) => 1 << (32 - log2),
        (true, 0) => u64::MAX,
        (true, log2) => 1 << (64 - log2),
    };
    let wanted = (bytes >> page_log2).min(most);
    if wanted <= maximum {
        return;
    }
    let ty = MemoryType { maximum: Some(wanted), ..ty };
    pass.set_memory0(ty);
    tell_maximum(pass, &ty);
    pass.change(
        "memory",
        format!("maximum raised from {maximum} to {wanted} pages"),
        "a larger maximum was asked for",
    );
}

/// The stand-ins that return the memory's maximum return the new one; where it does not fit their type, the largest
/// that does.
fn tell_maximum(pass: &mut Pass<'_, '_>, ty: &MemoryType) {
    let module = pass.module;
    for (at, entry) in module.imports.iter().enumerate() {
        let known_as = pass.items[at].known_as.as_deref().unwrap_or(entry.import.name);
        let is_told = matches!(entry.import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_))
            && known_as.trim_start_matches('_') == contract::HEAP_MAX
            && matches!(pass.edits.funcs.get(&entry.index), Some(StandIn::Return(_)));
        if !is_told {
            continue;
        }
        let stand_in =
            StandIn::Return(contract::heap_max(module, ty, entry.index).unwrap_or(i64::from(u32::MAX)));
        if let Decision::Inside { stand_in: described, .. } = &mut pass.items[at].decision {
            *described = contract::describe(&stand_in);
        }
        pass.edits.funcs.insert(entry.index, stand_in);
    }
}

/// Adapters of components import the memory of the module they serve. The sign is a function that
/// only the component can provide: it stays, and is imported from an interface, or from what only a component has.
fn serves_a_component(pass: &Pass<'_, '_>) -> bool {
    pass.module.imports.iter().zip(&pass.items).any(|(entry, item)| {
        let from = entry.import.module;
        let is_of_a_component = from == MAIN_MODULE || item.purpose == Purpose::WasiP2 || is_interface(from);
        matches!(entry.import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_))
            && is_of_a_component
            && matches!(item.decision, Decision::Stays { .. })
    })
}

/// A host whose functions look for the memory by its name finds it there.
fn export_for_host(pass: &mut Pass<'_, '_>) {
    const NAME: &str = "memory";
    let module = pass.module;
    let is_taken =
        module.facts.export(NAME).is_some() || pass.edits.exports.iter().any(|(name, ..)| name == NAME);
    if !pass.options.export_memory || is_taken || module.sections.memories.len() > 1 {
        return;
    }
    if module.sections.memories.is_empty() {
        pass.edits.added_memory = Some(MemoryType {
            memory64: false,
            shared: false,
            initial: 0,
            maximum: None,
            page_size_log2: None,
        });
        pass.change(
            "memory",
            "an empty memory is added and exported as `memory`",
            "the target host takes no module, or calls no function of WASI for one, that exports none",
        );
    } else {
        pass.change(
            "memory",
            "it is exported as `memory` as well",
            "functions of the target host look for it under this name",
        );
    }
    pass.edits.exports.push((NAME.to_owned(), ExternalKind::Memory, 0));
}

/// A memory type in words.
pub(super) fn describe(ty: &MemoryType) -> String {
    let mut text = format!("memory {}", ty.initial);
    if let Some(max) = ty.maximum {
        text += &format!(" {max}");
    }
    if ty.shared {
        text += " shared";
    }
    if ty.memory64 {
        text += " i64";
    }
    if let Some(log2) = ty.page_size_log2 {
        text += &format!(" (pages of {} bytes)", 1_u64 << log2);
    }
    text
}
