//! Planning and rewriting take memory and work in proportion to the module, whatever it is full of.
//!
//! The modules are those that the inspector is measured with (crates/memgrove-inspect/tests/linear.rs); the example
//! `shapes` prints what each takes.

#[path = "../../memgrove-inspect/tests/shapes/mod.rs"]
mod shapes;

mod depth;

use memgrove_rewrite::{Error, Options, fix, plan, trace};
use shapes::SHAPES;
use shapes::counting::{count, thread_cpu_nanoseconds};
use std::sync::Mutex;

/// Parts in the smallest of the three modules of each kind.
const N: usize = 500;
/// Twice as many parts may take so many times as much. Buffers double, so that exactly twice is too strict.
const DOUBLED: f64 = 2.3;
/// Bytes held at most for each byte of the module; an import without names has four bytes.
const PEAK_PER_BYTE: usize = 150;
/// Bytes of output for each byte of the module: a constructor gets a guard of its own.
const OUTPUT_PER_BYTE: usize = 4;
/// The same where every function is instrumented: a function of four bytes gets thirty more.
const INSTRUMENTED_PER_BYTE: usize = 20;
/// What does not depend on the module.
const FIXED_BYTES: usize = 1 << 20;
/// Less than this grows as it likes.
const SMALL_BYTES: usize = 64 << 10;

/// The counts are of the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// `f` is planning or fixing and returns the length of what it makes.
fn check(what: &str, output_per_byte: usize, f: impl Fn(&[u8]) -> usize, failures: &mut Vec<String>) {
    f(b"\0asm\x01\0\0\0");
    for (name, shape) in SHAPES {
        let costs = [N, 2 * N, 4 * N].map(|n| {
            let wasm = shape(n);
            let (output, taken) = count(|| f(&wasm));
            if taken.peak > PEAK_PER_BYTE * wasm.len() + FIXED_BYTES
                || output > output_per_byte * wasm.len() + SMALL_BYTES
            {
                failures.push(format!("{what}, {name}: {taken:?}, output {output}, for {}", wasm.len()));
            }
            (wasm.len(), taken)
        });
        for [(len, one), (twice_len, two)] in [[costs[0], costs[1]], [costs[1], costs[2]]] {
            // The file itself may not double: some counts have limits.
            let most = DOUBLED.max(twice_len as f64 / len as f64 * DOUBLED / 2.0);
            for (measure, one, two) in [("peak", one.peak, two.peak), ("total", one.total, two.total)] {
                if two > SMALL_BYTES && two as f64 > one as f64 * most {
                    failures.push(format!("{what}, {name}: {measure} {one}, then {two}"));
                }
            }
        }
    }
}

fn planned(wasm: &[u8]) -> usize {
    drop(plan(wasm, &Options::default()));
    0
}

fn fixed(wasm: &[u8]) -> usize {
    fix(wasm, &Options::default()).map_or(0, |fixed| fixed.wasm.len())
}

fn instrumented(wasm: &[u8]) -> usize {
    depth::instrument(wasm).map_or(0, |edited| edited.wasm.len())
}

