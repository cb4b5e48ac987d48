//! Which functions allocate: small modules for each convention and each trap, then the corpus, with its names and
//! without them.
//!
//! The corpus is in `out/corpus` (`cargo xtask corpus` fetches it); without it its test only says so.

#![allow(clippy::print_stdout, reason = "says what was found in the corpus")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use memgrove_inspect::report::{AllocatorFunction, AllocatorRole as Role, Convention, Param, SizeIs};
use memgrove_inspect::{conclude, facts};

fn functions(wasm: &[u8]) -> Vec<AllocatorFunction> {
    conclude(&facts(wasm).unwrap()).allocator.functions
}

fn of_wat(wat: &str) -> Vec<AllocatorFunction> {
    functions(&wat::parse_str(wat).unwrap())
}

/// Checks what a module of one exported function is taken for.
#[track_caller]
fn exported(name: &str, ty: &str, expected: Option<(Role, Convention, &[Param])>) {
    let found = of_wat(&format!("(module (memory 1) (func (export \"{name}\") {ty} unreachable))"));
    let found: Vec<_> = found.iter().map(|found| (found.role, found.abi.unwrap())).collect();
    let found: Vec<_> = found.iter().map(|(role, abi)| (*role, abi.convention, abi.params)).collect();
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{name} {ty}");
}

#[test]
fn each_convention_is_told_by_name_and_type() {
    use Param::{Align, Class, Count, Increment, OldSize, OutPointer, Pointer, Size};
    let one = "(param i32) (result i32)";
    let two = "(param i32 i32) (result i32)";
    let three = "(param i32 i32 i32) (result i32)";
    let four = "(param i32 i32 i32 i32) (result i32)";
    for (name, ty, role, convention, params) in [
        ("malloc", one, Role::Malloc, Convention::C, &[Size][..]),
        ("_malloc", one, Role::Malloc, Convention::C, &[Size]),
        ("free", "(param i32)", Role::Free, Convention::C, &[Pointer]),
        ("calloc", two, Role::Calloc, Convention::C, &[Count, Size]),
        ("realloc", two, Role::Realloc, Convention::C, &[Pointer, Size]),
        ("memalign", two, Role::Memalign, Convention::C, &[Align, Size]),
        ("mi_malloc_aligned", two, Role::Memalign, Convention::C, &[Size, Align]),
        ("posix_memalign", three, Role::Memalign, Convention::C, &[OutPointer, Align, Size]),
        ("malloc_usable_size", one, Role::UsableSize, Convention::C, &[Pointer]),
        ("sbrk", one, Role::Sbrk, Convention::C, &[Increment]),
        ("cabi_realloc", four, Role::Realloc, Convention::CanonicalAbi, &[Pointer, OldSize, Align, Size]),
        ("__wbindgen_malloc", one, Role::Malloc, Convention::WasmBindgen, &[Size]),
        ("__wbindgen_malloc", two, Role::Malloc, Convention::WasmBindgen, &[Size, Align]),
        ("__wbindgen_realloc", three, Role::Realloc, Convention::WasmBindgen, &[Pointer, OldSize, Size]),
        (
            "__wbindgen_realloc",
            four,
            Role::Realloc,
            Convention::WasmBindgen,
            &[Pointer, OldSize, Size, Align],
        ),
        ("__wbindgen_free", "(param i32 i32)", Role::Free, Convention::WasmBindgen, &[Pointer, OldSize]),
        ("__new", two, Role::Malloc, Convention::AssemblyScript, &[Size, Class]),
        ("runtime.alloc", two, Role::Malloc, Convention::TinyGo, &[Size, Class]),
    ] {
        exported(name, ty, Some((role, convention, params)));
    }
}

