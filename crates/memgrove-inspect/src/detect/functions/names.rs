//! Functions of allocators by the names that they are exported and linked under.

use crate::facts::{Facts, FuncType, ValType};
use crate::report::{Abi, AllocatorRole as Role, Convention, Param, Returned};
use memgrove_module::allocator::Role as Called;
use memgrove_module::pattern::glob;

/// What a name stands for: the first of the forms whose type is the function's.
pub(super) struct Named {
    name: &'static str,
    pub(super) role: Role,
    convention: Convention,
    forms: &'static [&'static [Param]],
    returns: Returned,
}

/// How well a function fits its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// The type is the one that belongs to the name.
    Exact,
    /// An optimiser has removed parameters that are not used; those which are left can be told.
    Shortened,
}

const fn named(
    name: &'static str,
    role: Role,
    convention: Convention,
    forms: &'static [&'static [Param]],
    returns: Returned,
) -> Named {
    Named { name, role, convention, forms, returns }
}

use Convention::{AssemblyScript as As, C, CanonicalAbi, Rust, TinyGo, WasmBindgen, Zig};
use Param::{Align, AlignLog2, Class, Heap, Ignored, Increment, OldSize, Pointer, Size};
use Returned::{Nothing, Pointer as Block, Size as Bytes, Status};

const MALLOC: &[&[Param]] = &[Called::Malloc.params()];
const CALLOC: &[&[Param]] = &[Called::Calloc.params()];
const REALLOC: &[&[Param]] = &[Called::Realloc.params()];
const FREE: &[&[Param]] = &[Called::Free.params()];
const MEMALIGN: &[&[Param]] = &[Called::Memalign.params()];
const POSIX_MEMALIGN: &[&[Param]] = &[Called::PosixMemalign.params()];
const RUST_ALLOC: &[&[Param]] = &[Called::RustAlloc.params()];
const RUST_FREE: &[&[Param]] = &[Called::RustDealloc.params()];
const FOUR_REALLOC: &[&[Param]] = &[Called::RustRealloc.params()];
const NEW: &[&[Param]] = &[Called::New.params()];
const METHOD_MALLOC: &[&[Param]] = &[&[Heap, Size], &[Size]];
const METHOD_FREE: &[&[Param]] = &[&[Heap, Pointer], &[Pointer]];

