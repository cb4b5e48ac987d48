//! Grafting: a donor's functions with all that they need, as text; what is refused. `memgrove-lab/tests/edits.rs`
//! runs a graft.

use memgrove_rewrite::edit::{Edits, Sections, Untouched};
use memgrove_rewrite::graft::{Constant, Data, Donor, GraftError, Grafted, Item, Joint, Roots, graft};

/// A donor with a function that calls another through its own table, data, a global that counts, and what it
/// does not need for that.
const DONOR: &str = r#"(module
    (type $binary (func (param i32 i32) (result i32)))
    (import "env" "__memory_base" (global $base i32))
    (import "env" "note" (func $note (param i64)))
    (import "env" "never_used" (func $unused))
    (memory (export "memory") 1)
    (table 2 2 funcref)
    (elem (i32.const 1) $add)
    (global $calls (mut i64) (i64.const 40))
    (global $other (mut i32) (i32.const 1))
    (data (offset (i32.add (global.get $base) (i32.const 8))) "\05\00\00\00")
    (func $add (type $binary) (i32.add (local.get 0) (local.get 1)))
    (func $unrelated (export "unrelated") (call $unused) (global.set $other (i32.const 2)))
    (func $root (export "root") (param i32) (result i32)
        (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
        (call $note (global.get $calls))
        (call_indirect (type $binary)
            (local.get 0) (i32.load offset=8 (global.get $base)) (i32.const 1))))"#;

/// A host of which an import goes, so that functions get other indices, with its own table and global.
const HOST: &str = r#"(module
    (import "env" "gone" (func $gone))
    (import "env" "heard" (func $heard (param i64)))
    (memory 1) (table 1 funcref) (global i32 (i32.const 7))
    (func (export "own")))"#;

fn bind(import: &wasmparser::Import<'_>) -> Option<Item> {
    match import.name {
        "__memory_base" => Some(Item::Constant(Constant::I32(1024))),
        "note" => Some(Item::Func(1)),
        _ => None,
    }
}

fn name(func: u32) -> String {
    format!("memgrove.{func}")
}

fn joint() -> Joint<'static> {
    Joint { bind: &bind, memory: Some(0), name: &name, data: Data::Segments }
}

/// Grafts `root` of `donor` into `host`.
fn root_into(edits: &mut Edits<'_, '_>, donor: &str, joint: &Joint<'_>) -> Result<Grafted, GraftError> {
    let bytes = wat::parse_str(donor).expect("well-formed");
    let donor = Donor::read(&bytes)?;
    let root = donor.func("root").expect("it is exported");
    graft(edits, &donor, Roots { funcs: &[root], bodies: &[] }, joint)
}

#[test]
fn a_function_comes_with_all_that_it_reaches_and_nothing_else() {
    let host = wat::parse_str(HOST).expect("well-formed");
    let sections = Sections::read(&host).expect("valid");
    let write = || {
        let mut edits = Edits::new(&sections);
        let grafted = root_into(&mut edits, DONOR, &joint()).expect("it can be grafted");
        let root = grafted.func(4).expect("it is there");
        edits.add_export("root", wasmparser::ExternalKind::Func, root).expect("a new name");
        let mut body = wasm_encoder::Function::new([]);
        body.instruction(&wasm_encoder::Instruction::End);
        edits.satisfy(0, body).expect("an import");
        edits.apply(&mut Untouched).expect("it can be written").wasm
    };
    let edited = write();
    assert_eq!(edited, write(), "the same each time");
    let expected = r#"(module
        (type (func)) (type (func (param i64)))
        (type (func (param i32 i32) (result i32))) (type (func (param i32) (result i32)))
        (import "env" "heard" (func $heard (type 1)))
        (table 1 funcref) (table 2 2 funcref)
        (memory 1)
        (global i32 (i32.const 7)) (global (mut i64) (i64.const 40))
        (export "own" (func 2)) (export "root" (func $memgrove.4))
        (elem (table 1) (i32.const 1) func $memgrove.2)
        (func $gone (type 0)) (func (type 0))
        (func $memgrove.2 (type 2) (i32.add (local.get 0) (local.get 1)))
        (func $memgrove.4 (type 3)
            (global.set 1 (i64.add (global.get 1) (i64.const 1)))
            (call $heard (global.get 1))
            (call_indirect 1 (type 2)
                (local.get 0) (i32.load offset=8 (i32.const 1024)) (i32.const 1)))
        (data (i32.const 1032) "\05\00\00\00"))"#;
    let text = |wasm: &[u8]| wasmprinter::print_bytes(wasm).expect("it prints");
    let expected = wat::parse_str(expected).expect("well-formed");
    assert_eq!(text(&edited), text(&expected));
}

