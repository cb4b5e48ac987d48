//! Names of a module that a compiler made: by its DWARF, by that of a separate file, and by none that is another's.
//! The tests with clang are left out, with a message, where it is not installed.
#![allow(clippy::print_stderr, reason = "a test says what it left out")]

use std::fs;
use std::path::Path;
use std::process::Command;

use memgrove_module::facts::Facts;
use memgrove_profile::{Frame, Names, Site};
use memgrove_symbols::{Error, Symbols};

/// `allocate` is called at line 4, in a function that is inlined into `twice` at lines 7 and 8.
const SOURCE: &str = "\
typedef unsigned long size;
__attribute__((noinline)) void *allocate(size n) { static char heap[4096]; static size at; at += n; return heap + at; }
__attribute__((noinline)) void *dropped(size n) { return (char *)allocate(n) + (size)allocate(n); }
static inline __attribute__((always_inline)) void *one(size n) { return allocate(n); }
void *twice(size n) {
  void *first = 0;
  first = one(n);
  return (char *)one(n + 1) + *(char *)first;
}
";

/// The source compiled: with DWARF, or stripped of it by the linker, from the same object.
fn build(folder: &Path, name: &str, more: &[&str]) -> Option<Vec<u8>> {
    let source = folder.join("a.c");
    fs::write(&source, SOURCE).expect("it is written");
    let out = folder.join(name);
    let mut clang = Command::new("clang-22");
    clang.args(["--target=wasm32", "-nostdlib", "-O1", "-g", "--no-wasm-opt", "-ffunction-sections"]);
    clang.args(["-Wl,--no-entry", "-Wl,--export=twice", "-Wl,--gc-sections"]).args(more);
    let status = clang.arg(&source).arg("-o").arg(&out).status();
    match status {
        Ok(status) => assert!(status.success(), "clang"),
        Err(error) => {
            eprintln!("skipped: clang-22: {error} (apt-get install clang-22 lld-22)");
            return None;
        }
    }
    Some(fs::read(out).expect("it is there"))
}

/// The offsets of the calls in a module.
fn calls(wasm: &[u8]) -> Vec<u32> {
    let mut calls = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        let wasmparser::Payload::CodeSectionEntry(body) = payload.expect("it is valid") else { continue };
        let mut operators = body.get_operators_reader().expect("it is valid");
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset().expect("it is valid");
            if matches!(operator, wasmparser::Operator::Call { .. }) {
                calls.push(u32::try_from(offset).expect("a small module"));
            }
        }
    }
    calls
}

fn words(frames: &[Frame]) -> Vec<String> {
    frames
        .iter()
        .map(|frame| {
            let file = frame.file.as_deref().and_then(|file| file.rsplit('/').next()).unwrap_or("?");
            let inlined = if frame.is_inlined { " inlined" } else { "" };
            format!("{} {file}:{}{inlined}", frame.function, frame.line.unwrap_or(0))
        })
        .collect()
}

fn facts(wasm: &[u8]) -> Facts<'_> {
    memgrove_module::facts(wasm).expect("it is valid")
}

#[test]
fn dwarf_gives_lines_and_inlined_functions_here_and_from_a_separate_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(whole) = build(folder.path(), "whole.wasm", &[]) else { return };
    let stripped = build(folder.path(), "stripped.wasm", &["-Wl,--strip-all"]).expect("clang is there");
    let (debug, module) = (facts(&whole), facts(&stripped));
    let expected = [["one a.c:4 inlined", "twice a.c:7"], ["one a.c:4 inlined", "twice a.c:8"]];
    let own = Symbols::new(&debug);
    let seen: Vec<_> = calls(&whole).iter().map(|&call| words(&own.frames(Site::Call(call)))).collect();
    assert_eq!(seen, expected);

    let bare = Symbols::new(&module);
    let call = calls(&stripped)[0];
    assert_eq!(words(&bare.frames(Site::Call(call))), ["twice ?:0"], "by its export");
    let named = bare.with_debug_file(&debug, "whole.wasm").expect("it has the same code");
    let seen: Vec<_> = calls(&stripped).iter().map(|&call| words(&named.frames(Site::Call(call)))).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_debug_file_of_another_module_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(whole) = build(folder.path(), "whole.wasm", &[]) else { return };
    let other = build(folder.path(), "other.wasm", &["-O0", "-Wl,--strip-all"]).expect("clang is there");
    let (debug, module) = (facts(&whole), facts(&other));
    assert!(matches!(
        Symbols::new(&module).with_debug_file(&debug, "whole.wasm"),
        Err(Error::OtherModule(_))
    ));
    assert!(matches!(Symbols::new(&module).with_debug_file(&module, "other.wasm"), Err(Error::NoDwarf)));
}

#[test]
fn damaged_dwarf_gives_no_wrong_name_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(whole) = build(folder.path(), "whole.wasm", &[]) else { return };
    let debug = facts(&whole);
    let sections =
        debug.sections.iter().filter(|section| section.custom && section.name.starts_with(".debug"));
    let places: Vec<usize> = sections
        .flat_map(|section| (section.offset..section.offset + section.size_bytes).step_by(7))
        .map(|at| at as usize)
        .collect();
    assert!(places.len() > 50);
    for at in places {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        let Ok(facts) = memgrove_module::facts(&damaged) else { continue };
        let symbols = Symbols::new(&facts);
        for call in calls(&whole) {
            assert!(!symbols.frames(Site::Call(call)).is_empty());
        }
    }
}

#[test]
fn a_module_is_nameless_until_something_names_its_own_functions() {
    let wasm = |text: &str| wat::parse_str(text).expect("well-formed");
    let stripped = wasm("(module (import \"env\" \"f\" (func)) (func (export \"run\") (call 0)))");
    let imports_named = wasm("(module (import \"env\" \"f\" (func $f)) (func (export \"run\") (call 0)))");
    let named = wasm("(module (import \"env\" \"f\" (func)) (func $inner (export \"run\") (call 0)))");
    assert!(Symbols::new(&facts(&stripped)).is_nameless());
    assert!(Symbols::new(&facts(&imports_named)).is_nameless());
    assert!(!Symbols::new(&facts(&named)).is_nameless());
    let module = facts(&stripped);
    let with_map = Symbols::new(&module).with_symbol_map("1:inner\n").expect("it is one");
    assert!(!with_map.is_nameless());
}

#[test]
fn a_symbol_map_and_the_name_section_name_functions() {
    let wasm = wat::parse_str("(module (func $_ZN3foo3barEi) (func (export \"run\") (call 0)))")
        .expect("well-formed");
    let module = facts(&wasm);
    let call = calls(&wasm)[0];
    let function = |symbols: &Symbols<'_>, site| symbols.frames(site)[0].function.clone();
    let symbols = Symbols::new(&module);
    assert_eq!(function(&symbols, Site::Entry(0)), "foo::bar(int)");
    assert_eq!(function(&symbols, Site::Call(call)), "run");
    assert_eq!(function(&symbols, Site::Call(0)), "(no function)");
    let mapped = symbols.with_symbol_map("0:malloc\n1:main\n").expect("it is a map");
    assert_eq!(
        (function(&mapped, Site::Entry(0)), function(&mapped, Site::Call(call))),
        ("malloc".into(), "main".into())
    );
}