#[test]
fn twice_as_much_takes_twice_as_much() {
    let _guard = ONE_AT_A_TIME.lock();
    let mut failures = Vec::new();
    check("plan", OUTPUT_PER_BYTE, planned, &mut failures);
    check("fix", OUTPUT_PER_BYTE, fixed, &mut failures);
    check("instrument", INSTRUMENTED_PER_BYTE, instrumented, &mut failures);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Where the host provides every import, each is looked for among them.
#[test]
fn what_a_host_provides_is_found_at_once() {
    let _guard = ONE_AT_A_TIME.lock();
    let (_, named) = SHAPES.iter().find(|(name, _)| *name == "imports with names").unwrap();
    let provided = |n: usize| (0..n).map(|i| ("env".to_owned(), format!("name_{i}"))).collect();
    let time = |n: usize| {
        let (wasm, options) = (named(n), Options { provided: provided(n), ..Options::default() });
        let once = || {
            let start = thread_cpu_nanoseconds();
            drop(plan(&wasm, &options));
            thread_cpu_nanoseconds() - start
        };
        (0..3).map(|_| once()).min().unwrap_or(0)
    };
    let [few, many] = [2000, 16_000].map(time);
    // Eight times as many; 64 times as long if each were compared with each.
    assert!(many < 30 * few.max(8_000_000), "{few} ns, then {many} ns");
}

/// With a table that the host can write, every call through it may lead to an allocation, and every function calls.
#[test]
fn callers_through_a_shared_table_are_found_once() {
    let _guard = ONE_AT_A_TIME.lock();
    let program = |n: usize| {
        let callers = "(func (call_indirect (type $f) (i32.const 0)))".repeat(n);
        let text = format!(
            r#"(module (type $f (func)) (table (export "t") 1 funcref) (memory 1)
            (func (export "malloc") (param i32) (result i32) (local.get 0)) {callers})"#
        );
        wat::parse_str(text).unwrap()
    };
    let time = |n: usize| {
        let wasm = program(n);
        let options = trace::Options { functions: [(0, trace::Role::Malloc)].into(), ..Default::default() };
        let once = || {
            let start = thread_cpu_nanoseconds();
            assert_eq!(trace::trace(&wasm, &options).unwrap().framed as usize, n);
            thread_cpu_nanoseconds() - start
        };
        (0..3).map(|_| once()).min().unwrap_or(0)
    };
    let [few, many] = [2000, 16_000].map(time);
    // Eight times as many; 64 times as long if all were looked through for each.
    assert!(many < 30 * few.max(8_000_000), "{few} ns, then {many} ns");
}

/// Processor time depends on the machine's load a little, hence the margin: a quadratic loop takes 64 times as long.
#[test]
fn eight_times_as_much_takes_no_more_than_twenty_times_as_long() {
    let _guard = ONE_AT_A_TIME.lock();
    let time = |f: fn(&[u8]) -> usize, wasm: &[u8]| {
        let start = thread_cpu_nanoseconds();
        f(wasm);
        thread_cpu_nanoseconds() - start
    };
    let mut failures = Vec::new();
    for (name, shape) in SHAPES {
        for f in [fixed, instrumented] {
            let times = [1000, 8000].map(|n| time(f, &shape(n)));
            // Below that the clock's ticks decide.
            if times[1] > 200_000_000 && times[1] > 20 * times[0].max(8_000_000) {
                failures.push(format!("{name}: {times:?} ns"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What follows a value or a block must not follow it down the call stack: a test's thread has 2 MiB of it.
#[test]
fn depth_in_the_module_is_no_depth_on_the_stack() {
    let _guard = ONE_AT_A_TIME.lock();
    for (name, n) in
        [("tees behind a call", 60_000), ("deep blocks", 12_000), ("stores behind a call", 10_000)]
    {
        let (_, shape) = SHAPES.iter().find(|(known, _)| *known == name).unwrap();
        assert!(plan(&shape(n), &Options::default()).is_ok(), "{name}");
    }
}

/// The compact form gives one name to any number of imports.
#[test]
fn a_module_that_says_little_and_means_much_is_refused() {
    let _guard = ONE_AT_A_TIME.lock();
    let (_, compact) = SHAPES.iter().find(|(name, _)| name.starts_with("compact imports")).unwrap();
    let wasm = compact(100_000);
    let (result, taken) = count(|| plan(&wasm, &Options::default()));
    assert!(matches!(result, Err(Error::TooComplex { .. })), "{result:?}");
    assert!(taken.peak < wasm.len(), "{taken:?}");
}

/// A stand-in that several imports have is there once, and does the same as one that is alone.
#[test]
fn several_imports_share_one_stand_in() {
    let _guard = ONE_AT_A_TIME.lock();
    let module = |imports: usize| {
        let import = r#"(import "env" "emscripten_resize_heap" (func (param i32) (result i32)))"#;
        wat::parse_str(format!("(module {} (memory (export \"memory\") 1 100))", import.repeat(imports)))
            .unwrap()
    };
    let lengths = [1, 2, 3, 100].map(|imports| fixed(&module(imports)));
    // A call, its entry in two sections, and a byte here and there where a length gets longer.
    let each = (lengths[3] - lengths[2]) / 97;
    assert!(each <= 12, "{lengths:?}");
}