/// All names, sorted. Fastcomp put an underscore before each of C's.
const NAMES: &[Named] = &[
    named("$dlmalloc::free", Role::Free, Rust, METHOD_FREE, Nothing),
    named("$dlmalloc::malloc", Role::Malloc, Rust, METHOD_MALLOC, Block),
    named("$dlmalloc::memalign", Role::Memalign, Rust, &[&[Heap, Align, Size], &[Align, Size]], Block),
    named("$dlmalloc::realloc", Role::Realloc, Rust, &[&[Heap, Pointer, Size], &[Pointer, Size]], Block),
    named("___libc_calloc", Role::Calloc, C, CALLOC, Block),
    named("___libc_free", Role::Free, C, FREE, Nothing),
    named("___libc_malloc", Role::Malloc, C, MALLOC, Block),
    named("___libc_realloc", Role::Realloc, C, REALLOC, Block),
    // Once with the identifier of the class, once without.
    named("__alloc", Role::Malloc, As, &[&[Size, Class], &[Size]], Block),
    named("__free", Role::Free, As, FREE, Nothing),
    named("__libc_calloc", Role::Calloc, C, CALLOC, Block),
    named("__libc_free", Role::Free, C, FREE, Nothing),
    named("__libc_malloc", Role::Malloc, C, MALLOC, Block),
    named("__libc_memalign", Role::Memalign, C, MEMALIGN, Block),
    named("__libc_realloc", Role::Realloc, C, REALLOC, Block),
    named("__memory_allocate", Role::Malloc, As, MALLOC, Block),
    named("__memory_free", Role::Free, As, FREE, Nothing),
    named("__new", Role::Malloc, As, NEW, Block),
    named("__rdl_alloc", Role::Malloc, Rust, RUST_ALLOC, Block),
    named("__rdl_alloc_zeroed", Role::Calloc, Rust, RUST_ALLOC, Block),
    named("__rdl_dealloc", Role::Free, Rust, RUST_FREE, Nothing),
    named("__rdl_realloc", Role::Realloc, Rust, FOUR_REALLOC, Block),
    named("__renew", Role::Realloc, As, REALLOC, Block),
    named("__rg_alloc", Role::Malloc, Rust, RUST_ALLOC, Block),
    named("__rg_alloc_zeroed", Role::Calloc, Rust, RUST_ALLOC, Block),
    named("__rg_dealloc", Role::Free, Rust, RUST_FREE, Nothing),
    named("__rg_realloc", Role::Realloc, Rust, FOUR_REALLOC, Block),
    named("__rust_alloc", Role::Malloc, Rust, RUST_ALLOC, Block),
    named("__rust_alloc_zeroed", Role::Calloc, Rust, RUST_ALLOC, Block),
    named("__rust_dealloc", Role::Free, Rust, RUST_FREE, Nothing),
    named("__rust_realloc", Role::Realloc, Rust, FOUR_REALLOC, Block),
    // The alignment came with wasm-bindgen 0.2.85.
    named(
        "__wbindgen_free",
        Role::Free,
        WasmBindgen,
        &[Called::SizedFree.params(), Called::RustDealloc.params()],
        Nothing,
    ),
    named(
        "__wbindgen_malloc",
        Role::Malloc,
        WasmBindgen,
        &[Called::Malloc.params(), Called::RustAlloc.params()],
        Block,
    ),
    named(
        "__wbindgen_realloc",
        Role::Realloc,
        WasmBindgen,
        &[Called::SizedRealloc.params(), Called::BindgenRealloc.params()],
        Block,
    ),
    named("_aligned_alloc", Role::Memalign, C, MEMALIGN, Block),
    named("_calloc", Role::Calloc, C, CALLOC, Block),
    named("_free", Role::Free, C, FREE, Nothing),
    named("_malloc", Role::Malloc, C, MALLOC, Block),
    named("_malloc_usable_size", Role::UsableSize, C, FREE, Bytes),
    named("_memalign", Role::Memalign, C, MEMALIGN, Block),
    named("_posix_memalign", Role::Memalign, C, POSIX_MEMALIGN, Status),
    named("_realloc", Role::Realloc, C, REALLOC, Block),
    named("_sbrk", Role::Sbrk, C, &[&[Increment]], Block),
    named("aligned_alloc", Role::Memalign, C, MEMALIGN, Block),
    named("cabi_realloc", Role::Realloc, CanonicalAbi, FOUR_REALLOC, Block),
    named("calloc", Role::Calloc, C, CALLOC, Block),
    named("canonical_abi_realloc", Role::Realloc, CanonicalAbi, FOUR_REALLOC, Block),
    named("dlcalloc", Role::Calloc, C, CALLOC, Block),
    named("dlfree", Role::Free, C, FREE, Nothing),
    named("dlmalloc", Role::Malloc, C, MALLOC, Block),
    named("dlmalloc_usable_size", Role::UsableSize, C, FREE, Bytes),
    named("dlmemalign", Role::Memalign, C, MEMALIGN, Block),
    named("dlposix_memalign", Role::Memalign, C, POSIX_MEMALIGN, Status),
    named("dlrealloc", Role::Realloc, C, REALLOC, Block),
    named("emmalloc_calloc", Role::Calloc, C, CALLOC, Block),
    named("emmalloc_free", Role::Free, C, FREE, Nothing),
    named("emmalloc_malloc", Role::Malloc, C, MALLOC, Block),
    named("emmalloc_memalign", Role::Memalign, C, MEMALIGN, Block),
    named("emmalloc_realloc", Role::Realloc, C, REALLOC, Block),
    named("emscripten_builtin_calloc", Role::Calloc, C, CALLOC, Block),
    named("emscripten_builtin_free", Role::Free, C, FREE, Nothing),
    named("emscripten_builtin_malloc", Role::Malloc, C, MALLOC, Block),
    named("emscripten_builtin_memalign", Role::Memalign, C, MEMALIGN, Block),
    named("emscripten_builtin_realloc", Role::Realloc, C, REALLOC, Block),
    named("free", Role::Free, C, FREE, Nothing),
    named(
        "heap.WasmAllocator.alloc",
        Role::Malloc,
        Zig,
        &[&[Heap, Size, AlignLog2, Ignored], &[Size, AlignLog2]],
        Block,
    ),
    named(
        "heap.WasmAllocator.free",
        Role::Free,
        Zig,
        &[&[Heap, Pointer, OldSize, AlignLog2, Ignored], &[Pointer, OldSize, AlignLog2]],
        Nothing,
    ),
    named("malloc", Role::Malloc, C, MALLOC, Block),
    named("malloc_usable_size", Role::UsableSize, C, FREE, Bytes),
    named("memalign", Role::Memalign, C, MEMALIGN, Block),
    named("memory.allocate", Role::Malloc, As, MALLOC, Block),
    named("memory.free", Role::Free, As, FREE, Nothing),
    named("mi_calloc", Role::Calloc, C, CALLOC, Block),
    named("mi_free", Role::Free, C, FREE, Nothing),
    named("mi_malloc", Role::Malloc, C, MALLOC, Block),
    // Unlike C's, the size comes first.
    named("mi_malloc_aligned", Role::Memalign, C, &[&[Size, Align]], Block),
    named("mi_realloc", Role::Realloc, C, REALLOC, Block),
    named("posix_memalign", Role::Memalign, C, POSIX_MEMALIGN, Status),
    named("realloc", Role::Realloc, C, REALLOC, Block),
    named("runtime.alloc", Role::Malloc, TinyGo, &[&[Size], &[Size, Class], &[Size, Class, Ignored]], Block),
    named("sbrk", Role::Sbrk, C, &[&[Increment]], Block),
    named("~lib/rt/itcms/__new", Role::Malloc, As, NEW, Block),
    named("~lib/rt/itcms/__renew", Role::Realloc, As, REALLOC, Block),
    named("~lib/rt/stub/__alloc", Role::Malloc, As, MALLOC, Block),
    named("~lib/rt/stub/__new", Role::Malloc, As, NEW, Block),
    named("~lib/rt/tcms/__new", Role::Malloc, As, NEW, Block),
    named("~lib/rt/tlsf/__alloc", Role::Malloc, As, &[&[Size], &[Size, Class]], Block),
    named("~lib/rt/tlsf/__free", Role::Free, As, FREE, Nothing),
    named("~lib/rt/tlsf/__realloc", Role::Realloc, As, REALLOC, Block),
    named("~lib/rt/tlsf/allocateBlock", Role::Malloc, As, &[&[Heap, Size], &[Heap, Size, Class]], Block),
    named("~lib/rt/tlsf/freeBlock", Role::Free, As, &[&[Heap, Pointer]], Nothing),
];

