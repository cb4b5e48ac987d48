//! `--allocator`: C's heap is put inside as a whole, or stays as a whole with the reason.

use memgrove_rewrite::{Allocator, Decision, Options, Plan, fix, plan};

const WEE: Option<Allocator> = Some(Allocator::Wee);
const MALLOC: &str = r#"(import "env" "malloc" (func $malloc (param i32) (result i32)))"#;
const FREE: &str = r#"(import "env" "free" (func $free (param i32)))"#;
const MEMORY: &str = r#"(memory (export "memory") 2)"#;

fn with(allocator: Option<Allocator>) -> Options {
    Options { allocator, ..Options::default() }
}

fn assemble(parts: &[&str]) -> Vec<u8> {
    wat::parse_str(format!("(module {})", parts.join("\n"))).expect("the test's text is well-formed")
}

fn planned(parts: &[&str], allocator: Option<Allocator>) -> Plan {
    plan(&assemble(parts), &with(allocator)).expect("it can be planned")
}

/// Why the import of that name stays; `None` if it is inside.
fn why(plan: &Plan, name: &str) -> Option<String> {
    let item = plan.imports.iter().find(|item| item.name == name).expect("it is imported");
    match &item.decision {
        Decision::Stays { why } => Some(why.clone()),
        Decision::Inside { .. } | Decision::Traps { .. } => None,
    }
}

#[track_caller]
fn stays(parts: &[&str], because: &str) {
    let plan = planned(parts, WEE);
    for item in plan.imports.iter().filter(|item| item.name.contains("alloc") || item.name.contains("free")) {
        let why = why(&plan, &item.name).unwrap_or_else(|| panic!("{} is inside", item.name));
        assert!(why.contains(because), "{}: {why}", item.name);
    }
}

#[test]
fn without_the_option_the_heap_stays_and_the_option_is_named() {
    let plan = planned(&[MALLOC, FREE, MEMORY], None);
    for name in ["malloc", "free"] {
        assert!(why(&plan, name).expect("it stays").contains("--allocator wee"));
    }
    assert!(plan.is_empty());
}

#[test]
fn the_whole_family_is_put_inside() {
    let all = [
        r#"(import "env" "malloc" (func (param i32) (result i32)))"#,
        r#"(import "env" "calloc" (func (param i32 i32) (result i32)))"#,
        r#"(import "env" "realloc" (func (param i32 i32) (result i32)))"#,
        r#"(import "env" "reallocarray" (func (param i32 i32 i32) (result i32)))"#,
        r#"(import "env" "aligned_alloc" (func (param i32 i32) (result i32)))"#,
        r#"(import "env" "memalign" (func (param i32 i32) (result i32)))"#,
        r#"(import "env" "posix_memalign" (func (param i32 i32 i32) (result i32)))"#,
        r#"(import "env" "free" (func (param i32)))"#,
        r#"(import "env" "free_sized" (func (param i32 i32)))"#,
        r#"(import "env" "free_aligned_sized" (func (param i32 i32 i32)))"#,
        r#"(import "env" "malloc_usable_size" (func (param i32) (result i32)))"#,
        // Twice, and as fastcomp named it.
        r#"(import "env" "malloc" (func (param i32) (result i32)))"#,
        r#"(import "env" "_free" (func (param i32)))"#,
    ];
    let parts: Vec<&str> = all.into_iter().chain([MEMORY]).collect();
    let wasm = assemble(&parts);
    let fixed = fix(&wasm, &with(WEE)).expect("it can be fixed");
    assert!(fixed.plan.is_complete(), "{:#?}", fixed.plan.imports);
    assert!(fixed.plan.imports.iter().all(|item| why(&fixed.plan, &item.name).is_none()));
    let again = fix(&fixed.wasm, &with(WEE)).expect("it can be fixed again");
    assert_eq!(again.wasm, fixed.wasm, "twice is once");
    // Each of them alone, as far as it allocates.
    for one in all {
        let fixed = fix(&assemble(&[one, MALLOC, MEMORY]), &with(WEE)).expect("it can be fixed");
        assert!(fixed.plan.is_complete(), "{one}");
    }
}

#[test]
fn an_imported_memory_becomes_the_modules_own_with_its_heap() {
    let wasm = assemble(&[r#"(import "env" "memory" (memory 1))"#, MALLOC]);
    let fixed = fix(&wasm, &with(WEE)).expect("it can be fixed");
    assert!(fixed.plan.is_complete(), "{:#?}", fixed.plan.imports);
}

#[test]
fn what_is_not_known_to_be_one_heap_stays_as_a_whole() {
    stays(&[MALLOC, r#"(import "env" "free" (func (param i32 i32)))"#, MEMORY], "another type");
    stays(&[FREE, MEMORY], "nothing that allocates");
    stays(&[MALLOC, r#"(import "env" "strdup" (func (param i32) (result i32)))"#, MEMORY], "`strdup` stays");
    stays(&[MALLOC, r#"(import "game" "name" (func (result i32)))"#, MEMORY], "`name` stays");
    stays(&[MALLOC, r#"(import "GOT.mem" "x" (global (mut i32)))"#, MEMORY], "side module");
    stays(&[MALLOC, r#"(import "env" "__memory_base" (global i32))"#, MEMORY], "side module");
    stays(&[r#"(@custom "dylink.0" (before first) "\01\04\00\00\00\00")"#, MALLOC, MEMORY], "side module");
}

#[test]
fn a_memory_that_is_not_the_heaps_alone_to_grow_keeps_it_out() {
    stays(&[MALLOC], "no memory");
    stays(&[MALLOC, "(memory 1 1)"], "--max-memory");
    stays(&[MALLOC, "(memory 1 10 shared)"], "shared");
    stays(
        &[r#"(import "env" "malloc" (func (param i32) (result i32)))"#, "(memory i64 1)"],
        "addresses of 32 bits",
    );
    stays(&[MALLOC, "(memory 1 (pagesize 1))"], "pages of 64 KiB");
    stays(&[MALLOC, MEMORY, "(func (export \"grow\") (drop (memory.grow (i32.const 1))))"], "of its own");
    stays(&[MALLOC, MEMORY, "(func (export \"size\") (result i32) (memory.size))"], "of its own");
    let resize = r#"(import "env" "emscripten_resize_heap" (func (param i32) (result i32)))"#;
    stays(&[MALLOC, resize, MEMORY], "of its own");
    // One that minds who else grows.
    let sbrk = r#"(import "env" "sbrk" (func (param i32) (result i32)))"#;
    let plan = planned(&[MALLOC, sbrk, MEMORY], WEE);
    assert!(plan.is_complete(), "{:#?}", plan.imports);
}

#[test]
fn what_the_target_host_provides_stays() {
    let provided = vec![("env".to_owned(), "malloc".to_owned())];
    let options = Options { provided, ..with(WEE) };
    let plan = plan(&assemble(&[MALLOC, FREE, MEMORY]), &options).expect("it can be planned");
    assert!(why(&plan, "malloc").expect("it stays").contains("provides it"));
    assert!(why(&plan, "free").expect("it stays").contains("in one place"));
}

#[test]
fn wasi_that_stays_does_not_keep_the_heap_out() {
    let write = r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#;
    let provided = vec![("wasi_snapshot_preview1".to_owned(), "fd_write".to_owned())];
    let wasm = assemble(&[MALLOC, write, MEMORY]);
    let fixed = fix(&wasm, &Options { provided, ..with(WEE) }).expect("it can be fixed");
    assert_eq!(why(&fixed.plan, "malloc"), None);
    assert_eq!(fixed.plan.remaining().count(), 1);
}
