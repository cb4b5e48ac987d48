//! Imports without a name: what their use proves, and what it does not.

mod errno;
mod library;
mod names;
mod wasi;

use memgrove_rewrite::{Behaviour, DecidedBy, Decision, Options, Plan, RuntimeFunction, plan};

/// An Emscripten module with minified names: `a.a` grows memory; what is tested is `a.b`.
fn with(import: &str, code: &str) -> Plan {
    let text = format!(
        r#"(module
            (import "a" "a" (func $grow (param i32) (result i32)))
            (import "a" "b" (func $import {import}))
            (memory 1)
            (func $sbrk (param i32) (result i32)
                (local i32)
                (local.set 1 (i32.add (i32.load (i32.const 4000)) (local.get 0)))
                (if (i32.gt_u (local.get 1) (i32.shl (memory.size) (i32.const 16)))
                    (then (if (i32.eqz (call $grow (local.get 1))) (then (return (i32.const -1))))))
                (i32.store (i32.const 4000) (local.get 1))
                (i32.const 0))
            ;; musl's, and WASI's way to errno at 5000.
            (func $syscall_ret (param i32) (result i32)
                (if (result i32) (i32.ge_u (local.get 0) (i32.const -4095))
                    (then
                        (i32.store (i32.const 5000) (i32.sub (i32.const 0) (local.get 0)))
                        (i32.const -1))
                    (else (local.get 0))))
            (func $wasi_ret (param i32) (result i32)
                (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
                (i32.store (i32.const 5000) (local.get 0))
                (i32.const -1))
            {code})"#
    );
    let wasm = wat::parse_str(text).expect("the test's text is well-formed");
    plan(&wasm, &Options::default()).expect("it can be planned")
}

/// What becomes of `a.b`.
fn behaviour(import: &str, code: &str) -> Behaviour {
    let plan = with(import, code);
    assert_eq!(plan.imports[0].known_as.as_deref(), Some("emscripten_resize_heap"));
    plan.imports[1].behaviour
}

const NEGATIVE: Behaviour = Behaviour::Answers(-52);
const POSITIVE: Behaviour = Behaviour::Answers(52);
const TWO: &str = "(param i32 i32) (result i32)";

/// The name by which `a.b` is recognised.
fn known(import: &str, code: &str) -> Option<String> {
    with(import, code).imports[1].known_as.clone()
}