/// Names of which not enough is known for a role; `*` stands for any characters.
const OTHERS: &[&str] = &["__retain", "allocate", "alloc", "*_alloc", "*_malloc", "__wbindgen_export_*"];

/// Whether a function that is exported or imported under this name allocates, or is near to what does.
pub(in crate::detect) fn is_allocation_name(name: &str) -> bool {
    let named = NAMES.binary_search_by(|named| named.name.cmp(name)).ok().map(|at| NAMES[at].role);
    let by_role = named.is_some_and(|role| !matches!(role, Role::UsableSize | Role::Sbrk | Role::Grow));
    by_role || OTHERS.iter().any(|pattern| glob(pattern, name))
}

/// What is left of a parameter list after whoever links has removed what is not used. Only lists in which every
/// parameter can be told are here.
const SHORTENED: &[(Role, Convention, &[Param])] = &[
    (Role::Free, Rust, &[Pointer]),
    (Role::Free, WasmBindgen, &[Pointer]),
    (Role::Malloc, Rust, &[Size]),
    (Role::Calloc, Rust, &[Size]),
];

/// What a function's name and type say that it is. O(length of the name).
pub(super) fn by_name(facts: &Facts<'_>, func: u32, name: &str) -> Option<(Role, Abi, Fit)> {
    let key = key(name)?;
    let at = NAMES.binary_search_by(|named| named.name.cmp(key)).ok()?;
    let named = &NAMES[at];
    let ty = facts.func_type(func)?;
    let word = word(facts);
    let abi = |params| Abi { convention: named.convention, params, result: named.returns };
    if let Some(&form) = named.forms.iter().find(|form| is(ty, form, named.returns, word)) {
        return Some((named.role, abi(form), Fit::Exact));
    }
    let mut shortened = SHORTENED.iter().filter(|(role, convention, form)| {
        (*role, *convention) == (named.role, named.convention) && is(ty, form, named.returns, word)
    });
    shortened.next().map(|(_, _, form)| (named.role, abi(*form), Fit::Shortened))
}

