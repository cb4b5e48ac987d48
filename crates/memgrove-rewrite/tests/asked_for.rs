//! Glue beside the module, traps that are asked for, what a program's end leaves behind, and memory that nobody shares.

use memgrove_rewrite::{Behaviour, DecidedBy, Decision, Error, Fixed, Glue, Options, Traps, fix, plan};
use wasmparser::{Parser, Payload};

fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's text is well-formed")
}

fn with_glue(wasm: &[u8], glue: &str) -> Result<Fixed, Error> {
    let facts = memgrove_module::facts(wasm).expect("it is valid");
    let glue = Glue::read(glue, &facts).map_err(Error::Glue)?;
    fix(wasm, &Options { glue: Some(glue), ..Options::default() })
}

fn with_traps(wasm: &[u8], words: &[&str]) -> Fixed {
    let mut trap = Traps::default();
    words.iter().for_each(|word| trap.add(word));
    fix(wasm, &Options { trap, ..Options::default() }).expect("it can be fixed")
}

const MINIFIED: &str = r#"(module
    (import "a" "a" (func $beep))
    (import "a" "b" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "a" "c" (func $number (param i32) (result i32)))
    (memory (export "d") 1)
    (func (export "e") (call $beep)
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
        (drop (call $number (i32.const 0)))))"#;

#[test]
fn glue_decides_what_use_cannot() {
    let wasm = assemble(MINIFIED);
    let before = fix(&wasm, &Options::default()).unwrap();
    assert_eq!(before.plan.remaining().count(), 3, "{:#?}", before.plan.imports);
    let fixed = with_glue(&wasm, "var wasmImports={a:_abort,b:_fd_write,c:_number};").unwrap();
    let [abort, write, number] = fixed.plan.imports.as_slice() else { panic!() };
    for (item, name) in [(abort, "abort"), (write, "fd_write")] {
        assert_eq!(item.known_as.as_deref(), Some(name));
        assert!(matches!(item.decision, Decision::Inside { decided_by: DecidedBy::Glue, .. }), "{item:#?}");
    }
    // The user's own function, by its name.
    let Decision::Stays { why } = &number.decision else { panic!("{number:#?}") };
    assert_eq!(
        (number.known_as.as_deref(), why.as_str()),
        (Some("number"), "the glue calls it `number`, which has no stand-in")
    );
}

#[test]
fn a_body_counts_where_there_is_no_name() {
    let wasm = assemble(MINIFIED);
    let fixed = with_glue(&wasm, "f({a:{a:()=>{},b:(a,b,c,d)=>52,c:a=>{g(a)}}})").unwrap();
    let behaviours: Vec<_> = fixed.plan.imports.iter().map(|item| item.behaviour).collect();
    assert_eq!(behaviours, [Behaviour::Answers(0), Behaviour::Answers(52), Behaviour::StaysFunction]);
    let Decision::Stays { why } = &fixed.plan.imports[2].decision else { panic!() };
    assert!(why.starts_with("glue not understood: "), "{why}");
    // A number does not become an i64 on the way.
    let wide = assemble(r#"(module (import "a" "a" (func (result i64))) (memory (export "b") 1))"#);
    assert_eq!(with_glue(&wide, "f({a:{a:()=>0}})").unwrap().plan.remaining().count(), 1);
}

#[test]
fn a_name_with_a_type_that_it_never_had_is_another_modules() {
    let error =
        with_glue(&assemble(MINIFIED), "var wasmImports={a:_abort,b:_fd_close,c:_number};").unwrap_err();
    assert!(error.to_string().contains("`a.b` is `fd_close` by it, which never had this type"), "{error}");
}

#[test]
fn what_would_stay_traps_where_it_is_asked_for() {
    let wasm = assemble(
        r#"(module
            (import "env" "draw" (func $draw (param i32) (result f32)))
            (import "env" "abort" (func))
            (import "env" "_embind_register_void" (func (param i32 i32)))
            (global (import "env" "secret") i32)
            (export "draw" (func $draw)))"#,
    );
    let decisions = |words: &[&str]| -> Vec<&str> {
        let fixed = with_traps(&wasm, words);
        let trapping: Vec<_> = fixed.plan.trapping().map(|item| item.name.clone()).collect();
        let word = |item: &memgrove_rewrite::Item| match item.decision {
            Decision::Inside { .. } => "inside",
            Decision::Traps { .. } => "traps",
            Decision::Stays { .. } => "stays",
        };
        let words: Vec<_> = fixed.plan.imports.iter().map(word).collect();
        assert_eq!(words.iter().filter(|word| **word == "traps").count(), trapping.len());
        words
    };
    assert_eq!(decisions(&[]), ["stays", "inside", "stays", "stays"]);
    assert_eq!(decisions(&["env.draw"]), ["traps", "inside", "stays", "stays"]);
    assert_eq!(decisions(&["js-glue"]), ["stays", "inside", "traps", "stays"]);
    // A global is used without a call.
    assert_eq!(decisions(&["rest"]), ["traps", "inside", "traps", "stays"]);
    // Another request is another decision, the same one is none.
    let once = with_traps(&wasm, &["draw"]).wasm;
    assert_eq!(with_traps(&once, &["draw"]).wasm, once);
    assert_eq!(with_traps(&once, &["rest"]).plan.trapping().count(), 1);
}