#[test]
fn a_name_with_another_type_is_somebody_elses() {
    exported("malloc", "(param i32 i32) (result i32)", None);
    exported("malloc", "(param i64) (result i64)", None);
    exported("malloc", "(param f64) (result i32)", None);
    exported("free", "", None);
    exported("free", "(param i32) (result i32)", None);
    exported("sbrk", "(param i32)", None);
    exported("my_malloc", "(param i32) (result i32)", None);
}

#[test]
fn with_addresses_of_64_bits_so_are_sizes() {
    let module = |ty: &str| {
        of_wat(&format!("(module (memory i64 1) (func (export \"malloc\") {ty} unreachable))")).len()
    };
    assert_eq!(module("(param i64) (result i64)"), 1);
    assert_eq!(module("(param i32) (result i32)"), 0);
}

#[test]
fn rusts_functions_are_told_by_linked_names_mangled_or_not() {
    for (name, ty, expected) in [
        ("__rust_alloc", "(param i32 i32) (result i32)", Some(Role::Malloc)),
        ("__rustc[0123]::__rust_dealloc", "(param i32 i32 i32)", Some(Role::Free)),
        (
            "_RNvCsfLfy6EI15iL_7___rustc14___rust_realloc",
            "(param i32 i32 i32 i32) (result i32)",
            Some(Role::Realloc),
        ),
        ("__rdl_alloc_zeroed", "(param i32 i32) (result i32)", Some(Role::Calloc)),
        // Two parameters are left: which, nobody can tell.
        ("__rust_dealloc", "(param i32 i32)", None),
    ] {
        let found = of_wat(&format!("(module (memory 1) (func $\"{name}\" {ty} unreachable))"));
        assert_eq!(found.first().map(|found| found.role), expected, "{name} {ty}");
        assert!(found.iter().all(|found| found.confidence.value() > 0.9), "{name} {ty}");
    }
    // An optimiser removed what the allocator does not use.
    let found = of_wat("(module (memory 1) (func $__rust_dealloc (param i32) unreachable))");
    assert_eq!(found[0].abi.unwrap().params, [Param::Pointer]);
    assert!(found[0].confidence.value() < 0.9);
}

#[test]
fn of_two_functions_with_one_name_neither_is_certain() {
    let found = of_wat(
        r#"(module (memory 1)
            (func $malloc (param i32) (result i32) unreachable)
            (func (@name "malloc") (param i32) (result i32) unreachable))"#,
    );
    assert_eq!(found.len(), 2);
    for found in found {
        assert!(found.confidence.value() < 0.9, "{found:?}");
        assert!(found.evidence.iter().any(|seen| seen.text.contains("other functions")), "{found:?}");
    }
}

#[test]
fn a_pool_above_malloc_is_not_the_allocator() {
    let found = of_wat(
        r#"(module (memory 1) (global $top (mut i32) (i32.const 1024))
            (func $pool_alloc (param i32) (result i32)
                (if (result i32) (i32.gt_u (local.get 0) (i32.const 64))
                    (then (call $malloc (local.get 0)))
                    (else (i32.load offset=16 (i32.const 0)))))
            (func $malloc (export "malloc") (param i32) (result i32)
                (global.set $top (i32.add (global.get $top) (local.get 0)))
                (global.get $top)))"#,
    );
    let found: Vec<_> = found.iter().map(|found| (found.role, found.func, found.size_is)).collect();
    assert_eq!(found, [(Role::Malloc, 1, Some(SizeIs::Requested))]);
}

#[test]
fn merged_functions_have_each_of_their_roles() {
    let found = of_wat(
        r#"(module (memory 1)
            (func (export "malloc") (export "memory.allocate") (param i32) (result i32) unreachable)
            (func (export "free") (export "destroy") (param i32)))"#,
    );
    let found: Vec<_> = found.iter().map(|found| (found.role, found.func, found.evidence.len())).collect();
    assert_eq!(found, [(Role::Malloc, 0, 2), (Role::Free, 1, 1)]);
}