#[test]
fn a_closure_says_what_it_needs() {
    let bytes = wat::parse_str(DONOR).expect("well-formed");
    let donor = Donor::read(&bytes).expect("valid");
    let root = donor.closure([4]).expect("it has one");
    assert_eq!(root.funcs, [0, 2, 4].into());
    assert_eq!(root.called, [0, 2].into());
    assert_eq!(root.globals, [0, 1].into());
    assert_eq!((root.tables, root.memories), ([0].into(), [0].into()));
    assert!(!root.grows && root.count_pages.is_empty());
    let unrelated = donor.closure([3]).expect("it has one");
    assert_eq!((unrelated.funcs, unrelated.memories), ([1, 3].into(), [].into()));
}

/// What is refused, by a part of what is said.
fn refused(donor: &str, joint: &Joint<'_>, words: &str) {
    let host = wat::parse_str(HOST).expect("well-formed");
    let sections = Sections::read(&host).expect("valid");
    let mut edits = Edits::new(&sections);
    let error = root_into(&mut edits, donor, joint).expect_err(words);
    assert!(error.to_string().contains(words), "{error}, not {words}");
}

#[test]
fn what_cannot_be_grafted_is_refused_by_name() {
    let root = |fields: &str, body: &str| format!(r#"(module {fields} (func (export "root") {body}))"#);
    let plain = joint();
    refused(&root("(start $s) (func $s)", ""), &plain, "start function");
    refused(&root(r#"(import "env" "what" (func $f))"#, "(call $f)"), &plain, "`env.what`");
    refused(
        &root(r#"(import "env" "note" (global $g i32))"#, "(drop (global.get $g))"),
        &plain,
        "another type",
    );
    refused(
        &root(r#"(import "env" "note" (func $f (param i32)))"#, "(call $f (i32.const 0))"),
        &plain,
        "another type",
    );
    refused(&root("(tag $t)", "(throw $t)"), &plain, "exceptions");
    refused(&root("(type $s (struct))", "(drop (struct.new $s))"), &plain, "structures");
    refused(
        &root(
            "(table 1 funcref) (elem $e func)",
            "(table.init $e (i32.const 0) (i32.const 0) (i32.const 0))",
        ),
        &plain,
        "passive element",
    );
    refused(
        &root("(table i64 1 funcref) (type $f (func))", "(call_indirect (type $f) (i64.const 0))"),
        &plain,
        "64-bit indices",
    );
    refused(&root("(memory 1)", "(drop (memory.size))"), &Joint { memory: None, ..joint() }, "own memory");
    refused(&root("(memory i64 1)", "(drop (memory.size))"), &plain, "own memory");
    refused(&root("(memory 1) (memory 1)", "(drop (memory.size)) (drop (memory.size 1))"), &plain, "several");
    let global = |import: &wasmparser::Import<'_>| (import.name == "b").then_some(Item::Global(0));
    refused(
        &root(
            r#"(import "env" "b" (global $b i32)) (memory 1) (data (global.get $b) "x")"#,
            "(drop (memory.size))",
        ),
        &Joint { bind: &global, ..joint() },
        "global of the host",
    );
}

#[test]
fn passive_data_comes_along() {
    let host = wat::parse_str(HOST).expect("well-formed");
    let sections = Sections::read(&host).expect("valid");
    let mut edits = Edits::new(&sections);
    let donor = r#"(module (memory 1) (data "not this") (data $d "hello") (func (export "root")
        (memory.init $d (i32.const 0) (i32.const 0) (i32.const 5)) (data.drop $d)))"#;
    root_into(&mut edits, donor, &joint()).expect("it can be grafted");
    let wasm = edits.apply(&mut Untouched).expect("it can be written").wasm;
    let text = wasmprinter::print_bytes(wasm).expect("it prints");
    assert!(text.contains("(data (;0;) \"hello\")") && text.contains("memory.init 0"), "{text}");
}

#[test]
fn any_bytes_are_a_donor_or_an_error() {
    let bytes = wat::parse_str(DONOR).expect("well-formed");
    for at in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 0x15;
        if let Ok(donor) = Donor::read(&wrong) {
            let funcs: Vec<u32> = donor.funcs().map(|(_, func)| func).collect();
            let host = wat::parse_str(HOST).expect("well-formed");
            let sections = Sections::read(&host).expect("valid");
            let mut edits = Edits::new(&sections);
            if graft(&mut edits, &donor, Roots { funcs: &funcs, bodies: &[] }, &joint()).is_ok() {
                edits.apply(&mut Untouched).expect("what is not refused is valid");
            }
        }
    }
}
