//! Warnings about memory: the stack, the memory that the host passes, threads.

use memgrove_module::counted;

use super::{Known, warning};
use crate::detect::host::needed_memory;
use crate::facts::{ExternKind, Facts};
use crate::knowledge::compare_versions;
use crate::report::{Evidence, Level, StackDirection, StackPlacement, Warning, WarningId};

/// A stack that grows down into static data: nothing tells that it overflows.
pub(super) fn stack_above_data(known: &Known<'_, '_>) -> Option<Warning> {
    let stack = known.memory.stack.value.as_ref()?;
    let data = known.memory.static_data.value.as_ref()?;
    let is_above = stack.placement == StackPlacement::AfterData && stack.direction == StackDirection::Down;
    if !is_above || known.memory.stack.level() < Level::High || checks_its_stack(known.facts) {
        return None;
    }
    let text = format!(
        "the stack lies above static data and grows down into it: an overflow overwrites data at {:#x} and below, silently",
        data.end
    );
    let cure = "link with -Wl,--stack-first (rustc: -C link-arg=--stack-first; Emscripten: -Wl,--stack-first, or \
                -sSTACK_OVERFLOW_CHECK=2): an overflow then traps; or raise the stack's size with -Wl,-z,stack-size=BYTES";
    Some(warning(WarningId::StackAboveData, text, cure, known.memory.stack.evidence.iter().cloned()))
}

/// Emscripten's check of the stack pointer against the limits.
fn checks_its_stack(facts: &Facts<'_>) -> bool {
    let exports = ["__set_stack_limits", "___set_stack_limits"];
    exports.iter().any(|name| facts.exported_func(name).is_some())
        || facts.imports.iter().any(|import| import.name.ends_with("__handle_stack_overflow"))
}

/// What a memory that is imported must be like.
pub(super) fn host_passes_memory(known: &Known<'_, '_>) -> Option<Warning> {
    let facts = known.facts;
    let memory = facts.memories.first()?;
    let import = facts.imports.get(memory.import? as usize)?;
    let declared = memory.ty.min_pages;
    let needed = needed_memory(facts).remove(&0);
    let pages = needed.map_or(declared, |(end, _)| end.div_ceil(memory.ty.page_size_bytes()).max(declared));
    let too_small = pages > declared;
    if !too_small && memory.ty.max_pages.is_none() {
        return None;
    }
    let mut evidence = vec![Evidence::at(import.offset, format!("it imports {}", import.ty.describe(facts)))];
    let mut text = format!("the host must pass a memory of at least {}", counted(pages, "page"));
    if let Some(max) = memory.ty.max_pages {
        text += &format!(" that declares a maximum of at most {max}");
    }
    if let Some((end, offset)) = needed.filter(|_| too_small) {
        text += &format!(": the import says {declared}, but a data segment ends at {end:#x}");
        evidence.push(Evidence::at(offset, format!("the data segment ends at {end:#x}")));
    }
    let mut options = vec![format!("initial: {pages}")];
    options.extend(memory.ty.max_pages.map(|max| format!("maximum: {max}")));
    options.extend(memory.ty.shared.then(|| "shared: true".to_owned()));
    let mut cure = format!("new WebAssembly.Memory({{ {} }})", options.join(", "));
    if memory.ty.memory64 {
        cure = cure
            .replace("{ ", "{ address: \"i64\", ")
            .replace(pages.to_string().as_str(), &format!("{pages}n"));
    }
    if too_small {
        cure += &format!("; or link with --initial-memory={}", pages * memory.ty.page_size_bytes());
    }
    Some(warning(WarningId::MemoryThatTheHostPasses, text, cure, evidence))
}

/// The stack that rustc asks for when nothing else is said.
const DEFAULT_STACK_BYTES: u64 = 1 << 20;

