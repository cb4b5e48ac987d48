//! Modules out of random bytes, and what must hold for each of them. Shared with the fuzzer.

use arbitrary::Unstructured;
use memgrove_lab::verify::{Outcome, Verdict, Verification, verify_within};
use memgrove_rewrite::{Options, Plan, fix};
use wasm_smith::{Config, Module};

/// Instructions an instance may execute: random modules loop.
const FUEL: u64 = 200_000;

/// What random modules may import: everything that fixing can satisfy exactly.
const IMPORTS: &str = r#"(module
    (import "env" "memory" (memory 1 4))
    (import "env" "table" (table 4 funcref))
    (import "env" "abort" (func))
    (import "env" "emscripten_resize_heap" (func (param i32) (result i32)))
    (import "env" "emscripten_memcpy_big" (func (param i32 i32 i32) (result i32)))
    (import "env" "setTempRet0" (func (param i32)))
    (import "env" "getTempRet0" (func (result i32)))
    (import "env" "ABORT" (global i32))
    (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func (param i32 i32) (result i32))))"#;

/// A module from `bytes`, if they make one.
pub fn module(bytes: &[u8]) -> Option<Vec<u8>> {
    let config = Config {
        available_imports: Some(wat::parse_str(IMPORTS).expect("well-formed")),
        min_imports: 1,
        max_imports: 8,
        export_everything: true,
        max_memories: 1,
        min_funcs: 1,
        max_memory32_bytes: 4 * 65536,
        memory_max_size_required: true,
        // What wasmi has, so that both engines answer.
        gc_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        shared_everything_threads_enabled: false,
        // Off in engines unless they are asked, as ours are.
        custom_page_sizes_enabled: true,
        wide_arithmetic_enabled: false,
        compact_imports_enabled: false,
        canonicalize_nans: true,
        ..Config::default()
    };
    let module = Module::new(config, &mut Unstructured::new(bytes)).ok()?;
    Some(module.to_bytes())
}

/// Verifies within the bounds of random modules.
pub fn verify(original: &[u8], fixed: &[u8], plan: &Plan) -> Verification {
    verify_within(original, fixed, plan, FUEL).expect("both are valid")
}

/// Builds a module from `bytes`, fixes it, and compares the two. Whether there was a module,
/// and how many answers compared the two while running.
pub fn check(bytes: &[u8]) -> Option<usize> {
    let wasm = module(bytes)?;
    let fixed = fix(&wasm, &Options::default()).expect("a valid module can be fixed");
    if !fixed.plan.is_complete() {
        // Growing or copying memory means nothing in a module that has none.
        assert!(!has_memory(&wasm), "{:#?}", fixed.plan.imports);
        return Some(0);
    }
    let again = fix(&fixed.wasm, &Options::default()).expect("the output can be fixed");
    assert_eq!(again.wasm, fixed.wasm, "fixing twice changes nothing more");
    let verification = verify(&wasm, &fixed.wasm, &fixed.plan);
    let failures: Vec<_> = verification.failures().collect();
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(verification.passed(), "{:?}", verification.inspected);
    // No verdict without something that was executed.
    let returned = verification.evidence.iter().any(|evidence| evidence.calls_returned > 0);
    let callable = verification.evidence.iter().any(|evidence| evidence.exports_callable > 0);
    let instantiated = verification.evidence.iter().any(|evidence| evidence.instantiated);
    match verification.verdict {
        Verdict::Verified | Verdict::VerifiedInPart => {
            assert!(instantiated && (returned || !callable), "{verification:#?}");
        }
        _ => assert!(!returned, "{verification:#?}"),
    }
    let answers = verification.checks.iter().filter(|check| matches!(check.outcome, Outcome::Passed(_)));
    Some(answers.count())
}

fn has_memory(wasm: &[u8]) -> bool {
    use wasmparser::{Parser, Payload, TypeRef};
    Parser::new(0).parse_all(wasm).map_while(Result::ok).any(|payload| match payload {
        Payload::MemorySection(_) => true,
        Payload::ImportSection(imports) => {
            imports.into_imports().map_while(Result::ok).any(|import| matches!(import.ty, TypeRef::Memory(_)))
        }
        _ => false,
    })
}
