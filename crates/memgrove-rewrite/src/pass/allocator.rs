//! C's heap, which a module imports, is put inside, where the user names one.
//!
//! ```wat
//! ;; before
//! (import "env" "malloc" (func $malloc (param i32) (result i32)))
//! (import "env" "free" (func $free (param i32)))
//! ;; after: a heap of memgrove's, in memory that it grows itself
//! (global $heap (mut i32) (i32.const 0))
//! (func $malloc (param i32) (result i32) ...)
//! (func $free (param i32) ...)
//! ```
//!
//! A block goes back to the heap that it came from, so all that is imported of the family is satisfied by one
//! heap, or none of it. It must be the only heap that the module knows, and the only thing in it that grows
//! memory without minding who else does: what grows memory by its own rules may take the heap's pages for its own.

use wasmparser::TypeRef;

use super::{PAGE, Pass, globals, host_grown, page_bytes};
use crate::contract;
use crate::edits::StandIn;
use crate::heap::HeapFunction;
use crate::plan::{DecidedBy, Decision};
use crate::runtime::RuntimeFunction;

/// One import of the family: its position, its index, and what it asks for.
struct Member {
    at: usize,
    index: u32,
    function: HeapFunction,
}

/// Decides about the family as a whole.
pub(super) fn run(pass: &mut Pass<'_, '_>) {
    let family = family(pass);
    if family.is_empty() {
        return;
    }
    let allocator = match (refusal(pass, &family), pass.options.allocator) {
        (None, Some(allocator)) => allocator,
        (Some(why), _) => return stay(pass, &family, &why),
        (None, None) => {
            let why = "it needs a heap: --allocator wee puts one of memgrove's inside";
            return stay(pass, &family, why);
        }
    };
    for member in &family {
        pass.edits.funcs.insert(member.index, StandIn::Heap(allocator, member.function));
        pass.inside(
            member.at,
            contract::describe(&StandIn::Heap(allocator, member.function)),
            "one heap for all of malloc's family, in memory that it grows itself; where memory cannot grow, null",
            true,
            DecidedBy::Name,
        );
    }
    pass.notes.push(format!(
        "the heap is memgrove's {}, inside the module: what a host allocated before, and gave to the module to free, it no longer may",
        allocator.title()
    ));
}

/// Whether an import is one of the family, which the other passes leave to this one.
pub(super) fn is_member(module: &str, name: &str) -> bool {
    HeapFunction::imported(module, name).is_some()
}

fn family(pass: &Pass<'_, '_>) -> Vec<Member> {
    let functions = pass
        .module
        .imports
        .iter()
        .enumerate()
        .filter(|(_, entry)| matches!(entry.import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
    functions
        .filter_map(|(at, entry)| {
            let function = HeapFunction::imported(entry.import.module, entry.import.name)?;
            Some(Member { at, index: entry.index, function })
        })
        .collect()
}

fn stay(pass: &mut Pass<'_, '_>, family: &[Member], why: &str) {
    for member in family {
        let is_provided = pass.is_provided(&pass.module.imports[member.at].import);
        let why = if is_provided { "the host that this is for provides it" } else { why };
        pass.stays(member.at, why);
    }
}

/// Why no heap can be put inside, whichever.
fn refusal(pass: &Pass<'_, '_>, family: &[Member]) -> Option<String> {
    of_imports(pass, family).or_else(|| of_memory(pass).map(str::to_owned))
}

/// The family itself, and what else is imported.
fn of_imports(pass: &Pass<'_, '_>, family: &[Member]) -> Option<String> {
    let module = pass.module;
    if let Some(member) = family.iter().find(|member| pass.is_provided(&module.imports[member.at].import)) {
        return Some(format!(
            "the target host provides `{}`, and all of a heap has to be in one place",
            member.function.name()
        ));
    }
    let is_typed = |member: &&Member| contract::has_form(module, member.index, member.function.signature().1);
    if let Some(member) = family.iter().find(|member| !is_typed(member)) {
        let name = member.function.name();
        return Some(format!(
            "`{name}` has another type here than C gives it, so what this heap is, is not known"
        ));
    }
    if !family.iter().any(|member| member.function.allocates()) {
        return Some(
            "nothing that allocates is imported, so the blocks come from a heap that is not known".to_owned(),
        );
    }
    let is_linked =
        |from: &str, name: &str| from.starts_with("GOT.") || from == "env" && name == "__memory_base";
    if globals::dylink(module).is_some()
        || module.imports.iter().any(|entry| is_linked(entry.import.module, entry.import.name))
    {
        return Some("a side module shares the heap of the program that loads it".to_owned());
    }
    let stays = module.imports.iter().zip(&pass.items).find(|(entry, item)| {
        let is_function = matches!(entry.import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
        // WASI's functions neither allocate nor free blocks.
        is_function
            && matches!(item.decision, Decision::Stays { .. })
            && !is_member(entry.import.module, entry.import.name)
            && !contract::is_wasi(entry.import.module)
    });
    stays.map(|(entry, _)| {
        format!(
            "`{}` stays with the host, and may allocate or free blocks of the same heap",
            entry.import.name
        )
    })
}

/// The memory, and who else grows it.
fn of_memory(pass: &Pass<'_, '_>) -> Option<&'static str> {
    const CONTIGUOUS: [RuntimeFunction; 4] = [
        RuntimeFunction::EmscriptenResizeHeap,
        RuntimeFunction::EnlargeMemory,
        RuntimeFunction::EmscriptenGetHeapSize,
        RuntimeFunction::EmscriptenGetSbrkPtr,
    ];
    let module = pass.module;
    let Some(memory) = pass.memory0() else { return Some("the module has no memory for a heap") };
    if !pass.owns_memory0() {
        return Some("the memory stays with the host, and so does its heap");
    }
    if memory.shared {
        return Some("the memory is shared: a heap that is put inside serves one thread");
    }
    if memory.memory64 || page_bytes(&memory) != PAGE {
        return Some("a heap that is put inside knows addresses of 32 bits and pages of 64 KiB");
    }
    if memory.maximum.is_some_and(|maximum| maximum <= memory.initial) {
        return Some(
            "the memory cannot grow, so that there is no room for a heap; --max-memory raises its maximum",
        );
    }
    let uses = |function: &RuntimeFunction| super::functions::uses(pass, *function);
    let facts = &module.facts;
    let grows_itself = facts.grow_sites().next().is_some() || facts.size_sites().next().is_some();
    if grows_itself || CONTIGUOUS.iter().any(uses) || host_grown::moves_a_break(pass) {
        return Some(
            "the module also grows its memory or moves a break by rules of its own, and might take the heap's pages for its own",
        );
    }
    None
}