/// Most of a small module's memory is a stack of the default size: the largest fixed cost on hosts with little memory.
pub(super) fn default_stack(known: &Known<'_, '_>) -> Option<Warning> {
    let facts = known.facts;
    let memory = facts.memories.first()?;
    let stack = known.memory.stack.value.as_ref()?;
    let is_default = stack.base == Some(DEFAULT_STACK_BYTES) && stack.placement != StackPlacement::AfterData;
    // With JavaScript around it nobody counts pages.
    let has_javascript = facts.imports.iter().any(|import| {
        import.name.starts_with("__wb")
            || import.module.starts_with("wbg")
            || import.module.ends_with("_bg.js")
    });
    let bytes = memory.ty.min_bytes();
    if !is_default || has_javascript || !known.is_made_by("rust") || bytes > 2 * DEFAULT_STACK_BYTES {
        return None;
    }
    let text = format!(
        "{} of the {} pages of its initial memory are a stack of Rust's default size, 1 MiB",
        DEFAULT_STACK_BYTES / memory.ty.page_size_bytes(),
        memory.ty.min_pages
    );
    let cure = "where memory is scarce (contracts, microcontrollers, consoles) link with -C link-arg=-zstack-size=65536, \
                or as much as its deepest call needs";
    Some(warning(WarningId::DefaultStack, text, cure, known.memory.stack.evidence.first().cloned()))
}

/// wasi-threads starts each thread in a new instance, which makes a memory of its own unless it imports one.
pub(super) fn threads_without_shared_memory(known: &Known<'_, '_>) -> Option<Warning> {
    let facts = known.facts;
    let spawn = facts.imports.iter().find(|import| {
        import.module == "wasi" && import.name == "thread-spawn" && import.ty.kind() == ExternKind::Func
    })?;
    if facts.memories.iter().any(|memory| memory.import.is_some() && memory.ty.shared) {
        return None;
    }
    let mut evidence = vec![Evidence::at(spawn.offset, "it imports wasi.thread-spawn")];
    evidence.extend(facts.memories.first().map(|memory| {
        let what = if memory.import.is_none() {
            "its memory is its own"
        } else {
            "the memory that it imports is not shared"
        };
        Evidence::at(memory.offset, what)
    }));
    Some(warning(
        WarningId::ThreadsWithoutSharedMemory,
        "it starts threads, but imports no shared memory: each thread runs in an instance with a memory of its own, and \
         nothing that it writes is seen by the others",
        "link with --import-memory --export-memory --shared-memory --max-memory=BYTES, as the target wasm32-wasip1-threads \
         (clang: -pthread) does",
        evidence,
    ))
}

/// The newest wasm-bindgen whose thread counter, lock and temporary stack lie at `__heap_base` itself.
const BINDGEN_AT_HEAP_BASE: &str = "0.2.126";

/// Families of allocators whose first block lies there too.
const USE_HEAP_BASE: &[&str] = &["memgrove"];

/// wasm-bindgen up to 0.2.126 takes the first addresses of the heap without asking the allocator.
pub(super) fn bindgen_threads_at_heap_base(known: &Known<'_, '_>) -> Option<Warning> {
    let facts = known.facts;
    let producer = facts.custom.producers.iter().find(|producer| producer.name == "wasm-bindgen")?;
    let version = producer.version.split(' ').next().filter(|version| version.starts_with("0.2."))?;
    let is_old = compare_versions(version, BINDGEN_AT_HEAP_BASE) != std::cmp::Ordering::Greater;
    let memory = facts.memories.iter().find(|memory| memory.ty.shared)?;
    let allocator = known.allocator.value.as_ref().filter(|_| known.allocator.level() >= Level::Medium)?;
    if !is_old || !USE_HEAP_BASE.contains(&allocator.family.as_str()) {
        return None;
    }
    let text = format!(
        "wasm-bindgen {version} keeps its thread counter, a lock and a temporary stack at __heap_base, where {} hands out \
         its first block: threads stall or trap",
        allocator.name
    );
    let evidence = [
        Evidence::new(format!("producers: wasm-bindgen {version}")),
        Evidence::at(memory.offset, "its memory is shared"),
    ];
    let cure = "wasm-bindgen 0.2.127 or newer: https://github.com/wasm-bindgen/wasm-bindgen/pull/5223";
    Some(warning(WarningId::BindgenThreadsAtHeapBase, text, cure, evidence))
}