/// A small allocator, and a function of the program's.
fn with_program(program: &str) -> Vec<AllocatorFunction> {
    of_wat(&format!(
        r#"(module (memory 1) (global $top (mut i32) (i32.const 4096))
            (func $inner (result i32) (i32.load (i32.const 2052)))
            (func $malloc (export "malloc") (param i32) (result i32)
                (i32.store (i32.const 2048) (local.get 0))
                (global.set $top (i32.add (global.get $top) (call $inner)))
                (global.get $top))
            (func (export "free") (param i32) (i32.store offset=2060 (i32.const 0) (local.get 0)))
            (func (export "program") (result i32) {program}))"#
    ))
}

#[test]
fn state_is_the_allocators_as_long_as_nothing_else_names_it() {
    let state = |program: &str| {
        let state = with_program(program)[0].static_state.clone()?;
        let ranges: Vec<_> = state.addresses.iter().map(|range| (range.start, range.end)).collect();
        Some((ranges, state.globals))
    };
    assert_eq!(state("(i32.const 9999)"), Some((vec![(2048, 2064)], vec![0])));
    assert_eq!(state("(i32.load (i32.const 2060))"), Some((vec![(2048, 2056)], vec![0])));
    assert_eq!(state("(i32.load offset=2060 (i32.const 0))"), Some((vec![(2048, 2056)], vec![0])));
    // What lies between may be the program's: the two parts are apart.
    assert_eq!(state("(i32.const 2057)"), Some((vec![(2048, 2056), (2060, 2064)], vec![0])));
    assert_eq!(state("(global.get 0)"), Some((vec![(2048, 2064)], vec![])));
    // Through a vector anything may be reached.
    assert_eq!(state("(i32x4.extract_lane 0 (v128.load (i32.const 2048)))"), None);
}

#[test]
fn a_pointer_in_data_names_the_state_too() {
    let found = of_wat(
        r#"(module (memory 1)
            (func (export "malloc") (param i32) (result i32) (i32.load (i32.const 2048)))
            (func (export "free") (param i32) (i32.store (i32.const 2048) (local.get 0)))
            (data (i32.const 1024) "\00\08\00\00"))"#,
    );
    assert!(found.iter().all(|found| found.static_state.is_none()), "{found:?}");
}

#[test]
fn whoever_calls_past_the_interface_is_listed() {
    let callers = |program: &str| {
        let found = with_program(program);
        found.iter().map(|found| (found.role, found.callers_of_internals.clone())).collect::<Vec<_>>()
    };
    assert_eq!(callers("(i32.const 1)"), [(Role::Malloc, vec![]), (Role::Free, vec![])]);
    assert_eq!(callers("(call $malloc (i32.const 1))"), [(Role::Malloc, vec![]), (Role::Free, vec![])]);
    assert_eq!(callers("(call $inner)"), [(Role::Malloc, vec![3]), (Role::Free, vec![])]);
}

/// The module without its `name` section, and where `exports` holds with other names for its exports.
fn stripped(wasm: &[u8], exports: bool) -> Vec<u8> {
    use wasmparser::{Parser, Payload};
    let mut out = wasm[..8].to_vec();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.unwrap() {
            Payload::ExportSection(section) if exports => {
                let body = renamed(&section);
                write_section(&mut out, 7, &body);
            }
            Payload::CustomSection(custom) if custom.name() == "name" => {}
            payload => {
                if let Some((id, range)) = payload.as_section() {
                    let at = |offset: u64| usize::try_from(offset).unwrap();
                    write_section(&mut out, id, &wasm[at(range.start)..at(range.end)]);
                }
            }
        }
    }
    out
}

fn renamed(exports: &wasmparser::ExportSectionReader<'_>) -> Vec<u8> {
    let mut body = leb128(exports.count() as usize);
    for (at, export) in exports.clone().into_iter().enumerate() {
        let (name, export) = (format!("x{at}"), export.unwrap());
        body.extend(leb128(name.len()));
        body.extend(name.as_bytes());
        body.push(match export.kind {
            wasmparser::ExternalKind::Func | wasmparser::ExternalKind::FuncExact => 0,
            wasmparser::ExternalKind::Table => 1,
            wasmparser::ExternalKind::Memory => 2,
            wasmparser::ExternalKind::Global => 3,
            wasmparser::ExternalKind::Tag => 4,
        });
        body.extend(leb128(export.index as usize));
    }
    body
}

