//! Peak memory of fixing beside the size of the file.
#![allow(clippy::print_stdout, reason = "the figures are wanted, not only the verdict")]

#[allow(dead_code, reason = "only the peak is wanted here")]
#[path = "../../memgrove-inspect/tests/shapes/counting.rs"]
mod counting;

use std::path::Path;
use std::sync::Mutex;

use counting::count;
use memgrove_rewrite::{Options, fix};

/// One test at a time: what others allocate would count.
static ALONE: Mutex<()> = Mutex::new(());

/// Bytes that fixing allocates at most at one time, the output among them, by bytes of the input.
fn ratio(wasm: &[u8]) -> f64 {
    let (_, taken) = count(|| fix(wasm, &Options::default()).expect("a valid module"));
    #[expect(clippy::cast_precision_loss, reason = "these numbers are small")]
    let ratio = taken.peak as f64 / wasm.len() as f64;
    ratio
}

/// Small modules are dominated by what does not depend on them: the stand-ins.
const LARGE_BYTES: usize = 1 << 20;
/// The output, its code section before it is complete, and what is known of each function.
const MOST: f64 = 6.0;

#[test]
fn large_modules_take_a_small_multiple_of_their_size() {
    let _alone = ALONE.lock();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for path in
        std::fs::read_dir(root.join("out/corpus")).into_iter().flatten().flatten().map(|entry| entry.path())
    {
        let wasm = std::fs::read(&path).unwrap();
        if wasm.len() < LARGE_BYTES || wasmparser::Parser::is_component(&wasm) {
            continue;
        }
        let ratio = ratio(&wasm);
        println!("{:9} bytes: {ratio:.2} times that, {}", wasm.len(), path.display());
        assert!(ratio <= MOST, "{}: {ratio:.2}", path.display());
    }
}

/// An Emscripten module with minified names, so that every pass looks at its code.
fn minified(functions: usize, body: &str) -> Vec<u8> {
    let mut text = String::from(
        r#"(module
        (import "a" "a" (func $grow (param i32) (result i32)))
        (import "a" "b" (func $import (param i32) (result i32)))
        (import "a" "memory" (memory 1))
        (func (param i32) (result i32)
            (if (i32.gt_u (i32.load (i32.const 5000)) (i32.shl (memory.size) (i32.const 16)))
                (then (return (call $grow (local.get 0)))))
            (i32.store (i32.const 5000) (local.get 0))
            (i32.const 0))"#,
    );
    for _ in 0..functions {
        text.push_str("(func (param i32) (result i32) (drop (call $import (local.get 0)))");
        text.push_str(body);
        text.push_str("(local.get 0))");
    }
    text.push(')');
    wat::parse_str(text).expect("well-formed")
}

const STEP: &str = "(local.set 0 (i32.add (local.get 0) (i32.load offset=8 (local.get 0))))";

#[test]
fn many_functions_take_a_small_multiple() {
    let _alone = ALONE.lock();
    let wasm = minified(20_000, &STEP.repeat(10));
    assert!(wasm.len() > LARGE_BYTES);
    let ratio = ratio(&wasm);
    println!("many functions: {ratio:.2}");
    assert!(ratio <= MOST, "{ratio:.2}");
}

#[test]
fn one_function_that_is_the_whole_module_takes_a_small_multiple() {
    let _alone = ALONE.lock();
    let wasm = minified(1, &STEP.repeat(200_000));
    assert!(wasm.len() > LARGE_BYTES);
    let ratio = ratio(&wasm);
    println!("one function: {ratio:.2}");
    assert!(ratio <= MOST, "{ratio:.2}");
}
