//! Imports that are known by names which changed, by what a user allows, or by an error that answers them.

use memgrove_rewrite::{Behaviour, Decision, Item, Options, StubGroup, Stubs, plan};

/// What becomes of the imports of a module, as text after `(import`.
fn imports(imports: &[&str], stubs: Stubs) -> Vec<Item> {
    let text: String = imports.iter().map(|import| format!("(import {import})")).collect();
    let wasm = wat::parse_str(format!("(module {text} (memory 1))")).expect("the test's text is well-formed");
    plan(&wasm, &Options { stubs, ..Options::default() }).expect("it can be planned").imports
}

fn behaviour(import: &str, stubs: Stubs) -> Behaviour {
    imports(&[import], stubs)[0].behaviour
}

#[test]
fn renamed_intrinsics_of_wasm_bindgen_are_what_they_were() {
    for (intrinsic, ty) in [
        ("__wbindgen_throw", "(param i32 i32)"),
        ("__wbindgen_rethrow", "(param i32)"),
        ("__wbindgen_string_new", "(param i32 i32) (result i32)"),
        ("__wbindgen_error_new", "(param i32 i32) (result i32)"),
        ("__wbindgen_object_drop_ref", "(param i32)"),
        ("__wbindgen_object_clone_ref", "(param i32) (result i32)"),
    ] {
        let import = |module: &str, name: &str| format!(r#""{module}" "{name}" (func {ty})"#);
        let before = behaviour(&import("wbg", intrinsic), Stubs::all());
        assert_ne!(before, Behaviour::StaysFunction, "{intrinsic}");
        let squashed = intrinsic.replace('_', "");
        // The spellings of two releases of 2025.
        for renamed in
            [format!("__wbg_{squashed}_0123456789abcdef"), format!("__wbg_{intrinsic}_0123456789abcdef")]
        {
            let item = &imports(&[&import("wbg", &renamed)], Stubs::all())[0];
            assert_eq!(item.behaviour, before, "{renamed}");
            // What stands in is poorer, so a user may refuse it.
            assert_eq!(behaviour(&import("wbg", &renamed), Stubs::none()), Behaviour::StaysFunction);
            // Anybody may have a module of another name.
            assert_eq!(behaviour(&import("game", &renamed), Stubs::all()), Behaviour::StaysFunction);
        }
        // No hash of theirs, and another function of the glue's.
        for other in
            [format!("__wbg_{squashed}_0123456789abcde"), format!("__wbg_{squashed}s_0123456789abcdef")]
        {
            assert_eq!(behaviour(&import("wbg", &other), Stubs::all()), Behaviour::StaysFunction, "{other}");
        }
        let wider =
            import("wbg", &format!("__wbg_{squashed}_0123456789abcdef")).replace("(param", "(param i64");
        assert_eq!(behaviour(&wider, Stubs::all()), Behaviour::StaysFunction, "{wider}");
    }
}

#[test]
fn a_text_that_is_shown_is_dropped_only_if_the_user_says_so() {
    let with_log = Stubs::all().with(StubGroup::Log);
    for name in ["log", "console_log", "console.error", "jsLog", "print"] {
        let import = format!(r#""env" "{name}" (func (param i32 i32))"#);
        assert_eq!(behaviour(&import, Stubs::all()), Behaviour::StaysFunction, "{name}");
        let item = &imports(&[&import], with_log)[0];
        assert_eq!(item.behaviour, Behaviour::Answers(0), "{name}");
        assert!(
            matches!(&item.decision, Decision::Inside { why, .. } if why.contains("dropped")),
            "{item:?}"
        );
    }
    for other in [
        // Mathematics, a text that is returned, a number, and names that tell nothing.
        r#""env" "log" (func (param f64) (result i64))"#,
        r#""env" "log" (func (param i32 i32) (result i32))"#,
        r#""env" "log" (func (param i32))"#,
        r#""env" "catalog" (func (param i32 i32))"#,
        r#""env" "show" (func (param i32 i32))"#,
    ] {
        assert_eq!(behaviour(other, with_log), Behaviour::StaysFunction, "{other}");
    }
}

#[test]
fn a_thread_that_cannot_be_started_is_an_error_that_the_library_knows() {
    let spawn = r#""wasi" "thread-spawn" (func (param i32) (result i32))"#;
    assert_eq!(behaviour(spawn, Stubs::all()), Behaviour::Answers(-6));
    assert_eq!(behaviour(spawn, Stubs::none()), Behaviour::StaysFunction);
    for other in [
        r#""wasi" "thread-spawn" (func (param i32))"#,
        r#""wasi" "thread-spawn" (func (param i32 i32) (result i32))"#,
        r#""env" "thread-spawn" (func (param i32) (result i32))"#,
    ] {
        assert_eq!(behaviour(other, Stubs::all()), Behaviour::StaysFunction, "{other}");
    }
}