fn write_section(out: &mut Vec<u8>, id: u8, body: &[u8]) {
    out.push(id);
    out.extend(leb128(body.len()));
    out.extend(body);
}

fn leb128(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

/// Samples whose names say what is true, without those names. Where a compiler has put malloc into its only caller
/// there is no malloc.
#[test]
fn samples_without_names_are_told_or_unknown() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/prebuilt");
    let wasi_libc = "malloc 5, malloc 6, calloc 9, free 7, free 8, sbrk 10, grow 10";
    for (name, expected) in [
        ("c-wasi-libc-dlmalloc", wasi_libc),
        ("cpp-wasi-libc-dlmalloc", wasi_libc),
        ("life-wasm-bindgen-dlmalloc", "malloc 2, realloc 4, free 5, free 46, memalign 10, grow 2"),
        ("life-wasm-bindgen-wee_alloc", "malloc 14, free 8"),
        ("rust-std-dlmalloc", "malloc 1, free 8, grow 1"),
        ("c-emscripten-dlmalloc", ""),
        ("c-emscripten-emmalloc", ""),
        ("cpp-emscripten-dlmalloc", "free 4"),
        ("rust-no-std-dlmalloc", ""),
        ("c-memgrove-dlmalloc", ""),
    ] {
        let wasm = std::fs::read(folder.join(format!("{name}.wasm"))).unwrap();
        let found = functions(&stripped(&wasm, true));
        assert!(found.iter().all(|found| found.confidence.value() < 0.9), "{name}: {found:?}");
        let found = found.iter().map(|found| format!("{} {}", role_id(found.role), found.func));
        assert_eq!(found.collect::<Vec<_>>().join(", "), expected, "{name}");
    }
}

/// What is true of a module, by role and function, with how it is known.
type Truth = BTreeMap<(String, u32), String>;

fn table() -> BTreeMap<String, Truth> {
    let mut table: BTreeMap<String, Truth> = BTreeMap::new();
    for line in include_str!("data/allocator-functions.csv").lines().skip(1) {
        let [sha256, role, func, known] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let row = ((role.to_owned(), func.parse().unwrap()), known.to_owned());
        let (key, known) = row;
        assert!(table.entry(sha256.to_owned()).or_default().insert(key, known).is_none(), "{line}");
    }
    table
}

fn roles(functions: &[AllocatorFunction]) -> BTreeSet<(String, u32)> {
    functions.iter().map(|found| (role_id(found.role), found.func)).collect()
}

fn role_id(role: Role) -> String {
    serde_json::to_value(role).unwrap().as_str().unwrap().to_owned()
}

/// Modules of the corpus whose malloc and free are both told without any names and with their exports' names only, of
/// those that have both as functions.
const RIGHT: (usize, usize, usize) = (38, 43, 43);