/// The type of addresses and sizes.
pub(super) fn word(facts: &Facts<'_>) -> ValType {
    if facts.memories.first().is_some_and(|memory| memory.ty.memory64) { ValType::I64 } else { ValType::I32 }
}

/// Whether a function with these parameters and this result has exactly this type.
pub(super) fn is(ty: &FuncType, params: &[Param], returns: Returned, word: ValType) -> bool {
    let param = |param: &Param| match param {
        AlignLog2 => ValType::I32,
        _ => word,
    };
    let result = match returns {
        Block | Bytes => Some(word),
        Status => Some(ValType::I32),
        Nothing => None,
    };
    ty.params().len() == params.len()
        && ty.params().iter().zip(params).all(|(ty, wanted)| *ty == param(wanted))
        && ty.results() == result.as_slice()
}

/// A name as the table has it: mangled names of Rust's run-time without what differs in each build.
fn key(name: &str) -> Option<&str> {
    // Longer names are paths with many parameters, none of which is of interest.
    if name.len() > 512 {
        return None;
    }
    let name = name.strip_suffix(".command_export").unwrap_or(name);
    // Zig's C library is written in Zig: a path of modules stands before each of C's names.
    let name = name.strip_prefix("c.malloc.").unwrap_or(name);
    if let Some((_, rest)) = name.split_once("___rustc") {
        return length_prefixed(rest);
    }
    if let Some(rest) = name.strip_prefix("__rustc") {
        return rest.rsplit_once("::").map(|(_, name)| name);
    }
    if let Some((_, rest)) =
        name.split_once("dlmalloc::Dlmalloc").or_else(|| name.split_once("8dlmalloc8dlmalloc"))
    {
        return method(rest);
    }
    Some(name)
}

/// The identifier in `14___rust_dealloc…`: a v0 mangling puts its length before it, and `_` before an underscore.
fn length_prefixed(text: &str) -> Option<&str> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let len: usize = text.get(..digits)?.parse().ok()?;
    let rest = text.get(digits..)?;
    rest.strip_prefix('_').unwrap_or(rest).get(..len)
}

/// A method of the crate dlmalloc's heap, demangled (`…::malloc`, `…>::malloc::h0123`) or not (`…E6malloc…`).
fn method(rest: &str) -> Option<&'static str> {
    let last = rest.rsplit("::").find(|part| !(part.len() == 17 && part.starts_with('h'))).unwrap_or(rest);
    let is = |method: &str| last == method || rest.contains(&format!("E{}{method}C", method.len()));
    [
        ("malloc", "$dlmalloc::malloc"),
        ("free", "$dlmalloc::free"),
        ("realloc", "$dlmalloc::realloc"),
        ("memalign", "$dlmalloc::memalign"),
    ]
    .into_iter()
    .find(|(name, _)| is(name))
    .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(NAMES.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn manglings_lead_to_the_name() {
        for (name, expected) in [
            ("malloc", "malloc"),
            ("malloc.command_export", "malloc"),
            ("_RNvCsfLfy6EI15iL_7___rustc14___rust_dealloc", "__rust_dealloc"),
            ("_RNvCsfLfy6EI15iL_7___rustc11___rdl_alloc", "__rdl_alloc"),
            ("__rustc[b1da763420d39311]::__rust_realloc", "__rust_realloc"),
            ("__rustc::__rust_alloc", "__rust_alloc"),
            ("dlmalloc::dlmalloc::Dlmalloc<A>::malloc::hfe3f80f3c81c515b", "$dlmalloc::malloc"),
            (
                "_RNvMs0_NtCsjqx8TIyZbP9_8dlmalloc8dlmallocINtB5_8DlmallocNtNtB7_3sys6SystemE6mallocCsebHcaeoSrxy_3std",
                "$dlmalloc::malloc",
            ),
            (
                "<dlmalloc[54ca2df445fb40da]::dlmalloc::Dlmalloc<dlmalloc[54ca2df445fb40da]::sys::System>>::free",
                "$dlmalloc::free",
            ),
        ] {
            assert_eq!(key(name), Some(expected), "{name}");
        }
        assert_eq!(
            key("dlmalloc::dlmalloc::Dlmalloc<A>::dispose_chunk::h00b182ebeb7c640c"),
            None,
            "another method"
        );
    }
}
