//! What `inspect` and `fix` say of one module is the same: what each import is for, what it is under a minified name,
//! which imports memory is asked for through, and where the shadow stack begins.
//!
//! The two are compared by their JSON, over the corpus where it has been fetched (`cargo xtask corpus`), the samples,
//! the cases of `tests/cases` and generated modules: five hundred of each kind each time, ten thousand with `--include-ignored`.

#![allow(clippy::print_stdout, reason = "says how many modules were there to be looked at")]

mod generated;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use memgrove_module::facts::{ConstExpr, ExternKind};
use memgrove_rewrite::{Behaviour, Fixed, Options, Stubs, fix};
use serde_json::Value;

use generated::{Smith, misleading};

/// What one of the two says of the imports, by position.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answers {
    purposes: BTreeMap<u64, String>,
    /// Names that minified imports turned out to have.
    known_as: BTreeMap<u64, String>,
    /// Module and name of the imports that memory is asked for through.
    growers: BTreeSet<(String, String)>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// What the JSON of `inspect` says.
fn inspected(report: &Value) -> Answers {
    let mut answers = Answers::default();
    for group in list(&report["requirements"]["groups"]) {
        for import in list(&group["imports"]) {
            let at = import["index"].as_u64().expect("a position");
            answers.purposes.insert(at, text(&group["purpose"]));
            let meaning = text(&import["meaning"]["value"]);
            if let Some((name, _)) = meaning.split_once(" under a minified name") {
                let is_name = !name.contains(' ');
                answers.known_as.extend(is_name.then(|| (at, name.to_owned())));
            }
        }
    }
    for import in list(&report["memory"]["growth"]["value"]["imports"]) {
        answers.growers.insert((text(&import["module"]), text(&import["name"])));
    }
    answers
}

/// What the JSON of `fix` says. Without a memory nobody grows one.
fn planned(plan: &Value, has_memory: bool) -> Answers {
    let mut answers = Answers::default();
    for (at, import) in (0..).zip(list(&plan["imports"])) {
        answers.purposes.insert(at, text(&import["purpose"]));
        if let Some(name) = import["known_as"].as_str() {
            answers.known_as.insert(at, name.to_owned());
        }
        if has_memory && import["grows"] == Value::Bool(true) {
            answers.growers.insert((text(&import["module"]), text(&import["name"])));
        }
    }
    answers
}

fn report(wasm: &[u8]) -> Value {
    let facts = memgrove_inspect::facts(wasm).expect("a valid module");
    serde_json::to_value(memgrove_inspect::conclude(&facts)).expect("a report serialises")
}

/// Where the two differ, in words.
fn differences(report: &Value, plan: &Value) -> Vec<String> {
    let has_memory = !list(&report["memory"]["memories"]).is_empty();
    let (inspected, planned) = (inspected(report), planned(plan, has_memory));
    let mut found = Vec::new();
    if inspected.purposes != planned.purposes {
        found.push(format!("purposes: {:?}, fix {:?}", inspected.purposes, planned.purposes));
    }
    if inspected.known_as != planned.known_as {
        found.push(format!("names: {:?}, fix {:?}", inspected.known_as, planned.known_as));
    }
    if inspected.growers != planned.growers {
        found.push(format!("growth: {:?}, fix {:?}", inspected.growers, planned.growers));
    }
    found
}

/// Where the shadow stack begins and which way it grows, as the JSON of `inspect` says.
fn stack(report: &Value) -> Option<(Option<u64>, String)> {
    let stack = report["memory"]["stack"]["value"].as_object()?;
    Some((stack["base"].as_u64(), text(&stack["direction"])))
}

/// What `inspect` says of the result's shadow stack has to be what it says of the module's. `fix` reports no stack; what it
/// knows of one is the value that it gives to an imported stack pointer, and there the result's stack has to begin.
fn stack_after(wasm: &[u8], before: &Value, fixed: &Fixed, after: &Value) -> Option<String> {
    let (mut base, direction) = stack(before)?;
    let facts = memgrove_inspect::facts(wasm).expect("a valid module");
    let pointer = before["memory"]["stack"]["value"]["pointer_global"].as_u64().expect("a global");
    let pointer = u32::try_from(pointer).expect("an index");
    // The import itself, or the one that the global starts with.
    let source = match facts.globals[pointer as usize].init {
        None => Some(pointer),
        Some(ConstExpr::Global(source)) => Some(source),
        Some(_) => None,
    };
    if let Some(source) = source {
        let at = facts
            .imports
            .iter()
            .position(|import| import.ty.kind() == ExternKind::Global && import.index == source);
        match at.map(|at| fixed.plan.imports[at].behaviour) {
            Some(Behaviour::I32(value)) => base = Some(value.into()),
            _ => base = None,
        }
    }
    let is = stack(after);
    // A global that no code moves is known by its import's name alone, and nameless afterwards.
    let is_forgotten = is.is_none() && direction == "unknown" && source.is_some();
    (is != Some((base, direction.clone())) && !is_forgotten)
        .then(|| format!("stack: fix places {base:?} {direction}, inspect {is:?}"))
}

/// What is said of the result has to follow from what is said of the module.
fn after(wasm: &[u8], before: &Value, fixed: &Fixed) -> Vec<String> {
    let is_growing = |report: &Value| {
        let growth = &report["memory"]["growth"]["value"];
        (!list(&growth["imports"]).is_empty(), !list(&growth["sites"]).is_empty())
    };
    let after = report(&fixed.wasm);
    let ((by_import, _), (still_by_import, inside)) = (is_growing(before), is_growing(&after));
    let growth = (fixed.plan.is_complete() && by_import && (still_by_import || !inside))
        .then(|| "memory was grown by the host, and is not grown inside afterwards".to_owned());
    growth.into_iter().chain(stack_after(wasm, before, fixed, &after)).collect()
}