#[test]
fn the_functions_of_the_corpus_are_told_with_and_without_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../out/corpus");
    let (mut both, mut bare_right, mut exports_right, mut seen) = (0, 0, 0, 0);
    let table = table();
    for (sha256, truth) in &table {
        let id = &sha256[..16];
        let Ok(wasm) = std::fs::read(folder.join(format!("{id}.wasm"))) else { continue };
        seen += 1;
        let named = roles(&functions(&wasm));
        for (key, known) in truth.iter().filter(|(_, known)| ["name", "export"].contains(&known.as_str())) {
            assert!(named.contains(key), "{id}: {key:?} is known by {known} and was not found");
        }
        let [exports, bare] = [false, true].map(|exports| roles(&functions(&stripped(&wasm, exports))));
        for found in named.iter().chain(&exports).chain(&bare) {
            assert!(truth.contains_key(found), "{id}: {found:?} is not true, or the table lacks it");
        }
        for found in functions(&stripped(&wasm, true)) {
            // C's functions are given no heap: the first of three is posix_memalign's place for the block.
            let is_c = found.abi.is_some_and(|abi| abi.convention == Convention::C);
            let takes_heap = found.abi.is_some_and(|abi| abi.params.contains(&Param::Heap));
            assert!(!(is_c && takes_heap), "{id}: {found:?}");
        }
        let has = |set: &BTreeSet<(String, u32)>, wanted: &str| set.iter().any(|(role, _)| role == wanted);
        let has_both = |set: &BTreeSet<(String, u32)>| has(set, "malloc") && has(set, "free");
        let truth: BTreeSet<(String, u32)> = truth.keys().cloned().collect();
        if has_both(&truth) {
            both += 1;
            bare_right += usize::from(has_both(&bare));
            exports_right += usize::from(has_both(&exports));
            if !has_both(&bare) {
                println!("{id}: unknown without names");
            }
        }
    }
    println!(
        "{seen} modules: malloc and free right in {bare_right} of {both} without names, {exports_right} with exports"
    );
    if seen == table.len() {
        assert_eq!((bare_right, exports_right, both), RIGHT);
    }
}

/// The table of what is told without any name, for documents: `cargo test -p memgrove-inspect --test functions -- --ignored
/// --nocapture coverage`.
#[test]
#[ignore = "prints a table"]
fn coverage_of_the_corpus_without_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../out/corpus");
    let wanted = ["malloc", "free", "calloc", "realloc", "memalign"];
    let (mut known, mut told, mut right, mut possible) = (0, 0, 0, 0);
    let mut with_exports = 0;
    println!("{:16} {:12} {:>5}  told / not told / wrong", "module", "allocator", "roles");
    for (sha256, truth) in &table() {
        let id = &sha256[..16];
        let Ok(wasm) = std::fs::read(folder.join(format!("{id}.wasm"))) else { continue };
        let bare = stripped(&wasm, true);
        let report = conclude(&facts(&bare).unwrap());
        let found = roles(&report.allocator.functions);
        let allocator = report.allocator.identity.value.map_or("unknown".to_owned(), |value| value.id);
        let is_asked = |key: &&(String, u32)| wanted.contains(&key.0.as_str());
        let has_both = |set: &BTreeSet<(String, u32)>| {
            ["malloc", "free"].iter().all(|wanted| set.iter().any(|(role, _)| role == wanted))
        };
        let is_known = has_both(&truth.keys().cloned().collect());
        known += usize::from(is_known);
        told += usize::from(is_known && has_both(&found));
        with_exports += usize::from(is_known && has_both(&roles(&functions(&stripped(&wasm, false)))));
        let list = |keys: &mut dyn Iterator<Item = &(String, u32)>| {
            let words: Vec<String> = keys.map(|(role, func)| format!("{role} {func}")).collect();
            if words.is_empty() { "-".to_owned() } else { words.join(", ") }
        };
        let told_roles = truth.keys().filter(is_asked).filter(|key| found.contains(key)).count();
        let all_roles = truth.keys().filter(is_asked).count();
        right += told_roles;
        possible += all_roles;
        println!(
            "{id} {allocator:12} {told_roles:>2}/{all_roles:<2}  {} / {} / {}",
            list(&mut found.iter().filter(is_asked).filter(|key| truth.contains_key(key))),
            list(&mut truth.keys().filter(is_asked).filter(|key| !found.contains(key))),
            list(&mut found.iter().filter(|key| !truth.contains_key(key)))
        );
    }
    println!(
        "malloc and free told in {with_exports} of {known} modules without a name section, in {told} without names of exports \
         either; of those, {right} of {possible} functions"
    );
}