#[test]
fn handles_may_be_made_up_where_everything_else_traps() {
    let wasm = assemble(
        r#"(module
            (import "wbg" "__wbindgen_object_drop_ref" (func (param i32)))
            (import "wbg" "__wbg_fetch_0123456789abcdef" (func (param i32) (result i32))))"#,
    );
    assert_eq!(fix(&wasm, &Options::default()).unwrap().plan.remaining().count(), 2);
    let fixed = with_traps(&wasm, &["rest"]);
    assert!(matches!(fixed.plan.imports[0].decision, Decision::Inside { .. }), "{:#?}", fixed.plan.imports);
    assert!(matches!(fixed.plan.imports[1].decision, Decision::Traps { .. }));
}

/// Exported globals, and whether `_start` holds `return`.
fn end(wasm: &[u8]) -> (Vec<String>, bool) {
    let mut globals = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::ExportSection(section) = payload.unwrap() {
            for export in section.into_iter().map(Result::unwrap) {
                globals.extend(
                    (export.kind == wasmparser::ExternalKind::Global).then(|| export.name.to_owned()),
                );
            }
        }
    }
    let text = wasmprinter::print_bytes(wasm).unwrap();
    (globals, text.contains("return\n"))
}

#[test]
fn a_program_returns_where_its_entry_ends_it() {
    let module = |start: &str, more: &str| {
        let text = format!(
            r#"(module
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (func $forward (param i32) (call $exit (local.get 0)) unreachable)
                (func $start (export "_start") {start})
                {more})"#
        );
        let fixed = fix(&assemble(&text), &Options::default()).unwrap();
        assert!(end(&fixed.wasm).0.iter().any(|name| fixed.plan.exit_code() == Some(name)));
        end(&fixed.wasm)
    };
    let name = vec!["memgrove_exit_code".to_owned()];
    assert_eq!(module("(call $exit (i32.const 0)) unreachable", ""), (name.clone(), true));
    assert_eq!(module("(call $forward (i32.const 0))", ""), (name.clone(), true));
    // A return would go on in whoever called it.
    for caller in ["(func (call $start))", "(table funcref (elem $start))"] {
        assert_eq!(module("(call $exit (i32.const 0))", caller), (name.clone(), false), "{caller}");
    }
    // Not the entry's own.
    assert_eq!(module("", "(func (export \"quit\") (call $exit (i32.const 0)))"), (name, false));
    let taken = "(global (export \"memgrove_exit_code\") i32 (i32.const 0))";
    assert_eq!(module("", taken).0, ["memgrove_exit_code", "memgrove_exit_code_1"]);
}

#[test]
fn memory_that_no_other_instance_can_have_is_not_shared() {
    let module = |more: &str| {
        let text = format!(
            r#"(module
                {more}
                (import "env" "memory" (memory 2 64 shared))
                (func (export "wait") (param i32 i32 i64) (result i32)
                    (memory.atomic.wait32 offset=4 (local.get 0) (local.get 1) (local.get 2))))"#
        );
        let fixed = fix(&assemble(&text), &Options::default()).unwrap();
        let text = wasmprinter::print_bytes(&fixed.wasm).unwrap();
        (text.contains("shared"), text.contains("memory.atomic.wait"))
    };
    assert_eq!(module(""), (false, false));
    // A function that stays may give it to another instance.
    assert_eq!(module(r#"(import "env" "start_thread" (func))"#), (true, true));
}

#[test]
fn a_plan_says_that_there_are_no_files() {
    let opens = |import: &str| {
        let wasm = wat::parse_str(format!("(module {import} (memory 1))")).expect("well-formed");
        let plan = plan(&wasm, &Options::default()).expect("it can be planned");
        let is_told = plan.notes.iter().any(|note| note.starts_with("it can open files, by "));
        assert_eq!(is_told, plan.file_openers().next().is_some(), "{:?}", plan.notes);
        is_told
    };
    let four = "(func (param i32 i32 i32 i32) (result i32))";
    let path_open = "(func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32))";
    assert!(opens(&format!(r#"(import "wasi_snapshot_preview1" "path_open" {path_open})"#)));
    assert!(opens(&format!(r#"(import "env" "__syscall_openat" {four})"#)));
    assert!(opens(r#"(import "env" "___syscall5" (func (param i32 i32) (result i32)))"#));
    // What writes to standard streams only, and a function of that name elsewhere, which stays.
    assert!(!opens(&format!(r#"(import "wasi_snapshot_preview1" "fd_write" {four})"#)));
    assert!(!opens(r#"(import "env" "__syscall6" (func (param i32 i32) (result i32)))"#));
    assert!(!opens(r#"(import "app" "open" (func (param i32 i32) (result i32)))"#));
}