fn check(what: &str, wasm: &[u8], faults: &mut Vec<String>) {
    if wasmparser::Parser::is_component(wasm) {
        return;
    }
    let report = report(wasm);
    for stubs in [Stubs::all(), Stubs::none()] {
        let Ok(fixed) = fix(wasm, &Options { stubs, ..Options::default() }) else { continue };
        let plan = serde_json::to_value(&fixed.plan).expect("a plan serialises");
        faults.extend(differences(&report, &plan).into_iter().map(|text| format!("{what}: {text}")));
        faults.extend(after(wasm, &report, &fixed).into_iter().map(|text| format!("{what}: {text}")));
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The modules of a folder, at any depth.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "wasm" || extension == "wat") {
            found.push(path);
        }
    }
}

#[test]
fn corpus_samples_and_cases() {
    let mut paths = Vec::new();
    ["out/corpus", "samples/prebuilt", "tests/cases"]
        .iter()
        .for_each(|dir| files(&root().join(dir), &mut paths));
    let mut faults = Vec::new();
    for path in &paths {
        // Cases of damaged files are no modules.
        let Ok(wasm) = wat::parse_file(path) else { continue };
        if memgrove_inspect::facts(&wasm).is_ok() {
            check(&path.display().to_string(), &wasm, &mut faults);
        }
    }
    println!("{} files looked at", paths.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn generated(count: u64) {
    let mut faults = Vec::new();
    let mut smith = Smith::new(21);
    for seed in 0..count {
        if let Some(wasm) = smith.module() {
            check(&format!("smith {seed}"), &wasm, &mut faults);
        }
        check(&format!("misleading {seed}"), &misleading(seed), &mut faults);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_thousand_generated_modules() {
    generated(500);
}

#[test]
#[ignore = "ten thousand modules of each kind take minutes"]
fn ten_thousand_generated_modules_of_each_kind() {
    generated(10_000);
}

/// A call that only looks like what `sbrk` does, under a short name and a long one: nobody claims to know.
#[test]
fn what_is_not_proven_is_claimed_by_neither() {
    for case in ["two.wat", "long.wat"] {
        let wasm = wat::parse_file(root().join("tests/cases/growth").join(case)).expect("a case");
        let report = report(&wasm);
        assert_eq!(inspected(&report).growers, BTreeSet::new(), "{case}");
        let fixed = fix(&wasm, &Options::default()).expect("a valid module");
        assert_eq!(fixed.wasm, wasm, "{case}");
    }
}

/// A second answer to one of the questions would be noticed.
#[test]
fn a_falsified_answer_is_found() {
    let text = r#"(module
        (import "a" "a" (func $grow (param i32) (result i32)))
        (import "env" "log" (func (param i32 i32)))
        (memory (export "b") 1)
        (func (export "c") (param i32) (result i32)
            (if (i32.gt_u (local.get 0) (i32.shl (memory.size) (i32.const 16)))
                (then (if (i32.eqz (call $grow (local.get 0))) (then (return (i32.const -1))))))
            (local.get 0)))"#;
    let wasm = wat::parse_str(text).expect("well-formed");
    let report = report(&wasm);
    let plan = fix(&wasm, &Options::default()).expect("a valid module").plan;
    let plan = serde_json::to_value(plan).expect("a plan serialises");
    assert_eq!(differences(&report, &plan), [""; 0]);
    assert_eq!(plan["imports"][0]["known_as"], "emscripten_resize_heap");
    assert_eq!(plan["imports"][1]["purpose"], "unknown", "a logarithm takes no two i32");
    for (at, field, value) in
        [(0, "grows", Value::Bool(false)), (0, "known_as", "sbrk".into()), (1, "purpose", "math".into())]
    {
        let mut falsified = plan.clone();
        falsified["imports"][at][field] = value;
        assert_eq!(differences(&report, &falsified).len(), 1, "{field} of import {at}");
    }
}

/// A stack that `fix` places is where `inspect` finds it, and one that lay elsewhere would be noticed.
#[test]
fn a_falsified_stack_is_found() {
    let text = r#"(module
        (import "env" "memory" (memory 1))
        (import "env" "STACKTOP" (global $top i32))
        (global $sp (mut i32) (global.get $top))
        (func (export "f") (result i32) (local i32)
            (local.set 0 (global.get $sp))
            (global.set $sp (i32.add (global.get $sp) (i32.const 16)))
            (i32.store (local.get 0) (i32.const 7))
            (global.set $sp (local.get 0))
            (i32.load (local.get 0))))"#;
    let wasm = wat::parse_str(text).expect("well-formed");
    let before = report(&wasm);
    let fixed = fix(&wasm, &Options::default()).expect("a valid module");
    let mut after = report(&fixed.wasm);
    assert_eq!(stack_after(&wasm, &before, &fixed, &after), None);
    let (base, direction) = stack(&after).expect("it is still moved");
    assert_eq!(direction, "up");
    after["memory"]["stack"]["value"]["base"] = (base.expect("fix placed it") + 16).into();
    assert!(stack_after(&wasm, &before, &fixed, &after).is_some());
    after["memory"]["stack"]["value"] = Value::Null;
    assert!(stack_after(&wasm, &before, &fixed, &after).is_some());
}
